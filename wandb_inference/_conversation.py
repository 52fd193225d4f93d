"""Conversations, blocking and async: a history, and one call for each turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Literal, TypeAlias, TypeVar, Union, overload

from typing_extensions import Unpack

from ._core.stream import StreamState
from ._history import History
from ._history import begun as begun
from ._history import read as read
from ._streaming import AsyncStream, Stream
from ._turn import Turn
from .exceptions import APIError
from .resources._awaiting import awaited
from .resources._signature import with_parameters
from .resources.chat import AsyncCompletions, Completions
from .types import ChatCompletion, ChatCompletionChunk, ConversationParams, MessageParam

T = TypeVar("T")

Said: TypeAlias = Union[str, MessageParam, Iterable[Union[str, MessageParam]], None]
"""What can be said: text, content parts (texts among them, too), a message or several, or nothing."""


class Conversation(History[Completions]):
    """A conversation with a model: `client.chat.conversation()` begins one.

    One turn is under way at a time; from several threads, give each a `fork()`.
    """

    @overload
    def say(
        self, content: Said = None, *, stream: Literal[False] = False, **params: Unpack[ConversationParams]
    ) -> ChatCompletion: ...
    @overload
    def say(
        self, content: Said = None, *, stream: Literal[True], **params: Unpack[ConversationParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def say(
        self, content: Said = None, *, stream: bool, **params: Unpack[ConversationParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    @with_parameters(ConversationParams)
    def say(self, content: Said = None, *, stream: bool = False, **params: Unpack[ConversationParams]) -> Any:
        """The model's answer to what is said; both are then part of `messages`.

        A turn that fails leaves no trace. With `stream=True` the turn ends with the stream; one that is left or cut
        keeps what was said and the text that had come. A history that grows beyond the model's window is trimmed
        before it is sent, as `trim()` does, with room for an answer of `max_tokens`, else of a tenth of the window.

        Args:
            content: Text, content parts, or messages, such as the answers to all tool calls of the last turn. With
                nothing the model answers what `messages` end with.
            stream: Whether to get the answer as it comes.
            **params: As for `create()`, in place of the conversation's own; `None` leaves one of those out.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is, or another turn is under way.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        turn = self._begin(content, params)
        try:
            answer = self._completions.create(model=self.model, messages=turn.messages, stream=stream, **turn.params)
        except BaseException:
            turn.end(None)
            raise
        if isinstance(answer, Stream):
            return _TurnStream(answer, turn)
        turn.end(answer)
        return answer


class AsyncConversation(History[AsyncCompletions]):
    """A conversation with a model: `client.chat.conversation()` begins one. What waits for the model is awaited.

    One turn is under way at a time; for several tasks, give each a `fork()`.
    """

    @overload
    def say(
        self, content: Said = None, *, stream: Literal[False] = False, **params: Unpack[ConversationParams]
    ) -> Coroutine[Any, Any, ChatCompletion]: ...
    @overload
    def say(
        self, content: Said = None, *, stream: Literal[True], **params: Unpack[ConversationParams]
    ) -> Coroutine[Any, Any, AsyncStream[ChatCompletionChunk]]: ...
    @overload
    def say(
        self, content: Said = None, *, stream: bool, **params: Unpack[ConversationParams]
    ) -> Coroutine[Any, Any, ChatCompletion | AsyncStream[ChatCompletionChunk]]: ...
    @with_parameters(ConversationParams)
    @awaited
    async def say(self, content: Said = None, *, stream: bool = False, **params: Unpack[ConversationParams]) -> Any:
        """The model's answer to what is said; both are then part of `messages`. To be awaited, streamed or not.

        A turn that fails leaves no trace. With `stream=True` the turn ends with the stream; one that is left or cut
        keeps what was said and the text that had come. A history that grows beyond the model's window is trimmed
        before it is sent, as `trim()` does, with room for an answer of `max_tokens`, else of a tenth of the window.

        Args:
            content: Text, content parts, or messages, such as the answers to all tool calls of the last turn. With
                nothing the model answers what `messages` end with.
            stream: Whether to get the answer as it comes.
            **params: As for `create()`, in place of the conversation's own; `None` leaves one of those out.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is, or another turn is under way.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        turn = self._begin(content, params)
        try:
            answer = await self._completions.create(
                model=self.model, messages=turn.messages, stream=stream, **turn.params
            )
        except BaseException:
            turn.end(None)
            raise
        if isinstance(answer, AsyncStream):
            return _AsyncTurnStream(answer, turn)
        turn.end(answer)
        return answer


class _TurnStream(Stream[ChatCompletionChunk]):
    """A stream whose end, whatever it is, ends a turn."""

    def __init__(self, stream: Stream[ChatCompletionChunk], turn: Turn) -> None:
        # In the place of the stream that `create()` made, which then has nothing left to close.
        vars(self).update(vars(stream))
        stream._body = None
        self._turn = turn

    def _close(self, *, drain: bool = False, error: BaseException | None = None) -> None:
        try:
            super()._close(drain=drain, error=error)
        finally:
            _end(self._turn, self._state, error)


class _AsyncTurnStream(AsyncStream[ChatCompletionChunk]):
    """A stream whose end, whatever it is, ends a turn."""

    def __init__(self, stream: AsyncStream[ChatCompletionChunk], turn: Turn) -> None:
        # In the place of the stream that `create()` made, which then has nothing left to close.
        vars(self).update(vars(stream))
        stream._body = None
        self._turn = turn

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return _TurnLoop(super().__aiter__(), self._leave)

    async def _close(self, *, drain: bool = False, error: BaseException | None = None) -> None:
        try:
            await super()._close(drain=drain, error=error)
        finally:
            _end(self._turn, self._state, error)

    def _abandon(self) -> None:
        super()._abandon()
        _end(self._turn, self._state, None)

    def _leave(self) -> None:
        self._state.close(self._clocks.elapsed)
        _end(self._turn, self._state, None)


class _TurnLoop(AsyncIterator[T]):
    """A loop over a stream that ends the turn when a `break` leaves it, where asyncio would close the stream later."""

    def __init__(self, loop: AsyncIterator[T], leave: Callable[[], None]) -> None:
        self._loop = loop
        self._leave = leave

    def __anext__(self) -> Awaitable[T]:
        return self._loop.__anext__()

    def __del__(self) -> None:
        self._leave()


def _end(turn: Turn, state: StreamState, error: BaseException | None) -> None:
    """Ends a turn with what its stream has brought."""
    if turn.ended:
        return
    if isinstance(error, APIError) and error.partial is None:
        turn.end(None)
        return
    completion = state.snapshot()
    finished = state.done or any(choice.finish_reason for choice in completion.choices[:1])
    turn.end(completion, cut=not finished)
