"""Requests without what is secret in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote_plus, unquote_plus, urlsplit

from .._checks import SHORTEST_KEY
from .._curl import SentRequest, Word
from .wire import Request

_SECRET = re.compile("auth|cookie|credential|key|pass(word|wd|phrase)|secret|session|signature|token", re.IGNORECASE)
"""What the name of a header or a query parameter holds whose value is secret."""

_HIDDEN = "***"
_KEY = "WANDB_API_KEY"

_NOTHING = "(?!)"
"""A pattern that is found nowhere."""


def is_secret(name: str) -> bool:
    """Whether the name of a header or a query parameter says that its value is secret."""
    return _SECRET.search(name) is not None


def keys_of(request: Request, key: str | None) -> str:
    """A pattern for the keys of a call, which may stand in other places than their own.

    Args:
        request: Its Authorization header may hold one of the caller's own.
        key: The client's, where it is known.
    """
    own = request.headers.get("authorization", "").rpartition(" ")[2]
    # As they are, in a query, and in JSON. What is shorter may be a word of the prompt.
    found = {form for text in (key or "", own) if len(text) >= SHORTEST_KEY for form in _forms(text)}
    return "|".join(map(re.escape, sorted(found, key=len, reverse=True))) or _NOTHING


def _forms(key: str) -> tuple[str, ...]:
    return key, quote_plus(key), json.dumps(key)[1:-1]


def shown_headers(headers: Mapping[str, str], keys: str = _NOTHING) -> dict[str, str]:
    """The headers, with stars for the values that are secret and for the keys."""
    return {name: _HIDDEN if is_secret(name) else re.sub(keys, _HIDDEN, value) for name, value in headers.items()}


def shown_body(body: bytes | None, keys: str) -> bytes | None:
    """The body, with stars for the keys."""
    return body and re.sub(keys.encode(), _HIDDEN.encode(), body)


def without_secrets(url: str, keys: str = _NOTHING) -> str:
    """The URL without user name and password, and with stars for the keys and the query parameters that are secret."""
    word = _url(url, keys)
    return "".join(_HIDDEN if number % 2 else part for number, part in enumerate(word))


def sent_request(request: Request, key: str | None = None) -> SentRequest:
    """What an error keeps of the request: all that is needed to repeat it, and no secret.

    Args:
        request: What was sent.
        key: The client's key, where it is known.
    """
    keys = keys_of(request, key)
    headers: list[tuple[str, Word]] = []
    if request.context.key_sent:
        headers.append(("Authorization", ("Bearer ", _KEY)))
    for name, value in request.headers.items():
        # The transport decodes what comes; a terminal would show the bytes.
        if name != "accept-encoding":
            headers.append((name, _value(name, value, keys)))
    body = None if request.body is None else tuple(re.split(keys.encode(), request.body))
    return SentRequest(request.method, _url(request.url, keys), tuple(headers), body, request.stream)


def _value(name: str, value: str, keys: str) -> Word:
    if not is_secret(name):
        return _word(value, keys)
    if name == "authorization" and value.lower().startswith("bearer "):
        return ("Bearer ", _KEY)
    return ("", _variable(name))


def _word(text: str, keys: str) -> Word:
    """The text with the keys taken out."""
    first, *others = re.split(keys, text)
    return (first, *(part for other in others for part in (_KEY, other)))


def _url(url: str, keys: str) -> Word:
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    head, mark, query = url.partition("?")
    word = [head + mark]
    for number, parameter in enumerate(query.split("&") if query else ()):
        name, equals, _ = parameter.partition("=")
        word[-1] += "&" if number else ""
        if equals and is_secret(unquote_plus(name)):
            word[-1] += f"{name}="
            word += [_variable(unquote_plus(name)), ""]
        else:
            word[-1] += parameter
    pieces = [_word(part, keys) if number % 2 == 0 else (part,) for number, part in enumerate(word)]
    return tuple(part for found in pieces for part in found)


def _variable(name: str) -> str:
    """The name as that of a shell's variable."""
    found = re.sub("[^A-Z0-9]+", "_", name.upper())
    return f"_{found}" if found[:1].isdigit() else found
