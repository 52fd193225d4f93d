"""Who gets a place in a model's window, and in which order: decided without any waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from .._core.adaptive import Ticket, Verdict, Window, verdict
from .._core.wire import Outcome, Reply, Request
from ..types.concurrency import Concurrency

MOST_LANES: Final = 1000
"""Models and projects that are remembered; beyond it those nobody uses are forgotten, and searched anew."""


class Bell(Protocol):
    """An event."""

    def set(self) -> object:
        """Wakes who waits for it."""
        ...


B = TypeVar("B", bound=Bell)


class Waiter(Generic[B]):
    """A call in line."""

    __slots__ = ("called", "gone", "ticket")

    def __init__(self, called: B) -> None:
        self.called = called
        self.ticket: Ticket | None = None
        """Its place, once it was called."""
        self.gone = False
        """Whether it no longer waits."""


class LaneKey(NamedTuple):
    """What the service counts by."""

    base_url: str
    project: str | None
    model: str | None


class Lane(Generic[B]):
    """The calls of one model: those in flight, and the line for a place.

    Args:
        most: How many may be in flight at most.
    """

    __slots__ = ("_fresh", "_returning", "waiting", "window")

    def __init__(self, most: int) -> None:
        self.window = Window(most)
        self.waiting = 0
        """Calls in line."""
        self._returning: deque[Waiter[B]] = deque()
        self._fresh: deque[Waiter[B]] = deque()

    def enter(self) -> Ticket | None:
        """A place, if there is one and nobody waits for it."""
        return None if self.waiting else self.window.enter()

    def wait(self, called: B, *, again: bool) -> Waiter[B]:
        """Lines up.

        Args:
            called: Set when the turn has come.
            again: Whether the call had a place before: it comes ahead of those that had none.
        """
        waiter = Waiter(called)
        (self._returning if again else self._fresh).append(waiter)
        self.waiting += 1
        return waiter

    def step_out(self, waiter: Waiter[B]) -> Ticket | None:
        """Leaves the line; the place, where the turn had come."""
        waiter.gone = True
        if waiter.ticket is None:
            self.waiting -= 1
        return waiter.ticket

    def leave(self, ticket: Ticket, verdict: Verdict, seconds: float | None) -> float | None:
        """Gives a place back, and calls all for whom there is one now; see `Window.leave`."""
        pause = self.window.leave(ticket, verdict, seconds)
        while waiter := self._first():
            waiter.ticket = self.window.enter()
            if waiter.ticket is None:
                break
            (self._returning or self._fresh).popleft()
            self.waiting -= 1
            waiter.called.set()
        return pause

    def end(self) -> None:
        """Wakes all who wait; they find no place."""
        for waiter in (*self._returning, *self._fresh):
            waiter.called.set()

    def _first(self) -> Waiter[B] | None:
        for line in (self._returning, self._fresh):
            while line:
                if not line[0].gone:
                    return line[0]
                line.popleft()
        return None


class Lanes(Generic[B]):
    """The lanes of a client and its clones.

    Args:
        most: Calls in flight in each, at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lanes: dict[LaneKey, Lane[B]] = {}

    def of(self, request: Request) -> Lane[B]:
        """The lane of a request: that of its server, project and model."""
        context = request.context
        key = LaneKey(context.base_url, context.project or None, context.model)
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= MOST_LANES:
                self._lanes = {key: lane for key, lane in self._lanes.items() if lane.window.in_flight}
            lane = self._lanes[key] = Lane(self._most)
        return lane

    def end(self) -> None:
        """Wakes all who wait; they find no place."""
        for lane in self._lanes.values():
            lane.end()

    def read(self, base_url: str, project: str | None) -> dict[str, Concurrency]:
        """The state of each model's window."""
        return {
            key.model or "": Concurrency(lane.window.limit, lane.window.in_flight, lane.waiting, lane.window.refused)
            for key, lane in self._lanes.items()
            if (key.base_url, key.project) == (base_url, project)
        }


class Place:
    """A place that is held, and given back once.

    Args:
        leave: Gives it back; see `Lane.leave`.
    """

    __slots__ = ("_leave",)

    def __init__(self, leave: Callable[[Verdict, float | None], float | None]) -> None:
        self._leave: Callable[[Verdict, float | None], float | None] | None = leave

    def leave(self, verdict: Verdict, seconds: float | None = None) -> float | None:
        """Gives it back; see `Lane.leave`."""
        leave, self._leave = self._leave, None
        return None if leave is None else leave(verdict, seconds)

    def settle(self, outcome: Outcome, request: Request, hold: Callable[[Any, Place], object]) -> Outcome:
        """Gives it back for this outcome, which comes back with what that means for the retries.

        Args:
            outcome: How the attempt ended.
            request: What was sent.
            hold: Makes of an open stream's turn one that keeps this place until the stream is closed.
        """
        if isinstance(outcome, Reply) and outcome.raw is not None:
            return outcome._replace(raw=hold(outcome.raw, self))
        pause = self.leave(verdict(outcome, request), outcome.seconds)
        return outcome._replace(pause=pause) if isinstance(outcome, Reply) and pause is not None else outcome
