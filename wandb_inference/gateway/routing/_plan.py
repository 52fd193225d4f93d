"""One client request: what was tried, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from ..config import GatewayConfig, Match
from ..errors import GatewayError, deadline_passed, stream_interrupted
from ._admission import Gate, Ticket
from ._fallbacks import Trail, cause_of
from ._group import GroupState
from ._leases import Lease
from ._line import Pass, Waiter
from ._retrying import verdict
from ._state import Seat
from ._telling import error_of
from ._values import Failure, Finished, Pick, Queue, Sleep, Step, Usage, Wishes
from ._visit import Crowd, Visit

if TYPE_CHECKING:
    from ._router import Router


class Plan:
    """One client request: what was tried, and what is left.

    Attributes:
        wishes: What the request wants.
        deadline: When it has to be over, as `now` counts; `None`: whenever.
        attempts: Requests that went upstream so far.
        retries: Of these, those that were not the first of their group.
    """

    __slots__ = (
        "_begun",
        "_caller",
        "_config",
        "_done",
        "_error",
        "_lease",
        "_match",
        "_own",
        "_router",
        "_started",
        "_ticket",
        "_trail",
        "_visit",
        "_waiter",
        "attempts",
        "deadline",
        "retries",
        "wishes",
    )

    def __init__(
        self,
        router: Router,
        match: Match,
        wishes: Wishes,
        own: Sequence[Match] | None,
        ticket: Ticket | None,
        now: float,
        *,
        config: GatewayConfig | None = None,
        group: GroupState | None = None,
    ) -> None:
        allowed = router.settings.deadline if wishes.deadline is None else wishes.deadline
        self.wishes = wishes
        self.deadline = None if allowed is None else now + allowed
        self.attempts = 0
        self.retries = 0
        self._router = router
        self._started = now
        self._ticket = ticket
        self._caller = "" if ticket is None else ticket.caller.name
        self._trail: Trail | None = None
        self._config, self._match, self._own = config or router.config, match, own  # a reload is for later requests
        self._error: GatewayError | None = None
        self._waiter: Waiter | None = None
        self._lease: Lease | None = None
        self._done: Finished | None = None
        self._begun = False
        self._visit = self._enter(match, group)

    @property
    def fallbacks(self) -> int:
        """Groups that were gone on to so far."""
        return 0 if self._trail is None else self._trail.taken

    @property
    def match(self) -> Match:
        """The group that is asked now."""
        return self._visit.match

    def next(self, now: float) -> Step:
        """What to do now.

        Raises:
            RuntimeError: The last pick's end was not told.
        """
        if self._done is not None:
            return self._done
        if self._lease is not None:
            raise RuntimeError("tell how the last pick ended before the next one: failed(), succeeded() or left()")
        if self.deadline is not None and now >= self.deadline:
            return self._finish(deadline_passed(self.deadline - self._started), now)
        step: Step | None = None
        if self._waiter is not None:
            step = self._after_wait(self._waiter, now)
        if step is None and self._ticket is not None and self._ticket.gates:
            passed = self._ticket.enter(now, self.deadline)
            if isinstance(passed, GatewayError):
                return self._finish(passed, now)
            if passed is not None:
                self._waiter = passed
                return Queue(passed)
        while step is None:
            step = self._look(now)
        return step

    def resume(self, seat: Seat, taken: Pass, now: float) -> Pick:
        """The first pick, of a place that was taken already.

        Args:
            seat: The place.
            taken: What was taken of it.
            now: When that was.
        """
        self._visit.choose_from()
        return self._pick(seat, taken, now)

    def begun(self, pick: Pick, now: float) -> None:
        """The first data event of a stream is there, and is no error: nothing is tried again from here on."""
        lease = self._of(pick)
        self._begun = True
        lease.first = now - lease.started
        self._router.health.begun(lease.place.state, lease.taken.probed)
        self._router.line.serve(now)

    def succeeded(
        self, pick: Pick, now: float, *, to_first: float | None = None, seconds: float, usage: Usage | None
    ) -> None:
        """The pick was answered to its end.

        Args:
            pick: The pick.
            now: The time.
            to_first: Seconds to the first data event of a stream; `None`: what `begun()` found.
            seconds: Seconds for all of it.
            usage: What was used; `None`: nobody knows, and what was reserved counts.
        """
        lease = self._end(pick)
        first = lease.first if to_first is None else to_first
        lease.leave("answered", seconds if first is None else first)
        tokens = None if usage is None else usage.completion_tokens
        self._router.health.succeeded(
            lease.place.state, lease.taken.probed, now, seconds=seconds, first=first, tokens=tokens
        )
        self._book(lease, now, usage)
        self._over(now)

    def failed(self, pick: Pick, failure: Failure, now: float, usage: Usage | None = None) -> None:
        """The pick failed; `next()` tells how it goes on.

        Args:
            pick: The pick.
            failure: How it failed.
            now: The time.
            usage: What a stream used that had begun; `None`: what was reserved counts. Others used nothing.
        """
        router, lease, visit = self._router, self._end(pick), self._visit
        state = lease.place.state
        comeback = lease.leave(verdict(failure))
        error = error_of(failure, pick.deployment)
        alone, made_up = visit.is_alone, bool(visit.match.tails)
        router.health.failed(state, lease.taken.probed, failure, error.message, now, is_alone=alone, is_made_up=made_up)
        router.line.serve(now)
        if self._begun or failure.kind == "stream":
            self._book(lease, now, usage)
            self._finish(error if failure.kind == "stream" else stream_interrupted(error.message), now)
            return
        if lease.booking is not None:
            lease.booking.fail(failure, now, router.epoch + now)
        has_fallback = self._ways().goes_on(visit.match, cause_of(failure, error))
        if not visit.goes_on(state, failure, comeback, now, has_fallback=has_fallback):
            self._exhausted(failure, error, now)

    def left(self, pick: Pick, now: float, usage: Usage | None = None) -> None:
        """The client went away.

        Args:
            pick: The pick that was under way.
            now: The time.
            usage: What was used until then, an estimate as well as may be; `None`: what was reserved counts.
        """
        lease = self._end(pick)
        lease.leave("unknown")
        self._book(lease, now, usage)
        self._over(now)

    def close(self, now: float) -> None:
        """Ends the plan wherever it is; after its end, nothing happens. For a `finally`."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.leave("unknown")
            self._book(lease, now, None)
        self._over(now)

    def _ways(self) -> Trail:
        """Where else to go; who is answered at once never asks."""
        if self._trail is None:
            config = self._config
            self._trail = Trail(config, self._match, self._own, config.router.max_fallbacks)
        return self._trail

    def _enter(self, match: Match, group: GroupState | None = None) -> Visit:
        latest = self._started + self._router.settings.timeout
        give_up = latest if self.deadline is None else min(latest, self.deadline)
        return Visit(self._router, match, group or self._router.group(match), self.wishes, self._caller, give_up)

    def _look(self, now: float) -> Step | None:
        """The next step in the group that is asked now; `None`: another group is to be looked at."""
        if self._done is not None:
            return self._done
        visit = self._visit
        if visit.resume is not None and now < visit.resume:
            until = visit.resume if self.deadline is None else min(visit.resume, self.deadline)
            return Sleep(until - now)
        found = visit.find(now)
        if isinstance(found, Seat):
            return self._pick(found, found.enter(now), now)
        if isinstance(found, Crowd):
            waiter = self._router.line.join(self._caller, found.seats, found.until)
            if waiter is not None:
                self._waiter = waiter
                return Queue(waiter)
            found = visit.unavailable(found.seats, now, is_line_full=True)
        self._exhausted(None, found, now)
        return None

    def _after_wait(self, waiter: Waiter, now: float) -> Step | None:
        """What a wait led to; `None`: look again."""
        line = self._router.line
        if not waiter.ready:
            if now < waiter.deadline:
                return Queue(waiter)
            line.serve(now)  # a test that lasts long lets another begin, and nobody else notices
        self._waiter = None
        if waiter.granted is None:
            line.quit(waiter, now)
            gate = waiter.places[0]
            return self._finish(gate.error(), now) if isinstance(gate, Gate) else None
        place, taken = waiter.granted
        if isinstance(place, Gate):
            cast(Ticket, self._ticket).hold(place, taken)
            return None
        seat = cast(Seat, place)
        if self._visit.is_fit(seat, now):
            return self._pick(seat, taken, now)
        # Things changed while it waited: others are asked, or others waited for.
        seat.leave(taken)
        line.serve(now)
        return None

    def _pick(self, seat: Seat, taken: Pass, now: float) -> Pick:
        visit = self._visit
        self.attempts += 1
        self.retries += visit.was_asked
        pick = visit.take(seat, taken, now, self.deadline)
        self._lease = pick.lease
        return pick

    def _exhausted(self, failure: Failure | None, error: GatewayError, now: float) -> None:
        """Goes on to the next group, or ends."""
        if self._error is None:
            self._error = error
        cause = cause_of(failure, error)
        while (match := self._ways().next(self._visit.match, cause)) is not None:
            if match.group.name in self._router.groups:  # a reload may have taken it away
                self._visit = self._enter(match)
                return
        self._finish(self._error, now)

    def _of(self, pick: Pick) -> Lease:
        if self._lease is None or self._lease is not pick.lease:
            raise RuntimeError("this pick's end was told already")
        return self._lease

    def _end(self, pick: Pick) -> Lease:
        lease, self._lease = self._of(pick), None
        return lease

    def _book(self, lease: Lease, now: float, usage: Usage | None) -> None:
        wall = self._router.epoch + now
        cost = None if usage is None else lease.cost(usage)
        if lease.booking is not None:
            lease.booking.end(usage, cost, now, wall)
        if self._ticket is not None:
            self._ticket.close(now, wall, usage=usage, cost=cost)

    def _finish(self, error: GatewayError, now: float) -> Finished:
        if self.attempts > 1 and error.should_retry is None:
            error.should_retry = False
        self._done = Finished(error)
        self._over(now)
        return self._done

    def _over(self, now: float) -> None:
        """Gives everything back that is still held."""
        line = self._router.line
        if self._done is None:
            self._done = _OVER
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            line.quit(waiter, now)
        if self._ticket is not None:
            wall = self._router.epoch + now
            self._ticket.close(now, wall, usage=Usage(), cost=Decimal(0), used=self.attempts > 0)
        line.serve(now)


_OVER: Final = Finished(GatewayError(499, "over", "The request is over"))
"""What comes after an end that was no error; nobody gets to see it."""
