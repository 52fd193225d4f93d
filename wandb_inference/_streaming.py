"""Streams, blocking and async: iterators that wait, over a state that decides."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from typing_extensions import Self

from . import _transport
from ._core.stream import StreamState
from ._transport import Body, Transport
from ._transport.telling import tell, tell_async

if TYPE_CHECKING:
    from decimal import Decimal

    from ._core.call import ChatCall
    from ._core.hooks import Notices
    from ._core.wire import Reply
    from ._transport import AsyncBody, AsyncTransport
    from ._transport.clocks import Clocks
    from .types import CompletionUsage, CostDetails, Meta

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
        self._reading = False

    @property
    def text(self) -> str:
        """The first answer's text so far; all of it after the end."""
        return self._state.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts; `None` until they came, which is at the end."""
        return self._state.usage

    @property
    def cost(self) -> Decimal | None:
        """What it costs, in US dollars; `None` until the token counts came, and where no price is known."""
        return self.cost_details.total

    @property
    def cost_details(self) -> CostDetails:
        """What it costs, split, with the price's source and day, or the reason why it is not known."""
        return self._state.cost_details

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
        if self._reading:
            raise RuntimeError("this stream is being read by another thread: one at a time can")
        self._reading = True
        try:
            # `close()` may come from another thread meanwhile.
            if (body := self._body) is not None and not state.done:
                flow = state.retry(self._clocks.elapsed)
                if flow is not None:
                    body.close()
                    reply = self._transport.run(flow, self._call.key, self._clocks, self._call.journal)
                    fresh = Body(reply, self._call.request, self._clocks)
                    if self._body is not body:  # closed while it was tried again
                        fresh.close()
                        return False
                    state.restart(reply)
                    self._body = body = fresh
                read = body.read(state.had_data)
                if self._body is not body:  # closed meanwhile, which says nothing of the server
                    return False
                state.take(read, self._clocks.elapsed)
                return True
        except BaseException as error:
            self._close(error=error)
            raise
        finally:
            self._reading = False
        self._close(drain=True)
        return False

    def close(self) -> None:
        """Ends the stream and frees its connection; what had arrived stays on `.text` and `.usage`."""
        self._close()

    def _close(self, *, drain: bool = False, error: BaseException | None = None) -> None:
        body, self._body = self._body, None
        self._state.close(self._clocks.elapsed)
        try:
            if body is not None:
                body.close(drain=drain)
        finally:
            tell(self._state.ended(error))

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
        self._body: AsyncBody | None = _transport.AsyncBody(reply, call.request, clocks)
        self._is_asyncio = self._body.is_asyncio
        self._reading = False
        self._left = False

    @property
    def text(self) -> str:
        """The first answer's text so far; all of it after the end."""
        return self._state.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts; `None` until they came, which is at the end."""
        return self._state.usage

    @property
    def cost(self) -> Decimal | None:
        """What it costs, in US dollars; `None` until the token counts came, and where no price is known."""
        return self.cost_details.total

    @property
    def cost_details(self) -> CostDetails:
        """What it costs, split, with the price's source and day, or the reason why it is not known."""
        return self._state.cost_details

    @property
    def meta(self) -> Meta:
        """Request id, headers, attempts and timings so far."""
        return self._state.meta

    def __aiter__(self) -> AsyncIterator[T]:
        self._state.check_open()
        return self._chunks() if self._is_asyncio else _Loop(self.__anext__, self._abandon)

    async def _chunks(self) -> AsyncIterator[T]:
        # A generator of its own for each loop: when a `break` leaves the loop, asyncio closes it, and the stream too.
        try:
            while True:
                for chunk in self._state.arrived:
                    yield cast("T", chunk)
                if not await self._read():
                    if self._left:
                        self._state.check_open()
                    return
        except GeneratorExit:
            # In a turn of asyncio's loop after the `break`: another loop over this stream may have begun meanwhile, and
            # must not pass for a whole answer.
            self._left = True
            raise
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
        if self._reading:
            raise RuntimeError("this stream is being read by another task: one at a time can")
        self._reading = True
        try:
            # `close()` may come from another task meanwhile.
            if (body := self._body) is not None and not state.done:
                flow = state.retry(self._clocks.elapsed)
                if flow is not None:
                    await body.close()
                    reply = await self._transport.run(flow, self._call.key, self._clocks, self._call.journal)
                    fresh = _transport.AsyncBody(reply, self._call.request, self._clocks)
                    if self._body is not body:  # closed while it was tried again
                        await fresh.close()
                        return False
                    state.restart(reply)
                    self._body = body = fresh
                read = await body.read(state.had_data)
                if self._body is not body:  # closed meanwhile, which says nothing of the server
                    return False
                state.take(read, self._clocks.elapsed)
                return True
        except BaseException as error:
            await self._close(error=error)
            raise
        finally:
            self._reading = False
        await self._close(drain=True)
        return False

    async def close(self) -> None:
        """Ends the stream and frees its connection; what had arrived stays on `.text` and `.usage`."""
        await self._close()

    async def _close(self, *, drain: bool = False, error: BaseException | None = None) -> None:
        body, self._body = self._body, None
        self._state.close(self._clocks.elapsed)
        try:
            if body is not None:
                await body.close(drain=drain)
        finally:
            await tell_async(self._state.ended(error), error)

    def _abandon(self) -> None:
        """Closes it from a destructor: that can't wait, so that a task does, whatever thread this is."""
        body, self._body = self._body, None
        if body is not None:
            self._state.close(self._clocks.elapsed)
            notices = self._state.ended()
            if not body.soon(partial(_left, body, notices)):
                tell(notices)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if getattr(self, "_body", None) is not None:
            self._abandon()  # before the warning, which may be an error
            warnings.warn(_UNCLOSED, ResourceWarning, stacklevel=2, source=self)


async def _left(body: AsyncBody, notices: Notices) -> None:
    """Closes a stream that was left to the garbage collector."""
    try:
        await body.close()
    finally:
        await tell_async(notices)


class _Loop(AsyncIterator[T]):
    """A loop over a stream in trio, which warns of a generator that a `break` leaves; this closes the stream itself."""

    def __init__(self, take: Callable[[], Coroutine[Any, Any, T]], leave: Callable[[], None]) -> None:
        self._take = take
        self._leave = leave

    def __anext__(self) -> Coroutine[Any, Any, T]:
        return self._take()

    def __del__(self) -> None:
        self._leave()
