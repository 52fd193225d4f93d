"""One request and its answer over a connection of our own, async. The twin of `exchange`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Protocol

from .async_connection import AsyncConnection
from .clocks import ClockError, Clocks, Limit
from .decoding import Decoder
from .http11 import ProtocolError, ResponseReader
from .outcomes import ERRORS, Answer, NotSentError, joined, target_of
from .pool import DRAIN_BYTES, DRAIN_SECONDS, Idle, Origin, Turns
from .runs import Run, Waiter, current_run

if TYPE_CHECKING:
    import httpx

    from .._core.wire import Request


class AsyncExchange(Protocol):
    """A request and its answer, whose body is still open."""

    answer: Answer

    async def read(self, stall: Limit | None) -> bytes:
        """The next bytes of the body; `b""` at the end."""
        ...

    async def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        ...


class AsyncPool:
    """Turns and connections of one event loop, or one run of trio: of that in which it is made."""

    def __init__(self, limit: int) -> None:
        self.run: Run = current_run()
        self._limit = limit
        self._turns: Turns[Waiter] = Turns(limit)
        self._idle: Idle[AsyncConnection] = Idle(limit)
        self._busy: set[AsyncConnection] = set()
        self._made: dict[str | None, httpx.AsyncClient] = {}
        self.pid = os.getpid()
        self._closer = _close_with_run(self.run, self._idle, self._busy, self._made)

    def __del__(self) -> None:
        # Trio warns of a generator that is dropped, where asyncio goes and closes it.
        run: Run | None = getattr(self, "run", None)  # none where it was made outside any loop
        if run is not None and not run.is_asyncio and self.pid == os.getpid():
            run.soon(self._closer.aclose)

    async def open(self) -> None:
        """Ties the connections to the event loop."""
        await anext(self._closer)

    async def close(self) -> None:
        """Closes the connections."""
        await self._closer.aclose()

    async def enter(self, clocks: Clocks) -> None:
        """Waits in line for a turn, which is counted in the deadline alone."""
        if self._turns.enter():
            return
        try:
            left = Limit(clocks.deadline, "deadline").left()
        except ClockError as error:
            raise NotSentError from error
        waiter = self.run.waiter()
        self._turns.wait(waiter)
        began = time.monotonic()
        try:
            called = await waiter.wait(left)
        except BaseException:
            # Called and cancelled in the same turn of the loop: the place goes on to the next, or it is lost for ever.
            if waiter.called:
                self.leave()
            raise
        finally:
            clocks.queued += time.monotonic() - began
        if not called:
            raise NotSentError from ClockError("deadline")

    def leave(self) -> None:
        """Ends a turn."""
        waiter = self._turns.leave()
        if waiter is not None:
            waiter.call()

    def take(self, origin: Origin) -> AsyncConnection | None:
        """A connection that is still good."""
        while True:
            connection = self._idle.take(origin, time.monotonic())
            if connection is None:
                return None
            if connection.usable:
                connection.rest(False)
                self._busy.add(connection)
                return connection
            connection.close()

    async def connect(self, origin: Origin, clocks: Clocks) -> AsyncConnection:
        """A new connection."""
        connection = await AsyncConnection.open(origin, clocks.limit("connect"))
        self._busy.add(connection)
        return connection

    def discard(self, connection: AsyncConnection) -> None:
        """Closes a connection that is of no more use."""
        self._busy.discard(connection)
        connection.close()

    def put(self, origin: Origin, connection: AsyncConnection) -> None:
        """Keeps a connection for later."""
        connection.rest(True)
        self._busy.discard(connection)
        self._idle.put(origin, connection, time.monotonic())

    def clear(self, origin: Origin | None = None) -> None:
        """Closes the idle connections to this origin, or all there are."""
        self._idle.clear(origin)

    def httpx(self, proxy: str | None) -> httpx.AsyncClient:
        """A client of httpx for this proxy, or for none."""
        from .httpx_clients import asynchronous

        if proxy not in self._made:
            self._made[proxy] = asynchronous(proxy, self._limit)
        return self._made[proxy]


async def _close_with_run(
    run: Run, idle: Idle[AsyncConnection], busy: set[AsyncConnection], made: Mapping[str | None, httpx.AsyncClient]
) -> AsyncGenerator[None, None]:
    # A suspended async generator is closed by `loop.shutdown_asyncgens()`, which `asyncio.run` calls, and by trio where
    # a run ends: the one moment at which connections of a loop that is about to end can still be closed in it. It
    # doesn't hold the pool, or neither would go before the garbage collector comes.
    try:
        yield
    finally:
        idle.clear()
        for connection in list(busy):
            connection.close()
        for http in list(made.values()):
            await http.aclose()
        await run.sleep(0)  # closing takes a turn of the loop


class AsyncDirectExchange:
    """A request and its answer over a connection of our own."""

    answer: Answer

    def __init__(self, pool: AsyncPool, request: Request, clocks: Clocks) -> None:
        self._pool = pool
        self._clocks = clocks
        self._origin = target_of(request.url).origin
        self._method = request.method
        self._decoder: Decoder | None = None

    async def send(self, wire: bytes) -> None:
        """Sends the request, and waits for the head of the answer."""
        while not await self._begin(wire):
            # The connection had died while idle: not a byte came back, so the request is sent again, free of charge.
            # The others are as old, and as dead.
            self._pool.clear(self._origin)

    async def _begin(self, wire: bytes) -> bool:
        """Whether an answer began to come; `False` where a used connection turned out dead."""
        clocks = self._clocks
        connection = self._pool.take(self._origin)
        reused = connection is not None
        if connection is None:
            try:
                connection = await self._pool.connect(self._origin, clocks)
            except (ClockError, OSError) as error:
                raise NotSentError from error
        self._connection = connection
        self._reader = reader = ResponseReader(self._method)
        try:
            await connection.write(wire, clocks.limit("write"))
            body = b""
            while not reader.status:
                body = reader.feed(await connection.read(clocks.limit("read")))
        except (OSError, ProtocolError):
            self._pool.discard(connection)
            if reused and reader.untouched:
                return False
            raise
        except BaseException:
            self._pool.discard(connection)
            raise
        headers = joined(reader.headers)
        self._decoder = Decoder(coding) if (coding := headers.get("content-encoding")) else None
        self._first = body
        self.answer = Answer(reader.status, headers, reused)
        return True

    async def read(self, stall: Limit | None) -> bytes:
        """The next bytes of the body; `b""` at the end."""
        while True:
            raw, self._first = self._first, b""
            if not raw and self._reader.done:
                if self._decoder is not None:
                    self._decoder.end()
                return b""
            if not raw:
                limit = self._clocks.limit("read").earlier(stall)
                raw = self._reader.feed(await self._connection.read(limit))
            body = self._decoder.feed(raw) if self._decoder is not None else raw
            if body:
                return body

    async def close(self, *, drain: bool = False) -> None:
        """Gives the connection back if the body has ended, else up.

        Args:
            drain: Whether the last event has come, so that only the terminator is missing: it is waited for, shortly.
        """
        try:
            if drain and not self._reader.done:
                await self._drain()
        finally:
            if self._reader.done and self._reader.reusable and self._connection.usable:
                self._pool.put(self._origin, self._connection)
            else:
                self._pool.discard(self._connection)

    async def _drain(self) -> None:
        limit = Limit(time.monotonic() + DRAIN_SECONDS, "read")
        left = DRAIN_BYTES
        with contextlib.suppress(*ERRORS):
            while not self._reader.done and left > 0:
                data = await self._connection.read(limit)
                left -= len(data)
                self._reader.feed(data)
