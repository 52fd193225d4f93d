"""How many calls of a model may be in flight: a window that is sized by how earlier calls ended.

The service limits what runs at the same time for each model and project, publishes no number, and answers 429 beyond it
(wandb docs, API errors). So the number is found, as TCP finds a path's: by additive increase and multiplicative
decrease (RFC 5681).

* Start: `INITIAL` calls, then one more for each answer, which doubles the window with each flight (RFC 5681, 3.1),
  until the first refusal. A refusal costs a few milliseconds here, not a lost packet, so the search may be fast.
* Decrease: by `DECREASE`, and to one less than were in flight when the refused call left: a refusal says more than a
  lost packet. The refusals of one flight count together, as losses do (RFC 6582, `recover`), and halve the window at
  most.
* Increase: one more for each window of answers. Right below the size that was refused last, the ceiling, the next step
  waits for `PROBE` windows, as CUBIC's plateau does (RFC 9438, 4.2): probing at a fixed limit of 8 costs about one
  refusal in 65 calls. When the ceiling was passed for a whole window, the limit has moved, and the start begins again.
* The window only grows while it is full: what was not used proves nothing (RFC 7661).
* Latency: see `Gauge`. Servers that queue instead of refusing are found that way.

Overload (503, 529, and a 429 about something else) decreases as well, but says nothing of how many were in flight.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from ..exceptions import ConcurrencyLimitError
from .errors import status_error
from .retry import is_transient
from .wire import Failure, Outcome, Request

INITIAL: Final = 10
"""Calls in flight at the start: as in TCP (RFC 6928) and in the AIMD limit of Netflix's concurrency-limits."""

DECREASE: Final = 0.9
"""What is left of the window after a refusal. TCP halves because a loss means a full queue; here nothing queues. Also
Netflix's `backoffRatio`."""

PROBE: Final = 8
"""Windows of answers before the size that was refused last is tried again."""

ROUND: Final = 16
"""Answers, at least, before their mean latency is compared: answers of models differ in length, so few say little."""

INFLATED: Final = 1.5
"""How much longer than before calls take when growth is suspected of having brought nothing."""

PAUSE: Final = (0.01, 0.1, 1.0)
"""Seconds before a refused call comes back: at least, as long as no latency is known, and at most. Between them half of
the mean latency: a place is free by then, or soon."""

SMOOTHING: Final = 0.125
"""Weight of the newest latency in the mean: TCP's (RFC 6298, 2.3)."""

OVERLOADED: Final = frozenset({503, 529})

Verdict = Literal["answered", "refused", "overloaded", "unknown"]
"""What the end of a call says of the window: it fitted, it was one too many, the server has too much to do, nothing."""


def verdict(outcome: Outcome, request: Request) -> Verdict:
    """What an outcome says of the window."""
    if isinstance(outcome, Failure):
        return "unknown"
    if outcome.status < 300:
        return "answered"
    if outcome.status in OVERLOADED:
        return "overloaded"
    if outcome.status == 429:
        error = status_error(outcome, request)
        if isinstance(error, ConcurrencyLimitError):
            return "refused"
        if is_transient(error):
            return "overloaded"
    return "unknown"


class Ticket(NamedTuple):
    """A place in the window, as things stood when it was taken."""

    number: int
    """Counts from 1."""
    in_flight: int
    """Calls in flight, with this one."""
    limit: int
    """How many were allowed."""


