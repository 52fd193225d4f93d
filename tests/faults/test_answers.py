"""Answers that are odd, wrong, or none at all.

All but those that say so leave the connection open, so that it is the bytes that are judged and not their end.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from conftest import done

from wandb_inference import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    InternalServerError,
    StreamInterruptedError,
)

from .cases import Case, Good, Serve, check, outcome

CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


def sent(answer: Any) -> Serve:
    """Sends an answer made of the good one."""
    return lambda peer, good: peer.send(answer(good))


def chunk(data: bytes, size: str | None = None, extension: str = "") -> bytes:
    """A chunk, whatever its size is said to be."""
    return (
        f"{len(data):x}".encode() + extension.encode() + b"\r\n" + data + b"\r\n"
        if size is None
        else (size.encode() + b"\r\n" + data + b"\r\n")
    )


def in_chunks(good: Good, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A chunked answer."""
    return good.head(CHUNKED) + b"".join(chunks) + end


def sized(size: str) -> Serve:
    """Sends half of the good body in a good chunk, then a chunk whose size is `size`, and the end."""
    return sent(lambda good: in_chunks(good, chunk(good.body[: good.half]), chunk(good.body[good.half :], size)))


def squeezed(good: Good, data: bytes) -> bytes:
    """A whole answer that says its body is compressed."""
    return good.whole(GZIP, body=data)


def flipped(data: bytes) -> bytes:
    """Compressed bytes, corrupt after their first few."""
    return data[:12] + bytes(byte ^ 0xFF for byte in data[12:])


def bomb() -> bytes:
    """Ten megabytes of spaces, in ten kilobytes."""
    return gzip.compress(b" " * 10_000_000)


CUT, NONE, UNREADABLE = StreamInterruptedError, APIConnectionError, APIResponseValidationError

ODD = [
    Case("length", sent(Good.whole), "Hi"),
    Case("chunked", sent(lambda good: in_chunks(good, chunk(good.body))), "Hi"),
    Case("a chunk per byte", sent(lambda good: in_chunks(good, *(chunk(b"%c" % byte) for byte in good.body))), "Hi"),
    Case("chunk extensions", sent(lambda good: in_chunks(good, chunk(good.body, extension=';a="b"'))), "Hi"),
    Case("trailers", sent(lambda good: in_chunks(good, chunk(good.body), end=b"0\r\nX: y\r\n\r\n")), "Hi"),
    Case(
        "zeros before a size",
        sent(lambda good: in_chunks(good, chunk(good.body, f"0000{len(good.body):X}"), end=b"000\r\n\r\n")),
        "Hi",
    ),
    Case(
        "length beside chunks",
        sent(lambda good: good.head(CHUNKED, "Content-Length: 5") + chunk(good.body) + b"0\r\n\r\n"),
        "Hi",
    ),
    Case("no reason", sent(lambda good: good.whole(start="HTTP/1.1 200")), "Hi"),
    Case("201", sent(lambda good: good.whole(start="HTTP/1.1 201 Created")), "Hi"),
    Case("lines without CR", sent(lambda good: good.whole().replace(b"\r\n", b"\n", 4)), "Hi"),
    Case("folded header", sent(lambda good: good.whole("X: a\r\n  b")), "Hi"),
    Case("a header of 60 KB", sent(lambda good: good.whole("X: " + "y" * 60_000)), "Hi"),
    Case("a header of Latin-1", sent(lambda good: good.whole("X: \xe9")), "Hi"),
    Case("early hints", sent(lambda good: HINTS + good.whole()), "Hi"),
    Case("32 early hints", sent(lambda good: HINTS * 32 + good.whole()), "Hi"),
    Case("continue", sent(lambda good: b"HTTP/1.1 100 Continue\r\n\r\n" + good.whole()), "Hi"),
    Case("up to the end", sent(lambda good: good.head() + good.body), "Hi", ends=True, kept=False),
    Case("HTTP/1.0", sent(lambda good: good.whole(start="HTTP/1.0 200 OK")), "Hi", kept=False),
    Case("close", sent(lambda good: good.whole("Connection: close")), "Hi", kept=False),
    Case("closed without a word", sent(Good.whole), "Hi", ends=True, kept=False),
    Case("a byte too many", sent(lambda good: good.whole() + b"x"), "Hi", kept=False),
    Case("chunks and a byte", sent(lambda good: in_chunks(good, chunk(good.body)) + b"x"), "Hi", kept=False),
    Case("two answers", sent(lambda good: good.whole() + good.whole(body=b"Not yours")), "Hi", kept=False),
    Case("gzip", sent(lambda good: squeezed(good, gzip.compress(good.body))), "Hi"),
    Case("zlib", sent(lambda good: good.whole("Content-Encoding: deflate", body=zlib.compress(good.body))), "Hi"),
    Case("identity", sent(lambda good: good.whole("Content-Encoding: identity")), "Hi"),
]

