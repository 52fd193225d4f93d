"""Streams of events, blocking and async: what `chat.completions.stream()` gives."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, overload

from typing_extensions import Self, TypeVar

from ._core.event_stream import EventState
from ._streaming import AsyncStream, Stream
from ._transport.clocks import Clocks
from .exceptions import StreamInterruptedError
from .types import ChatCompletion

if TYPE_CHECKING:
    from decimal import Decimal

    from ._core.call import ChatCall
    from ._core.events import TextParser
    from ._transport import AsyncTransport, Transport
    from .types import ChatEvent, CompletionUsage, CostDetails, Meta, ParsedChatCompletion

T = TypeVar("T", default=Any)
E = TypeVar("E")


class _EventSource:
    """What both kinds of event stream know, before their request is sent and after."""

    def __init__(self, call: ChatCall, parser: TextParser | None) -> None:
        # The chunk that tells the usage is an event, and in nobody's way.
        self._call = call._replace(keep_usage=True)
        self._parser = parser
        self._state: EventState | None = None
        self._closed = False

    def _check_new(self) -> None:
        """Return if the request may be sent.

        Raises:
            StreamInterruptedError: The stream was closed, or its request has failed.
        """
        if self._closed:
            raise StreamInterruptedError(
                "this stream was closed before its answer began", hint="Call stream() again for a new one."
            )

    @property
    def text(self) -> str:
        """The first answer's text so far; all of it after the end."""
        return "" if self._state is None else self._state.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts; `None` until they came, which is at the end."""
        return None if self._state is None else self._state.usage

    @property
    def cost(self) -> Decimal | None:
        """What it costs, in US dollars; `None` until the token counts came, and where no price is known."""
        return self.cost_details.total

    @property
    def cost_details(self) -> CostDetails:
        """What it costs, split, with the price's source and day, or the reason why it is not known."""
        return self.snapshot.cost_details if self._state is None else self._state.cost_details

    @property
    def meta(self) -> Meta:
        """Request id, headers, attempts and timings so far.

        Raises:
            RuntimeError: The request is not sent yet.
        """
        if self._state is None:
            raise RuntimeError("nothing is known of this stream yet: its request is sent where `with` enters it")
        return self._state.meta

    @property
    def snapshot(self) -> ChatCompletion:
        """What has arrived so far, as a completion. It is put together anew each time: ask for it now and then."""
        return ChatCompletion(choices=[]) if self._state is None else self._state.snapshot()


