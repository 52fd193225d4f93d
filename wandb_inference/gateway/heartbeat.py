"""Signs of life on a stream that is silent, for balancers and clients that give up on silence."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from .call import Call

HEARTBEAT: Final = b": still here\n\n"
"""A comment, which clients skip."""


class Heartbeat:
    """Sends a comment whenever nothing was sent for a while. One timer, which is moved along.

    Args:
        call: The request.
        seconds: For how long; 0: never.
    """

    __slots__ = ("_call", "_last", "_loop", "_seconds", "_task", "_timer")

    def __init__(self, call: Call, seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._last = monotonic()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(seconds, self._look) if seconds > 0 else None

    def beaten(self) -> None:
        """Something is sent just now."""
        self._last = monotonic()

    def stop(self) -> None:
        """No more of them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()  # it may not have begun, or wait for the client: the end comes without it
            self._task = None

    def _look(self) -> None:
        now = monotonic()
        wait = self._last + self._seconds - now
        if wait <= 0.001 and (self._task is None or self._task.done()):
            # In a task of its own: the stream's waits for the service. Blocks are whole events, so it is between two.
            self._task = self._loop.create_task(self._call.write(HEARTBEAT))
            self._last = now
        self._timer = self._loop.call_later(max(0.001, self._last + self._seconds - now), self._look)
