"""The clocks of a call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .._core.wire import Timeouts
    from ..exceptions import Clock


class ClockError(Exception):
    """A clock ran out."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock: Clock = clock


class Clocks:
    """Where the clocks of one call stand. All points in time are `time.monotonic`'s."""

    __slots__ = ("deadline", "queued", "started", "timeouts")

    def __init__(self, timeouts: Timeouts, started: float | None = None) -> None:
        self.timeouts = timeouts
        self.started = time.monotonic() if started is None else started
        """When the call began."""
        self.deadline = None if timeouts.deadline is None else self.started + timeouts.deadline
        """When it must end."""
        self.queued = 0.0
        """Seconds spent in line for a turn."""

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.started

    def limit(self, clock: Clock) -> Limit:
        """Until when a step that begins now may last.

        Args:
            clock: Which one limits it, besides the deadline: `write` counts as `read`.
        """
        timeouts = self.timeouts
        seconds = timeouts.stall if clock == "stall" else timeouts.connect if clock == "connect" else timeouts.read
        due = None if seconds is None else time.monotonic() + seconds
        if self.deadline is not None and (due is None or self.deadline < due):
            return Limit(self.deadline, "deadline")
        return Limit(due, clock)


class Limit(NamedTuple):
    """Until when something may last, and which clock says so."""

    due: float | None
    """`None` for ever."""
    clock: Clock

    def left(self) -> float | None:
        """Seconds that are left; `None` for ever.

        Raises:
            ClockError: None are.
        """
        if self.due is None:
            return None
        left = self.due - time.monotonic()
        if left <= 0:
            raise ClockError(self.clock)
        return left

    def earlier(self, other: Limit | None) -> Limit:
        """The stricter of two, or this one where there is no other."""
        if other is None or other.due is None or (self.due is not None and self.due <= other.due):
            return self
        return other
