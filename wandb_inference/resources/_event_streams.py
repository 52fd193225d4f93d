"""`stream()`, blocking and async."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from typing_extensions import Unpack

from .._core.build import build_chat
from .._core.validate import is_type
from ..types.chat_params import FormlessChatParams
from ..types.messages import MessageParam
from ._signature import with_parameters

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from .._chat_stream import AsyncChatStream, ChatStream
    from .._core.call import ChatCall
    from .._core.events import TextParser
    from .._core.settings import Settings
    from .._transport import AsyncTransport, Transport


T = TypeVar("T")


def _built(
    settings: Settings, model: object, messages: object, response_format: Any, params: Mapping[str, Any]
) -> tuple[ChatCall, TextParser | None]:
    """The call, and what makes values of its texts where a type is asked for."""
    parser: TextParser | None = None
    if is_type(response_format):
        from .._core.parsing import TextOutput
        from .._core.schema import Output

        parser = output = TextOutput[Any](Output.of(response_format))
        response_format = output.output.response_format
    if response_format is not None:
        params = {**params, "response_format": response_format}
    return build_chat(settings, "stream", model, messages, True, params, own=()), parser


class EventStreams:
    """Answers as events."""

    _settings: Settings
    _transport: Transport

    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: type[T],
        **params: Unpack[FormlessChatParams],
    ) -> ChatStream[T]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: TypeAdapter[T],
        **params: Unpack[FormlessChatParams],
    ) -> ChatStream[T]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[FormlessChatParams],
    ) -> ChatStream[None]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: object,
        **params: Unpack[FormlessChatParams],
    ) -> ChatStream[Any]: ...
    @with_parameters(FormlessChatParams, owner="Completions")
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: Any = None,
        **params: Unpack[FormlessChatParams],
    ) -> Any:
        """The model's answer as events, each of what is new in it or has ended: a context manager to loop over.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            response_format: A mapping, as for `create()`, or a type, as for `parse()`: the events of the content then
                have its value, as far as it has come, in `.parsed`, and the final completion has `.parsed`.
                Fields that have not come are `None`, also to computed fields and methods of the type.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        The request is checked here, and sent where `with` enters. The loop raises what `create()` raises.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
        """
        # Here, so that a client that streams no events does not load what they need.
        from .._chat_stream import ChatStream

        call, parser = _built(self._settings, model, messages, response_format, params)
        return ChatStream(call, self._transport, parser)


class AsyncEventStreams:
    """Answers as events."""

    _settings: Settings
    _transport: AsyncTransport

    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: type[T],
        **params: Unpack[FormlessChatParams],
    ) -> AsyncChatStream[T]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: TypeAdapter[T],
        **params: Unpack[FormlessChatParams],
    ) -> AsyncChatStream[T]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: Mapping[str, Any] | None = None,
        **params: Unpack[FormlessChatParams],
    ) -> AsyncChatStream[None]: ...
    @overload
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: object,
        **params: Unpack[FormlessChatParams],
    ) -> AsyncChatStream[Any]: ...
    @with_parameters(FormlessChatParams, owner="AsyncCompletions")
    def stream(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: Any = None,
        **params: Unpack[FormlessChatParams],
    ) -> Any:
        """The model's answer as events, each of what is new in it or has ended: an async context manager to loop over.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            response_format: A mapping, as for `create()`, or a type, as for `parse()`: the events of the content then
                have its value, as far as it has come, in `.parsed`, and the final completion has `.parsed`.
                Fields that have not come are `None`, also to computed fields and methods of the type.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Not to be awaited: the request is checked here, and sent where `async with` enters. The loop raises what
        `create()` raises.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
        """
        # Here, so that a client that streams no events does not load what they need.
        from .._chat_stream import AsyncChatStream

        call, parser = _built(self._settings, model, messages, response_format, params)
        return AsyncChatStream(call, self._transport, parser)
