"""What is learnt from how attempts ended: when failures open a breaker, what closes it, and how long answers take."""

from __future__ import annotations

from typing import Final

from ..config import RouterSettings
from ._breaker import Breaker, Fails
from ._latency import PENALTY
from ._retrying import class_of, where
from ._state import DeploymentState
from ._values import Failure

_LONGEST: Final = 600.0
"""Seconds that a service's own `Retry-After` cools its deployment at most."""


class Health:
    """Judges how attempts ended.

    Args:
        settings: The rules.
    """

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings
        self._samples = settings.strategy == "latency-based-routing"

    def begun(self, state: DeploymentState, probed: tuple[Breaker, ...]) -> None:
        """A stream has begun: that is proof enough for a test."""
        if probed:
            self._close(state, probed)

    def succeeded(
        self,
        state: DeploymentState,
        probed: tuple[Breaker, ...],
        now: float,
        *,
        seconds: float,
        first: float | None,
        tokens: int | None,
    ) -> None:
        """An attempt was answered.

        Args:
            state: The deployment.
            probed: The breakers that the attempt tested.
            now: The time.
            seconds: Seconds for all of it.
            first: Seconds to the first data event of a stream.
            tokens: Of the answer; `None`: nobody knows.
        """
        state.record.add(now, failed=False)
        if tokens is not None:
            state.learn(tokens)
        if self._samples:
            self._sample(state, now, None if tokens is None else seconds / max(1, tokens), first)
        if probed:
            self._close(state, probed)

    def failed(
        self,
        state: DeploymentState,
        probed: tuple[Breaker, ...],
        failure: Failure,
        cause: str,
        now: float,
        *,
        is_alone: bool,
        is_made_up: bool,
    ) -> None:
        """An attempt failed.

        Args:
            state: The deployment.
            probed: The breakers that the attempt tested.
            failure: How it failed.
            cause: The same as clients of this deployment may see it.
            now: The time.
            is_alone: Whether the group has no other deployment.
            is_made_up: Whether the model's id is the client's own, so that a 404 says nothing of the deployment.
        """
        is_fault = where(failure) != "nowhere" and not failure.crowded and not (is_made_up and failure.status == 404)
        if not is_fault:  # it answered, if only with no
            if probed:
                self._close(state, probed)
            return
        state.record.add(now, failed=True)
        if failure.kind == "timeout" and self._samples:
            self._sample(state, now, PENALTY, PENALTY)
        if self._settings.disable_cooldowns:
            return
        own = state.deployment.cooldown_time
        base = self._settings.cooldown_time if own is None else own
        length = max(base, min(_LONGEST, failure.retry_after or 0.0))
        if length <= 0.0:
            return
        if failure.status == 401:
            state.breakers[1].open(now, length, _shared(failure))
        elif failure.quota or failure.status in (402, 403):
            state.breakers[2].open(now, length, _shared(failure))
        elif probed or self._is_enough(state, failure, base, now, is_alone=is_alone):
            state.breaker.open(now, length, cause)
            state.record.clear()
        for breaker in probed:
            breaker.open(now, length, cause if breaker is state.breaker else _shared(failure))

    def _sample(self, state: DeploymentState, now: float, whole: float | None, first: float | None) -> None:
        state.latency.add(now, whole=whole, first=first, most=self._settings.latency_samples)

    def _is_enough(self, state: DeploymentState, failure: Failure, span: float, now: float, *, is_alone: bool) -> bool:
        kind, allowed = self._allowed(state, failure)
        if allowed is not None:
            return state.fails.setdefault(kind, Fails()).add(now, span, allowed)
        if failure.status in (404, 429) and not is_alone:
            return True
        return state.record.mostly_fails()

    def _allowed(self, state: DeploymentState, failure: Failure) -> tuple[str, int | None]:
        name = f"{class_of(failure)}AllowedFails"
        for policy in (state.deployment.allowed_fails_policy, self._settings.allowed_fails_policy):
            if policy is not None and name in policy:
                return name, policy[name]
        own = state.deployment.allowed_fails
        return "", self._settings.allowed_fails if own is None else own

    def _close(self, state: DeploymentState, probed: tuple[Breaker, ...]) -> None:
        for breaker in probed:
            breaker.close()
        state.record.clear()
        state.fails.clear()


def _shared(failure: Failure) -> str:
    """The cause for all who share an account: the service's words are about the model of one of them."""
    if failure.kind != "status":
        return "the service does not answer this account"
    return f"the service answered {failure.status} to this account"
