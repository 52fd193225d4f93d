"""One request and its answer over a connection of our own, blocking."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Protocol

from .clocks import ClockError, Clocks, Limit
from .connection import Connection
from .decoding import Decoder
from .http11 import ProtocolError, ResponseReader
from .outcomes import ERRORS, Answer, NotSentError, joined, target_of, wire_of
from .pool import DRAIN_BYTES, DRAIN_SECONDS, Idle, Origin, Turns

if TYPE_CHECKING:
    from .._core.wire import Request


class Exchange(Protocol):
    """A request and its answer, whose body is still open."""

    answer: Answer

    def read(self, stall: Limit | None) -> bytes:
        """The next bytes of the body; `b""` at the end."""
        ...

    def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        ...


class _Waiter:
    """A thread in line."""

    __slots__ = ("called", "gone", "granted")

    def __init__(self) -> None:
        self.called = threading.Event()
        self.granted = False
        self.gone = False


class Pool:
    """Turns and connections, for any number of threads."""

    def __init__(self, limit: int) -> None:
        # One that its holder may take again: the garbage collector comes at any line, and ends forgotten streams.
        self._lock = threading.RLock()
        self._turns: Turns[_Waiter] = Turns(limit)
        self._idle: Idle[Connection] = Idle(limit)

    def enter(self, clocks: Clocks) -> None:
        """Waits in line for a turn, which is counted in the deadline alone."""
        with self._lock:
            if self._turns.enter():
                return
            waiter = _Waiter()
            self._turns.wait(waiter)
        began = time.monotonic()
        try:
            with contextlib.suppress(ClockError):
                waiter.called.wait(Limit(clocks.deadline, "deadline").left())
        except BaseException:
            # Called and interrupted at once: the place goes on to the next, or it is lost for ever.
            if self._step_out(waiter):
                self.leave()
            raise
        finally:
            clocks.queued += time.monotonic() - began
        if not self._step_out(waiter):
            raise NotSentError from ClockError("deadline")

    def _step_out(self, waiter: _Waiter) -> bool:
        """Leaves the line; whether the turn had come."""
        with self._lock:
            waiter.gone = True
            return waiter.granted

    def leave(self) -> None:
        """Ends a turn."""
        with self._lock:
            waiter = self._turns.leave()
            if waiter is not None:
                waiter.granted = True
                waiter.called.set()

    def take(self, origin: Origin) -> Connection | None:
        """A connection that is still good."""
        while True:
            with self._lock:
                connection = self._idle.take(origin, time.monotonic())
            if connection is None or connection.usable:
                return connection
            connection.close()

    def put(self, origin: Origin, connection: Connection) -> None:
        """Keeps a connection for later."""
        with self._lock:
            self._idle.put(origin, connection, time.monotonic())

    def clear(self, origin: Origin | None = None) -> None:
        """Closes the idle connections to this origin, or all there are."""
        with self._lock:
            self._idle.clear(origin)

    def forget(self) -> None:
        """Lets go of the connections after a fork: their owner goes on with them."""
        # Without the lock, which a thread of the parent may have held at that moment and will never release here.
        self._idle.clear()


class DirectExchange:
    """A request and its answer over a connection of our own."""

    def __init__(self, pool: Pool, request: Request, key: str | None, clocks: Clocks) -> None:
        self._pool = pool
        self._clocks = clocks
        self._origin = target_of(request.url).origin
        self._decoder: Decoder | None = None
        wire = wire_of(request, key)
        while not self._begin(request.method, wire):
            # The connection had died while idle: not a byte came back, so the request is sent again, free of charge.
            # The others are as old, and as dead.
            pool.clear(self._origin)

    def _begin(self, method: str, wire: bytes) -> bool:
        """Whether an answer began to come; `False` where a used connection turned out dead."""
        clocks = self._clocks
        connection = self._pool.take(self._origin)
        reused = connection is not None
        if connection is None:
            try:
                connection = Connection.open(self._origin, clocks.limit("connect"))
            except (ClockError, OSError) as error:
                raise NotSentError from error
        self._connection = connection
        self._reader = reader = ResponseReader(method)
        self._written = True
        try:
            try:
                connection.write(wire, clocks.limit("write"))
            except OSError:
                # A server may answer without reading all, and close: its answer says more than the reset.
                self._written = False
            body = b""
            while not reader.status:
                body = reader.feed(connection.read(clocks.limit("read")))
        except (OSError, ProtocolError):
            connection.close()
            if reused and reader.untouched:
                return False
            raise
        except BaseException:
            connection.close()
            raise
        headers = joined(reader.headers)
        self._decoder = Decoder(coding) if (coding := headers.get("content-encoding")) else None
        self._first = body
        self.answer = Answer(reader.status, headers, reused)
        return True

    def read(self, stall: Limit | None) -> bytes:
        """The next bytes of the body; `b""` at the end."""
        while True:
            raw, self._first = self._first, b""
            if not raw and self._reader.done:
                if self._decoder is not None:
                    self._decoder.end()
                return b""
            if not raw:
                limit = self._clocks.limit("read").earlier(stall)
                raw = self._reader.feed(self._connection.read(limit))
            body = self._decoder.feed(raw) if self._decoder is not None else raw
            if body:
                return body

    def close(self, *, drain: bool = False) -> None:
        """Gives the connection back if the body has ended, else up.

        Args:
            drain: Whether the last event has come, so that only the terminator is missing: it is waited for, shortly.
        """
        if drain and not self._reader.done:
            self._drain()
        if self._reader.done and self._reader.reusable and self._written:
            self._pool.put(self._origin, self._connection)
        else:
            self._connection.abort()

    def _drain(self) -> None:
        limit = Limit(time.monotonic() + DRAIN_SECONDS, "read")
        left = DRAIN_BYTES
        with contextlib.suppress(*ERRORS):
            while not self._reader.done and left > 0:
                data = self._connection.read(limit)
                left -= len(data)
                self._reader.feed(data)
