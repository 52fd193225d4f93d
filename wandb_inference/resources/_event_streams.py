"""`stream()`, blocking and async."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from typing_extensions import Unpack

from .._core.build import build_chat
from ..types.chat_params import ChatParams
from ..types.messages import MessageParam
from ._signature import with_parameters

if TYPE_CHECKING:
    from .._chat_stream import AsyncChatStream, ChatStream
    from .._core.build import Settings
    from .._transport import AsyncTransport, Transport


class EventStreams:
    """Answers as events."""

    _settings: Settings
    _transport: Transport

    @with_parameters(ChatParams)
    def stream(self, *, model: str, messages: Iterable[MessageParam], **params: Unpack[ChatParams]) -> ChatStream[None]:
        """The model's answer as events, each of what is new in it or has ended: a context manager to loop over.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        The request is checked here, and sent where `with` enters. The loop raises what `create()` raises.

        Raises:
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
        """
        # Here, so that a client that streams no events does not load what they need.
        from .._chat_stream import ChatStream

        call = build_chat(self._settings, "stream", model, messages, True, params)
        return ChatStream(call, self._transport)


class AsyncEventStreams:
    """Answers as events."""

    _settings: Settings
    _transport: AsyncTransport

    @with_parameters(ChatParams)
    def stream(
        self, *, model: str, messages: Iterable[MessageParam], **params: Unpack[ChatParams]
    ) -> AsyncChatStream[None]:
        """The model's answer as events, each of what is new in it or has ended: an async context manager to loop over.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first: mappings with `role` and `content`, models of
                `wandb_inference.types`, or an answer's own `message`, mixed, in any iterable.
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

        call = build_chat(self._settings, "stream", model, messages, True, params)
        return AsyncChatStream(call, self._transport)
