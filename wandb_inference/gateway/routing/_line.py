"""Waiting for a place: who is next, and who gets what is given back.

A place that is given back goes to the one who waits for it, before newcomers see it. Among those who wait, callers take
turns: one with a hundred requests in the line does not keep another's first one waiting. The requests of one caller go
in the order in which they came (start-time fair queueing, with all requests of the same length). A turn counts when it
is taken: those who leave before have had none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from ..._core.adaptive import Ticket, Verdict
from ._breaker import Breaker


class Pass:
    """A place that was taken."""

    __slots__ = ("probed", "ticket")

    def __init__(self) -> None:
        self.ticket: Ticket | None = None
        """The place in an adaptive window, if there was one."""
        self.probed: tuple[Breaker, ...] = ()
        """The breakers that the holder tests."""


class Place(ABC):
    """Something that only so many can have at a time."""

    __slots__ = ("callers", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        """How many wait for it."""
        self.callers: dict[str, deque[Waiter]] = {}
        """Those who wait, and some who do no more, by caller and in their order."""

    @abstractmethod
    def is_free(self, now: float) -> bool:
        """Whether one more can have it."""
        ...

    @abstractmethod
    def enter(self, now: float) -> Pass:
        """Takes it."""
        ...

    @abstractmethod
    def leave(self, taken: Pass, verdict: Verdict = "unknown", seconds: float | None = None) -> float | None:
        """Gives it back; see `Window.leave`."""
        ...

    def heads(self) -> Iterator[Waiter]:
        """Who is next of each caller."""
        for caller, waiters in list(self.callers.items()):
            while waiters and waiters[0].is_done:
                waiters.popleft()
            if waiters:
                yield waiters[0]
            else:
                del self.callers[caller]


class Waiter:
    """One who waits.

    Attributes:
        ready: Whether `Plan.next()` has something new to say.
        deadline: When the wait is over, as `now` counts.
        data: Room for what the server wakes it by.
    """

    __slots__ = ("caller", "data", "deadline", "granted", "is_done", "number", "places", "ready")

    def __init__(self, caller: str, places: Sequence[Place], deadline: float, number: int) -> None:
        self.caller = caller
        self.places = places
        self.deadline = deadline
        self.number = number
        self.ready = False
        self.is_done = False
        self.granted: tuple[Place, Pass] | None = None
        self.data: Any = None


class Line:
    """All who wait.

    Args:
        on_ready: Called with each waiter that gets a place.
        longest: How many may wait at most.
    """

    def __init__(self, on_ready: Callable[[Waiter], None], longest: int) -> None:
        self._on_ready = on_ready
        self.longest = longest
        self.waiting = 0
        """How many wait."""
        self._places: dict[Place, None] = {}
        self._numbers = count()
        self._turn = 0
        """Which turn it is."""
        self._turns: dict[str, int] = {}
        """The next turn of those who had one since somebody began to wait."""

    def join(self, caller: str, places: Sequence[Place], deadline: float) -> Waiter | None:
        """One more who waits for any of these places; `None` where the line is full."""
        if self.waiting >= self.longest:
            return None
        waiter = Waiter(caller, places, deadline, next(self._numbers))
        self.waiting += 1
        for place in places:
            place.callers.setdefault(caller, deque()).append(waiter)
            place.waiting += 1
            self._places[place] = None
        return waiter

    def quit(self, waiter: Waiter, now: float) -> None:
        """Ends a wait; a place that was granted and not fetched goes to the next."""
        if waiter.granted is None:
            self._remove(waiter)
            return
        place, taken = waiter.granted
        place.leave(taken)
        self.serve(now)

    def serve(self, now: float) -> None:
        """Gives the places that are free to those who wait for them, the longest first."""
        while self.waiting:
            heads = [
                (max(self._turn, self._turns.get(head.caller, 0)), head.number, head, place)
                for place in self._places
                if place.is_free(now)
                for head in place.heads()
            ]
            if not heads:
                return
            turn, _, best, at = min(heads, key=_order)
            self._turn, self._turns[best.caller] = turn, turn + 1
            self._remove(best)
            best.granted, best.ready = (at, at.enter(now)), True
            self._on_ready(best)

    def _remove(self, waiter: Waiter) -> None:
        waiter.is_done = True
        self.waiting -= 1
        for place in waiter.places:
            place.waiting -= 1
            if not place.waiting:
                place.callers.clear()
                self._places.pop(place, None)
        if not self.waiting:
            self._turns.clear()


def _order(head: tuple[int, int, Waiter, Place]) -> tuple[int, int]:
    return head[0], head[1]
