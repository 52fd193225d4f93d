"""Heads of answers: our headers, and the ones of LiteLLM's that clients read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias

from .._version import __version__
from .errors import GatewayError
from .routing import Remaining

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
_List: TypeAlias = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
JSON_LINE: Final = b"content-type: application/json\r\n"
STREAM: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")
VERSION: Final = (b"x-gateway-version", __version__.encode())
CLOSE: Final = (b"connection", b"close")

_PATH: Final = (
    b"x-gateway-model-id: %b\r\nx-litellm-model-id: %b\r\nx-litellm-model-group: %b\r\nx-gateway-attempts: %d\r\n"
    b"x-litellm-attempted-retries: %d\r\nx-litellm-attempted-fallbacks: %d\r\n"
)
_HEAD: Final = (
    b"x-request-id: %b\r\nx-litellm-call-id: %b\r\n%b"
    b"x-gateway-upstream-ms: %b\r\nx-litellm-response-duration-ms: %b\r\n"
    b"x-gateway-overhead-ms: %b\r\nx-litellm-overhead-duration-ms: %b\r\nx-content-type-options: nosniff\r\n"
)
_LIMIT: Final = {
    # What is left of a key's limits, in OpenAI's form.
    kind: b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%.3fs\r\n"
    % (name, name, name)
    for kind, name in (("rpm", b"requests"), ("tpm", b"tokens"))
}
_ID_BYTES: Final = 128


def request_id(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The id that a client gave its request, where it can go into a header again."""
    if b"x-request-id" not in headers and b"x-litellm-call-id" not in headers:
        return None
    for name in (b"x-litellm-call-id", b"x-request-id"):
        value = headers.get(name)
        if value is not None and 0 < len(value) <= _ID_BYTES and value.isascii() and value.decode().isprintable():
            return value
    return None


@lru_cache(maxsize=1024)
def path_lines(deployment: str, group: str, attempts: int = 1, retries: int = 0, fallbacks: int = 0) -> bytes:
    """What an answer says of who gave it, as lines of a head.

    Args:
        deployment: The id of the one that answered.
        group: Its group's name.
        attempts: Requests that went upstream.
        retries: Of these, those that were not the first of their group.
        fallbacks: Groups that were gone on to.
    """
    id = _safe(deployment)
    return _PATH % (id, id, _safe(group), attempts, retries, fallbacks)


def chat_headers(id: bytes, path: bytes, remaining: Iterable[Remaining], upstream: float, overhead: float) -> bytes:
    """The headers of an answer to a chat request, as the lines that its head has: written like this they cost a tenth.

    Args:
        id: The request's.
        path: Who answered: `path_lines`.
        remaining: The limits of the key.
        upstream: Seconds that the service took; of a stream, to its first data.
        overhead: Seconds that the gateway took.
    """
    spent, own = b"%.3f" % (upstream * 1e3), b"%.3f" % (overhead * 1e3)
    head = _HEAD % (id, id, path, spent, spent, own, own)
    for kind, reading in remaining:
        head += _LIMIT[kind] % reading
    return head


def cost_headers(cost: Decimal | None, spent: Decimal | None) -> bytes:
    """What an answer cost, and what its key has spent, as lines of a head; nothing of what nobody knows."""
    head = b"" if spent is None else b"x-litellm-key-spend: %b\r\n" % f"{spent:f}".encode()
    if cost is None:
        return head
    text = f"{cost:f}".encode()
    return b"x-gateway-cost: %b\r\nx-litellm-response-cost: %b\r\n%b" % (text, text, head)


def split(head: bytes) -> Headers:
    """The headers of such lines one by one."""
    headers: _List = []
    for line in head.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    return headers


def error_headers(error: GatewayError, id: bytes) -> Headers:
    """The headers of an error."""
    headers: _List = [JSON, (b"x-request-id", id), (b"x-litellm-call-id", id), NO_SNIFF]
    headers += [(name.encode(), value.encode("latin-1")) for name, value in error.headers().items()]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def cors_headers(origins: tuple[str, ...], origin: bytes | None, *, preflight: bool = False) -> Headers:
    """The headers that let a page of another site read an answer; none for a site that is not named."""
    if not origins or origin is None:
        return []
    if "*" in origins:
        headers: _List = [(b"access-control-allow-origin", b"*")]
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
