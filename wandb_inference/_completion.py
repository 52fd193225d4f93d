"""`completion()` and `acompletion()`: one call, configured by its arguments, with LiteLLM's names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from typing_extensions import Unpack

from ._client_options import new_settings
from ._config import ApiKey
from ._core.build import CHAT_PARAMS, ELSEWHERE, unexpected_keyword
from ._core.flow import Quirks
from ._core.notices import Notices
from ._core.settings import Settings
from ._network import environment
from ._streaming import AsyncStream, Stream
from ._transport import Transport
from .resources._awaiting import awaited
from .resources._signature import with_parameters
from .resources.chat import AsyncCompletions, Completions
from .types import ChatCompletion, ChatParams, MessageParam

if TYPE_CHECKING:
    from ._transport import AsyncTransport
    from .types import ChatCompletionChunk

_quirks: dict[str, Quirks] = {}
"""What servers were found not to take, by base URL."""

_notices = Notices()


# Calls share connections, not settings: arguments and environment are looked up anew each time. A changed environment
# has connections of its own.
@lru_cache(maxsize=8)
def _transport(environment: tuple[str | None, ...]) -> Transport:
    return Transport()


@lru_cache(maxsize=8)
def _async_transport(environment: tuple[str | None, ...]) -> AsyncTransport:
    from ._transport import AsyncTransport

    return AsyncTransport()


_NAMED = ("api_key", "api_base", "model", "messages", "stream", "final_only")
_ELSEWHERE = {
    **ELSEWHERE,
    "base_url": "did you mean 'api_base'?",
    "headers": "did you mean 'extra_headers'?",
    "budget": "put the call into `with budget(usd=...):`",
}


@overload
def completion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: Literal[False] | None = False,
    final_only: bool | None = False,
    api_key: str | Callable[[], str] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> ChatCompletion: ...
@overload
def completion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: Literal[True],
    final_only: Literal[False] | None = False,
    api_key: str | Callable[[], str] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> Stream[ChatCompletionChunk]: ...
@overload
def completion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: bool | None,
    final_only: Literal[False] | None = False,
    api_key: str | Callable[[], str] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
@with_parameters(ChatParams, first=("project",))
def completion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: bool | None = False,
    final_only: bool | None = False,
    api_key: str | Callable[[], str] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> Any:
    """The model's answer; with `stream=True`, an iterator over its pieces.

    What LiteLLM's `completion()` does for its `wandb` provider, under the same names. Calls share their connections.

    Args:
        model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it.
        messages: What was said so far, oldest first.
        stream: Whether to get the answer as it comes.
        final_only: Whether to stream on the wire alone, and get the answer whole.
        api_key: The key; else `WANDB_API_KEY`, netrc, W&B's settings files.
        api_base: The server; else `WANDB_API_BASE`, else `https://api.inference.wandb.ai/v1`.
        **params: `project` and the others of `wandb_inference.types.ChatParams`.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: No key or no project.
        InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
        APIStatusError: The service refused; its subclass says why.
        APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
        APIResponseValidationError: An answer that is none.
    """
    _check("completion", params)
    settings = _settings(api_key, params.pop("project", None), api_base)
    return Completions(settings, _transport(environment())).create(
        model=model,
        messages=messages,
        stream=False if stream is None else stream,
        final_only=cast(
            "Literal[False]", False if final_only is None else final_only
        ),  # both at once are refused there
        **params,
    )


@overload
def acompletion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: Literal[False] | None = False,
    final_only: bool | None = False,
    api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> Coroutine[Any, Any, ChatCompletion]: ...
@overload
def acompletion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: Literal[True],
    final_only: Literal[False] | None = False,
    api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> Coroutine[Any, Any, AsyncStream[ChatCompletionChunk]]: ...
@overload
def acompletion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: bool | None,
    final_only: Literal[False] | None = False,
    api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> Coroutine[Any, Any, ChatCompletion | AsyncStream[ChatCompletionChunk]]: ...
@with_parameters(ChatParams, first=("project",))
@awaited
async def acompletion(
    model: str,
    messages: Iterable[MessageParam],
    *,
    stream: bool | None = False,
    final_only: bool | None = False,
    api_key: str | Callable[[], str] | Callable[[], Awaitable[str]] | None = None,
    api_base: str | None = None,
    **params: Unpack[ChatParams],
) -> Any:
    """The model's answer; with `stream=True`, an async iterator over its pieces. To be awaited in both cases.

    What LiteLLM's `acompletion()` does for its `wandb` provider, under the same names. Calls share their connections.

    Args:
        model: An id such as `meta-llama/Llama-3.1-8B-Instruct`, with or without `wandb/` before it.
        messages: What was said so far, oldest first.
        stream: Whether to get the answer as it comes.
        final_only: Whether to stream on the wire alone, and get the answer whole.
        api_key: The key, or a callable, async or not; else `WANDB_API_KEY`, netrc, W&B's settings files.
        api_base: The server; else `WANDB_API_BASE`, else `https://api.inference.wandb.ai/v1`.
        **params: `project` and the others of `wandb_inference.types.ChatParams`.

    Raises:
        TypeError: A keyword that does not exist.
        ConfigurationError: No key or no project.
        InvalidRequestError: A request that can't be sent as it is; `.errors` lists what is wrong.
        APIStatusError: The service refused; its subclass says why.
        APIConnectionError: No complete answer; `APITimeoutError` where a clock ran out.
        APIResponseValidationError: An answer that is none.
    """
    _check("acompletion", params)
    settings = _settings(api_key, params.pop("project", None), api_base)
    return await AsyncCompletions(settings, _async_transport(environment())).create(
        model=model,
        messages=messages,
        stream=False if stream is None else stream,
        final_only=cast(
            "Literal[False]", False if final_only is None else final_only
        ),  # both at once are refused there
        **params,
    )


def _settings(api_key: ApiKey | None, project: str | None, api_base: str | None) -> Settings:
    settings = new_settings(api_key, project, api_base)
    quirks = _quirks.setdefault(settings.config.base_url, settings.quirks)
    return replace(settings, quirks=quirks, notices=_notices, ledger=None)


def _check(function: str, params: Mapping[str, object]) -> None:
    for name in params:
        if name not in CHAT_PARAMS:
            raise unexpected_keyword(function, name, (*CHAT_PARAMS, *_NAMED), _ELSEWHERE, body=True)
