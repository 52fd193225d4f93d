"""Requests as they go on the wire."""

from __future__ import annotations

import pytest

from wandb_inference._transport.uploads import Framing, LocalProtocolError, request_head

HOST = (b"Host", b"a.example")


def test_head() -> None:
    """Names and values go out as they are, in their order."""
    head = request_head(b"PATCH", b"/a?b=c", [HOST, (b"X-A", b""), (b"x-a", "\u00e9\t".encode())])

    assert head == b"PATCH /a?b=c HTTP/1.1\r\nHost: a.example\r\nX-A: \r\nx-a: \xc3\xa9\t\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "headers", "says"),
    [
        (b"GET /", b"/", [HOST], "the method b'GET /' is no token"),
        (b"", b"/", [HOST], "is no token"),
        (b"CONNECT", b"a:1", [HOST], "CONNECT opens a tunnel"),
        (b"GET", b"/a b", [HOST], "the target b'/a b' holds white space"),
        (b"GET", b"/\r\nx: y", [HOST], "the target"),
        (b"GET", b"", [HOST], "the target"),
        (b"GET", b"/", [HOST, (b"a b", b"c")], "the header name b'a b' is no token"),
        (b"GET", b"/", [HOST, (b"a\r\nb", b"c")], "is no token"),
        (
            b"GET",
            b"/",
            [HOST, (b"authorization", b"Bearer secret\r\nx: y")],
            "the value of the header b'authorization'",
        ),
        (b"GET", b"/", [HOST, (b"a", b"secret\x00")], "the value of the header b'a' holds"),
        (b"GET", b"/", [], "one Host header, not 0"),
        (b"GET", b"/", [HOST, (b"host", b"b")], "one Host header, not 2"),
    ],
)
def test_impossible_heads(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], says: str) -> None:
    """What would not arrive as one request is refused, and no value of a header is shown."""
    with pytest.raises(LocalProtocolError, match=says) as caught:
        request_head(method, target, headers)
    assert "secret" not in str(caught.value)


def test_length() -> None:
    """A body of known length goes as it is."""
    framing = Framing([(b"Content-Length", b" 5")])

    assert framing.piece(b"abc") + framing.piece(b"") + framing.piece(b"de") + framing.end() == b"abcde"
    assert Framing([HOST]).end() == b""


def test_chunks() -> None:
    """A body of unknown length goes in chunks, of which only the last is empty."""
    framing = Framing([(b"Transfer-Encoding", b"Chunked")])

    assert framing.piece(b"a" * 17) + framing.piece(b"") + framing.end() == b"11\r\n" + b"a" * 17 + b"\r\n0\r\n\r\n"


def test_chunks_have_no_length() -> None:
    """A length beside chunks is left out: a server that believes it would see two requests."""
    framing = Framing([HOST, (b"Content-Length", b"1"), (b"transfer-encoding", b"chunked")])

    assert framing.headers == [HOST, (b"transfer-encoding", b"chunked")]
    assert framing.piece(b"a") == b"1\r\na\r\n"


def test_too_long() -> None:
    """Bytes beyond the length would be read as another request."""
    framing = Framing([(b"content-length", b"2")])
    framing.piece(b"ab")
    with pytest.raises(LocalProtocolError, match="longer than its Content-Length of 2 bytes"):
        framing.piece(b"c")
    with pytest.raises(LocalProtocolError, match="longer than its Content-Length of 0 bytes"):
        Framing([]).piece(b"c")


def test_too_short() -> None:
    """The server would wait for the rest."""
    framing = Framing([(b"content-length", b"5")])
    framing.piece(b"abc")
    with pytest.raises(LocalProtocolError, match="ends 2 bytes before its Content-Length of 5"):
        framing.end()


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ([(b"transfer-encoding", b"gzip")], "the Transfer-Encoding is b'gzip'"),
        ([(b"transfer-encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")], "the Transfer-Encoding"),
        ([(b"content-length", b"+1")], r"the Content-Length is b'\+1'"),
        ([(b"content-length", b"1"), (b"content-length", b"1")], "the Content-Length is b'1, 1'"),
    ],
)
def test_contradictions(headers: list[tuple[bytes, bytes]], says: str) -> None:
    """Headers that servers read in different ways are refused."""
    with pytest.raises(LocalProtocolError, match=says):
        Framing(headers)


@pytest.mark.parametrize(
    ("headers", "keep"),
    [
        ([], True),
        ([(b"connection", b"keep-alive")], True),
        ([(b"Connection", b"te"), (b"connection", b"x, Close")], False),
    ],
)
def test_keep(headers: list[tuple[bytes, bytes]], keep: bool) -> None:
    """A request can say that it is the last on its connection."""
    assert Framing(headers).keep == keep
