"""One request and its answer over a connection of our own, async. The twin of `exchange`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from .._core.wire import Timeouts
from .._network import DEFAULT
from .async_connection import AsyncConnection
from .clocks import ClockError, Clocks, Limit
from .decoding import Decoder
from .dialing import Dialer
from .http11 import Head, ProtocolError, ResponseReader
from .outcomes import CLOSED, ERRORS, Answer, NotSentError, closed, joined
from .pool import DRAIN_BYTES, DRAIN_SECONDS, Idle, Origin, Turns
from .runs import Run, Waiter, current_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    import httpx
    from typing_extensions import Self


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

    def __init__(self, limit: int, dialer: Dialer | None = None) -> None:
        self.run: Run = current_run()
        self.dialer = dialer or Dialer(DEFAULT)
        self._limit = limit
        self._turns: Turns[Waiter] = Turns(limit)
        self._idle: Idle[AsyncConnection] = Idle(limit, self.dialer.network.keepalive_expiry)
        self._busy: set[AsyncConnection] = set()
        self._made: dict[str | None, httpx.AsyncClient] = {}
        self.pid = os.getpid()
        self.ended = False
        """Whether the client was closed: there are no more turns."""
        self._closer = _close_with_run(self.run, self._idle, self._busy, self._made)

    def __del__(self, getpid: Callable[[], int] = os.getpid) -> None:  # `os` is gone where the interpreter ends
        # Trio warns of a generator that is dropped, where asyncio goes and closes it.
        run: Run | None = getattr(self, "run", None)  # none where it was made outside any loop
        if run is not None and not run.is_asyncio and self.pid == getpid():
            run.soon(self._closer.aclose)

    async def open(self) -> None:
        """Ties the connections to the event loop."""
        await anext(self._closer)

    async def close(self) -> None:
        """Closes the connections."""
        await self._closer.aclose()

    async def enter(self, clocks: Clocks) -> None:
        """Waits in line for a turn, which is counted in the deadline alone.

        Raises:
            ConfigurationError: The client is closed, or was meanwhile.
        """
        if self.ended:
            raise closed(is_own=True)
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
        if self.ended:
            raise closed(is_own=True)
        if not called:
            raise NotSentError from ClockError("deadline")

    def leave(self) -> None:
        """Ends a turn."""
        waiter = self._turns.leave()
        if waiter is not None:
            waiter.call()

    def end(self) -> None:
        """Sends away who waits in line, for good."""
        self.ended = True
        for waiter in self._turns.end():
            waiter.call()

    def take(self, origin: Origin) -> AsyncConnection | None:
        """A connection that is still good."""
        while (connection := self._idle.take(origin, time.monotonic())) is not None:
            if connection.usable:
                connection.idle = False
                self._busy.add(connection)
                return connection
            connection.close()
        return None

    async def connect(self, origin: Origin, clocks: Clocks) -> AsyncConnection:
        """A new connection."""
        connection = await AsyncConnection.open(origin, clocks.limit("connect"), self.dialer)
        if self.ended:
            connection.close()
            raise closed(is_own=True)
        self._busy.add(connection)
        return connection

    def discard(self, connection: AsyncConnection) -> None:
        """Closes a connection that is of no more use."""
        self._busy.discard(connection)
        connection.close()

    def put(self, origin: Origin, connection: AsyncConnection) -> None:
        """Keeps a connection for later."""
        connection.idle = True
        self._busy.discard(connection)
        self._idle.put(origin, connection, time.monotonic())

    def clear(self, origin: Origin | None = None) -> None:
        """Closes the idle connections to this origin, or all there are."""
        self._idle.clear(origin)

    def httpx(self, proxy: str | None) -> httpx.AsyncClient:
        """A client of httpx for this proxy, or for none."""
        from .httpx_clients import asynchronous

        if proxy not in self._made:
            self._made[proxy] = asynchronous(self.dialer, proxy, self._limit)
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


_NO_CLOCKS: Final = Clocks(Timeouts(None, None, None, None))


class AsyncDirectExchange:
    """A request and its answer over a connection of our own.

    Args:
        pool: Where connections come from.
        origin: Where the request goes.
        method: The request's.
        clocks: The call's.
        raw: Whether the body is handed out as it came, not decompressed.
        keep: Whether the connection may serve another request afterwards.
    """

    answer: Answer

    def __init__(
        self, pool: AsyncPool, origin: Origin, method: str, clocks: Clocks, *, raw: bool = False, keep: bool = True
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._method = method
        self._clocks = clocks
        self._raw = raw
        self._keep = keep
        self._decoder: Decoder | None = None
        self.written = False
        """Whether the server took the whole request, or may take the rest yet."""

    @property
    def head(self) -> Head:
        """The head of the answer, as it came."""
        return self._reader.head

    async def send(self, wire: bytes, pieces: AsyncIterable[bytes] | None = None) -> None:
        """Sends the request, and waits for the head of the answer.

        Args:
            wire: The request, or what goes before `pieces`.
            pieces: The rest. It can be had only once, so that a connection which died while idle is an error then.
        """
        while not await self._begin(wire, pieces):
            # The connection had died while idle: not a byte came back, so the request is sent again, free of charge.
            # The others are as old, and as dead.
            self._pool.clear(self._origin)

    async def _begin(self, wire: bytes, pieces: AsyncIterable[bytes] | None) -> bool:
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
        self._reader = reader = ResponseReader(self._method, fast=self._pool.dialer.network.http_parser == "auto")
        try:
            await connection.write(wire, clocks)
            self.written = pieces is None or await self._write(connection, pieces)
            body = b""
            while not reader.status:
                body = reader.feed(await connection.read(clocks.limit("read")))
        except (OSError, ProtocolError):
            self._pool.discard(connection)
            if reused and reader.untouched and pieces is None and not self._pool.ended:
                return False
            raise
        except BaseException:
            self._pool.discard(connection)
            raise
        self._open(body, reused=reused)
        return True

    @classmethod
    def under_way(cls, pool: AsyncPool, origin: Origin, connection: AsyncConnection) -> Self:
        """One whose request was sent already, on a connection that had been used before."""
        exchange = cls(pool, origin, "POST", _NO_CLOCKS)
        exchange._connection = connection
        exchange._reader = ResponseReader("POST", fast=pool.dialer.network.http_parser == "auto")
        exchange.written = True
        return exchange

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What came of the body with these bytes, `b""` at the connection's end, and whether that is all of it.

        Raises:
            ProtocolError: They are no answer, or break one of status 200 off.
        """
        reader = self._reader
        body = reader.feed(data)
        if reader.broken is not None and reader.status == 200:  # errors say what they can
            raise ProtocolError(reader.broken)
        return body, reader.done

    @property
    def is_coded(self) -> bool:
        """Whether the body may be compressed, once the head is there."""
        return self._reader.is_coded

    @property
    def is_untouched(self) -> bool:
        """Whether not a byte has come. A connection that ends then had died while idle: the request is sent anew."""
        return self._reader.untouched and not self._pool.ended

    @property
    def status(self) -> int:
        """The answer's; 0 as long as its head is not there."""
        return self._reader.status

    def wait(self, first: bytes, clocks: Clocks) -> None:
        """From here on the answer is read by `read()`, which begins with these bytes; its head is there."""
        self._clocks = clocks
        self._open(first, reused=True)

    def release(self) -> None:
        """Gives the connection back if the body has ended, else up."""
        is_whole = self._reader.done and self._reader.reusable and self.written
        if is_whole and self._keep and self._connection.usable:
            self._pool.put(self._origin, self._connection)
        else:
            self._pool.discard(self._connection)

    def _open(self, body: bytes, *, reused: bool) -> None:
        """Opens the body, which begins with these bytes."""
        headers = joined(self._reader.headers)
        coding = None if self._raw else headers.get("content-encoding")
        self._decoder = Decoder(coding) if coding else None
        self._first = body
        self.answer = Answer(self._reader.status, headers, reused)

    async def _write(self, connection: AsyncConnection, pieces: AsyncIterable[bytes]) -> bool:
        """Whether the server took it all, or may yet."""
        async for piece in pieces:
            await connection.write(piece, self._clocks)
            if not connection.takes_more:
                return False
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
                if self._reader.broken is not None:
                    raise ProtocolError(self._reader.broken)
                limit = self._clocks.limit("read").earlier(stall)
                data = await self._connection.read(limit)
                if not data and self._pool.ended:
                    raise ProtocolError(CLOSED)  # a body without a length would seem to have come whole
                raw = self._reader.feed(data)
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
            self.release()

    async def _drain(self) -> None:
        limit = Limit(time.monotonic() + DRAIN_SECONDS, "read")
        left = DRAIN_BYTES
        with contextlib.suppress(*ERRORS):
            while not self._reader.done and self._reader.broken is None and left > 0:
                data = await self._connection.read(limit)
                left -= len(data)
                self._reader.feed(data)
