"""One group, as a request goes through it: whom it asked, whom it may still ask, and when it is done here."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, Union

from ..config import Match
from ..errors import GatewayError, LimitError, all_down, queue_full
from ._choosing import Choice, choose, sort_out
from ._group import GroupState, Need, has_room, shortage
from ._leases import Booking, Lease
from ._line import Pass
from ._retrying import pause, retries_of, where
from ._state import DeploymentState, Seat
from ._strategies import least_bad
from ._values import Failure, Pick, Wishes

if TYPE_CHECKING:
    from ._router import Router

_COMEBACKS: Final = 10
"""Times that a request comes back free of charge to a service that was asked for too much at once."""

_TEST: Final = 5.0
"""Seconds to wait at most while the last deployment that is left is tested."""

_LOOK: Final = 1.0
"""Seconds after which those who wait for a test look whether another one may be."""

_AT_ONCE: Final = 1.0
"""Seconds after which a place may be free: nobody knows when, but soon."""


class Crowd(NamedTuple):
    """All places that fit are taken."""

    seats: Sequence[Seat]
    until: float
    """When to look again, as `now` counts."""


Found: TypeAlias = Union[Seat, Crowd, GatewayError]


class Visit:
    """One group, as a request goes through it.

    Args:
        router: The router.
        match: What is asked for.
        group: Who serves it.
        wishes: What the request wants.
        caller: Whose limits count.
        give_up: When no new attempt begins any more.
    """

    __slots__ = (
        "_again",
        "_caller",
        "_comebacks",
        "_eligible",
        "_give_up",
        "_group",
        "_hops",
        "_is_test",
        "_patience",
        "_retries",
        "_router",
        "_tried",
        "_wishes",
        "match",
        "resume",
        "was_asked",
    )

    def __init__(
        self, router: Router, match: Match, group: GroupState, wishes: Wishes, caller: str, give_up: float
    ) -> None:
        self.match = match
        self.resume: float | None = None
        """When the next attempt may begin, if not at once."""
        self.was_asked = False
        """Whether there was an attempt in this group."""
        self._router = router
        self._group = group
        self._wishes = wishes
        self._caller = caller
        self._give_up = give_up
        self._eligible: Sequence[DeploymentState] | None = None
        self._tried: list[DeploymentState] = []
        self._again = False
        self._is_test = False
        self._retries = 0
        self._hops = 0
        self._comebacks = 0
        self._patience: float | None = None

    @property
    def is_alone(self) -> bool:
        """Whether the group has one deployment only."""
        return len(self._group.states) == 1

    def need(self, now: float) -> Need:
        """What the request takes of a deployment's limits."""
        wishes = self._wishes
        wall = self._router.epoch + now
        return Need(wishes.prompt_tokens, wishes.max_tokens, self._caller, wall, wishes.choices)

    def find(self, now: float) -> Found:
        """The place to take, the places to wait for, or why there is none."""
        router, match, wishes = self._router, self.match, self._wishes
        states = self.choose_from()
        if isinstance(states, GatewayError):
            return states
        seats = [router.seat(state, match) for state in states]
        need = self.need(now)
        choice = sort_out(states, seats, self._tried, need, now)
        if self._again and not choice.ready and not choice.full:
            choice = sort_out(states, seats, (), need, now)
        if choice.ready:
            session = wishes.session if router.settings.session_affinity else None
            return choose(choice.ready, router.strategy, router.random, now, stream=wishes.stream, session=session)
        if choice.full:
            self._is_test = all(seat.state.is_sick() for seat in choice.full)
            return self._wait(choice.full, now)
        return self._last_resort(choice, need, now)

    def choose_from(self) -> Sequence[DeploymentState] | GatewayError:
        """The deployments that fit the request, or why there is none."""
        if self._eligible is None:
            found = self._group.eligible(self.match, self._wishes, self._router.settings)
            if isinstance(found, GatewayError):
                return found
            self._eligible = found
        return self._eligible

    def is_fit(self, seat: Seat, now: float) -> bool:
        """Whether a place that was waited for is still the right one."""
        state = seat.state
        if state.limits and not has_room(state, self.need(now), now):
            return False
        return self._is_test or not state.is_cooling(now)

    def unavailable(self, seats: Sequence[Seat], now: float, *, is_line_full: bool = False) -> GatewayError:
        """The error for places that were not to be had."""
        if self._is_test:
            state = seats[0].state
            return all_down(max(_AT_ONCE, state.cools_until() - now), state.cause())
        if is_line_full:
            return queue_full()
        return LimitError("max_parallel_requests", sum(seat.most() for seat in seats), "model", _AT_ONCE)

    def take(self, seat: Seat, taken: Pass, now: float, deadline: float | None) -> Pick:
        """The pick for a place that was taken, with what it may use reserved."""
        state, settings, wishes = seat.state, self._router.settings, self._wishes
        deployment = state.deployment
        booking = None
        if state.limits:
            need = self.need(now)
            completion = need.completion(state)
            purses = () if state.purse is None else (state.purse,)
            cost = Decimal(0) if seat.rate is None else seat.rate.cost(need.prompt, completion)
            meters = (*state.meters, *state.meters_of(need.caller))
            booking = Booking(meters, purses, prompt=need.prompt, completion=completion, cost=cost, now=now)
        self.was_asked = True
        timeout = _first(wishes.timeout, deployment.timeout, settings.timeout)
        stall = _first(
            wishes.stream_timeout, wishes.timeout, deployment.stream_timeout, settings.stream_timeout, timeout
        )
        model = self.match.upstream_id(deployment) if self.match.tails else deployment.model
        lease = Lease(seat, taken, booking, now)
        return Pick(deployment, model, self.match.group.name, timeout, stall, deadline, lease)

    def goes_on(
        self, state: DeploymentState, failure: Failure, comeback: float | None, now: float, *, has_fallback: bool
    ) -> bool:
        """Whether the group is asked once more after a failure; `resume` says when.

        Args:
            state: The deployment that failed.
            failure: How.
            comeback: Seconds after which a refused request may come back free of charge.
            now: The time.
            has_fallback: Whether there are other groups to go on to.
        """
        router, settings = self._router, self._router.settings
        if failure.crowded and comeback is not None and self._comebacks < _COMEBACKS:
            # The window let one too many go. That is no fault of the request's, and costs it no retry.
            wait = comeback * 2.0 ** min(self._comebacks, 8) * (0.5 + router.random.random())
            self._comebacks += 1
            if not self._has_other(now, state):
                self.resume = now + wait
            return True
        if state not in self._tried:
            self._tried.append(state)
        place = where(failure)
        allowed, is_policy = retries_of(failure, self._wishes, state.deployment, self.match.group.name, settings)
        if place == "nowhere" and not (is_policy and allowed):
            return False
        if (self._retries < allowed or self._hops < settings.max_fallbacks) and self._has_other(now):
            if not router.budget.take(now):
                return False
            if self._retries < allowed:
                self._retries += 1
            else:
                self._hops += 1
            return True
        if place == "elsewhere" or self._retries >= allowed or (failure.status == 429 and has_fallback):
            return False
        wait_for = pause(failure, self._retries, settings, router.random.random())
        if wait_for is None or now + wait_for >= self._give_up or not router.budget.take(now):
            return False
        self._retries += 1
        self._again = True
        self.resume = now + wait_for
        return True

    def _has_other(self, now: float, but: DeploymentState | None = None) -> bool:
        """Whether another deployment of the group could be asked without a pause."""
        need = self.need(now)
        return any(
            state is not but
            and state not in self._tried
            and not state.is_cooling(now)
            and (not state.limits or has_room(state, need, now))
            for state in self._eligible or ()
        )

    def _last_resort(self, choice: Choice, need: Need, now: float) -> Found:
        router = self._router
        if choice.short and not (choice.cooling and all(state.is_cooling(now) for state in choice.short)):
            return shortage(choice.short, need, now)
        # A cool-down never empties a group: of those that are left, one request at a time asks the least bad.
        seats = [router.seat(state, self.match) for state in least_bad(choice.cooling)]
        free = [seat for seat in seats if not seat.waiting and seat.is_free(now)]
        if free:
            return free[int(router.random.random() * len(free))]
        self._is_test = True
        return self._wait(seats, now)

    def _wait(self, seats: Sequence[Seat], now: float) -> Found:
        if self._patience is None:
            self._patience = min(now + (_TEST if self._is_test else self._router.queue_seconds), self._give_up)
        if now >= self._patience:
            return self.unavailable(seats, now)
        is_tested = any(seat.state.is_sick() for seat in seats)
        return Crowd(seats, min(self._patience, now + _LOOK) if is_tested else self._patience)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
