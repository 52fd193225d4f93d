"""The shortest way through the router, which most requests can go: the first attempt, while all is well there.

What `admit()`, `plan()` and `Plan.next()` would decide is decided in one step, from what was looked up once. As soon as
anything is not plain (a limit, a line, a cool-down, a refusal) there is no such way, and the long one is gone. A request
on the short way that does not end well becomes a `Plan`, as if it had been one from its beginning.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ..._core.adaptive import Ticket as Turn
from ..config import Match
from ._admission import Account, Remaining, Ticket, remaining
from ._group import GroupState
from ._leases import Booking, amount
from ._line import Pass
from ._plan import Plan
from ._state import GUESS, MOST, Seat
from ._values import Caller, Pick, Usage, Wishes

if TYPE_CHECKING:
    from ._router import Router

_NOTHING = Decimal(0)


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

    __slots__ = ("_account", "_choices", "_seats", "caller", "config", "group", "match", "router")

    def __init__(
        self, router: Router, caller: Caller, match: Match, account: Account, group: GroupState, seats: list[Seat]
    ) -> None:
        self.router = router
        self.config = router.config
        self.caller = caller
        self.match = match
        self.group = group
        self._account = account
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
        router, rule = self.router, self.caller.rule
        if rule is not None and rule.expires is not None and rule.expires <= router.epoch + now:
            return None
        account = self._account
        for gate in account.gates:
            if gate.waiting or gate.in_flight >= gate.limit:
                return None
        completion = GUESS if max_tokens is None else max_tokens
        for kind, meter in account.meters:
            if not meter.fits(amount(kind, prompt, completion), now):
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
        choices = self._choices
        seat = choices[0] if len(choices) == 1 else router.strategy(choices, router.random, now, stream=False)
        router.budget.request()
        booking = None
        if account.meters:
            booking = Booking(account.meters, (), prompt=prompt, completion=completion, cost=_NOTHING, now=now)
        for gate in account.gates:
            gate.in_flight += 1
        seat.state.in_flight += 1
        seat.lane.in_flight += 1
        return Ride(self, seat, account, booking, now)


class Ride:
    """A request on the short way: it holds a place, and what was reserved for it, until one of the two ends."""

    __slots__ = ("_account", "_booking", "_in_flight", "_way", "seat", "started")

    def __init__(self, way: Shortcut, seat: Seat, account: Account, booking: Booking | None, now: float) -> None:
        self._way = way
        self._account = account
        self._booking = booking
        self._in_flight = seat.lane.in_flight
        self.seat = seat
        self.started = now

    @property
    def group(self) -> str:
        """The name of the group that serves it."""
        return self._way.match.group.name

    def succeeded(self, now: float, *, seconds: float, usage: Usage | None, cost: Decimal | None) -> None:
        """It was answered; as `Plan.succeeded()`.

        Args:
            now: The time.
            seconds: Seconds for all of it.
            usage: What was used; `None`: nobody knows, and what was reserved counts.
            cost: Dollars; `None`: nobody knows.
        """
        router, seat, account = self._way.router, self.seat, self._account
        state, lane = seat.state, seat.lane
        state.in_flight -= 1
        if lane.window is None:
            lane.in_flight -= 1
        else:
            lane.leave(Turn(0, self._in_flight, MOST), "answered", seconds)
        tokens = None if usage is None else usage.completion_tokens
        router.health.succeeded(state, (), now, seconds=seconds, first=None, tokens=tokens)
        if self._booking is not None:
            self._booking.end(usage, cost, now, router.epoch + now)
        for gate in account.gates:
            gate.in_flight -= 1
        if router.line.waiting:
            router.line.serve(now)

    def remaining(self, now: float) -> list[Remaining]:
        """What is left of the key's limits."""
        return remaining(self._account.meters, now)

    def plan(self, wishes: Wishes) -> tuple[Plan, Pick, Ticket]:
        """The same as a plan whose first pick is under way. From here on the ride is over.

        Args:
            wishes: What the request wants: nothing but what is so by default.
        """
        way, account = self._way, self._account
        router = way.router
        ticket = router.admission.ticket(way.caller, account, self._booking)
        for gate in account.gates:
            ticket.hold(gate, Pass())
        plan = Plan(router, way.match, wishes, None, ticket, self.started, config=way.config, group=way.group)
        taken = Pass()
        taken.ticket = Turn(0, self._in_flight, MOST)
        return plan, plan.resume(self.seat, taken, self.started), ticket
