"""A stream of events while it is read: what `ChatStream` and `AsyncChatStream` decide, so that they only wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from .events import EventBuilder
from .stream import StreamState

if TYPE_CHECKING:
    from ..types import ChatCompletion, ChatCompletionChunk
    from ..types.events import ChatEvent
    from .call import ChatCall
    from .events import TextParser
    from .wire import Failure, Reply


class EventState(StreamState):
    """Takes what was read, and hands over events in the place of chunks.

    Args:
        call: The call that was answered.
        reply: Its reply, with the body still open.
        parser: What makes values of the text, where a type was asked for.
    """

    def __init__(self, call: ChatCall, reply: Reply, parser: TextParser | None = None) -> None:
        self._text_parser = parser
        self._silent = False
        super().__init__(call, reply)

    def _open(self, reply: Reply) -> None:
        super()._open(reply)
        self._builder = EventBuilder(self._text_parser)

    def silence(self) -> None:
        """From now on no event is made: only the sum is wanted."""
        self._silent = True

    def take(self, read: bytes | Failure, elapsed: float) -> None:
        """Takes what a read brought, `elapsed` seconds after the call began."""
        self.arrived = iter(())
        super().take(read, elapsed)
        self.arrived = self._events(cast("Iterator[ChatCompletionChunk]", self.arrived))

    def completion(self) -> ChatCompletion:
        """What the stream added up to, at its good end; with the values of its texts, where a type was asked for.

        Raises:
            APIResponseValidationError: That is no completion.
            APIError: What the parser raises for a text that does not fit.
        """
        completion = super().completion()
        return completion if self._text_parser is None else self._text_parser.read(completion)

    def _events(self, chunks: Iterator[ChatCompletionChunk]) -> Iterator[ChatEvent]:
        for chunk in chunks:
            if not self._silent:
                yield from self._builder.add(chunk)
        if self.done and not self._silent:
            yield from self._builder.end()
