"""`POST /chat/completions`."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from typing_extensions import Unpack

from .._core.build import build_chat
from .._core.stream import StreamState
from .._streaming import AsyncStream, Stream
from .._transport.clocks import Clocks
from ..types import ChatCompletion
from ..types.chat_params import ChatParams, ConversationParams
from ..types.messages import MessageParam
from ._awaiting import awaited
from ._event_streams import AsyncEventStreams, EventStreams
from ._parsing import AsyncParsing, Parsing
from ._sending import complete, complete_async
from ._signature import with_parameters
from ._tools import AsyncToolRuns, ToolRuns

if TYPE_CHECKING:
    import os

    from .._conversation import AsyncConversation, Conversation
    from .._core.settings import Settings
    from .._transport import AsyncTransport, Transport
    from ..types import ChatCompletionChunk


class Chat:
    """Chats with a model."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self.completions = Completions(settings, transport)

    @with_parameters(ConversationParams)
    def conversation(
        self,
        *,
        model: str,
        system: str | Iterable[Mapping[str, Any]] | None = None,
        messages: Iterable[MessageParam] | None = None,
        window: int | None = None,
        **params: Unpack[ConversationParams],
    ) -> Conversation:
        """A conversation, which keeps its history: what is said by `say()` and what is answered. Nothing is sent yet.

        Args:
            model: As for `completions.create()`.
            system: Instructions to the model: its first message. Leave it out where `messages` begin with one.
            messages: What was said before, oldest first. They are copied.
            window: Tokens of prompt and answer that the model takes; the catalogue's where left out. A history that
                grows beyond it loses its oldest turns. Where the catalogue knows none, nothing is lost.
            **params: Parameters of each call, as for `completions.create()`.

        Raises:
            TypeError: A keyword that does not exist.
            InvalidRequestError: Something that can't be sent.
        """
        from .._conversation import Conversation, begun

        return Conversation(self._settings, self.completions, begun(model, system, messages, params, window))

    @with_parameters(ConversationParams)
    def load_conversation(self, path: str | os.PathLike[str], **params: Unpack[ConversationParams]) -> Conversation:
        """The conversation that `save()` has written to a file.

        Args:
            path: The file.
            **params: Parameters of each call, in place of those in the file or beside them: `extra_headers`,
                `extra_query` and `cache_salt` are never in it.

        Raises:
            TypeError: A keyword that does not exist.
            InvalidRequestError: The file is not JSON, of another version, or holds no conversation.
            OSError: The file can't be read.
        """
        from .._conversation import Conversation, read

        return Conversation(self._settings, self.completions, read(path, params))


class AsyncChat:
    """Chats with a model."""

    def __init__(self, settings: Settings, transport: AsyncTransport) -> None:
        self._settings = settings
        self.completions = AsyncCompletions(settings, transport)

    @with_parameters(ConversationParams)
    def conversation(
        self,
        *,
        model: str,
        system: str | Iterable[Mapping[str, Any]] | None = None,
        messages: Iterable[MessageParam] | None = None,
        window: int | None = None,
        **params: Unpack[ConversationParams],
    ) -> AsyncConversation:
        """A conversation, which keeps its history: what is said by `say()` and what is answered. Nothing is sent yet.

        Args:
            model: As for `completions.create()`.
            system: Instructions to the model: its first message. Leave it out where `messages` begin with one.
            messages: What was said before, oldest first. They are copied.
            window: Tokens of prompt and answer that the model takes; the catalogue's where left out. A history that
                grows beyond it loses its oldest turns. Where the catalogue knows none, nothing is lost.
            **params: Parameters of each call, as for `completions.create()`.

        Raises:
            TypeError: A keyword that does not exist.
            InvalidRequestError: Something that can't be sent.
        """
        from .._conversation import AsyncConversation, begun

        return AsyncConversation(self._settings, self.completions, begun(model, system, messages, params, window))

    @with_parameters(ConversationParams)
    def load_conversation(
        self, path: str | os.PathLike[str], **params: Unpack[ConversationParams]
    ) -> AsyncConversation:
        """The conversation that `save()` has written to a file; not to be awaited.

        Args:
            path: The file.
            **params: Parameters of each call, in place of those in the file or beside them: `extra_headers`,
                `extra_query` and `cache_salt` are never in it.

        Raises:
            TypeError: A keyword that does not exist.
            InvalidRequestError: The file is not JSON, of another version, or holds no conversation.
            OSError: The file can't be read.
        """
        from .._conversation import AsyncConversation, read

        return AsyncConversation(self._settings, self.completions, read(path, params))