class ChatStream(_EventSource, Generic[T]):
    """An answer as it comes, as events: iterate over it inside `with`.

    The request is sent where `with` enters, or else by whatever asks for something first. Leaving `with` or a loop, by
    its end, a `break` or an error, closes the stream and frees its connection.

    A stream that breaks before its first chunk is tried again like any request. After it, the error carries what had
    arrived: `.partial`, `.text`, `.usage`. Only a good end tells what was being written as done.
    """

    def __init__(self, call: ChatCall, transport: Transport, parser: TextParser | None = None) -> None:
        super().__init__(call, parser)
        self._transport = transport
        self._stream: Stream[ChatEvent[T]] | None = None

    def _begin(self) -> tuple[EventState, Stream[ChatEvent[T]]]:
        """The state and the stream; sends the request if that is still to be done."""
        if self._stream is None or self._state is None:
            self._check_new()
            self._closed = True  # until the answer begins, so that a failure is no reason to send it again
            clocks = Clocks(self._call.request.timeouts)
            reply = self._transport.run(self._call.flow(), self._call.key, clocks, self._call.journal)
            self._closed = False
            self._state = EventState(self._call, reply, self._parser)
            self._stream = Stream(self._call, self._transport, clocks, reply, self._state)
        return self._state, self._stream

    def __iter__(self) -> Iterator[ChatEvent[T]]:
        return iter(self._begin()[1])

    def __next__(self) -> ChatEvent[T]:
        return next(self._begin()[1])

    @property
    def text_stream(self) -> Iterator[str]:
        """The pieces of the first answer's text, and nothing else."""
        try:
            for event in self:
                if event.type == "content.delta" and event.index == 0:
                    yield event.delta
        finally:
            self.close()

    def until_done(self) -> Self:
        """This stream, read to its end. What is read here makes no events: a loop that is running ends.

        Raises:
            APIError: The stream broke, or had been closed before its end.
        """
        state, stream = self._begin()
        state.silence()
        for _ in stream:
            pass
        return self

    @overload
    def get_final_completion(self: ChatStream[None]) -> ChatCompletion: ...
    @overload
    def get_final_completion(self) -> ParsedChatCompletion[T]: ...
    def get_final_completion(self) -> Any:
        """The whole answer, as `create()` gives it, or `parse()` where a type was asked for; reads what is left.

        Raises:
            APIError: The stream broke, or had been closed before its end.
            APIResponseValidationError: It ended well, and held no answer.
            ParseError: A type was asked for, and the answer does not fit.
        """
        state, _ = self.until_done()._begin()
        return state.completion()

    def close(self) -> None:
        """Ends the stream and frees its connection; what had arrived stays on `.text`, `.usage` and `.snapshot`."""
        self._closed = True
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncChatStream(_EventSource, Generic[T]):
    """An answer as it comes, as events: iterate over it by `async for` inside `async with`.

    The request is sent where `async with` enters, or else by whatever asks for something first. Leaving `async with` or
    a loop, by its end, a `break`, an error or a cancellation, closes the stream and frees its connection.

    A stream that breaks before its first chunk is tried again like any request. After it, the error carries what had
    arrived: `.partial`, `.text`, `.usage`. Only a good end tells what was being written as done.
    """

    def __init__(self, call: ChatCall, transport: AsyncTransport, parser: TextParser | None = None) -> None:
        super().__init__(call, parser)
        self._transport = transport
        self._stream: AsyncStream[ChatEvent[T]] | None = None

    async def _begin(self) -> tuple[EventState, AsyncStream[ChatEvent[T]]]:
        """The state and the stream; sends the request if that is still to be done."""
        if self._stream is None or self._state is None:
            self._check_new()
            self._closed = True  # until the answer begins, so that a failure is no reason to send it again
            clocks = Clocks(self._call.request.timeouts)
            reply = await self._transport.run(self._call.flow(), self._call.key, clocks, self._call.journal)
            self._closed = False
            self._state = EventState(self._call, reply, self._parser)
            self._stream = AsyncStream(self._call, self._transport, clocks, reply, self._state)
        return self._state, self._stream

    def __aiter__(self) -> AsyncIterator[ChatEvent[T]]:
        return _Loop(self._begin) if self._stream is None else aiter(self._stream)

    async def __anext__(self) -> ChatEvent[T]:
        _, stream = await self._begin()
        return await anext(stream)

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The pieces of the first answer's text, and nothing else."""
        return _Texts(aiter(self))

    async def until_done(self) -> Self:
        """This stream, read to its end. What is read here makes no events: a loop that is running ends.

        Raises:
            APIError: The stream broke, or had been closed before its end.
        """
        state, stream = await self._begin()
        state.silence()
        async for _ in stream:
            pass
        return self

    @overload
    async def get_final_completion(self: AsyncChatStream[None]) -> ChatCompletion: ...
    @overload
    async def get_final_completion(self) -> ParsedChatCompletion[T]: ...
    async def get_final_completion(self) -> Any:
        """The whole answer, as `create()` gives it, or `parse()` where a type was asked for; reads what is left.

        Raises:
            APIError: The stream broke, or had been closed before its end.
            APIResponseValidationError: It ended well, and held no answer.
            ParseError: A type was asked for, and the answer does not fit.
        """
        await self.until_done()
        state, _ = await self._begin()
        return state.completion()

    async def close(self) -> None:
        """Ends the stream and frees its connection; what had arrived stays on `.text`, `.usage` and `.snapshot`."""
        self._closed = True
        if self._stream is not None:
            await self._stream.close()

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


# No generators: one that a `break` leaves would be closed before the stream that it loops over, or not at all.


class _Loop(AsyncIterator[E]):
    """A loop that sends the request itself. When it is dropped, so is its loop over the stream, which then closes."""

    def __init__(self, begin: Callable[[], Awaitable[tuple[object, AsyncIterable[E]]]]) -> None:
        self._begin = begin
        self._events: AsyncIterator[E] | None = None

    async def __anext__(self) -> E:
        if self._events is None:
            _, stream = await self._begin()
            self._events = aiter(stream)
        return await anext(self._events)


class _Texts(AsyncIterator[str]):
    """The first answer's text among the events of a loop."""

    def __init__(self, events: AsyncIterator[ChatEvent[Any]]) -> None:
        self._events = events

    async def __anext__(self) -> str:
        async for event in self._events:
            if event.type == "content.delta" and event.index == 0:
                return event.delta
        raise StopAsyncIteration
