"""Chunks to events: what a chunk adds, and what has thereby ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..types import ToolCall
from ..types.events import (
    ChatEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    FinishEvent,
    LogprobsEvent,
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    ToolCallDeltaEvent,
    ToolCallDoneEvent,
    UsageEvent,
)
from .growing_calls import GrowingCall, grow
from .reading import mend

if TYPE_CHECKING:
    from ..types import ChatCompletion, ChatCompletionChunk
    from ..types.chunk import ChunkChoice, ToolCallDelta

_Done: TypeAlias = "Callable[[int, ChatCompletionChunk, str], ChatEvent]"


class PartialValue(Protocol):
    """A value while its text is written."""

    def feed(self, delta: str, /) -> object:
        """Takes the next characters of the text."""
        ...

    @property
    def value(self) -> object:
        """The value as far as it goes."""
        ...


class TextParser(Protocol):
    """Makes values of an answer's text."""

    def partial(self) -> PartialValue:
        """A value of whose text nothing is written yet."""
        ...

    def validate(self, text: str, /) -> object:
        """The value of a whole text.

        Raises:
            ValueError: The text does not fit.
        """
        ...

    def read(self, completion: ChatCompletion, /) -> ChatCompletion:
        """The whole answer, with the values of its texts.

        Raises:
            APIError: A text does not fit.
        """
        ...


class EventBuilder:
    """Turns chunks into the events that they mean. Linear in the length of the stream.

    Args:
        parser: What makes values of the text, where a type was asked for.
    """

    def __init__(self, parser: TextParser | None = None) -> None:
        self._parser = parser
        self._answers: dict[int, _Answer] = {}
        self._last: ChatCompletionChunk | None = None

    def add(self, chunk: ChatCompletionChunk) -> list[ChatEvent]:
        """The events of the next chunk."""
        self._last = chunk
        events: list[ChatEvent] = []
        for choice in chunk.choices:
            answer = self._answers.get(choice.index)
            if answer is None:
                answer = self._answers[choice.index] = _Answer(choice.index, self._parser)
            answer.add(choice, chunk, events)
        if chunk.usage is not None:
            events.append(UsageEvent(0, chunk, chunk.usage))
        return events

    def end(self) -> list[ChatEvent]:
        """The events that are left at a stream's good end: those of answers that never said why they ended."""
        events: list[ChatEvent] = []
        if self._last is not None:
            for index in sorted(self._answers):
                self._answers[index].close(self._last, events)
        return events


class _Answer:
    """One of the `n` answers, as far as its events were told."""

    __slots__ = ("_calls", "_done", "_finish_reason", "_index", "_open", "_parser", "_partial", "_pieces")

    def __init__(self, index: int, parser: TextParser | None) -> None:
        self._index = index
        self._parser = parser
        self._partial = None if parser is None else parser.partial()
        self._done: _Done | None = None
        """What the text that is being written ends in."""
        self._pieces: list[str] = []
        """That text, so far."""
        self._calls: list[GrowingCall] = []
        self._open: dict[int, GrowingCall] = {}
        """Calls that are not told to be done, by their place."""
        self._finish_reason: str | None = None

    def add(self, choice: ChunkChoice, chunk: ChatCompletionChunk, events: list[ChatEvent]) -> None:
        """Tells what a chunk adds to this answer."""
        delta = choice.delta
        if reasoning := delta.reasoning:
            self._write(reasoning, ReasoningDoneEvent, chunk, events)
            events.append(ReasoningDeltaEvent(self._index, chunk, reasoning))
        if content := delta.content:
            self._write(content, self._content_done, chunk, events)
            events.append(ContentDeltaEvent(self._index, chunk, content, self._parsed(content)))
        if refusal := delta.refusal:
            self._write(refusal, RefusalDoneEvent, chunk, events)
            events.append(RefusalDeltaEvent(self._index, chunk, refusal))
        for piece in delta.tool_calls or ():
            self._call(piece, chunk, events)
        logprobs = choice.logprobs
        if logprobs is not None and (logprobs.content or logprobs.refusal):
            events.append(LogprobsEvent(self._index, chunk, logprobs))
        # Some servers say it once more, in a last chunk that tells the usage.
        if choice.finish_reason is not None and choice.finish_reason != self._finish_reason:
            self._finish_reason = choice.finish_reason
            self.close(chunk, events)
            events.append(FinishEvent(self._index, chunk, choice.finish_reason))

    def close(self, chunk: ChatCompletionChunk, events: list[ChatEvent]) -> None:
        """Tells that whatever was being written is done."""
        self._close_text(chunk, events)
        for place in sorted(self._open):
            self._close_call(place, chunk, events)

    def _write(self, piece: str, done: _Done, chunk: ChatCompletionChunk, events: list[ChatEvent]) -> None:
        if done != self._done:
            self._close_text(chunk, events)
            self._done = done
        self._pieces.append(piece)

    def _close_text(self, chunk: ChatCompletionChunk, events: list[ChatEvent]) -> None:
        if self._done is not None:
            events.append(self._done(self._index, chunk, "".join(self._pieces)))
            self._done = None
            self._pieces = []

    def _parsed(self, content: str) -> object:
        if self._partial is None:
            return None
        self._partial.feed(content)
        return self._partial.value

    def _content_done(self, index: int, chunk: ChatCompletionChunk, text: str) -> ContentDoneEvent[object]:
        value = None
        if self._parser is not None:
            with contextlib.suppress(ValueError):
                value = self._parser.validate(text)
        return ContentDoneEvent(index, chunk, text, value)

    def _call(self, delta: ToolCallDelta, chunk: ChatCompletionChunk, events: list[ChatEvent]) -> None:
        self._close_text(chunk, events)
        known = len(self._calls)
        call = grow(self._calls, delta)
        before = call.place - 1
        # Of the calls before a new one only the latest is looked at: so each is read once, however many there are.
        if call.place == known and before in self._open and self._open[before].is_complete():
            self._close_call(before, chunk, events)
        arguments = (delta.function.arguments if delta.function is not None else None) or ""
        if arguments or call.place == known:
            self._open[call.place] = call
        elif call.place not in self._open:
            return  # an empty piece of a call that is told to be done
        events.append(ToolCallDeltaEvent(self._index, chunk, arguments, call.id, call.name, call.place))

    def _close_call(self, place: int, chunk: ChatCompletionChunk, events: list[ChatEvent]) -> None:
        call = self._open.pop(place)
        events.append(ToolCallDoneEvent(self._index, chunk, mend(ToolCall, call.dump()), place))
