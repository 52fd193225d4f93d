"""What spans and metrics say of a call: plain values under the names of the conventions. Nothing here waits.

Source of the names: https://github.com/open-telemetry/semantic-conventions-genai, and for HTTP, servers and errors the
semantic conventions 1.44. Names that begin with `wandb_inference.` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from .._core.wire import origin
from ..exceptions import APIStatusError, APITimeoutError

if TYPE_CHECKING:
    from .._core.following import Chat
    from ..exceptions import AttemptRecord
    from ..types import ChatCompletion, CompletionUsage, Meta

Value: TypeAlias = "str | bool | int | float | Sequence[str]"
Attributes: TypeAlias = dict[str, Value]

PROVIDER = "wandb"

_FLOATS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_INTEGERS = ("seed", "top_k")


def of_server(base_url: str) -> Attributes:
    """Where calls go."""
    _, host, port = origin(base_url)
    return {"server.address": host, "server.port": port}


def of_call(operation: str, model: str, base_url: str) -> Attributes:
    """What is known before anything is sent, and what samplers decide by."""
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": model,
        **of_server(base_url),
    }


def of_request(chat: Chat) -> Attributes:
    """The parameters of a chat, as far as they are of the kind that they should be."""
    body = chat.body
    found: Attributes = {}
    for name in _FLOATS:
        if _is_number(body.get(name)):
            found[f"gen_ai.request.{name}"] = float(body[name])
    for name in _INTEGERS:
        if _is_integer(body.get(name)):
            found[f"gen_ai.request.{name}"] = body[name]
    for name in ("max_tokens", "max_completion_tokens"):  # the second, which is the newer, wins
        if _is_integer(body.get(name)):
            found["gen_ai.request.max_tokens"] = body[name]
    if _is_integer(body.get("n")) and body["n"] != 1:
        found["gen_ai.request.choice.count"] = body["n"]
    stop: object = body.get("stop")
    if isinstance(stop, str):
        found["gen_ai.request.stop_sequences"] = [stop]
    elif isinstance(stop, list):
        found["gen_ai.request.stop_sequences"] = [word for word in cast("list[object]", stop) if isinstance(word, str)]
    if isinstance(body.get("reasoning_effort"), str):
        found["gen_ai.request.reasoning.level"] = body["reasoning_effort"]
    if chat.stream:
        found["gen_ai.request.stream"] = True
    form: object = body.get("response_format")
    if isinstance(form, Mapping):
        kind = cast("Mapping[str, object]", form).get("type")
        found["gen_ai.output.type"] = "json" if kind in ("json_object", "json_schema") else "text"
    if chat.settings.conversation is not None:
        found["gen_ai.conversation.id"] = chat.settings.conversation
    return found


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_integer(value)


def of_answer(answer: ChatCompletion) -> Attributes:
    """What answered, and how it ended: `error` for a choice that did not come to its end."""
    found: Attributes = {}
    if answer.model:
        found["gen_ai.response.model"] = answer.model
    if answer.id:
        found["gen_ai.response.id"] = answer.id
    if answer.choices:
        found["gen_ai.response.finish_reasons"] = [choice.finish_reason or "error" for choice in answer.choices]
    return found


def of_usage(usage: CompletionUsage) -> Attributes:
    """Token counts. Those of a part go by two names where W&B's own readers differ."""
    found: Attributes = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }
    if usage.cached_tokens is not None:
        found["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
    if usage.reasoning_tokens is not None:
        found["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
        found["gen_ai.usage.reasoning_tokens"] = usage.reasoning_tokens
    return found


def of_meta(meta: Meta) -> Attributes:
    """How the call went."""
    found: Attributes = {"wandb_inference.attempts": len(meta.attempts)}
    if meta.status is not None:
        found["http.response.status_code"] = meta.status
    if meta.request_id:
        found["wandb_inference.request_id"] = meta.request_id
    if meta.to_first_token is not None:
        found["gen_ai.response.time_to_first_chunk"] = meta.to_first_token
    if meta.queued:
        found["wandb_inference.queued"] = meta.queued
    return found


def of_attempt(number: int, record: AttemptRecord, *, content: bool) -> Attributes:
    """One attempt of several, `number` counting from 1."""
    found: Attributes = {
        "wandb_inference.attempt.number": number,
        "wandb_inference.attempt.outcome": record.outcome,
        "wandb_inference.attempt.waited": record.waited,
        "wandb_inference.attempt.seconds": record.seconds,
    }
    if record.status is not None:
        found["http.response.status_code"] = record.status
    if record.request_id:
        found["wandb_inference.request_id"] = record.request_id
    if record.error is not None and content:
        found["wandb_inference.attempt.error"] = record.error
    return found


def described(error: BaseException, *, content: bool) -> str:
    """An error in one line.

    Args:
        error: What happened.
        content: Whether its own words may be told: they can quote the prompt or the answer.
    """
    name = type(error).__name__
    if content:
        try:
            said = str(error)
        except Exception:  # a class whose own `__str__` fails
            said = ""
        return f"{name}: {said}" if said else name
    if isinstance(error, APIStatusError):
        return f"{name}: {error.status_code}"
    if isinstance(error, APITimeoutError):
        return f"{name}: {error.clock}"
    return name


def type_of(error: BaseException) -> str:
    """The name under which errors of a kind are counted."""
    return type(error).__name__
