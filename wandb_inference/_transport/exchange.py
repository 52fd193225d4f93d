"""One request and its answer over a connection of our own, blocking."""

from __future__ import annotations

import contextlib
import threading
import time
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from .._network import DEFAULT
from .clocks import ClockError, Clocks, Limit
from .connection import Connection
from .decoding import Decoder
from .dialing import Dialer
from .http11 import Head, ProtocolError, ResponseReader
from .outcomes import CLOSED, ERRORS, Answer, NotSentError, closed, joined
from .pool import DRAIN_BYTES, DRAIN_SECONDS, Idle, Origin, Turns

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    def __init__(self, limit: int, dialer: Dialer | None = None) -> None:
        self.dialer = dialer or Dialer(DEFAULT)
        # One that its holder may take again: the garbage collector comes at any line, and ends forgotten streams.
        self._lock = threading.RLock()
        self._turns: Turns[_Waiter] = Turns(limit)
        self._idle: Idle[Connection] = Idle(limit, self.dialer.network.keepalive_expiry)
        self._busy: set[Connection] = set()
        self.ended = False
        """Whether the client was closed: there are no more turns."""

    def enter(self, clocks: Clocks) -> None:
        """Waits in line for a turn, which is counted in the deadline alone.

        Raises:
            ConfigurationError: The client is closed, or was meanwhile.
        """
        with self._lock:
            if self.ended:
                raise closed(is_own=True)
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
        granted = self._step_out(waiter)
        if self.ended:
            raise closed(is_own=True)
        if not granted:
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

    def end(self) -> None:
        """Sends away who waits in line, and interrupts the exchanges in flight, for good."""
        with self._lock:
            self.ended = True
            for waiter in self._turns.end():
                waiter.called.set()
            for connection in list(self._busy):
                connection.interrupt()

    def take(self, origin: Origin) -> Connection | None:
        """A connection that is still good."""
        while True:
            with self._lock:
                connection = self._idle.take(origin, time.monotonic())
            if connection is None:
                return None
            if connection.usable:
                self._use(connection)
                return connection
            connection.close()

    def connect(self, origin: Origin, clocks: Clocks) -> Connection:
        """A new connection."""
        connection = Connection.open(origin, clocks.limit("connect"), self.dialer)
        self._use(connection)
        return connection

    def _use(self, connection: Connection) -> None:
        with self._lock:
            if not self.ended:
                self._busy.add(connection)
                return
        connection.close()
        raise closed(is_own=True)

    def discard(self, connection: Connection) -> None:
        """Gives up a connection that is of no more use, and wakes a thread that waits for more of it."""
        with self._lock:
            self._busy.discard(connection)
        connection.abort()

    def put(self, origin: Origin, connection: Connection) -> None:
        """Keeps a connection for later, unless the client was closed."""
        with self._lock:
            self._busy.discard(connection)
            if self.ended:
                connection.close()
                return
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
        self, pool: Pool, origin: Origin, method: str, clocks: Clocks, *, raw: bool = False, keep: bool = True
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._method = method
        self._clocks = clocks
        self._raw = raw
        self._keep = keep
        self._decoder: Decoder | None = None
        self.written = False
        """Whether the server took the whole request."""

    @property
    def head(self) -> Head:
        """The head of the answer, as it came."""
        return self._reader.head

    def send(self, wire: bytes, pieces: Iterable[bytes] | None = None) -> None:
        """Sends the request, and waits for the head of the answer.

        Args:
            wire: The request, or what goes before `pieces`.
            pieces: The rest. It can be had only once, so that a connection which died while idle is an error then.
        """
        while not self._begin(wire, pieces):
            # The connection had died while idle: not a byte came back, so the request is sent again, free of charge.
            # The others are as old, and as dead.
            self._pool.clear(self._origin)

    def _begin(self, wire: bytes, pieces: Iterable[bytes] | None) -> bool:
        """Whether an answer began to come; `False` where a used connection turned out dead."""
        clocks = self._clocks
        connection = self._pool.take(self._origin)
        reused = connection is not None
        if connection is None:
            try:
                connection = self._pool.connect(self._origin, clocks)
            except (ClockError, OSError) as error:
                raise NotSentError from error
        self._connection = connection
        self._reader = reader = ResponseReader(self._method, fast=self._pool.dialer.network.http_parser == "auto")
        try:
            self.written = self._write(connection, chain((wire,), pieces or ()))
            body = b""
            while not reader.status:
                body = reader.feed(connection.read(clocks.limit("read")))
        except (OSError, ProtocolError):
            self._pool.discard(connection)
            if reused and reader.untouched and pieces is None and not self._pool.ended:
                return False
            raise
        except BaseException:
            self._pool.discard(connection)
            raise
        headers = joined(reader.headers)
        coding = None if self._raw else headers.get("content-encoding")
        self._decoder = Decoder(coding) if coding else None
        self._first = body
        self.answer = Answer(reader.status, headers, reused)
        return True

    def _write(self, connection: Connection, pieces: Iterable[bytes]) -> bool:
        """Whether the server took it all."""
        for piece in pieces:
            try:
                connection.write(piece, self._clocks)
            except OSError:
                # A server may answer without reading all, and close: its answer says more than the reset.
                return False
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
                if self._reader.broken is not None:
                    raise ProtocolError(self._reader.broken)
                limit = self._clocks.limit("read").earlier(stall)
                data = self._connection.read(limit)
                if not data and self._pool.ended:
                    raise ProtocolError(CLOSED)  # a body without a length would seem to have come whole
                raw = self._reader.feed(data)
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
        if self._reader.done and self._reader.reusable and self.written and self._keep:
            self._pool.put(self._origin, self._connection)
        else:
            self._pool.discard(self._connection)

    def _drain(self) -> None:
        limit = Limit(time.monotonic() + DRAIN_SECONDS, "read")
        left = DRAIN_BYTES
        with contextlib.suppress(*ERRORS):
            while not self._reader.done and self._reader.broken is None and left > 0:
                data = self._connection.read(limit)
                left -= len(data)
                self._reader.feed(data)
