"""HTTP/1.1 from bytes and to bytes, without any waiting.

The plain shape, which nearly every answer has, is read by a pattern and a loop at a fraction of h11's cost. Whatever is
not plain, be it wrong or only unusual, goes to h11 from the first byte of the response, and h11 decides; in a chunked
body that can begin at any chunk. So the verdict on every response is h11's, which a test proves on mutated ones.

Source: RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import h11

MAX_HEAD: Final = 100 * 1024
"""Bytes of a response's head, and of a line that tells a chunk's size. Without a bound a peer could fill the memory."""

MAX_INFORMATIONAL: Final = 32
"""Answers of status 1xx before the real one."""

MAX_SIZES: Final = 4096
"""Sizes of chunks that are remembered, as the texts that told them."""

# Anchored, and with one way only to match anything: a head of 100 KB of spaces takes linear time.
_HEAD: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t\x20-\x7e]*)?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)*)\r\n"
)
_WHOLE: Final = re.compile(_HEAD.pattern.replace(b"([2-5][0-9][0-9])", b"200", 1))
_SPECIAL: Final = re.compile(rb"\n(?:connection|content-encoding|transfer-encoding):")
_START: Final = b"HTTP/1.1 "
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_LENGTH_LINE: Final = re.compile(rb"\ncontent-length:[\t ]*([0-9]{1,15})[\t ]*\r")
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")


class ProtocolError(Exception):
    """What came is no HTTP response, or stopped before it was complete."""


class Head(NamedTuple):
    """The head of a response, as it came."""

    version: bytes
    """`b"HTTP/1.1"`, or `b"HTTP/1.0"`."""
    status: int
    reason: bytes
    """The words behind the status, which say nothing to a program."""
    headers: list[tuple[bytes, bytes]]
    """Names in lower case, each header by itself."""


class ResponseReader:
    """Reads one response.

    Feed it what a read brought, `b""` at the end of the connection; each call gives the bytes of the body that came
    with it.

    Args:
        method: The request's.
        fast: Whether to read plain responses here; `False` leaves all to h11.
    """

    __slots__ = (
        "_chunked",
        "_close",
        "_h11",
        "_head",
        "_headers",
        "_informational",
        "_left",
        "_method",
        "_pending",
        "_plain",
        "_unusual",
        "broken",
        "done",
        "reusable",
        "status",
    )

    def __init__(self, method: str, *, fast: bool = True) -> None:
        self._method = method
        self._plain = fast and method != "HEAD"
        self._pending = b""  # bytes that can't be judged before more come
        self._head = b""  # the head as it came: h11 begins with it where the body turns out unusual
        self._chunked = False
        self._left = 0  # bytes to come of the body, or of the present chunk with its line end
        self._close = False
        self._informational = 0
        self._h11: h11.Connection | None = None
        self._unusual: h11.Response | None = None
        self.status = 0
        """HTTP status; 0 until the head is complete."""
        self._headers: list[tuple[str, str]] | None = None
        self.done = False
        """Whether the response is complete."""
        self.broken: str | None = None
        """What is wrong with the bytes that came after those of the body which were good: the next feed raises it.

        The words alone: an exception that was raised would hold its frames, and they this reader.
        """
        self.reusable = False
        """Whether the connection can take another request: the response ended where its framing says, nothing came
        after it, and the server did not say close."""

    @property
    def untouched(self) -> bool:
        """Whether not one byte has come."""
        return not self._pending and not self.status and self._h11 is None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names in lower case, values without the white space around them, in the server's order."""
        if self._headers is None:
            self._headers = _headers_of(self._head) if self._head else []
        return self._headers

    @property
    def is_coded(self) -> bool:
        """Whether the body may be compressed, once the head is there."""
        return not self._plain or b"content-encoding" in self._head.lower()

    @property
    def head(self) -> Head:
        """The head, once it is complete."""
        unusual = self._unusual
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in self.headers]
        if unusual is not None:
            return Head(b"HTTP/" + bytes(unusual.http_version), self.status, bytes(unusual.reason), headers)
        # Plain: "HTTP/1.1 200 OK", the last part of which may be missing.
        return Head(b"HTTP/1.1", self.status, self._head[13 : self._head.index(b"\r\n")], headers)

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that came with this read.

        Raises:
            ProtocolError: What came is no HTTP response, or stopped before it was complete. Bytes of the body that came
                before what is wrong are given first, wherever the reads were cut.
        """
        if self.done:
            self.reusable = False  # whatever comes after the end, a byte or a close, spoils the connection
            return b""
        if self.broken is not None:
            raise ProtocolError(self.broken)
        if not data and self.untouched:
            raise ProtocolError("the server closed the connection without an answer")
        if not self._plain:
            return self._read_unusual(data)
        if self.status:
            return self._read_chunks(data) if self._chunked else self._read_length(data)
        self._pending += data
        match = _HEAD.match(self._pending)
        if match is not None and self._take_head(match):
            data, self._pending = self._pending[match.end() :], b""
            if not data and (self._chunked or self._left):
                return b""
            return self._read_chunks(data) if self._chunked else self._read_length(data)
        if match is None and data and _can_become_plain(self._pending):
            return b""
        return self._leave_to_h11(self._pending, ended=not data)

    def _take_head(self, match: re.Match[bytes]) -> bool:
        """Whether the head is plain; if so, `status` and `headers` are set."""
        head, status = match[0], int(match[1])
        lower = head.lower()
        if (
            lower.count(b"\ncontent-length:") == 1
            and not (_SPECIAL.search(lower) and _is_special(lower))
            and status not in (204, 304)
            and (found := _LENGTH_LINE.search(lower)) is not None
        ):
            self.status, self._head, self._left = status, head, int(found[1])
            return True
        headers = _headers_of(head)
        length = coding = connection = ""
        for name, value in headers:
            if name == "content-length":
                if length or not _LENGTH.fullmatch(value):
                    return False
                length = value
            elif name == "transfer-encoding":
                value = value.lower()
                if coding or value != "chunked":
                    return False
                coding = value
            elif name == "connection":
                if connection or value.lower() not in ("close", "keep-alive"):
                    return False
                connection = value.lower()
        # No body at all, or one that ends with the connection: rare enough to be h11's.
        if bool(length) == bool(coding) or status in (204, 304):
            return False
        self.status, self._headers, self._head = status, headers, head
        self._chunked = bool(coding)
        self._left = int(length or 0)
        self._close = connection == "close"
        return True

    def _read_length(self, data: bytes) -> bytes:
        if not data and self._left:
            raise ProtocolError(f"the connection ended {self._left} bytes before the body did")
        body = data[: self._left]
        self._left -= len(body)
        if not self._left:
            self._end(extra=len(data) > len(body))
        return body

    def _read_chunks(self, data: bytes) -> bytes:
        if not data:
            if self._left:
                raise ProtocolError("the connection ended within a chunk")
            return self._leave_to_h11(self._pending, ended=True)
        data = self._pending + data if self._pending else data
        pieces: list[bytes] = []
        at = 0
        left = self._left
        size = len(data)
        while at < size:
            if left > 2:
                stop = at + left - 2
                pieces.append(data[at:stop])
                taken = min(stop, size) - at
                at += taken
                left -= taken
                if left > 2:
                    break
            if left:
                end = data[at : at + left]
                if end != b"\r\n"[2 - left :][: len(end)]:
                    self.broken = f"{end!r} where a chunk should end"
                    break
                at += len(end)
                left -= len(end)
                if left:
                    break
            # Whole chunks, one after the other: what a stream's events cost.
            while (line := data.find(b"\r\n", at, at + 10)) > at:
                length = _sizes.get(data[at:line]) or _size(data[at:line])
                stop = line + 2 + length
                if not length or data[stop : stop + 2] != b"\r\n":
                    break
                pieces.append(data[line + 2 : stop])
                at = stop + 2
            if line < 0:
                if size - at < 10 and _SIZE.fullmatch(data[at:].removesuffix(b"\r") or b"0"):
                    break
                return b"".join(pieces) + self._leave_to_h11(data[at:])
            if not _SIZE.fullmatch(data, at, line):
                return b"".join(pieces) + self._leave_to_h11(data[at:])
            left = int(data[at:line], 16)
            if not left:
                end = data[line + 2 : line + 4]
                if end == b"\r\n":
                    self._end(extra=line + 4 < size)
                    return b"".join(pieces)
                if end not in (b"", b"\r"):
                    return b"".join(pieces) + self._leave_to_h11(data[at:])
                break
            left += 2
            at = line + 2
        self._left = left
        self._pending = data[at:]
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def _end(self, *, extra: bool) -> None:
        self.done = True
        self.reusable = not extra and not self._close

    def _leave_to_h11(self, data: bytes, *, ended: bool = False) -> bytes:
        """Goes on with h11, which is told the head again and then the bytes that were not plain."""
        self._plain = False
        self._pending = b""
        body = self._read_unusual(self._head + data) if self._head or data else b""
        return body + self._read_unusual(b"") if ended and self.broken is None else body

    def _read_unusual(self, data: bytes) -> bytes:
        import h11  # which a plain answer does without

        if self._h11 is None:
            self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
            self._h11.send(h11.Request(method=self._method, target="/", headers=[("host", "h")]))
            self._h11.send(h11.EndOfMessage())
        pieces: list[bytes] = []
        try:
            self._h11.receive_data(data)
            while not self.done:
                event = self._h11.next_event()
                if isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.Response):
                    self._unusual = event
                    self.status = event.status_code
                    self._headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers]
                elif isinstance(event, h11.InformationalResponse):
                    self._informational += 1
                    if self._informational > MAX_INFORMATIONAL:
                        raise ProtocolError(f"more than {MAX_INFORMATIONAL} answers of status 1xx before the real one")
                elif isinstance(event, h11.EndOfMessage):
                    self.done = True
                    self.reusable = self._h11.their_state is h11.DONE and self._h11.trailing_data == (b"", False)
                else:  # NEED_DATA
                    break
        except h11.RemoteProtocolError as error:
            if not self.status:
                raise ProtocolError(str(error)) from None
            self.broken = str(error)
        return b"".join(pieces)


def read_whole(data: bytes) -> bytes | None:
    """The body of a plain answer of status 200 that came in one piece, nothing behind it, and that is not compressed.

    `None` where `ResponseReader` has to tell what it is. The verdict on what both read is the same.
    """
    match = _WHOLE.match(data)
    if match is None:
        return None
    head = match[0].lower()
    length = _LENGTH_LINE.search(head)
    if length is None or head.count(b"\ncontent-length:") > 1 or (_SPECIAL.search(head) and _is_special(head)):
        return None
    body = data[match.end() :]
    return body if len(body) == int(length[1]) else None


_sizes: dict[bytes, int] = {}
"""Chunk sizes by the text that told them. The chunks of a stream have few: looked up, they cost a third."""


def _size(text: bytes) -> int:
    """The size that a line tells; 0 where it is none, or the last chunk's."""
    if not _SIZE.fullmatch(text):
        return 0
    size = int(text, 16)
    if len(_sizes) < MAX_SIZES:
        _sizes[text] = size
    return size


def _is_special(head: bytes) -> bool:
    """Whether a head, in lower case, says more of its body than a length, or of its connection than that it stays."""
    if b"\nconnection:" in head and b"\nconnection:" in head.replace(b"\nconnection: keep-alive\r", b"", 1):
        return True
    return b"\ntransfer-encoding:" in head or b"\ncontent-encoding:" in head


def _headers_of(head: bytes) -> list[tuple[str, str]]:
    """The headers of a plain head."""
    pairs = [line.partition(":") for line in head.decode("ascii").split("\r\n")[1:-2]]
    return [(name.lower(), value.strip(" \t")) for name, _, value in pairs]


def _can_become_plain(data: bytes) -> bool:
    """Whether more bytes can make this a plain head: it begins like one, and holds no blank line yet."""
    return data[:9] == _START[: len(data)] and len(data) <= MAX_HEAD and b"\n\r\n" not in data and b"\n\n" not in data


def request_bytes(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> bytes:
    """A request as it goes on the wire. The caller has checked names, values and target."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + (body or b"")
