"""Connections of asyncio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from .clocks import ClockError, Limit
from .connection import tune
from .tls import shared_context

if TYPE_CHECKING:
    import socket

    from .pool import Origin

PAUSE_ABOVE = 256 * 1024
"""Bytes that may lie unread before the peer is told to wait: else a slow reader holds a whole stream in memory."""


def is_address(host: str) -> bool:
    """Whether a host is an address, which needs no look-up."""
    return ":" in host or host.replace(".", "").isdigit()


def _abandon(connecting: asyncio.Task[tuple[asyncio.Transport, AsyncConnection]]) -> None:
    """Closes a connection that came about when nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result()[1].close()


class AsyncConnection(asyncio.Protocol):
    """One connection. Each step takes its limit, and raises `ClockError` beyond it, `OSError` if the connection breaks.

    A timer is moved along, not made anew: at most one is pending, and steps that end in time only say so.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._arrived: deque[bytes] = deque()
        self._unread = 0
        self._ended = False
        self._error: Exception | None = None
        self._idle = False
        self._paused_reading = False
        self._paused_writing = False
        self._waiter: asyncio.Future[None] | None = None
        self._limit: Limit | None = None
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, origin: Origin, limit: Limit) -> AsyncConnection:
        """A new connection; the limit holds for name look-up, TCP and TLS together."""
        loop = asyncio.get_running_loop()
        context = shared_context() if origin.scheme == "https" else None
        # An address needs no race, whose losers take a while to go; uvloop knows none.
        races = not is_address(origin.host) and isinstance(loop, asyncio.BaseEventLoop)
        race: dict[str, Any] = {"happy_eyeballs_delay": 0.25} if races else {}
        connecting = loop.create_task(
            loop.create_connection(
                lambda: cls(loop),
                origin.host,
                origin.port,
                ssl=context,
                server_hostname=origin.host if context else None,
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
        return connecting.result()[1]

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        tune(cast("socket.socket", transport.get_extra_info("socket")))

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        if self._idle:
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
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
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
        """Whether the connection is good for another request: open, and the last one written whole."""
        transport = self._transport
        return not self._ended and transport is not None and not transport.get_write_buffer_size()

    def rest(self, idle: bool) -> None:
        """Says whether anything that arrives from now on is out of place."""
        self._idle = idle

    async def write(self, data: bytes, limit: Limit) -> None:
        """Sends all of it, or as much as the peer takes before it answers or closes: the next read tells which."""
        if self._transport is not None:
            self._transport.write(data)
        while self._paused_writing and not self._ended and not self._arrived:
            await self._wait(limit)

    async def read(self, limit: Limit) -> bytes:
        """What has arrived, at least a byte; `b""` at the end."""
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
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Closes it at once, without TLS's farewell."""
        if self._transport is not None:
            self._transport.abort()
        self._ended = True

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
        if self._timer is not None:
            if self._timer.when() <= limit.due - time.monotonic() + self._loop.time():
                return  # it will look again when it rings
            self._timer.cancel()
        self._set_timer(limit.due)

    def _set_timer(self, due: float) -> None:
        self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        limit, waiter = self._limit, self._waiter
        if limit is None or limit.due is None or waiter is None or waiter.done():
            return  # the step it was set for has ended
        if time.monotonic() < limit.due:
            self._set_timer(limit.due)
        else:
            waiter.set_exception(ClockError(limit.clock))
