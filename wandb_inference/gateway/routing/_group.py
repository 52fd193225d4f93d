"""A group's deployments as they are now, and who of them may serve a request."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple, cast

from ..config import Group, Match, RouterSettings
from ..errors import (
    BudgetError,
    GatewayError,
    LimitError,
    LimitKind,
    Scope,
    context_too_long,
    no_deployment,
    no_deployment_for_tags,
)
from ._counting import Meter
from ._leases import amount
from ._price import window_of
from ._state import DeploymentState
from ._values import Wishes

_DEFAULT = "default"
_LONGEST_AGENT = 512
"""Characters of a client's own that regular expressions look at."""


class GroupState:
    """A group's deployments as they are now."""

    __slots__ = ("_patterns", "group", "states")

    def __init__(self, group: Group, states: Sequence[DeploymentState]) -> None:
        self.group = group
        self.states = tuple(state for state in states if not state.deployment.blocked)
        self._patterns = {
            state.deployment.id: [re.compile(pattern) for pattern in state.deployment.tag_regex]
            for state in self.states
        }

    def eligible(
        self, match: Match, wishes: Wishes, settings: RouterSettings
    ) -> Sequence[DeploymentState] | GatewayError:
        """Those that fit the request, whatever goes on there now; an error where there is none."""
        found: Sequence[DeploymentState] = self.states
        if not found:
            return no_deployment()
        if settings.tag_filtering:
            found = self._tagged(found, wishes, any_will_do=settings.tag_match_any)
            if not found:
                return no_deployment_for_tags()
        if settings.pre_call_checks and wishes.prompt_tokens:
            sizes = [window_of(state.deployment, match.upstream_id(state.deployment)) for state in found]
            tokens = wishes.prompt_tokens
            fit = [state for state, size in zip(found, sizes, strict=True) if size is None or tokens <= size]
            if not fit:
                return context_too_long(tokens, max(size or 0 for size in sizes))
            found = fit
        return found

    def _tagged(
        self, states: Sequence[DeploymentState], wishes: Wishes, *, any_will_do: bool
    ) -> Sequence[DeploymentState]:
        wanted = set(wishes.tags)
        found: list[DeploymentState] = []
        if wanted:
            for state in states:
                shared = wanted.intersection(state.deployment.tags)
                if shared if any_will_do else shared == wanted:
                    found.append(state)
        agent = f"User-Agent: {wishes.user_agent[:_LONGEST_AGENT]}"
        if wishes.user_agent and not found:
            found = [
                state
                for state in states
                if any(pattern.search(agent) for pattern in self._patterns[state.deployment.id])
            ]
        if found:
            return found
        default = [state for state in states if _DEFAULT in state.deployment.tags]
        return default if default or wanted else states


class Need(NamedTuple):
    """What a request takes of a deployment's limits."""

    prompt: int
    max_tokens: int | None
    caller: str
    wall: float
    choices: int = 1

    def completion(self, state: DeploymentState) -> int:
        """Tokens of the answers, a guess where nothing limits them."""
        return self.choices * (int(state.answer) if self.max_tokens is None else self.max_tokens)


def has_room(state: DeploymentState, need: Need, now: float) -> bool:
    """Whether the deployment's limits have room for one more request."""
    completion = need.completion(state)
    for kind, meter in state.meters:
        if not meter.fits(amount(kind, need.prompt, completion), now):
            return False
    for kind, meter in state.meters_of(need.caller):
        if not meter.fits(amount(kind, need.prompt, completion), now):
            return False
    return not state.spent(need.wall)


def shortage(states: Sequence[DeploymentState], need: Need, now: float) -> GatewayError:
    """The error for deployments that are all at a limit: the limit of the one that has room first."""
    soonest: tuple[float, GatewayError] | None = None
    for state in states:
        wait, error = _shortage(state, need, now)
        if soonest is None or wait < soonest[0]:
            soonest = wait, error
    assert soonest is not None
    return soonest[1]


def _shortage(state: DeploymentState, need: Need, now: float) -> tuple[float, GatewayError]:
    """Seconds until a deployment has room, and the limit that leaves none for the longest."""
    wait, error = -1.0, None
    scopes: tuple[tuple[Scope, tuple[tuple[str, Meter], ...]], ...] = (
        ("model", state.meters),
        ("key", state.meters_of(need.caller)),
    )
    for scope, meters in scopes:
        for kind, meter in meters:
            seconds = meter.wait(amount(kind, need.prompt, need.completion(state)), now)
            if seconds > wait:
                wait, error = seconds, LimitError(cast("LimitKind", kind), meter.limit, scope, seconds)
    if state.purse is not None and state.spent(need.wall):
        until = state.purse.wait(need.wall)
        if until is None or until > wait or error is None:
            return math.inf if until is None else until, BudgetError(state.purse.limit, "model", until)
    assert error is not None
    return wait, error
