"""Requests of any method, with any headers and body, as they go on the wire. Without any waiting.

Our own calls don't come this way: their headers are checked when they are given, and their bodies are bytes.

Source: RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")

Headers = Sequence[tuple[bytes, bytes]]


class LocalProtocolError(Exception):
    """A request that can't be sent as it is."""


def request_head(method: bytes, target: bytes, headers: Headers) -> bytes:
    """A request's head.

    Args:
        method: As it is: case matters.
        target: Path and query, encoded.
        headers: With `Host` among them.

    Raises:
        LocalProtocolError: What is given would not arrive as one request.
    """
    if not _TOKEN.fullmatch(method):
        raise LocalProtocolError(f"the method {method!r} is no token")
    if method == b"CONNECT":
        raise LocalProtocolError("CONNECT opens a tunnel, which this transport does not; give the client a proxy")
    if not _TARGET.fullmatch(target):
        raise LocalProtocolError(f"the target {target!r} holds white space, control or other characters: encode them")
    lines = [method + b" " + target + b" HTTP/1.1"]
    hosts = 0
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise LocalProtocolError(f"the header name {name!r} is no token")
        if not _VALUE.fullmatch(value):
            # The value is not shown: it may be a key with a line end behind it.
            raise LocalProtocolError(f"the value of the header {name!r} holds a line end or another control character")
        hosts += name.lower() == b"host"
        lines.append(name + b": " + value)
    if hosts != 1:
        raise LocalProtocolError(f"a request has one Host header, not {hosts}")
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Framing:
    """How the body goes on the wire, piece by piece, as the headers say.

    Args:
        headers: The request's.

    Raises:
        LocalProtocolError: They say it in no way that can be sent.
    """

    __slots__ = ("_left", "_length", "headers", "keep")

    def __init__(self, headers: Headers) -> None:
        found: dict[bytes, list[bytes]] = {b"content-length": [], b"transfer-encoding": [], b"connection": []}
        for name, value in headers:
            found.get(name.lower(), []).append(value.strip(b" \t"))
        lengths, codings, connection = found.values()
        if [coding.lower() for coding in codings] not in ([], [b"chunked"]):
            raise LocalProtocolError(f"the Transfer-Encoding is {b', '.join(codings)!r}; only 'chunked' can be sent")
        if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
            raise LocalProtocolError(f"the Content-Length is {b', '.join(lengths)!r}, which is no number of bytes")
        self._length = int(lengths[0]) if lengths else 0
        self._left = None if codings else self._length
        # Both together are forbidden (6.2); httpx has both where the caller gives the coding, and the body is bytes.
        self.headers = [item for item in headers if item[0].lower() != b"content-length"] if codings else headers
        """The headers to send."""
        self.keep = b"close" not in [option.strip().lower() for option in b",".join(connection).split(b",")]
        """Whether the connection stays open after the answer, as far as the request is concerned."""

    def piece(self, data: bytes) -> bytes:
        """A piece of the body as it goes on the wire; `b""` where nothing does.

        Raises:
            LocalProtocolError: It goes beyond the length that the headers tell.
        """
        if self._left is None:
            # An empty chunk would be the end.
            return b"%x\r\n%s\r\n" % (len(data), data) if data else b""
        self._left -= len(data)
        if self._left < 0:
            raise LocalProtocolError(f"the body is longer than its Content-Length of {self._length} bytes")
        return data

    def end(self) -> bytes:
        """What follows the body.

        Raises:
            LocalProtocolError: The body is shorter than the headers tell.
        """
        if self._left is None:
            return b"0\r\n\r\n"
        if self._left:
            raise LocalProtocolError(f"the body ends {self._left} bytes before its Content-Length of {self._length}")
        return b""
