"""What a client asks: checked as far as the gateway must, and turned into what a deployment gets. Never waits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from pydantic_core import from_json, to_json

from .asked import CLIENT_FIELDS, Asked, read_fields, read_headers
from .config import Deployment, ServerSettings
from .errors import (
    GatewayError,
    bad_field,
    bad_json,
    empty_body,
    missing_field,
    model_not_text,
    no_model,
    not_an_object,
    not_utf8,
    number_too_large,
)
from .relay import with_model

_BOM: Final = b"\xef\xbb\xbf"

# OpenAI's own, which W&B Inference has no use for; what `drop_params` leaves out.
_UNSUPPORTED: Final = frozenset(
    {
        "audio",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "verbosity",
        "web_search_options",
    }
)
_ORDINARY: Final = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
    }
)
"""Fields that are the service's alone, and ask for no stream. Who sends no others is spared the search for the rest."""
_PICTURES: Final = frozenset({"image_url", "url"})
"""Fields of a part that may be one. A text is none, whatever it begins with."""
_PICTURE_TOKENS: Final = 1000
"""What a picture counts for, about; its bytes say nothing."""


class ChatRequest(NamedTuple):
    """A chat request that may go upstream."""

    raw: bytes
    """The body as it came."""
    fields: dict[str, Any]
    """The body, less what is for the gateway."""
    is_whole: bool
    """Whether `fields` is all there is in `raw`."""
    model: str
    stream: bool
    wants_usage: bool
    choices: int
    prompt_tokens: int
    """An estimate."""
    max_tokens: int | None
    asked: Asked
    """What is for the gateway."""


def read_request(
    raw: bytes, headers: Mapping[bytes, bytes], server: ServerSettings, *, model: str | None = None
) -> ChatRequest:
    """The request in a body.

    Args:
        raw: The body.
        headers: The request's, names in lower case.
        server: What the gateway is set to.
        model: The model that the path or the query names.

    Raises:
        GatewayError: It can't be one.
    """
    if raw[:3] == _BOM:
        raw = raw[3:]
    fields = parse(raw)
    if fields.keys() <= _ORDINARY and model is None and not (server.enforce_user or server.enforced_params):
        return ChatRequest(
            raw,
            fields,
            True,
            _model(fields),
            False,
            server.include_usage,
            1,
            _read_messages(raw, fields),
            _most(fields),
            read_headers(headers, server),
        )
    size = len(fields)
    if model is not None and (model_in_path := fields.setdefault("model", model)) != model:
        # The path wins with LiteLLM, silently. Two names for one request are a mistake.
        raise GatewayError(
            400, "several_models", f"model is {model_in_path!r:.80} and the path says {model!r:.80}", param="model"
        )
    name, tokens = _model(fields), _read_messages(raw, fields)
    stream: object = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise bad_field("stream", "true or false", stream)
    asked = read_headers(headers, server)
    is_whole = len(fields) == size
    if not CLIENT_FIELDS.isdisjoint(fields):
        is_whole = False
        asked = read_fields(fields, asked, server)
    options: object = fields.get("stream_options")
    wants = isinstance(options, dict) and bool(cast("dict[str, Any]", options).get("include_usage"))
    choices: object = fields.get("n")
    _check_required(fields, asked, server)
    return ChatRequest(
        raw,
        fields,
        is_whole,
        name,
        bool(stream),
        wants or server.include_usage,
        choices if isinstance(choices, int) and choices > 0 else 1,
        tokens,
        _most(fields),
        asked,
    )


def _model(fields: Mapping[str, Any]) -> str:
    name: object = fields.get("model")
    if name is None or name == "":
        raise no_model()
    if not isinstance(name, str):
        raise model_not_text(name)
    return name


