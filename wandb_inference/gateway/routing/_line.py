"""Waiting for a place: who is next, and who gets what is given back.

A place that is given back goes to the one who waits for it, before newcomers see it. Among those who wait, callers take
turns: one with a hundred requests in the line does not keep another's first one waiting. The requests of one caller go
in the order in which they came (start-time fair queueing, with all requests of the same length).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
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

    __slots__ = ("heap", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        """How many wait for it."""
        self.heap: list[tuple[int, int, Waiter]] = []

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

    def head(self) -> Waiter | None:
        """Who is next."""
        heap = self.heap
        while heap and heap[0][2].is_done:
            heappop(heap)
        return heap[0][2] if heap else None


class Waiter:
    """One who waits.

    Attributes:
        ready: Whether `Plan.next()` has something new to say.
        deadline: When the wait is over, as `now` counts.
        data: Room for what the server wakes it by.
    """

    __slots__ = ("data", "deadline", "granted", "is_done", "places", "rank", "ready")

    def __init__(self, places: Sequence[Place], deadline: float, rank: int) -> None:
        self.places = places
        self.deadline = deadline
        self.rank = rank
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
        self._now = 0
        """The rank of the one who was served last."""
        self._ranks: dict[str, int] = {}
        """The last rank of each caller of whom somebody waits."""

    def join(self, caller: str, places: Sequence[Place], deadline: float) -> Waiter | None:
        """One more who waits for any of these places; `None` where the line is full."""
        if self.waiting >= self.longest:
            return None
        rank = self._ranks[caller] = max(self._now, self._ranks.get(caller, 0)) + 1
        waiter = Waiter(places, deadline, rank)
        number = next(self._numbers)
        self.waiting += 1
        for place in places:
            heappush(place.heap, (rank, number, waiter))
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
            best: Waiter | None = None
            at: Place | None = None
            for place in self._places:
                if place.is_free(now):
                    head = place.head()
                    if head is not None and (best is None or head.rank < best.rank):
                        best, at = head, place
            if best is None or at is None:
                return
            self._remove(best)
            self._now = max(self._now, best.rank)
            best.granted, best.ready = (at, at.enter(now)), True
            self._on_ready(best)

    def _remove(self, waiter: Waiter) -> None:
        waiter.is_done = True
        self.waiting -= 1
        for place in waiter.places:
            place.waiting -= 1
            if not place.waiting:
                place.heap.clear()
                self._places.pop(place, None)
        if not self.waiting:
            self._ranks.clear()
