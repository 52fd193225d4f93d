"""One client request: what was tried, and what is left."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from ..._core.adaptive import OVERLOADED, Verdict
from ..config import Match
from ..errors import GatewayError, LimitError, all_down, deadline_passed, queue_full, stream_interrupted
from ._admission import Gate, Ticket
from ._breaker import Breaker
from ._choosing import Choice, choose, sort_out
from ._fallbacks import cause_of, following
from ._group import Need, has_room, shortage
from ._leases import Booking, Lease
from ._line import Pass, Waiter
from ._retrying import pause, retries_of, where
from ._state import MOST, DeploymentState, Seat
from ._strategies import least_bad
from ._telling import error_of
from ._values import Failure, Finished, Pick, Queue, Sleep, Step, Usage, Wishes

if TYPE_CHECKING:
    from ._router import Router

_COMEBACKS: Final = 10
"""Times that a request comes back free of charge to a service that was asked for too much at once."""

_TEST: Final = 5.0
"""Seconds to wait at most for the test of a deployment that is the last one left."""

_AT_ONCE: Final = 1.0
"""Seconds after which a place may be free: nobody knows when, but soon."""


class Plan:
    """One client request: what was tried, and what is left.

    Attributes:
        match: The group that is asked now, which is a fallback after `fallbacks` of them.
        attempts: Requests that went upstream so far.
        retries: Of these, those that were not the first of their group.
        fallbacks: Groups that were gone on to.
    """

    __slots__ = (
        "_again",
        "_begun",
        "_comebacks",
        "_done",
        "_eligible",
        "_error",
        "_hops",
        "_lease",
        "_own",
        "_patience",
        "_pending",
        "_resume",
        "_retries",
        "_router",
        "_started",
        "_testing",
        "_ticket",
        "_tried",
        "_visited",
        "_waiter",
        "attempts",
        "deadline",
        "fallbacks",
        "match",
        "retries",
        "wishes",
    )

    def __init__(
        self, router: Router, match: Match, wishes: Wishes, own: list[Match] | None, ticket: Ticket | None, now: float
    ) -> None:
        self._router = router
        self.match = match
        self.wishes = wishes
        self.attempts = 0
        self.retries = 0
        self.fallbacks = 0
        allowed = router.settings.deadline if wishes.deadline is None else wishes.deadline
        self.deadline = None if allowed is None else now + allowed
        """When the request has to be over."""
        self._started = now
        self._own = own
        self._ticket = ticket
        self._pending: deque[Match] | None = None
        self._visited: set[str] | None = None
        self._error: GatewayError | None = None
        self._waiter: Waiter | None = None
        self._lease: Lease | None = None
        self._done: Finished | None = None
        self._begun = False
        self._enter(match)

    def _enter(self, match: Match) -> None:
        self.match = match
        self._eligible: Sequence[DeploymentState] | None = None
        self._tried: list[DeploymentState] = []
        self._again = False
        self._testing = False
        self._retries = 0
        self._hops = 0
        self._comebacks = 0
        self._resume: float | None = None
        self._patience: float | None = None

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
        if self._waiter is not None:
            step = self._after_wait(self._waiter, now)
            if step is not None:
                return step
        ticket = self._ticket
        if ticket is not None and ticket.gates:
            step = self._pass_gates(ticket, now)
            if step is not None:
                return step
        if self._resume is not None:
            if now < self._resume:
                return Sleep(self._resume - now)
            self._resume = None
        step = self._select(now)
        while step is None:
            step = self._select(now)
        return step

    def begun(self, pick: Pick) -> None:
        """The first data event of a stream was passed on: nothing is tried again from here on."""
        self._begun = True

    def succeeded(
        self, pick: Pick, now: float, *, to_first: float | None = None, seconds: float, usage: Usage | None
    ) -> None:
        """The pick was answered to its end.

        Args:
            pick: The pick.
            now: The time.
            to_first: Seconds to the first data event of a stream.
            seconds: Seconds for all of it.
            usage: What was used; `None`: nobody knows, and what was reserved counts.
        """
        router, lease = self._router, self._end(pick)
        state = cast(Seat, lease.place).state
        lease.leave("answered", seconds if to_first is None else to_first)
        router.health.succeeded(state, cast("tuple[Breaker, ...]", lease.taken.probed), now)
        if usage is not None:
            state.learn(usage.completion_tokens)
            if router.settings.strategy == "usage-based-routing":
                state.tokens.take(usage.prompt_tokens + usage.completion_tokens, now)
            whole = seconds / max(1, usage.completion_tokens)
        else:
            whole = None
        if router.settings.strategy == "latency-based-routing":
            state.latency.add(now, whole=whole, first=to_first, most=router.settings.latency_samples)
        self._book(lease, now, usage)
        self._over(now)

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

    def failed(self, pick: Pick, failure: Failure, now: float) -> None:
        """The pick failed; `next()` tells how it goes on."""
        router, lease = self._router, self._end(pick)
        state = cast(Seat, lease.place).state
        comeback = lease.leave(_verdict(failure))
        error = error_of(failure, pick.deployment)
        router.health.failed(
            state,
            cast("tuple[Breaker, ...]", lease.taken.probed),
            failure,
            error.message,
            now,
            alone=len(router.groups[self.match.group.name].states) == 1,
            made_up=bool(self.match.tails),
        )
        if lease.booking is not None:
            if failure.kind in ("connection", "status"):
                lease.booking.refund(now, router.epoch + now)
            else:  # it may have been worked on
                lease.booking.keep(router.epoch + now, paid=False)
        router.line.serve()
        if self._begun or failure.kind == "stream":
            self._finish(error if failure.kind == "stream" else stream_interrupted(error.message), now)
        else:
            self._decide(state, failure, error, comeback, now)

    def _decide(
        self, state: DeploymentState, failure: Failure, error: GatewayError, comeback: float | None, now: float
    ) -> None:
        router, settings = self._router, self._router.settings
        if failure.crowded and comeback is not None and self._comebacks < _COMEBACKS:
            # The window sent one too many: that is no fault of the request's, and costs it no retry.
            wait = comeback * 2.0 ** min(self._comebacks, 8) * (0.5 + router.random.random())
            self._comebacks += 1
            if not self._has_other(now, state):
                self._resume = now + wait
            return
        if state not in self._tried:
            self._tried.append(state)
        place = where(failure)
        deployment = state.deployment
        allowed, is_policy = retries_of(failure, self.wishes, deployment, self.match.group.name, settings)
        if place == "nowhere" and not (is_policy and allowed):
            self._exhausted(failure, error, now)
        elif self._has_other(now) and self._may_go_on(allowed) and router.budget.take(now):
            self._hops += 1
            self._retries += 1
        elif place == "elsewhere" or self._retries >= allowed:
            self._exhausted(failure, error, now)
        elif failure.status == 429 and following(router.config, self.match, self._own, "general"):
            self._exhausted(failure, error, now)
        else:
            wait = pause(failure, self._retries, settings, router.random.random())
            if wait is None or now + wait >= self._give_up() or not router.budget.take(now):
                self._exhausted(failure, error, now)
                return
            self._retries += 1
            self._again = True
            self._resume = now + wait

    def _may_go_on(self, allowed: int) -> bool:
        return self._retries < allowed or self._hops < self._router.settings.max_fallbacks

    def _has_other(self, now: float, but: DeploymentState | None = None) -> bool:
        """Whether another deployment of the group could be asked without a pause."""
        need = self._need(now)
        for state in self._eligible or ():
            if state is but or state in self._tried or (state.is_sick() and state.cools_until() > now):
                continue
            if not state.limits or has_room(state, need, now):
                return True
        return False

    def _exhausted(self, failure: Failure | None, error: GatewayError, now: float) -> None:
        """Goes on to the next group, or ends."""
        router = self._router
        if self._error is None:
            self._error = error
        if self._pending is None or self._visited is None:
            self._pending = deque()
            self._visited = {self.match.group.name}
        cause = cause_of(failure, error)
        # The request's own list is there once; a group that was gone on to has no say in it.
        if self._own is None or self.fallbacks == 0:
            self._pending += following(router.config, self.match, self._own, cause)
        while self._pending and self.fallbacks < router.settings.max_fallbacks:
            match = self._pending.popleft()
            if match.group.name not in self._visited:
                self._visited.add(match.group.name)
                self.fallbacks += 1
                self._enter(match)
                return
        self._finish(self._error, now)

    def _select(self, now: float) -> Step | None:
        """What to do in the group that is asked now; `None`: another group is to be looked at."""
        if self._done is not None:
            return self._done
        router, match = self._router, self.match
        states = self._eligible
        if states is None:
            found = router.groups[match.group.name].eligible(match, self.wishes, router.settings)
            if isinstance(found, GatewayError):
                self._exhausted(None, found, now)
                return None
            states = self._eligible = found
        seats = [router.seat(state, match) for state in states]
        need = self._need(now)
        choice = sort_out(states, seats, self._tried, need, now)
        if self._again and not choice.ready and not choice.full:
            choice = sort_out(states, seats, (), need, now)
        if choice.ready:
            session = self.wishes.session if router.settings.session_affinity else None
            seat = choose(choice.ready, router.strategy, router.random, now, stream=self.wishes.stream, session=session)
            return self._take(seat, seat.enter(), need, now)
        if choice.full:
            return self._queue(choice.full, now, router.queue_seconds)
        return self._last_resort(choice, need, now)

    def _last_resort(self, choice: Choice, need: Need, now: float) -> Step | None:
        router = self._router
        if choice.short:
            self._exhausted(None, shortage(choice.short, need, now), now)
            return None
        if not choice.cooling:
            # All were tried, and those who know better have left meanwhile.
            self._exhausted(None, self._error or all_down(_AT_ONCE, None), now)
            return None
        # A cool-down never empties a group: of those that are left, one request at a time asks the least bad.
        seats = [router.seat(state, self.match) for state in least_bad(choice.cooling)]
        free = [seat for seat in seats if not seat.waiting and seat.is_free()]
        if free:
            seat = free[int(router.random.random() * len(free))]
            return self._take(seat, seat.enter(), need, now)
        self._testing = True
        return self._queue(seats, now, _TEST)

    def _queue(self, seats: list[Seat], now: float, patience: float) -> Step | None:
        if self._patience is None:
            self._patience = min(now + patience, self._give_up())
        waiter = None
        if now < self._patience:
            waiter = self._router.line.join(self._caller, seats, self._patience)
        if waiter is None:
            self._exhausted(None, self._crowd_error(seats, now), now)
            return None
        self._waiter = waiter
        return Queue(waiter)

    def _crowd_error(self, seats: Sequence[Seat], now: float) -> GatewayError:
        if self._testing:
            state = seats[0].state
            cause = next((breaker.cause for breaker in state.breakers if breaker.until), None)
            return all_down(max(_AT_ONCE, state.cools_until() - now), cause)
        if self._patience is not None and now < self._patience:
            return queue_full()
        return LimitError("max_parallel_requests", sum(map(_places, seats)), "model", _AT_ONCE)

    def _after_wait(self, waiter: Waiter, now: float) -> Step | None:
        """What a wait led to; `None`: on with it."""
        if not waiter.ready and now < waiter.deadline:
            return Queue(waiter)
        self._waiter = None
        place, taken = waiter.place, waiter.granted
        if place is None or taken is None:
            self._router.line.quit(waiter)
            if isinstance(waiter.places[0], Gate):
                return self._finish(waiter.places[0].error(), now)
            self._exhausted(None, self._crowd_error(cast("Sequence[Seat]", waiter.places), now), now)
            return self._done
        waiter.granted = None
        if isinstance(place, Gate):
            assert self._ticket is not None
            self._ticket.gates.pop()
            self._ticket.held.append((place, taken))
            return None
        seat, need = cast(Seat, place), self._need(now)
        state = seat.state
        is_fit = not state.limits or has_room(state, need, now)
        if is_fit and (self._testing or not state.is_sick() or state.cools_until() <= now):
            return self._take(seat, taken, need, now)
        # Things changed while it waited: others are asked, or others waited for.
        seat.leave(taken)
        self._router.line.serve()
        return None

    def _pass_gates(self, ticket: Ticket, now: float) -> Step | None:
        gates = ticket.gates
        while gates:
            gate = gates[-1]
            if gate.waiting or not gate.is_free():
                deadline = min(now + self._router.config.server.queue_timeout, self._give_up())
                waiter = self._router.line.join(self._caller, (gate,), deadline)
                if waiter is None:
                    return self._finish(gate.error(), now)
                self._waiter = waiter
                return Queue(waiter)
            ticket.held.append((gate, gate.enter()))
            gates.pop()
        return None

    def _take(self, seat: Seat, taken: Pass, need: Need, now: float) -> Pick:
        state, router, wishes = seat.state, self._router, self.wishes
        booking = None
        if state.limits:
            completion = need.completion(state)
            purses = () if state.purse is None else (state.purse,)
            cost = Decimal(0) if seat.rate is None else seat.rate.cost(need.prompt, completion)
            meters = (*state.meters, *state.meters_of(need.caller))
            booking = Booking(meters, purses, prompt=need.prompt, completion=completion, cost=cost, now=now)
        lease = self._lease = Lease(seat, taken, booking, seat.rate, now)
        self.attempts += 1
        if self._tried or self._comebacks:
            self.retries += 1
        deployment = state.deployment
        timeout = _first(wishes.timeout, deployment.timeout, router.settings.timeout)
        stall = _first(
            wishes.stream_timeout, wishes.timeout, deployment.stream_timeout, router.settings.stream_timeout, timeout
        )
        model = deployment.model if not self.match.tails else self.match.upstream_id(deployment)
        return Pick(deployment, model, self.match.group.name, timeout, stall, self.deadline, lease)

    def _need(self, now: float) -> Need:
        wishes = self.wishes
        return Need(wishes.prompt_tokens, wishes.max_tokens, self._caller, self._router.epoch + now)

    @property
    def _caller(self) -> str:
        return "" if self._ticket is None else self._ticket.caller.name

    def _give_up(self) -> float:
        """When no new attempt begins any more."""
        latest = self._started + self._router.settings.timeout
        return latest if self.deadline is None else min(latest, self.deadline)

    def _end(self, pick: Pick) -> Lease:
        lease = self._lease
        if lease is None or lease is not pick.lease:
            raise RuntimeError("this pick's end was told already")
        self._lease = None
        return lease

    def _book(self, lease: Lease, now: float, usage: Usage | None) -> None:
        wall = self._router.epoch + now
        cost = None if usage is None else lease.cost(usage)
        if lease.booking is not None:
            if usage is None:
                lease.booking.keep(wall, paid=True)
            else:
                lease.booking.settle(usage, cost or Decimal(0), now, wall)
        if self._ticket is not None:
            self._ticket.close(now, wall, usage=usage, cost=cost)

    def _finish(self, error: GatewayError, now: float) -> Finished:
        if self.attempts > 1 and error.should_retry is None:
            error.should_retry = False
        self._over(now)
        self._done = Finished(error)
        return self._done

    def _over(self, now: float) -> None:
        """Gives everything back that is still held."""
        line = self._router.line
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            line.quit(waiter)
        if self._ticket is not None:
            wall = self._router.epoch + now
            self._ticket.close(now, wall, usage=Usage(), cost=Decimal(0), used=self.attempts > 0)
        if self._done is None:
            self._done = _OVER
        line.serve()


_OVER: Final = Finished(GatewayError(499, "over", "The request is over"))
"""What comes after an end that was no error; nobody gets to see it."""


def _verdict(failure: Failure) -> Verdict:
    if failure.crowded:
        return "refused"
    if failure.status in OVERLOADED or (failure.status == 429 and not failure.quota):
        return "overloaded"
    return "unknown"


def _places(seat: Seat) -> int:
    window = seat.lane.window
    most = seat.state.most if window is None else min(window.limit, seat.state.most)
    return min(most, MOST)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
