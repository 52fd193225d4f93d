"""`POST /chat/completions`."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from typing_extensions import Unpack

from .._core.build import build_chat
from .._streaming import AsyncStream, Stream
from .._transport.clocks import Clocks
from .._transport.telling import told, told_async
from ..types import ChatCompletion, ChatCompletionChunk
from ..types.chat_params import ChatParams
from ..types.messages import MessageParam
from ._awaiting import awaited
from ._signature import with_parameters
from ._tools import AsyncToolRuns, ToolRuns

if TYPE_CHECKING:
    from .._core.build import Settings
    from .._transport import AsyncTransport, Transport


class Chat:
    """Chats with a model."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self.completions = Completions(settings, transport)


class AsyncChat:
    """Chats with a model."""

    def __init__(self, settings: Settings, transport: AsyncTransport) -> None:
        self.completions = AsyncCompletions(settings, transport)


class Completions(ToolRuns):
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
        **params: Unpack[ChatParams],
    ) -> ChatCompletion: ...
    @overload
    def create(
        self, *, model: str, messages: Iterable[MessageParam], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, model: str, messages: Iterable[MessageParam], stream: bool, **params: Unpack[ChatParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    @with_parameters(ChatParams)
    def create(
        self, *, model: str, messages: Iterable[MessageParam], stream: bool = False, **params: Unpack[ChatParams]
    ) -> Any:
        """The model's answer; with `stream=True`, an iterator over its pieces.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            stream: Whether to get the answer as it comes.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        call = build_chat(self._settings, "create", model, messages, stream, params)
        clocks = Clocks(call.request.timeouts)
        reply = self._transport.run(call.flow(), call.key, clocks, call.journal)
        if not stream:
            if (watch := call.journal.watch) is None:
                return call.completion(reply)
            return told(watch, clocks, lambda: call.completion(reply))
        answer: Stream[ChatCompletionChunk] = Stream(call, self._transport, clocks, reply)
        return answer


class AsyncCompletions(AsyncToolRuns):
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
        **params: Unpack[ChatParams],
    ) -> Coroutine[Any, Any, ChatCompletion]: ...
    @overload
    def create(
        self, *, model: str, messages: Iterable[MessageParam], stream: Literal[True], **params: Unpack[ChatParams]
    ) -> Coroutine[Any, Any, AsyncStream[ChatCompletionChunk]]: ...
    @overload
    def create(
        self, *, model: str, messages: Iterable[MessageParam], stream: bool, **params: Unpack[ChatParams]
    ) -> Coroutine[Any, Any, ChatCompletion | AsyncStream[ChatCompletionChunk]]: ...
    @with_parameters(ChatParams)
    @awaited
    async def create(
        self, *, model: str, messages: Iterable[MessageParam], stream: bool = False, **params: Unpack[ChatParams]
    ) -> Any:
        """The model's answer; with `stream=True`, an async iterator over its pieces. To be awaited in both cases.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            stream: Whether to get the answer as it comes.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        call = build_chat(self._settings, "create", model, messages, stream, params)
        clocks = Clocks(call.request.timeouts)
        reply = await self._transport.run(call.flow(), call.key, clocks, call.journal)
        if not stream:
            if (watch := call.journal.watch) is None:
                return call.completion(reply)
            return await told_async(watch, clocks, lambda: call.completion(reply))
        answer: AsyncStream[ChatCompletionChunk] = AsyncStream(call, self._transport, clocks, reply)
        return answer
