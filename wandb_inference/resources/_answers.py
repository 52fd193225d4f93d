"""One answer of a run with tools, as events: chunks of `create(stream=True)`, made into events."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .._core.accumulate import ChatAccumulator
from .._core.events import EventBuilder
from ..types.completion import with_meta

if TYPE_CHECKING:
    from .._streaming import AsyncStream, Stream
    from ..types import ChatCompletion, ChatCompletionChunk, ChatEvent, CompletionUsage, Meta


class _Events:
    """What has arrived: its events, and the completion it adds up to."""

    def __init__(self) -> None:
        self.events: deque[ChatEvent] = deque()
        self.ended = False
        self._builder = EventBuilder()
        self._sum = ChatAccumulator()

    def take(self, chunk: ChatCompletionChunk | None) -> None:
        """Takes the next chunk, or `None` at the end."""
        if chunk is None:
            self.ended = True
            self.events.extend(self._builder.end())
        else:
            self._sum.add(chunk)
            self.events.extend(self._builder.add(chunk))

    def completion(self, meta: Meta, usage: CompletionUsage | None) -> ChatCompletion:
        """The whole answer."""
        self._sum.usage = usage  # its chunk is kept back
        return with_meta(self._sum.snapshot(), meta)


class AnswerStream(Iterator["ChatEvent"]):
    """One answer as events."""

    def __init__(self, stream: Stream[ChatCompletionChunk]) -> None:
        self._stream = stream
        self._state = _Events()

    @property
    def text(self) -> str:
        """The text so far."""
        return self._stream.text

    def __next__(self) -> ChatEvent:
        while not self._state.events:
            if self._state.ended:
                raise StopIteration
            self._state.take(next(self._stream, None))
        return self._state.events.popleft()

    def get_final_completion(self) -> ChatCompletion:
        """The whole answer."""
        return self._state.completion(self._stream.meta, self._stream.usage)

    def close(self) -> None:
        """Ends the stream."""
        self._stream.close()


class AsyncAnswerStream(AsyncIterator["ChatEvent"]):
    """One answer as events."""

    def __init__(self, stream: AsyncStream[ChatCompletionChunk]) -> None:
        self._stream = stream
        self._state = _Events()

    @property
    def text(self) -> str:
        """The text so far."""
        return self._stream.text

    async def __anext__(self) -> ChatEvent:
        while not self._state.events:
            if self._state.ended:
                raise StopAsyncIteration
            # An `AsyncStream` is an async iterator that needs no loop of its own.
            self._state.take(await anext(self._stream, None))
        return self._state.events.popleft()

    async def get_final_completion(self) -> ChatCompletion:
        """The whole answer."""
        return self._state.completion(self._stream.meta, self._stream.usage)

    async def close(self) -> None:
        """Ends the stream."""
        await self._stream.close()