def _most(fields: Mapping[str, Any]) -> int | None:
    most: object = fields.get("max_tokens") or fields.get("max_completion_tokens")
    return most if isinstance(most, int) and most > 0 else None


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        GatewayError: There is none; says where it goes wrong.
    """
    if not raw or raw.isspace():
        raise empty_body()
    try:
        value: Any = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise _unreadable(raw, str(error)) from None
    fields: dict[str, Any] = value
    if not isinstance(value, dict):
        raise not_an_object(value)
    return fields


def _unreadable(raw: bytes, problem: str) -> GatewayError:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return not_utf8(error.start)
    what, _, place = problem.rpartition(" at line ")
    line, column = (*map(int, re.findall(r"\d+", place)), 1, 1)[:2]
    start = 0
    for _ in range(line - 1):
        start = raw.find(b"\n", start) + 1
    return bad_json(what, line, column, start + max(0, column - 1))


def _read_messages(raw: bytes, fields: Mapping[str, Any]) -> int:
    """Tokens of the prompt, about: four bytes each.

    Raises:
        GatewayError: There are no messages.
    """
    messages: Any = fields.get("messages")
    if not isinstance(messages, list):
        if "messages" not in fields:
            raise missing_field("messages", "a list of messages")
        raise bad_field("messages", "a list of messages", fields["messages"])
    given: list[Any] = fields["messages"]
    if not given:
        raise missing_field("messages[0]", "the list of messages is empty")
    has_parts = False
    for message in given:
        fields_of_it: dict[str, Any] = message
        if not isinstance(message, dict):
            raise bad_field(f"messages[{given.index(message)}]", "an object", message)
        if isinstance(fields_of_it.get("content"), list):
            has_parts = True
    # A picture is a part of a list. To look for one in the body would cost more than to read all of it.
    return _weight(given) if has_parts else len(raw) // 4 + 1


def _check_required(fields: Mapping[str, Any], asked: Asked, server: ServerSettings) -> None:
    if server.enforce_user and asked.user is None:
        raise missing_field("user", "this gateway wants to know the end user")
    for path in server.enforced_params:
        value: object = {"user": asked.user, "metadata": asked.metadata, **fields}
        for part in path.split("."):
            value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
        if value is None:
            raise missing_field(path, "this gateway wants it in each request")


def _weight(messages: list[object]) -> int:
    """Tokens of messages of which some have pictures."""
    size, pictures = 0, 0
    pending = [*messages]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            for name, item in cast("dict[str, object]", value).items():
                if name in _PICTURES and isinstance(item, str) and item.startswith("data:"):
                    pictures += 1
                else:
                    pending.append(item)
        elif isinstance(value, list):
            pending += cast("list[object]", value)
    return size // 4 + pictures * _PICTURE_TOKENS + 1


def body_for(request: ChatRequest, deployment: Deployment, model: str) -> bytes:
    """The body that a deployment gets: its own model, its defaults where the request says nothing, its fields always.

    Args:
        request: The request.
        deployment: The deployment.
        model: The id to send.
    """
    fields = request.fields
    is_plain = not (deployment.defaults or deployment.extra_body or deployment.drop or deployment.drop_unsupported)
    if is_plain and request.is_whole and not request.stream:
        spliced = with_model(request.raw, model)
        if spliced is not None:
            return spliced
    added = {name: value for name, value in deployment.defaults.items() if name not in fields}
    drops = _UNSUPPORTED.difference(deployment.keep) if deployment.drop_unsupported or request.asked.drop_params else ()
    options: object = fields.get("stream_options")
    if request.stream and not isinstance(options, dict):
        # Always asked for, as what was used is booked; who did not ask does not get to see it.
        added["stream_options"] = {"include_usage": True}
    asks = isinstance(options, dict) and cast("dict[str, Any]", options).get("include_usage") is True
    if (
        request.is_whole
        and not deployment.extra_body
        and fields.keys().isdisjoint(deployment.drop)
        and fields.keys().isdisjoint(drops)
        and (asks or not request.stream or options is None)
    ):
        spliced = _splice(request.raw, model, added, had_options="stream_options" in fields)
        if spliced is not None:
            return spliced
    body = {**added, **fields, **deployment.extra_body, "model": model}
    if request.stream:
        given = cast("dict[str, Any]", options) if isinstance(options, dict) else {}
        body["stream_options"] = {**given, "include_usage": True}
    for name in (*deployment.drop, *drops):
        body.pop(name, None)
    raw = to_json(body)
    if b"Infinity" in raw:  # of a number like 1e400, or of a text
        try:
            from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise number_too_large() from None
    return raw


def _splice(raw: bytes, model: str, added: dict[str, Any], *, had_options: bool) -> bytes | None:
    """The body as it came, with another model and more fields; `None` where a search can't tell where they go."""
    if had_options and "stream_options" in added:
        return None
    spliced = with_model(raw, model)
    if spliced is None or not added:
        return spliced
    start = spliced.index(b"{") + 1
    return b"%b%b,%b" % (spliced[:start], to_json(added)[1:-1], spliced[start:])
