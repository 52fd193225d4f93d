"""Requests without what is secret in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus, urlsplit

from .._curl import SentRequest, Word
from .wire import Request

_SECRET = re.compile("auth|cookie|credential|key|pass(word|wd|phrase)|secret|session|signature|token", re.IGNORECASE)
"""What the name of a header or a query parameter holds whose value is secret."""

_HIDDEN = "***"


def is_secret(name: str) -> bool:
    """Whether the name of a header or a query parameter says that its value is secret."""
    return _SECRET.search(name) is not None


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, with stars for the values that are secret."""
    return {name: _HIDDEN if is_secret(name) else value for name, value in headers.items()}


def without_secrets(url: str) -> str:
    """The URL without user name and password, and with stars for the query parameters that are secret."""
    word = _url(url)
    return "".join(_HIDDEN if number % 2 else part for number, part in enumerate(word))


def sent_request(request: Request) -> SentRequest:
    """What an error keeps of the request: all that is needed to repeat it, and no secret."""
    headers: list[tuple[str, Word]] = []
    if request.context.key_sent:
        headers.append(("Authorization", ("Bearer ", "WANDB_API_KEY")))
    for name, value in request.headers.items():
        # The transport decodes what comes; a terminal would show the bytes.
        if name != "accept-encoding":
            headers.append((name, _value(name, value)))
    return SentRequest(request.method, _url(request.url), tuple(headers), request.body, request.stream)


def _value(name: str, value: str) -> Word:
    if not is_secret(name):
        return (value,)
    if name == "authorization" and value.lower().startswith("bearer "):
        return ("Bearer ", "WANDB_API_KEY")
    return ("", _variable(name))


def _url(url: str) -> Word:
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
    return tuple(word)


def _variable(name: str) -> str:
    """The name as that of a shell's variable."""
    found = re.sub("[^A-Z0-9]+", "_", name.upper())
    return f"_{found}" if found[:1].isdigit() else found
