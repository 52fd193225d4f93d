"""Waiting for a place in a model's window. Loaded by the first call that does."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .._core.adaptive import Ticket, Verdict
from .._core.wire import Outcome, Request
from .clocks import ClockError, Clocks, Limit
from .lanes import Lane, Lanes, Place
from .outcomes import NotSentError, closed, failure

if TYPE_CHECKING:
    from .._config import ApiKey
    from ..types.concurrency import Concurrency
    from .blocking import Turn
    from .exchange import Exchange


class Gate:
    """Places for the calls of any number of threads."""

    def __init__(self, most: int) -> None:
        self._lock = threading.RLock()  # as in `Pool`
        self._lanes: Lanes[threading.Event] = Lanes(most)
        self.pid = os.getpid()
        self._ended = False

    def send(
        self,
        send: Callable[[Request, ApiKey | None, Clocks], Outcome],
        request: Request,
        key: ApiKey | None,
        clocks: Clocks,
        again: bool,
    ) -> Outcome:
        """Sends a request once there is a place for it; an open stream keeps it.

        Args:
            send: What sends it.
            request: The request.
            key: Passed on.
            clocks: The call's.
            again: Whether the call was sent before.
        """
        began = time.monotonic()
        try:
            place = self.enter(request, clocks, again=again)
        except NotSentError as error:
            return failure(error, began, clocks)
        try:
            return place.settle(send(request, key, clocks), request, HeldTurn)
        except BaseException:
            place.leave("unknown")
            raise

    def enter(self, request: Request, clocks: Clocks, *, again: bool) -> Place:
        """Waits in line for a place, which is counted in the deadline alone."""
        with self._lock:
            if self._ended:
                raise closed(is_own=True)
            lane = self._lanes.of(request)
            ticket = lane.enter()
            if ticket is not None:
                return Place(partial(self._leave, lane, ticket))
            waiter = lane.wait(threading.Event(), again=again)
        began = time.monotonic()
        try:
            with contextlib.suppress(ClockError):
                waiter.called.wait(Limit(clocks.deadline, "deadline").left())
        except BaseException:
            # Called and interrupted at once: the place goes on to the next, or it is lost for ever.
            with self._lock:
                ticket = lane.step_out(waiter)
            if ticket is not None:
                self._leave(lane, ticket, "unknown", None)
            raise
        finally:
            clocks.queued += time.monotonic() - began
        with self._lock:
            ticket = lane.step_out(waiter)
        if ticket is None and self._ended:
            raise closed(is_own=True)
        if ticket is None:
            raise NotSentError from ClockError("deadline")
        return Place(partial(self._leave, lane, ticket))

    def _leave(
        self, lane: Lane[threading.Event], ticket: Ticket, verdict: Verdict, seconds: float | None
    ) -> float | None:
        with self._lock:
            return lane.leave(ticket, verdict, seconds)

    def end(self) -> None:
        """Sends away who waits in line, for good: the client was closed."""
        with self._lock:
            self._ended = True
            self._lanes.end()

    def read(self, base_url: str, project: str | None) -> dict[str, Concurrency]:
        """The state of each model's window."""
        with self._lock:
            return self._lanes.read(base_url, project)


class HeldTurn:
    """The turn of an open stream, with its place in the window."""

    def __init__(self, turn: Turn, place: Place) -> None:
        self._turn = turn
        self._place = place
        self._began = time.monotonic()
        self.exchange: Exchange | None = turn.exchange

    @property
    def ended(self) -> bool:
        """Whether the client was closed."""
        return self._turn.ended

    def close(self, *, drain: bool = False) -> None:
        """Closes the exchange, ends the turn and gives up the place."""
        try:
            self._turn.close(drain=drain)
        finally:
            # How long a stream took says something of the server only if it was read to its end.
            self._place.leave("answered", time.monotonic() - self._began if drain else None)