class Completions(EventStreams, Parsing, ToolRuns):
    """Answers to a list of messages."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: Literal[False] = False,
        final_only: bool = False,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: Literal[True],
        final_only: Literal[False] = False,
        **params: Unpack[ChatParams],
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: bool,
        final_only: Literal[False] = False,
        **params: Unpack[ChatParams],
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    @with_parameters(ChatParams, owner="Completions")
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: bool = False,
        final_only: bool = False,
        **params: Unpack[ChatParams],
    ) -> Any:
        """The model's answer; with `stream=True`, an iterator over its pieces.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            stream: Whether to get the answer as it comes.
            final_only: Whether to stream on the wire alone, and get the answer whole: no connection idles for minutes,
                which a proxy on the way might cut. A stream that breaks is tried again, whatever had arrived.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        call = build_chat(self._settings, "create", model, messages, stream, params, final_only=final_only)
        clocks = Clocks(call.request.timeouts)
        if not (stream or final_only):
            return complete(self._transport, call, clocks)
        reply = self._transport.run(call.flow(), call.key, clocks, call.journal)
        if final_only:
            state = StreamState(call, reply)
            # Nothing is handed over, so that what comes first is the end.
            next(Stream[object](call, self._transport, clocks, reply, state), None)
            return state.completion()
        answer: Stream[ChatCompletionChunk] = Stream(call, self._transport, clocks, reply)
        return answer


class AsyncCompletions(AsyncEventStreams, AsyncParsing, AsyncToolRuns):
    """Answers to a list of messages."""

    def __init__(self, settings: Settings, transport: AsyncTransport) -> None:
        self._settings = settings
        self._transport = transport

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: Literal[False] = False,
        final_only: bool = False,
        **params: Unpack[ChatParams],
    ) -> Coroutine[Any, Any, ChatCompletion]: ...
    @overload
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: Literal[True],
        final_only: Literal[False] = False,
        **params: Unpack[ChatParams],
    ) -> Coroutine[Any, Any, AsyncStream[ChatCompletionChunk]]: ...
    @overload
    def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: bool,
        final_only: Literal[False] = False,
        **params: Unpack[ChatParams],
    ) -> Coroutine[Any, Any, ChatCompletion | AsyncStream[ChatCompletionChunk]]: ...
    @with_parameters(ChatParams, owner="AsyncCompletions")
    @awaited
    async def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        stream: bool = False,
        final_only: bool = False,
        **params: Unpack[ChatParams],
    ) -> Any:
        """The model's answer; with `stream=True`, an async iterator over its pieces. To be awaited in both cases.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            stream: Whether to get the answer as it comes.
            final_only: Whether to stream on the wire alone, and get the answer whole: no connection idles for minutes,
                which a proxy on the way might cut. A stream that breaks is tried again, whatever had arrived.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        call = build_chat(self._settings, "create", model, messages, stream, params, final_only=final_only)
        clocks = Clocks(call.request.timeouts)
        if not (stream or final_only):
            return await complete_async(self._transport, call, clocks)
        reply = await self._transport.run(call.flow(), call.key, clocks, call.journal)
        if final_only:
            state = StreamState(call, reply)
            # Nothing is handed over, so that what comes first is the end.
            await anext(AsyncStream[object](call, self._transport, clocks, reply, state), None)
            return state.completion()
        answer: AsyncStream[ChatCompletionChunk] = AsyncStream(call, self._transport, clocks, reply)
        return answer
