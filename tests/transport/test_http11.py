"""Responses from bytes: every verdict is h11's."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference._transport import http11
from wandb_inference._transport.http11 import MAX_HEAD, ProtocolError, ResponseReader, read_whole, request_bytes

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
    b"5\r\nHello\r\nA\r\n0123456789\r\n0\r\n\r\n"
)

SEEDS = [
    PLAIN,
    CHUNKED,
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    b"HTTP/1.1 503\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n000\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
]

TOKENS = [
    *(b"+5", b"0x5", b"1_0", b"-6", b"5, 5", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"0", b"\r\n\r\n"),
    *(b":", b";", b"\x80", b"\x0b", b"ffffffff", b"fffffffff", b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n"),
]


class Verdict(NamedTuple):
    """What a reader makes of a response."""

    failed: bool
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    done: bool = False
    reusable: bool = False


def verdict(pieces: list[bytes], *, fast: bool, method: str = "POST") -> Verdict:
    """What a reader makes of these reads."""
    reader = ResponseReader(method, fast=fast)
    try:
        body = b"".join([reader.feed(piece) for piece in pieces])
    except ProtocolError:
        return Verdict(failed=True)
    if reader.broken is not None:
        return Verdict(failed=True)
    return Verdict(False, reader.status, tuple(reader.headers), body, reader.done, reader.reusable)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The bytes with some inserted, removed, doubled or replaced."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            changed[at:at] = bytes([rng.randrange(256)])
        elif kind == 1:
            del changed[at : at + rng.randrange(1, 4)]
        elif kind == 2:
            changed[at:at] = changed[at : at + rng.randrange(1, 8)]
        elif kind == 3:
            changed[at:at] = rng.choice(TOKENS)
        else:
            token = rng.choice(TOKENS)
            changed[at : at + len(token)] = token
    return bytes(changed)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    """The bytes in pieces, none empty."""
    edges = [0, *sorted(points), len(data)]
    return [piece for start, stop in zip(edges, edges[1:], strict=False) if (piece := data[start:stop])]


@pytest.mark.parametrize("block", range(8))
def test_verdicts_are_h11s(block: int) -> None:
    """On thousands of mutated responses, cut anywhere, status, headers, body, end and re-use are h11's."""
    for seed in range(block * 1000, (block + 1) * 1000):
        rng = random.Random(seed)
        data = mutated(rng, rng.choice(SEEDS))
        if rng.random() < 0.2:
            data += mutated(rng, rng.choice(SEEDS))
        points = list(range(len(data))) if rng.random() < 0.1 else [rng.randrange(len(data) + 1) for _ in range(3)]
        pieces = cut(data, points)
        if rng.random() < 0.7:
            pieces.append(b"")
        method = rng.choice(["POST", "POST", "GET", "HEAD"])

        fast = verdict(pieces, fast=True, method=method)

        assert fast == verdict(pieces, fast=False, method=method), (seed, pieces)


EXTRAS = [
    *(b"Content-Length: 5\r\n", b"content-length:5\r\n", b"Content-Length: 6\r\n", b"X-Content-Length: 5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Connection: keep-alive\r\n"),
    *(b"connection: Keep-Alive\r\n", b"Connection: close\r\n", b"Connection:\r\n", b"Keep: content-length: 9\r\n"),
    *(b"Date: now\r\n", b" folded\r\n", b"X: connection: close\r\n", b"Content-Length : 5\r\n", b"\r\n"),
]


def test_a_whole_answer_in_one_look() -> None:
    """Who takes an answer at one look sees what h11 sees, and looks again wherever there is anything to doubt."""
    taken = 0
    for seed in range(6000):
        rng = random.Random(seed)
        lines = b"".join(rng.choice(EXTRAS) for _ in range(rng.randrange(4)))
        data = b"HTTP/1.1 200 OK\r\n" + lines + rng.choice([b"", b"Content-Length: 5\r\n"]) + b"\r\nHello"
        if seed % 3 == 0:
            data = mutated(rng, data)
        body = read_whole(data)
        if body is not None:
            taken += 1
            seen = verdict([data], fast=False)
            assert (seen.failed, seen.status, seen.body, seen.done, seen.reusable) == (False, 200, body, True, True), (
                data
            )
            assert "content-encoding" not in dict(seen.headers)

    assert taken > 500
    assert read_whole(PLAIN) == b"Hello"
    assert read_whole(PLAIN + b"x") is None
    assert read_whole(PLAIN[:-1]) is None
    assert read_whole(PLAIN.replace(b"200", b"201")) is None


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
@settings(max_examples=150, deadline=None)
def test_random_bytes(data: bytes, points: list[int]) -> None:
    """Random bytes are read or refused as h11 does, and never fail otherwise."""
    pieces = [*cut(data, points), b""]

    assert verdict(pieces, fast=True) == verdict(pieces, fast=False)


