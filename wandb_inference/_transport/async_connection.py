"""Connections of asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

from .._network import DEFAULT
from .clocks import ClockError, Clocks, Limit
from .connection import WRITE_SIZE
from .dialing import Dialer

if TYPE_CHECKING:
    from .pool import Origin

PAUSE_ABOVE = 256 * 1024
"""Bytes that may lie unread before the peer is told to wait: else a slow reader holds a whole stream in memory."""

_NO_LIMIT = 1e9
"""Seconds that asyncio gives a handshake, in place of its 60: the clock is ours, and may have longer."""


def is_address(host: str) -> bool:
    """Whether a host is an address, which needs no look-up."""
    return ":" in host or host.replace(".", "").isdigit()


def _abandon(connecting: asyncio.Task[tuple[asyncio.Transport, AsyncConnection]]) -> None:
    """Closes a connection that came about when nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result()[1].close()


class Watcher(Protocol):
    """Who acts at once on what happens on a connection, where others read and wait."""

    def received(self, data: bytes) -> None:
        """Bytes have arrived."""
        ...

    def lost(self, error: Exception | None) -> None:
        """The connection has ended; `None`: the peer closed it."""
        ...

    def late(self, error: ClockError) -> None:
        """Nothing has happened in time."""
        ...


class AsyncConnection(asyncio.Protocol):
    """One connection. Each step takes its limit, and raises `ClockError` beyond it, `OSError` if the connection breaks.

    A timer is moved along, not made anew: at most one is pending, and steps that end in time only say so.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, dialer: Dialer | None = None) -> None:
        self._loop = loop
        self._dialer = dialer or Dialer(DEFAULT)
        self._transport: asyncio.Transport | None = None
        self._arrived: deque[bytes] = deque()
        self._unread = 0
        self._ended = False
        self._error: Exception | None = None
        self.idle = False
        """Whether anything that arrives is out of place."""
        self._paused_reading = False
        self._paused_writing = False
        self._waiter: asyncio.Future[None] | None = None
        self._watcher: Watcher | None = None
        self._limit: Limit | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings = self._due = 0.0

    @classmethod
    async def open(cls, origin: Origin, limit: Limit, dialer: Dialer) -> AsyncConnection:
        """A new connection; the limit holds for name look-up, TCP and TLS together."""
        loop = asyncio.get_running_loop()
        context = dialer.tls.context() if origin.scheme == "https" else None
        # An address needs no race, whose losers take a while to go; uvloop knows none.
        races = not is_address(origin.host) and isinstance(loop, asyncio.BaseEventLoop)
        race: dict[str, Any] = {"happy_eyeballs_delay": 0.25} if races and dialer.network.happy_eyeballs else {}
        connecting = loop.create_task(
            loop.create_connection(
                lambda: cls(loop, dialer),
                origin.host,
                origin.port,
                family=dialer.family,
                ssl=context,
                server_hostname=origin.host if context else None,
                ssl_handshake_timeout=_NO_LIMIT if context else None,
                **race,
            )
        )
        try:
            # Not `wait_for`: it would lose the connection of a call that is cancelled just as it comes about.
            done, _ = await asyncio.wait({connecting}, timeout=limit.left())
            if not done:
                raise ClockError(limit.clock)
        except BaseException:
            connecting.cancel()
            connecting.add_done_callback(_abandon)
            raise
        error = connecting.exception()
        if error is not None:
            try:
                # Without asyncio's frames, some of which hold it as well: in circles they would keep the client alive.
                raise error.with_traceback(None)
            finally:
                del error, connecting, done
        transport, connection = connecting.result()
        if context is not None:
            try:
                dialer.check(transport.get_extra_info("ssl_object"))
            except BaseException:
                connection.close()
                raise
        return connection

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._dialer.tune(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        watcher = self._watcher
        if watcher is not None:
            watcher.received(data)
            return
        if self.idle:
            self.close()  # nobody asked: whatever it is, the next answer would be mistaken for it
            return
        self._arrived.append(data)
        self._unread += len(data)
        if self._unread > PAUSE_ABOVE and not self._paused_reading and self._transport is not None:
            self._paused_reading = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The peer will send no more."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended = True
        self._error = exc
        if self._transport is not None:
            self._transport.abort()  # Python 3.10 warns of a TLS connection that broke and was not closed as well
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        watcher = self._watcher
        if watcher is not None:
            self._watcher = None
            watcher.lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """The peer takes no more for now."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """The peer takes more."""
        self._paused_writing = False
        self._wake()

    # What a call does

    @property
    def usable(self) -> bool:
        """Whether the connection is good for another request: open, silent, and the last one written whole."""
        if self._ended or self._arrived or self._transport is None:
            return False
        try:
            return not self._transport.get_write_buffer_size()
        except AttributeError:  # Python 3.10's TLS, whose connection was lost in this turn of the loop
            return False

    @property
    def takes_more(self) -> bool:
        """Whether the peer takes more: it has not closed, nor answered while it took nothing."""
        transport = self._transport
        # A write that fails closes the transport at once, and says so in a later turn of the loop.
        is_open = not self._ended and transport is not None and not transport.is_closing()
        return is_open and not self._paused_writing

    async def write(self, data: bytes, clocks: Clocks) -> None:
        """Sends all of it, or as much as the peer takes before it answers or closes: the next read tells which.

        The clock of writing holds for each piece that the peer takes, the deadline for all.
        """
        outbox = self._dialer.outbox
        if outbox is not None and len(data) <= WRITE_SIZE and self._transport is not None and not self._ended:
            outbox.put(self._transport, data)
            return
        for at in range(0, len(data), WRITE_SIZE):
            if self._has_news:
                self._send(data[at:])  # an answer may be early hints, and the peer wait for the rest
                break
            self._send(data[at : at + WRITE_SIZE])
            limit = clocks.limit("write")
            while self._paused_writing and not self._has_news:
                await self._wait(limit)

    @property
    def _has_news(self) -> bool:
        return bool(self._arrived) or self._ended

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def read(self, limit: Limit) -> bytes:
        """What has arrived, at least a byte; `b""` at the end."""
        if self._arrived:
            limit.left()  # who reads more slowly than the peer sends never waits, and their deadline comes all the same
        while not self._arrived:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return b""
            await self._wait(limit)
        data = self._arrived.popleft() if len(self._arrived) == 1 else b"".join(self._arrived)
        self._arrived.clear()
        self._unread = 0
        if self._paused_reading and self._transport is not None:
            self._paused_reading = False
            with contextlib.suppress(AttributeError):  # as above
                self._transport.resume_reading()
        return data

    def write_now(self, data: bytes) -> None:
        """Sends all of it, however long the peer takes for that."""
        outbox, transport = self._dialer.outbox, self._transport
        if outbox is None or transport is None:
            self._send(data)
        else:
            outbox.put(transport, data)

    def watch(self, watcher: Watcher, due: float) -> None:
        """Tells somebody of all that happens from now on, until `unwatch()`, the end or the deadline."""
        self._watcher = watcher
        self._due = due
        if self._timer is None or due < self._rings:
            self._set_timer(due)

    def unwatch(self) -> None:
        """Ends that."""
        self._watcher = None

    def close(self) -> None:
        """Closes it at once, without TLS's farewell."""
        if self._transport is not None:
            self._transport.abort()
        self._ended = True
        self._error = None  # once it was raised, its frames hold this connection, and this would hold them

    async def _wait(self, limit: Limit) -> None:
        """Waits until something happens."""
        self._waiter = self._loop.create_future()
        self._arm(limit)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._limit = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _arm(self, limit: Limit) -> None:
        if limit.due is None:
            return
        limit.left()
        self._limit = limit
        if self._timer is None or limit.due < self._rings:  # else it will look again when it rings
            self._set_timer(limit.due)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = due
        self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        limit, waiter, watcher = self._limit, self._waiter, self._watcher
        if watcher is not None:
            if time.monotonic() < self._due:
                self._set_timer(self._due)
            else:
                watcher.late(ClockError("deadline"))
            return
        if limit is None or limit.due is None or waiter is None or waiter.done():
            return  # the step it was set for has ended
        if time.monotonic() < limit.due:
            self._set_timer(limit.due)
        else:
            waiter.set_exception(ClockError(limit.clock))