class Window:
    """The number of calls that may be in flight, and of those that are. Never waits.

    Args:
        most: The limit's limit, at least 1.
        start: The limit to begin with, at least 1.
    """

    __slots__ = (
        "_ceiling",
        "_flight",
        "_floor",
        "_gauge",
        "_latency",
        "_limit",
        "_most",
        "_sent",
        "in_flight",
        "refused",
    )

    def __init__(self, most: int, start: int = INITIAL) -> None:
        self.in_flight = 0
        """Places taken."""
        self.refused = 0
        """Calls that were one too many, so far."""
        self._most = float(most)
        self._limit = min(float(start), self._most)
        self._sent = 0
        # The flight since the last decrease: the number of its first ticket, and what its refusals may lower the limit
        # to. Answers and refusals of calls that left before know nothing of the new limit.
        self._flight = 1
        self._floor = 1.0
        self._ceiling: int | None = None
        self._latency: float | None = None
        self._gauge = Gauge(self.limit)

    @property
    def limit(self) -> int:
        """How many may be in flight; at least 1."""
        return int(self._limit)

    def enter(self) -> Ticket | None:
        """A place; `None` where all are taken."""
        limit = self.limit
        if self.in_flight >= limit:
            return None
        self.in_flight += 1
        self._sent += 1
        return Ticket(self._sent, self.in_flight, limit)

    def leave(self, ticket: Ticket, verdict: Verdict, seconds: float | None = None) -> float | None:
        """Gives a place back, and learns from how the call ended.

        Args:
            ticket: The place.
            verdict: What the end says.
            seconds: How long an answered call took; `None` where that was not the server's doing.

        Returns:
            For a refused call, the seconds after which it may come back free of charge, before they are doubled for a
            call that is refused again and spread by chance. `None` where it had left while the window was 1, and could
            shrink no more: then the refusal is an error like others. A server that refuses everything is found out.
        """
        was_full = self.in_flight >= self.limit
        self.in_flight -= 1
        if verdict == "answered":
            self._learn(ticket, seconds)
            if was_full and ticket.number >= self._flight and not self._gauge.holds:
                self._grow()
        elif verdict != "unknown":
            self._shrink(ticket, ticket.in_flight if verdict == "refused" else None)
        if verdict != "refused":
            return None
        self.refused += 1
        if ticket.limit == 1:
            return None
        least, unknown, most = PAUSE
        return unknown if self._latency is None else min(most, max(least, self._latency / 2))

    def _learn(self, ticket: Ticket, seconds: float | None) -> None:
        if seconds is None:
            return
        latency = self._latency
        self._latency = seconds if latency is None else latency + SMOOTHING * (seconds - latency)
        useful = self._gauge.take(ticket, seconds, self.limit, self._sent)
        if useful is not None and useful < self._limit:
            self._limit = max(1.0, useful)
            self._ceiling = int(self._most) + 2  # never reached: where nothing refuses, no ceiling is ever disproved

    def _grow(self) -> None:
        step = 1.0
        if self._ceiling is not None:
            step /= self._limit
            if self.limit + 1 == self._ceiling:
                step /= PROBE
            elif self.limit > self._ceiling:
                self._ceiling = None
        self._limit = min(self._most, self._limit + step)

    def _shrink(self, ticket: Ticket, refused: int | None) -> None:
        if ticket.number >= self._flight:
            self._flight = self._sent + 1
            self._floor = max(1.0, self._limit / 2)
            self._ceiling = max(self.limit, 2)
            self._limit = max(1.0, self._limit * DECREASE)
            self._gauge.forget(self._sent, self.limit)
        # Where there is no ceiling, a late refusal met a window that has grown past its size meanwhile.
        if refused is not None and self._ceiling is not None:
            self._limit = min(self._limit, max(self._floor, refused - 1))
            self._ceiling = max(min(self._ceiling, refused), self.limit + 1)


class Round(NamedTuple):
    """What calls that left in the same stretch of time had in common."""

    in_flight: float
    """Mean of calls in flight when they left."""
    seconds: float
    """Mean latency."""


class Gauge:
    """Whether growth brought throughput, told by latency alone.

    By Little's law a server answers `in flight / latency` calls a second. TCP Vegas compares that with what it would be
    without queues; here a round of calls is compared with an earlier one, since no latency is typical of a model:
    answers have different lengths. When calls take `INFLATED` times as long as they did with fewer in flight, and less
    than half of the growth has become throughput, growth stops. If the next round says the same, the growth is taken
    back, and rests for `PROBE` rounds. Nothing is ever taken back but growth, so that longer answers, which look like a
    slower server, cost none of the limit.
    """

    __slots__ = ("_count", "_earlier", "_first", "_in_flight", "_rest", "_seconds", "_size", "_suspicion")

    def __init__(self, limit: int) -> None:
        self._rest = 0
        self.forget(0, limit)

    def forget(self, sent: int, limit: int) -> None:
        """Starts anew with the calls after number `sent`."""
        self._earlier: Round | None = None
        self._suspicion = False
        self._begin(sent, limit)

    def _begin(self, sent: int, limit: int) -> None:
        self._first = sent + 1
        self._size = max(ROUND, limit)
        self._count = 0
        self._in_flight = 0
        self._seconds = 0.0

    @property
    def holds(self) -> bool:
        """Whether the window is to grow no further for now."""
        return self._suspicion or self._rest > 0

    def take(self, ticket: Ticket, seconds: float, limit: int, sent: int) -> float | None:
        """Takes the latency of a call; the size to go back to, where growth beyond it brought nothing."""
        if ticket.number < self._first:
            return None
        self._count += 1
        self._in_flight += ticket.in_flight
        self._seconds += seconds
        if self._count < self._size:
            return None
        latest = Round(self._in_flight / self._count, self._seconds / self._count)
        self._begin(sent, limit)
        self._rest = max(0, self._rest - 1)
        return self._compare(latest)

    def _compare(self, latest: Round) -> float | None:
        earlier = self._earlier
        if earlier is None:
            self._earlier = latest
            return None
        growth = latest.in_flight / earlier.in_flight
        # Of the throughput, by Little's law, without dividing by a latency of 0.
        was_useful = 2 * growth * earlier.seconds >= (1 + growth) * latest.seconds
        if latest.seconds > INFLATED * earlier.seconds and not was_useful:
            if not self._suspicion:
                self._suspicion = True
                return None
            self._earlier = None
            self._suspicion = False
            self._rest = PROBE
            return earlier.in_flight
        self._suspicion = False
        if growth >= INFLATED and was_useful:  # less would let the window creep up, each step too small to show
            self._earlier = latest
        return None
