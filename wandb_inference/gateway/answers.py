"""Heads of answers: our headers, and the ones of LiteLLM's that clients read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from .._version import __version__
from .errors import GatewayError
from .routing import Pick, Plan, Remaining

Headers = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
STREAM: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")
VERSION: Final = (b"x-gateway-version", __version__.encode())
CLOSE: Final = (b"connection", b"close")

_NAMES: Final = {"rpm": b"requests", "tpm": b"tokens"}
_ID_BYTES: Final = 128


def request_id(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The id that a client gave its request, where it can go into a header again."""
    for name in (b"x-litellm-call-id", b"x-request-id"):
        value = headers.get(name)
        if value is not None and 0 < len(value) <= _ID_BYTES and value.isascii() and value.decode().isprintable():
            return value
    return None


def chat_headers(
    id: bytes, plan: Plan, pick: Pick, remaining: Iterable[Remaining], *, upstream: float, overhead: float
) -> Headers:
    """The headers of an answer to a chat request.

    Args:
        id: The request's.
        plan: What was tried.
        pick: What answered.
        remaining: The limits of the key.
        upstream: Seconds that the service took; of a stream, to its first data.
        overhead: Seconds that the gateway took.
    """
    model_id = _safe(pick.deployment.id)
    spent, own = b"%.3f" % (upstream * 1e3), b"%.3f" % (overhead * 1e3)
    headers = [
        (b"x-request-id", id),
        (b"x-litellm-call-id", id),
        (b"x-gateway-model-id", model_id),
        (b"x-litellm-model-id", model_id),
        (b"x-litellm-model-group", _safe(pick.group)),
        (b"x-gateway-attempts", b"%d" % plan.attempts),
        (b"x-litellm-attempted-retries", b"%d" % plan.retries),
        (b"x-litellm-attempted-fallbacks", b"%d" % plan.fallbacks),
        (b"x-gateway-upstream-ms", spent),
        (b"x-litellm-response-duration-ms", spent),
        (b"x-gateway-overhead-ms", own),
        (b"x-litellm-overhead-duration-ms", own),
        NO_SNIFF,
    ]
    headers += limit_headers(remaining)
    return headers


def limit_headers(remaining: Iterable[Remaining]) -> Headers:
    """What is left of a key's limits, in OpenAI's form."""
    headers: Headers = []
    for each in remaining:
        name = _NAMES[each.kind]
        headers += [
            (b"x-ratelimit-limit-" + name, b"%d" % each.limit),
            (b"x-ratelimit-remaining-" + name, b"%d" % each.left),
            (b"x-ratelimit-reset-" + name, b"%.3fs" % each.reset),
        ]
    return headers


def cost_headers(cost: Decimal | None) -> Headers:
    """What an answer cost; nothing where no price is known."""
    if cost is None:
        return []
    text = f"{cost:f}".encode()
    return [(b"x-gateway-cost", text), (b"x-litellm-response-cost", text)]


def error_headers(error: GatewayError, id: bytes) -> Headers:
    """The headers of an error."""
    headers = [JSON, (b"x-request-id", id), (b"x-litellm-call-id", id), NO_SNIFF]
    headers += [(name.encode(), value.encode("latin-1")) for name, value in error.headers().items()]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def cors_headers(origins: tuple[str, ...], origin: bytes | None, *, preflight: bool = False) -> Headers:
    """The headers that let a page of another site read an answer; none for a site that is not named."""
    if not origins or origin is None:
        return []
    if "*" in origins:
        headers: Headers = [(b"access-control-allow-origin", b"*")]
    elif origin.decode("latin-1") in origins:
        headers = [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
    else:
        return []
    if preflight:
        headers += [
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", b"*, authorization"),
            (b"access-control-max-age", b"600"),
        ]
    else:
        headers.append((b"access-control-expose-headers", b"*"))
    return headers


def _safe(text: str) -> bytes:
    """A name for a header: what does not belong into one is left out."""
    raw = text.encode("ascii", "replace")
    return raw if text.isprintable() else bytes(each for each in raw if 0x20 <= each < 0x7F)
