"""What a request says to the gateway itself, in LiteLLM's fields and headers: honoured, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from .config import ServerSettings
from .errors import GatewayError, bad_field, refused_field

_NOT_THE_CLIENTS: Final = (
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "custom_llm_provider",
    "default_headers",
    "default_query",
    "extra_headers",
    "extra_query",
    "headers",
    "http_client",
    "litellm_credential_name",
    "litellm_params",
    "model_list",
    "organization",
    "project",
    "user_config",
)
_NOT_HERE: Final = {
    "allowed_model_region": "the gateway knows no regions",
    "context_window_fallback_dict": "name models in fallbacks",
    "guardrails": "this gateway has none",
    "mock_response": "the gateway makes no answers up",
    "priority": "all requests of a model have the same",
    "ttl": "the gateway keeps no answers",
}
_READ: Final = frozenset(
    {
        "cache",
        "caching",
        "disable_fallbacks",
        "drop_params",
        "extra_body",
        "fallbacks",
        "litellm_session_id",
        "litellm_trace_id",
        "metadata",
        "no-log",
        "num_retries",
        "tags",
        "timeout",
        "user",
    }
)
CLIENT_FIELDS: Final = frozenset(_NOT_THE_CLIENTS) | _NOT_HERE.keys() | _READ
"""Fields of a body that are for the gateway, or not for the client. None is sent on."""

_PREFIX: Final = b"x-litellm-"
_HONOURED: Final = frozenset(
    {
        b"x-litellm-agent-id",
        b"x-litellm-api-key",
        b"x-litellm-call-id",
        b"x-litellm-customer-id",
        b"x-litellm-enable-message-redaction",  # no text of a request is kept in any case
        b"x-litellm-end-user-id",
        b"x-litellm-keepalive-seconds",
        b"x-litellm-num-retries",
        b"x-litellm-session-id",
        b"x-litellm-spend-logs-metadata",
        b"x-litellm-stream-timeout",
        b"x-litellm-tags",
        b"x-litellm-timeout",
        b"x-litellm-trace-id",
    }
)
_USUAL: Final = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
        b"x-request-id",
    }
)
"""Headers that say nothing to the gateway itself. Who sends no others, as most do, is spared the search."""
_MOST_RETRIES: Final = 100
_MOST_NAMES: Final = 100


class Asked(NamedTuple):
    """What a request says to the gateway."""

    fallbacks: tuple[str, ...] | None = None
    num_retries: int | None = None
    timeout: float | None = None
    stream_timeout: float | None = None
    tags: tuple[str, ...] = ()
    user: str | None = None
    session: str | None = None
    metadata: Mapping[str, Any] = {}
    drop_params: bool = False
    keepalive: float | None = None
    """Seconds between signs of life."""


NOTHING: Final = Asked()


def read_headers(headers: Mapping[bytes, bytes], server: ServerSettings) -> Asked:
    """What the headers say.

    Raises:
        GatewayError: One that the gateway does not know, or whose value makes no sense.
    """
    asked = NOTHING
    if server.user_header is None and headers.keys() <= _USUAL:
        return asked
    if server.user_header is not None and (user := headers.get(server.user_header.lower().encode())) is not None:
        asked = asked._replace(user=user.decode("latin-1"))
    names = [name for name in headers if name.startswith(_PREFIX)]
    for name in names:
        if name not in _HONOURED:
            raise refused_field(name.decode("latin-1"), "the gateway does not know this header")
        value = headers[name].decode("latin-1").strip()
        key = name[len(_PREFIX) :]
        if key == b"timeout":
            asked = asked._replace(timeout=_seconds(value, "x-litellm-timeout"))
        elif key == b"stream-timeout":
            asked = asked._replace(stream_timeout=_seconds(value, "x-litellm-stream-timeout"))
        elif key == b"num-retries":
            asked = asked._replace(num_retries=_number(value, "x-litellm-num-retries"))
        elif key == b"keepalive-seconds":
            asked = asked._replace(keepalive=max(1.0, _seconds(value, "x-litellm-keepalive-seconds")))
        elif key == b"tags":
            if server.reject_metadata_tags:
                raise refused_field("x-litellm-tags", "this gateway takes no tags from clients")
            asked = asked._replace(tags=tuple(tag.strip() for tag in value.split(",") if tag.strip()))
        elif key in (b"end-user-id", b"customer-id"):
            asked = asked._replace(user=value)
        elif key in (b"session-id", b"trace-id") and (key == b"session-id" or asked.session is None):
            asked = asked._replace(session=value)
    return asked


def read_fields(fields: dict[str, Any], asked: Asked, server: ServerSettings) -> Asked:
    """What the fields of a body say; they are taken out of it, and those of `extra_body` put in.

    Args:
        fields: The body.
        asked: What the headers say, which counts less.
        server: What the gateway is set to.

    Raises:
        GatewayError: One that is not the client's to set, or that makes no sense.
    """
    extra: object = fields.pop("extra_body", None)
    if extra is not None:
        if not isinstance(extra, dict):
            raise bad_field("extra_body", "an object", extra)
        for name in ("model", "messages", "stream", "extra_body"):
            if name in extra:
                raise refused_field(f"extra_body.{name}", "it belongs into the request itself")
        fields.update(cast("dict[str, Any]", extra))
    for name in _NOT_THE_CLIENTS:
        if name in fields:
            raise refused_field(name)
    for name, why in _NOT_HERE.items():
        if name in fields:
            raise refused_field(name, why)
    taken = {name: fields.pop(name) for name in _READ if name in fields}
    _refuse_cache(taken)
    metadata = taken.get("metadata")
    if metadata is not None:
        if not isinstance(metadata, dict):
            raise bad_field("metadata", "an object", metadata)
        asked = asked._replace(metadata=cast("dict[str, Any]", metadata))
        session: object = asked.metadata.get("session_id")
        if isinstance(session, str):
            asked = asked._replace(session=session)
    for path, value in (("metadata.tags", asked.metadata.get("tags")), ("tags", taken.get("tags"))):
        if value is None:
            continue
        if server.reject_metadata_tags:
            raise refused_field(path, "this gateway takes no tags from clients")
        asked = asked._replace(tags=(*asked.tags, *_names(value, path)))
    for name in ("litellm_trace_id", "litellm_session_id"):
        if taken.get(name) is not None:
            asked = asked._replace(session=_text(taken[name], name))
    if taken.get("user") is not None:
        asked = asked._replace(user=_text(taken["user"], "user"))
    if taken.get("num_retries") is not None:
        asked = asked._replace(num_retries=_number(taken["num_retries"], "num_retries"))
    if taken.get("timeout") is not None:
        asked = asked._replace(timeout=_seconds(taken["timeout"], "timeout"))
    if taken.get("fallbacks") is not None:
        asked = asked._replace(fallbacks=_names(taken["fallbacks"], "fallbacks"))
    if _switch(taken, "disable_fallbacks"):
        asked = asked._replace(fallbacks=())
    _switch(taken, "no-log")  # no text of a request is kept in any case
    return asked._replace(drop_params=_switch(taken, "drop_params"))


def _refuse_cache(taken: Mapping[str, Any]) -> None:
    """Answers are not kept: to ask for that is no mistake, to ask for the contrary is."""
    if taken.get("caching"):
        raise refused_field("caching", "the gateway keeps no answers")
    cache: object = taken.get("cache")
    if cache is None:
        return
    if not isinstance(cache, dict):
        raise bad_field("cache", "an object", cache)
    for name, value in cast("dict[str, object]", cache).items():
        if value and name not in ("no-cache", "no-store"):
            raise refused_field(f"cache.{name}", "the gateway keeps no answers")


def _switch(taken: Mapping[str, Any], name: str) -> bool:
    value: object = taken.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise bad_field(name, "true or false", value)
    return value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise bad_field(path, "a text", value)
    return value


def _names(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise bad_field(path, "a list", value)
    names = cast("list[object]", value)
    if len(names) > _MOST_NAMES:
        raise GatewayError(422, "invalid_field", f"{path} has more than {_MOST_NAMES} names", param=path)
    return tuple(_text(name, f"{path}[{number}]") for number, name in enumerate(names))


def _number(value: object, path: str) -> int:
    try:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    except ValueError:  # more digits than Python reads
        number = value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST_RETRIES:
        raise _out_of(path, f"a whole number from 0 to {_MOST_RETRIES}")
    return number


def _seconds(value: object, path: str) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 < seconds <= 86400:
        raise _out_of(path, "a number of seconds, above 0 and up to 86400")
    return seconds


def _out_of(path: str, wanted: str) -> GatewayError:
    return GatewayError(422, "invalid_field", f"{path} is not {wanted}", param=path)
