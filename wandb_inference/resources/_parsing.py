"""`parse()`, blocking and async."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from typing_extensions import Unpack

from .._transport.clocks import Clocks
from ..exceptions import APIError
from ..types.chat_params import FormlessChatParams
from ..types.messages import MessageParam
from ._awaiting import awaited
from ._sending import complete, complete_async
from ._signature import with_parameters

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from .._core.settings import Settings
    from .._transport import AsyncTransport, Transport
    from ..types.parsed import ParsedChatCompletion

T = TypeVar("T")


class Parsing:
    """Answers of a type."""

    _settings: Settings
    _transport: Transport

    @overload
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: type[T],
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> ParsedChatCompletion[T]: ...
    @overload
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: TypeAdapter[T],
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> ParsedChatCompletion[T]: ...
    @overload
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: object,
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> ParsedChatCompletion[Any]: ...
    @with_parameters(FormlessChatParams, owner="Completions")
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: Any,
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> Any:
        """The model's answer as a value of a type: `.parsed`.

        The type becomes a strict JSON schema, which the server holds the model to. An answer in a fenced block, or with
        words around its JSON, is read too.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first, as for `create()`.
            response_format: A pydantic model, dataclass, TypedDict, enum, union, `list[...]`, `Literal` or scalar, or a
                `TypeAdapter`, which also tells type checkers what a union is.
            max_repairs: How often the model is asked again, told what is wrong, when its answer does not fit. With `n`
                above 1 it is told about the first choice that does not. `deadline` holds for all rounds together.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Raises:
            ParseError: The answer does not fit, or is a refusal; it has `.completion`, `.usage`, `.text` and `.errors`.
            LengthFinishReasonError: The answer was cut at `max_tokens`. This is not repaired.
            ContentFilterFinishReasonError: The answer was cut by a content filter. This is not repaired.
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is, or a type that a strict schema can't express;
                `.errors` lists what is wrong.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        from .._core.parsing import ParseRounds

        rounds: ParseRounds[Any] = ParseRounds(self._settings, model, messages, response_format, max_repairs, params)
        deadline: float | None = None
        with rounds.followed():
            while True:
                try:
                    call = rounds.call()  # a repair can be too long to send
                    clocks = Clocks(call.request.timeouts)
                    clocks.deadline = deadline = deadline or clocks.deadline
                    answer = complete(self._transport, call, clocks)
                except APIError as error:
                    raise rounds.broken(error)  # noqa: B904  its cause is set where there is one
                parsed = rounds.take(answer)
                if parsed is not None:
                    return parsed


class AsyncParsing:
    """Answers of a type."""

    _settings: Settings
    _transport: AsyncTransport

    @overload
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: type[T],
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> Coroutine[Any, Any, ParsedChatCompletion[T]]: ...
    @overload
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: TypeAdapter[T],
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> Coroutine[Any, Any, ParsedChatCompletion[T]]: ...
    @overload
    def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: object,
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> Coroutine[Any, Any, ParsedChatCompletion[Any]]: ...
    @with_parameters(FormlessChatParams, owner="AsyncCompletions")
    @awaited
    async def parse(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        response_format: Any,
        max_repairs: int = 0,
        **params: Unpack[FormlessChatParams],
    ) -> Any:
        """The model's answer as a value of a type: `.parsed`.

        The type becomes a strict JSON schema, which the server holds the model to. An answer in a fenced block, or with
        words around its JSON, is read too.

        Args:
            model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it, or a LoRA as
                `wandb-artifact:///team/project/name:version`.
            messages: What was said so far, oldest first, as for `create()`.
            response_format: A pydantic model, dataclass, TypedDict, enum, union, `list[...]`, `Literal` or scalar, or a
                `TypeAdapter`, which also tells type checkers what a union is.
            max_repairs: How often the model is asked again, told what is wrong, when its answer does not fit. With `n`
                above 1 it is told about the first choice that does not. `deadline` holds for all rounds together.
            **params: See `wandb_inference.types.ChatParams`. What is left out or `None` is not sent.

        Raises:
            ParseError: The answer does not fit, or is a refusal; it has `.completion`, `.usage`, `.text` and `.errors`.
            LengthFinishReasonError: The answer was cut at `max_tokens`. This is not repaired.
            ContentFilterFinishReasonError: The answer was cut by a content filter. This is not repaired.
            TypeError: A keyword that does not exist.
            ConfigurationError: No key or no project.
            InvalidRequestError: A request that can't be sent as it is, or a type that a strict schema can't express;
                `.errors` lists what is wrong.
            APIStatusError: The service refused; its subclass says why.
            APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
            APIResponseValidationError: An answer that is none.
        """
        from .._core.parsing import ParseRounds

        rounds: ParseRounds[Any] = ParseRounds(self._settings, model, messages, response_format, max_repairs, params)
        deadline: float | None = None
        with rounds.followed():
            while True:
                try:
                    call = rounds.call()  # a repair can be too long to send
                    clocks = Clocks(call.request.timeouts)
                    clocks.deadline = deadline = deadline or clocks.deadline
                    answer = await complete_async(self._transport, call, clocks)
                except APIError as error:
                    raise rounds.broken(error)  # noqa: B904  its cause is set where there is one
                parsed = rounds.take(answer)
                if parsed is not None:
                    return parsed