@pytest.mark.parametrize("response", [PLAIN, CHUNKED])
def test_byte_by_byte(response: bytes) -> None:
    """Where the bytes are cut makes no difference."""
    whole = verdict([response], fast=True)

    assert whole.done
    assert whole.reusable
    assert verdict([bytes([byte]) for byte in response], fast=True) == whole
    for at in range(1, len(response)):
        assert verdict([response[:at], response[at:]], fast=True) == whole


def test_one_read_is_one_piece() -> None:
    """All chunks of one read come as one piece of the body."""
    reader = ResponseReader("POST")

    assert reader.feed(CHUNKED) == b"Hello0123456789"


def test_a_large_chunk_is_handed_on() -> None:
    """A chunk is not held back until it is complete."""
    reader = ResponseReader("POST")
    reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n")

    assert [len(reader.feed(b"x" * 1000)) for _ in range(3)] == [1000] * 3


def test_untouched() -> None:
    """Only an answer of which not one byte came is untouched."""
    reader = ResponseReader("POST")
    assert reader.untouched
    with pytest.raises(ProtocolError, match="without an answer"):
        reader.feed(b"")
    assert reader.untouched
    reader.feed(b"H")
    assert not reader.untouched


@pytest.mark.parametrize("wrong", [b"-5\r\n", b"5\r\nHello!\r\n", b"5\r\nHello\r\n0\r\n:\r\n\r\n"])
@pytest.mark.parametrize("fast", [True, False])
def test_good_bytes_before_wrong_ones(wrong: bytes, fast: bool) -> None:
    """What came before the bytes that are wrong is given, whether or not it came with them; then the error is."""
    for cut in (0, 1):
        reader = ResponseReader("POST", fast=fast)
        reads = [CHUNKED[:-5], wrong]
        got = b"".join(reader.feed(read) for read in ([b"".join(reads)] if cut else reads))
        assert got.startswith(b"Hello0123456789")
        assert not reader.done
        with pytest.raises(ProtocolError) as caught:
            reader.feed(b"")
        assert str(caught.value) == reader.broken


@pytest.mark.parametrize("more", [b"x", b""])
def test_what_comes_after_the_end(more: bytes) -> None:
    """A byte or a close after the end spoils the connection, and nothing else."""
    reader = ResponseReader("POST")
    reader.feed(PLAIN)
    assert reader.reusable

    assert reader.feed(more) == b""
    assert reader.done
    assert not reader.reusable


def test_endless_head() -> None:
    """A head of more than 100 KB is refused, in linear time even if it is all spaces."""
    reader = ResponseReader("POST")
    with pytest.raises(ProtocolError):
        reader.feed(b"HTTP/1.1 200 OK\r\nX: " + b" " * (MAX_HEAD + 5))


def test_endless_promises() -> None:
    """Answers of status 1xx without end are refused."""
    reader = ResponseReader("POST")
    with pytest.raises(ProtocolError, match="more than 32"):
        reader.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40)


def test_request() -> None:
    """A request on the wire, its length always ours."""
    assert request_bytes("POST", "/v1?x=1", [("host", "h"), ("a", "b")], b"{}") == (
        b"POST /v1?x=1 HTTP/1.1\r\nhost: h\r\na: b\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert request_bytes("GET", "/", [], None) == b"GET / HTTP/1.1\r\n\r\n"


def test_sizes_are_remembered_within_a_bound(monkeypatch):
    """Sizes of chunks are kept for the next, and no server can make us keep more and more."""
    monkeypatch.setattr(http11, "_sizes", {})
    monkeypatch.setattr(http11, "MAX_SIZES", 3)
    reader = ResponseReader("GET")

    body = b"".join(b"0" * zeros + b"1\r\na\r\n" for zeros in range(7))

    assert reader.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body * 2) == b"a" * 14
    assert len(http11._sizes) == 3
