"""Bodies of requests and responses that go over aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import anyio
import httpx

from .._transport.pool import DRAIN_BYTES, DRAIN_SECONDS
from ._terms import TAIL, ends_events

if TYPE_CHECKING:
    import aiohttp

    from .._transport.asynchronous import AsyncTurn

SLICE: Final = 64 * 1024
"""Bytes of a body that are handed to aiohttp at a time, which waits when as many lie unsent."""


class Upload:
    """The body of a request as aiohttp takes it, and the clock that aiohttp lacks.

    Args:
        request: The request.
        seconds: What the server may take for each piece; `None` for ever.
    """

    def __init__(self, request: httpx.Request, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self.scope = anyio.CancelScope()
        """What is cancelled when the clock rings."""
        self.broken: Exception | None = None
        """What the caller's own stream raised, which is no error of the connection's."""
        stream = request.stream
        body = b"".join(stream) if isinstance(stream, httpx.ByteStream) else None
        self.data: bytes | AsyncIterator[bytes] | None
        if body is None or len(body) > SLICE:
            self.data = self._pieces(cast("AsyncIterable[bytes]", stream))
        else:
            self.data = body or None

    async def _pieces(self, stream: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in stream:
                for at in range(0, len(piece), SLICE):
                    self._start()
                    yield piece[at : at + SLICE]
                    self._end()
        except Exception as error:
            self.broken = error
            raise

    def _start(self) -> None:
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.scope.cancel)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def stop(self) -> None:
        """Stops the clock for good: an answer has come, or an error."""
        self._seconds = None
        self._end()


class Body(httpx.AsyncByteStream):
    """The bytes of a response, as they come."""

    def __init__(
        self, response: aiohttp.ClientResponse, turn: AsyncTurn | None, as_httpx: Callable[[Exception], Exception]
    ) -> None:
        self._response = response
        self._turn = turn
        self._as_httpx = as_httpx
        self._tail = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._read():
            self._tail = (self._tail + piece[-TAIL:])[-TAIL:]
            yield piece
        await self.aclose()

    async def _read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except Exception as error:
            raise self._as_httpx(error) from error

    async def aclose(self) -> None:
        try:
            if ends_events(self._tail):
                await self._drain()
        finally:
            # The connection is given back if the body has ended, else up.
            self._response.release()
            if self._turn is not None:
                await self._turn.close()

    async def _drain(self) -> None:
        left = DRAIN_BYTES
        with anyio.move_on_after(DRAIN_SECONDS), suppress(httpx.TransportError):
            while left > 0 and (piece := await self._read()):
                left -= len(piece)
