"""Waiting for a place in a model's window, async. The twin of `gate`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar

from .._core.wire import Outcome, Request
from .clocks import ClockError, Clocks, Limit
from .lanes import Lanes, Place
from .outcomes import NotSentError, closed, failure

if TYPE_CHECKING:
    from .._config import ApiKey
    from ..types.concurrency import Concurrency
    from .async_exchange import AsyncExchange
    from .asynchronous import AsyncTurn
    from .runs import Run


class AsyncGate:
    """Places for the calls of one event loop."""

    def __init__(self, most: int) -> None:
        self._lanes: Lanes[anyio.Event] = Lanes(most)
        self.pid = os.getpid()
        self._ended = False

    async def send(
        self,
        send: Callable[[Request, ApiKey | None, Clocks], Awaitable[Outcome]],
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
            place = await self.enter(request, clocks, again=again)
        except NotSentError as error:
            return failure(error, began, clocks)
        try:
            return place.settle(await send(request, key, clocks), request, AsyncHeldTurn)
        except BaseException:
            place.leave("unknown")
            raise

    async def enter(self, request: Request, clocks: Clocks, *, again: bool) -> Place:
        """Waits in line for a place, which is counted in the deadline alone."""
        if self._ended:
            raise closed(is_own=True)
        lane = self._lanes.of(request)
        ticket = lane.enter()
        if ticket is not None:
            return Place(partial(lane.leave, ticket))
        waiter = lane.wait(anyio.Event(), again=again)
        began = time.monotonic()
        try:
            with contextlib.suppress(ClockError), anyio.move_on_after(Limit(clocks.deadline, "deadline").left()):
                await waiter.called.wait()
        except BaseException:
            # Called and cancelled in the same turn of the loop: the place goes on to the next, or it is lost for ever.
            ticket = lane.step_out(waiter)
            if ticket is not None:
                lane.leave(ticket, "unknown", None)
            raise
        finally:
            clocks.queued += time.monotonic() - began
        ticket = lane.step_out(waiter)
        if ticket is None and self._ended:
            raise closed(is_own=True)
        if ticket is None:
            raise NotSentError from ClockError("deadline")
        return Place(partial(lane.leave, ticket))

    def end(self) -> None:
        """Sends away who waits in line, for good: the client was closed."""
        self._ended = True
        self._lanes.end()

    def read(self, base_url: str, project: str | None) -> dict[str, Concurrency]:
        """The state of each model's window."""
        return self._lanes.read(base_url, project)


class AsyncHeldTurn:
    """The turn of an open stream, with its place in the window."""

    def __init__(self, turn: AsyncTurn, place: Place) -> None:
        self._turn = turn
        self._place = place
        self._began = time.monotonic()
        self.exchange: AsyncExchange | None = turn.exchange

    @property
    def ended(self) -> bool:
        """Whether the client was closed."""
        return self._turn.ended

    @property
    def run(self) -> Run:
        """Where it is waited for."""
        return self._turn.run

    def soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether a task does what a destructor can't wait for."""
        return self._turn.soon(function)

    async def close(self, *, drain: bool = False) -> None:
        """Closes the exchange, ends the turn and gives up the place."""
        try:
            await self._turn.close(drain=drain)
        finally:
            # How long a stream took says something of the server only if it was read to its end.
            self._place.leave("answered", time.monotonic() - self._began if drain else None)


# Events belong to their loop, and gates with them: both end with it, or with the transport.
_gates: RunVar[WeakKeyDictionary[object, AsyncGate]] = RunVar("wandb_inference_gates")


def gate_of(transport: object, most: int) -> AsyncGate:
    """The transport's gate in the running event loop, of asyncio or trio."""
    gates = _gates.get(None)
    if gates is None:
        gates = WeakKeyDictionary[object, AsyncGate]()
        _gates.set(gates)
    gate = gates.get(transport)
    # After a fork, who holds the places is in the parent.
    if gate is None or gate.pid != os.getpid():
        gate = gates[transport] = AsyncGate(most)
    return gate
