"""Streams, blocking and async: iterators that wait, over a state that decides."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from typing_extensions import Self

from ._core.stream import StreamState
from ._transport import AsyncBody, AsyncTransport, Body, Transport

if TYPE_CHECKING:
    from ._core.call import ChatCall
    from ._core.wire import Reply
    from ._transport.clocks import Clocks
    from .types import CompletionUsage, Meta

T = TypeVar("T")

_UNCLOSED = "a stream was left open; leave its loop by `break`, use `with`, or call close()"


class Stream(Generic[T]):
    """An answer as it comes: iterate over it.

    Leaving the loop, by its end, a `break` or an error, closes the stream and frees its connection. Outside a loop, use
    `with`, or call `close()`.

    A stream that breaks before its first chunk is tried again like any request. After it, the error carries what had
    arrived: `.partial`, `.text`, `.usage`.
    """

    def __init__(
        self, call: ChatCall, transport: Transport, clocks: Clocks, reply: Reply, state: StreamState | None = None
    ) -> None:
        self._call = call
        self._transport = transport
        self._clocks = clocks
        self._state = state or StreamState(call, reply)
        self._body: Body | None = Body(reply, call.request, clocks)

    @property
    def text(self) -> str:
        """The first answer's text so far; all of it after the end."""
        return self._state.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts; `None` until they came, which is at the end."""
        return self._state.usage

    @property
    def meta(self) -> Meta:
        """Request id, headers, attempts and timings so far."""
        return self._state.meta

    def __iter__(self) -> Iterator[T]:
        # A generator of its own for each loop: Python closes it when a `break` leaves the loop, and with it the stream.
        self._state.check_open()
        try:
            while True:
                for chunk in self._state.arrived:
                    yield cast("T", chunk)
                if not self._read():
                    return
        finally:
            self.close()

    def __next__(self) -> T:
        while True:
            for chunk in self._state.arrived:
                return cast("T", chunk)
            if not self._read():
                raise StopIteration

    def _read(self) -> bool:
        """Whether more has arrived; waits until it has, or the end has come."""
        state = self._state
        try:
            # `close()` may come from another thread meanwhile.
            if (body := self._body) is not None and not state.done:
                flow = state.retry(self._clocks.elapsed)
                if flow is not None:
                    body.close()
                    reply = self._transport.run(flow, self._call.key, self._clocks)
                    state.restart(reply)
                    self._body = body = Body(reply, self._call.request, self._clocks)
                state.take(body.read(state.had_data), self._clocks.elapsed)
                return True
        except BaseException:
            self.close()
            raise
        self._close(drain=True)
        return False

    def close(self) -> None:
        """Ends the stream and frees its connection; what had arrived stays on `.text` and `.usage`."""
        self._close()

    def _close(self, *, drain: bool = False) -> None:
        body, self._body = self._body, None
        self._state.close(self._clocks.elapsed)
        if body is not None:
            body.close(drain=drain)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_body", None) is not None:
            self.close()  # before the warning, which may be an error
            warnings.warn(_UNCLOSED, ResourceWarning, stacklevel=2, source=self)


class AsyncStream(Generic[T]):
    """An answer as it comes: iterate over it with `async for`.

    Leaving the loop, by its end, a `break`, an error or a cancellation, closes the stream and frees its connection.
    Outside a loop, use `async with`, or `await close()`.

    A stream that breaks before its first chunk is tried again like any request. After it, the error carries what had
    arrived: `.partial`, `.text`, `.usage`.
    """

    def __init__(
        self, call: ChatCall, transport: AsyncTransport, clocks: Clocks, reply: Reply, state: StreamState | None = None
    ) -> None:
        self._call = call
        self._transport = transport
        self._clocks = clocks
        self._state = state or StreamState(call, reply)
        self._body: AsyncBody | None = AsyncBody(reply, call.request, clocks)
        self._loop = asyncio.get_running_loop()

    @property
    def text(self) -> str:
        """The first answer's text so far; all of it after the end."""
        return self._state.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts; `None` until they came, which is at the end."""
        return self._state.usage

    @property
    def meta(self) -> Meta:
        """Request id, headers, attempts and timings so far."""
        return self._state.meta

    async def __aiter__(self) -> AsyncIterator[T]:
        # A generator of its own for each loop: when a `break` leaves the loop, asyncio closes it, and the stream too.
        self._state.check_open()
        try:
            while True:
                for chunk in self._state.arrived:
                    yield cast("T", chunk)
                if not await self._read():
                    return
        finally:
            await self.close()

    async def __anext__(self) -> T:
        while True:
            for chunk in self._state.arrived:
                return cast("T", chunk)
            if not await self._read():
                raise StopAsyncIteration

    async def _read(self) -> bool:
        """Whether more has arrived; waits until it has, or the end has come."""
        state = self._state
        try:
            # `close()` may come from another task meanwhile.
            if (body := self._body) is not None and not state.done:
                flow = state.retry(self._clocks.elapsed)
                if flow is not None:
                    await body.close()
                    reply = await self._transport.run(flow, self._call.key, self._clocks)
                    state.restart(reply)
                    self._body = body = AsyncBody(reply, self._call.request, self._clocks)
                state.take(await body.read(state.had_data), self._clocks.elapsed)
                return True
        except BaseException:
            await self.close()
            raise
        await self._close(drain=True)
        return False

    async def close(self) -> None:
        """Ends the stream and frees its connection; what had arrived stays on `.text` and `.usage`."""
        await self._close()

    async def _close(self, *, drain: bool = False) -> None:
        body, self._body = self._body, None
        self._state.close(self._clocks.elapsed)
        if body is not None:
            await body.close(drain=drain)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        body = getattr(self, "_body", None)
        if body is None:
            return
        if self._loop.is_running():
            # Closing waits, and a destructor can't: the loop does it, from whatever thread this is.
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(body.close()))
        warnings.warn(_UNCLOSED, ResourceWarning, stacklevel=2, source=self)