WRONG = [
    Case("not HTTP", sent(lambda good: b"SSH-2.0-OpenSSH\r\n\r\n"), says="illegal status line: 'SSH-2.0-OpenSSH'"),
    Case("another version", sent(lambda good: good.whole(start="HTTP/2 200 OK")), says="illegal status line"),
    Case("a status of letters", sent(lambda good: good.whole(start="HTTP/1.1 two OK")), says="illegal status line"),
    Case("a status of two digits", sent(lambda good: good.whole(start="HTTP/1.1 20 OK")), says="illegal status line"),
    Case("a header without colon", sent(lambda good: good.whole("Nonsense")), says="illegal header line"),
    Case("a space before the colon", sent(lambda good: good.whole("X : y")), says="illegal header line"),
    Case("a NUL in a header", sent(lambda good: good.whole("X: \0")), says="illegal header line"),
    Case(
        "an endless header", sent(lambda good: good.head()[:-4] + b"\r\nX: " + b"y" * 200_000), says="too|exceed|long"
    ),
    Case("endless headers", sent(lambda good: good.head()[:-2] + b"X: y\r\n" * 40_000), says="too|exceed|long"),
    Case("33 early hints", sent(lambda good: HINTS * 33 + good.whole()), says="more than 32 answers of status 1xx"),
    Case("101", sent(lambda good: b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"), says="SWITCH"),
    Case("nothing", lambda peer, good: None, says="without an answer", ends=True),
    Case(
        "204",
        sent(lambda good: good.head(start="HTTP/1.1 204 No Content")),
        UNREADABLE,
        CUT,
        "nothing|before",
        kept=True,
    ),
    Case("304", sent(lambda good: good.head(start="HTTP/1.1 304 Not Modified")), APIStatusError, says="304", kept=True),
    Case(
        "nowhere", sent(lambda good: good.whole(start="HTTP/1.1 302 Found")), APIStatusError, says="nowhere", kept=True
    ),
    Case("599", sent(lambda good: good.whole(start="HTTP/1.1 599 Hm")), InternalServerError, says="599", kept=True),
    Case("an empty body", sent(lambda good: good.whole(body=b"")), UNREADABLE, CUT, kept=True),
]

LENGTHS = [
    Case(
        "too long",
        sent(lambda good: good.whole().replace(b"Length: ", b"Length: 9")),
        stream="Hi",
        says="before the body did",
        ends=True,
        kept=False,
    ),
    Case(
        "too short",
        sent(lambda good: good.head(f"Content-Length: {good.half}") + good.body),
        UNREADABLE,
        CUT,
    ),
    *(
        Case(f"length {length}", sent(lambda good, length=length: good.head(f"Content-Length: {length}") + good.body))
        for length in ("-5", "+5", "0x5", "1_0", "5.0", "five", "5, 6", "9" * 30)
    ),
    Case("two lengths", sent(lambda good: good.whole("Content-Length: 5")), says="conflicting Content-Length"),
    Case("another coding", sent(lambda good: good.whole("Transfer-Encoding: gzip, chunked")), says="Transfer-Encoding"),
]

CHUNKS = [
    *(
        Case(f"chunk size {size!r}", sized(size), stream=CUT)
        for size in (
            "-5",
            "+5",
            "0x5",
            "1_0",
            "",
            " ",
            "g",
            "5 5",
            "5\x00",
            "f" * 21,
            "\xb2".encode().decode("latin-1"),
        )
    ),
    Case("a chunk that is longer than it says", sized("5"), stream=CUT),
    Case("a chunk that is shorter than it says", sized("fff"), stream="Hi", ends=True, kept=False),
    Case("a chunk of 4 GB", sized("ffffffff"), stream="Hi", ends=True, kept=False),
    Case("an endless size", sized("0" * 200_000), stream=CUT),
    Case(
        "no last chunk",
        sent(lambda good: in_chunks(good, chunk(good.body), end=b"")),
        stream="Hi",
        ends=True,
        kept=False,
    ),
    Case(
        "cut between chunks",
        sent(lambda good: in_chunks(good, chunk(good.body[: good.half]), end=b"")),
        stream=CUT,
        ends=True,
    ),
    Case(
        "cut in a chunk",
        sent(lambda good: in_chunks(good, chunk(good.body)[: good.half], end=b"")),
        stream=CUT,
        ends=True,
    ),
    Case(
        "cut in a size",
        sent(lambda good: in_chunks(good, chunk(good.body[: good.half]), end=b"1")),
        stream=CUT,
        ends=True,
    ),
]

CODINGS = [  # the framing of these is good, and so is the connection
    Case(
        "corrupt",
        sent(lambda good: squeezed(good, flipped(gzip.compress(good.body)))),
        stream=CUT,
        says="corrupt",
        kept=True,
    ),
    Case(
        "cut short",
        sent(lambda good: squeezed(good, gzip.compress(good.body)[:-30])),
        stream=CUT,
        says="early",
        kept=True,
    ),
    Case(
        "a wrong sum",
        sent(lambda good: squeezed(good, gzip.compress(good.body)[:-8] + b"x" * 8)),
        stream=CUT,
        says="corrupt",
        kept=True,
    ),
    Case("not compressed", sent(lambda good: squeezed(good, good.body)), stream=CUT, says="corrupt", kept=True),
    Case("a bomb", sent(lambda good: squeezed(good, bomb())), stream=CUT, says="grows beyond", kept=True),
    Case(
        "another",
        sent(lambda good: good.whole("Content-Encoding: br")),
        stream=CUT,
        says="'br'.* not asked for",
        kept=True,
    ),
]

CASES = [*ODD, *WRONG, *LENGTHS, *CHUNKS, *CODINGS]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name.replace(" ", "-")[:40] for case in CASES])
async def test_answers(servers: Any, layer: str, dial: Any, asks: str, number: int) -> None:
    """What can be read is, the rest is one error; the connection is used again only after a clean end."""
    case = CASES[number]
    client = dial(servers[layer], f"/{number}/v1", timeout=5)
    expected = case.stream if asks == "stream" and case.stream else case.call

    check(await outcome(client, asks), expected, case.says)

    good = client.with_options(base_url=servers[layer].base_url)
    answer = await done(good.chat.completions.create(model="a/b", messages=[{"role": "user", "content": "Hello"}]))
    assert answer.text == "Hi"
    assert answer.meta.reused == (isinstance(expected, str) if case.kept is None else case.kept)
    await done(client.close())
