"""The shortest way through the router, which most requests can go: the first attempt, while all is well there.

What `admit()`, `plan()` and `Plan.next()` would decide is decided in one step, from what was looked up once. While
anything is not plain (a limit is reached, somebody waits, a deployment cools down) there is no such way, and the long
one is gone. A request that does not end well becomes a `Plan`, as if it had been one from its beginning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..._core.adaptive import Ticket as Turn
from ..config import Match
from ._admission import Account, Remaining, Ticket
from ._group import GroupState
from ._leases import Booking
from ._line import Pass
from ._plan import Plan
from ._state import GUESS, MOST, Seat
from ._values import Caller, Pick, Usage, Wishes

if TYPE_CHECKING:
    from ._router import Router


class Shortcut:
    """A caller's short way to a model.

    Args:
        router: The router.
        caller: Who asks.
        match: What for.
        account: What counts for the caller.
        group: Who serves the model.
        seats: Their places.
    """

    __slots__ = (
        "_account",
        "_choices",
        "_expires",
        "_gates",
        "_rpm",
        "_seats",
        "_tpm",
        "caller",
        "config",
        "group",
        "match",
        "notes",
        "router",
    )

    def __init__(
        self, router: Router, caller: Caller, match: Match, account: Account, group: GroupState, seats: list[Seat]
    ) -> None:
        self.router = router
        self.config = router.config
        self.caller = caller
        self.match = match
        self.group = group
        self.notes: dict[Seat, Any] = {}
        """Room for what the server looks up once for each place."""
        rule = caller.rule
        self._expires = math.inf if rule is None or rule.expires is None else rule.expires - router.epoch
        self._account, self._gates = account, account.gates
        meters = dict(account.meters)
        self._rpm, self._tpm = meters.get("rpm"), meters.get("tpm")
        self._seats = tuple(seats)
        lowest = min(seat.state.order for seat in seats)
        self._choices = tuple(seat for seat in seats if seat.state.order == lowest)

    @classmethod
    def find(cls, router: Router, caller: Caller, match: Match, account: Account) -> Shortcut | None:
        """The way, where there can be one: nothing has to be counted or looked at but what the key itself may do."""
        settings, rule, group = router.settings, caller.rule, router.groups.get(match.group.name)
        if (
            account.purses
            or settings.tag_filtering
            or settings.pre_call_checks
            or group is None
            or not group.states
            or any(state.limits for state in group.states)
            or (rule is not None and not rule.allows(match))
        ):
            return None
        return cls(router, caller, match, account, group, [router.seat(state, match) for state in group.states])

    def ride(self, prompt: int, max_tokens: int | None, now: float) -> Ride | None:
        """Takes a place, and what the request may use of its key's limits; `None` where that is not plain.

        Args:
            prompt: Tokens of the prompt, an estimate.
            max_tokens: Of the answer at most, where the request says so.
            now: The time.
        """
        if now >= self._expires:
            return None
        rpm, tpm, gates = self._rpm, self._tpm, self._gates
        tokens = prompt + (GUESS if max_tokens is None else max_tokens)
        if (rpm is not None and not rpm.fits(1, now)) or (tpm is not None and not tpm.fits(tokens, now)):
            return None
        for gate in gates:
            if gate.waiting or gate.in_flight >= gate.limit:
                return None
        for seat in self._seats:
            state = seat.state
            own, key, project = state.breakers
            if (
                seat.waiting
                or seat.lane.window is not None
                or own.until
                or key.until
                or project.until
                or state.in_flight >= state.most
            ):
                return None
        choices, router = self._choices, self.router
        seat = choices[0] if len(choices) == 1 else router.strategy(choices, router.random, now, stream=False)
        router.budget.requests += 1
        for gate in gates:
            gate.in_flight += 1
        lane = seat.lane
        lane.in_flight += 1
        seat.state.in_flight += 1
        return Ride(
            self,
            seat,
            now,
            lane.in_flight,
            tokens,
            None if rpm is None else rpm.take(1, now),
            None if tpm is None else tpm.take(tokens, now),
        )

    def over(self, ride: Ride, now: float, *, seconds: float, usage: Usage | None) -> None:
        """A request was answered; as `Plan.succeeded()`.

        Args:
            ride: The request's.
            now: The time.
            seconds: Seconds for all of it.
            usage: What was used; `None`: nobody knows, and what was reserved counts.
        """
        router, seat, tpm = self.router, ride.seat, self._tpm
        state, lane = seat.state, seat.lane
        state.in_flight -= 1
        if lane.window is None:
            lane.in_flight -= 1
        else:
            lane.leave(Turn(0, ride.in_flight, MOST), "answered", seconds)
        tokens = None
        if usage is not None:
            tokens = usage.completion_tokens
            used = usage.prompt_tokens + tokens
            if tpm is not None and used != ride.tokens:
                tpm.settle(ride.tpm, ride.tokens, used, now)
        router.health.succeeded(state, (), now, seconds=seconds, first=None, tokens=tokens)
        for gate in self._gates:
            gate.in_flight -= 1
        if router.line.waiting:
            router.line.serve(now)

    def plan(self, ride: Ride, wishes: Wishes) -> tuple[Plan, Pick, Ticket]:
        """A request as a plan whose first pick is under way. From here on its ride is over.

        Args:
            ride: The request's.
            wishes: What it wants: nothing but what is so by default.
        """
        router, account = self.router, self._account
        held = {"rpm": (ride.rpm, 1), "tpm": (ride.tpm, ride.tokens)}
        taken = [(kind, meter, *held[kind]) for kind, meter in account.meters]
        ticket = router.admission.ticket(self.caller, account, Booking.of(taken) if taken else None)
        for gate in account.gates:
            ticket.hold(gate, Pass())
        plan = Plan(router, self.match, wishes, None, ticket, ride.started, config=self.config, group=self.group)
        place = Pass()
        place.ticket = Turn(0, ride.in_flight, MOST)
        return plan, plan.resume(ride.seat, place, ride.started), ticket

    def remaining(self, now: float) -> list[Remaining]:
        """What is left of the key's limits."""
        return [(kind, meter.reading(now)) for kind, meter in self._account.meters]


class Ride:
    """A request on a short way: what it holds, until it is over or becomes a plan.

    Attributes:
        way: The way.
        seat: The place.
        started: When it began.
        in_flight: Requests there, with this one, when it began.
        tokens: That were reserved.
        rpm: What was reserved of the key's limits; so with `tpm`.
    """

    __slots__ = ("in_flight", "rpm", "seat", "started", "tokens", "tpm", "way")

    def __init__(
        self, way: Shortcut, seat: Seat, started: float, in_flight: int, tokens: int, rpm: object, tpm: object
    ) -> None:
        self.way = way
        self.seat = seat
        self.started = started
        self.in_flight = in_flight
        self.tokens = tokens
        self.rpm = rpm
        self.tpm = tpm
