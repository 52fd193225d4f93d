"""Connections that break, in every phase: by a reset, by an end, and by what only TLS knows."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from conftest import done
from raw_server import Peer, RawServer, Script

from wandb_inference import APIConnectionError, APIError, StreamInterruptedError

from .cases import Good, check, outcome, within
from .conftest import certified

CUT, NONE = StreamInterruptedError, APIConnectionError
CHUNKED = "Transfer-Encoding: chunked"


def in_a_chunk(good: Good) -> bytes:
    """An answer that stops within a chunk."""
    return good.head(CHUNKED) + b"%x\r\n" % len(good.body) + good.body[: good.half]


def without_end(good: Good) -> bytes:
    """All of an answer but the last chunk."""
    return good.head(CHUNKED) + b"%x\r\n%s\r\n" % (len(good.body), good.body)


def to_the_half(good: Good) -> bytes:
    """An answer to the half of its body."""
    return good.whole()[: good.half - len(good.body)]


def closes(peer: Peer) -> None:
    """Ends the connection."""


def resets(peer: Peer) -> None:
    """Breaks the connection off, when what was sent has arrived."""
    time.sleep(0.01)
    peer.reset()


def shuts(peer: Peer) -> None:
    """Says that no more will come, and goes on listening."""
    peer.connection.shutdown(socket.SHUT_WR)
    peer.wait_for_end()


def says_goodbye(peer: Peer) -> None:
    """Ends TLS in good form, and leaves the connection open."""
    peer.connection.settimeout(0)
    with suppress(OSError):
        peer.connection.unwrap()  # type: ignore[attr-defined]
    peer.wait_for_end()


def in_clear(peer: Peer) -> None:
    """Goes on without TLS, when what was sent has arrived."""
    time.sleep(0.01)
    with socket.socket(fileno=os.dup(peer.connection.fileno())) as plain:
        plain.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.wait_for_end()


class Phase(NamedTuple):
    """When it breaks."""

    reads: bool
    """Whether the request was read."""
    sent: Callable[[Good], bytes]
    """What was sent of the answer."""
    call: str | type[APIError]
    """What a call gets."""
    stream: str | type[APIError]


PHASES = {
    "accept": Phase(False, lambda good: b"", NONE, NONE),
    "request": Phase(True, lambda good: b"", NONE, NONE),
    "head": Phase(True, lambda good: good.whole()[:40], NONE, NONE),
    "end of the head": Phase(True, lambda good: good.head(CHUNKED), NONE, CUT),
    "body": Phase(True, lambda good: good.whole()[: good.half - len(good.body)], NONE, CUT),
    "chunk": Phase(True, in_a_chunk, NONE, CUT),
    "last chunk": Phase(True, without_end, NONE, "Hi"),
    "end": Phase(True, Good.whole, "Hi", "Hi"),
}
WAYS = [
    *((layer, end) for layer in ("plain", "tls") for end in (closes, resets, shuts)),
    *(("tls", end) for end in (says_goodbye, in_clear)),
]


@pytest.mark.parametrize(("layer", "end"), WAYS, indirect=["layer"])
@pytest.mark.parametrize("phase", PHASES)
async def test_breaks(dial: Any, raw: Any, asks: str, phase: str, end: Script) -> None:
    """Whenever and however a connection breaks, it is told at once, with what had come; a whole answer is one."""
    reads, sent, call, stream = PHASES[phase]

    def script(peer: Peer) -> None:
        if reads:
            peer.request()
        peer.send(sent(Good.of(b"accept: text/event-stream" if asks == "stream" else b"")))
        end(peer)

    with raw(script) as server:
        client = dial(server, timeout=5)
        with within(0):
            got = await outcome(client, asks)
        await done(client.close())

    check(got, call if asks == "call" else stream)
    if isinstance(got, APIError):
        is_partial = asks == "stream" and phase in ("body", "chunk")
        assert got.text == ("Hi" if is_partial else None)
        assert got.attempts[0].outcome == "unknown"


def stutters(peer: Peer) -> None:
    """Answers a hello by nonsense."""
    peer.connection.recv(1000)
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    peer.wait_for_end()


def resets_the_hello(peer: Peer) -> None:
    """Breaks off in the handshake."""
    peer.connection.recv(1000)
    peer.reset()


def closes_the_hello(peer: Peer) -> None:
    """Ends in the handshake."""
    peer.connection.recv(1000)


def alerts(peer: Peer) -> None:
    """Refuses the handshake by an alert."""
    peer.connection.recv(1000)
    peer.send(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake failure
    peer.wait_for_end()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (stutters, "TLS failed: WRONG_VERSION_NUMBER"),
        (resets_the_hello, "reset by the server"),
        (closes_the_hello, "TLS failed|reset|EOF"),
        (alerts, "TLS failed: .*HANDSHAKE_FAILURE"),
    ],
)
async def test_handshakes(connect: Any, asks: str, script: Script, says: str) -> None:
    """A handshake that fails is told at once, and nothing was sent."""
    with RawServer(script) as server:
        client = connect(server.base_url.replace("http:", "https:"), timeout=5)
        with within(0):
            got = await outcome(client, asks)
        await done(client.close())

    check(got, APIConnectionError, says)
    assert got.attempts[0].outcome == "not_sent"


async def test_refused(connect: Any, asks: str) -> None:
    """Nobody listens: nothing was sent, and the message names the address and what to check."""
    client = connect("http://127.0.0.1:9/v1")
    got = await outcome(client, asks)
    await done(client.close())

    check(got, APIConnectionError, r"^127\.0\.0\.1:9: connection refused\. Nothing listens there")
    assert got.attempts[0][:3] == (None, "127.0.0.1:9: connection refused", "not_sent")
    assert isinstance(got.__cause__, Exception)


async def test_no_such_name(connect: Any, asks: str) -> None:
    """The name leads nowhere: nothing was sent."""
    client = connect("http://nowhere.invalid/v1")
    got = await outcome(client, asks)
    await done(client.close())

    check(got, APIConnectionError, r"^nowhere\.invalid:80: its name can't be resolved")
    assert got.attempts[0].outcome == "not_sent"


def slow_to_accept(peer: Peer) -> None:
    """Begins late, over TLS with the handshake too."""
    time.sleep(0.1)
    with certified().wrap_socket(peer.connection, server_side=True) as secure:
        peer.connection = secure
        peer.send(Good.of(peer.request()).whole())


@pytest.mark.usefixtures("trust")
async def test_slow_to_accept(connect: Any, asks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes its time with a connection gets its request; no clock rings but ours."""
    monkeypatch.setattr("asyncio.constants.SSL_HANDSHAKE_TIMEOUT", 0.05)
    with RawServer(slow_to_accept) as server:
        client = connect(server.base_url.replace("http:", "https:"), timeout=5)
        assert await outcome(client, asks) == "Hi"
        await done(client.close())


def takes_its_time(peer: Peer) -> None:
    """Reads late, and then all of it."""
    time.sleep(0.1)
    peer.send(Good.of(peer.request()).whole())


LARGE = [{"role": "user", "content": "x" * 8_000_000}]


async def test_upload_that_pauses(dial: Any, raw: Any) -> None:
    """A server that takes its time with a large request gets all of it."""
    with raw(takes_its_time) as server:
        client = dial(server, timeout=5)
        assert await outcome(client, "call", messages=LARGE) == "Hi"
        await done(client.close())

    assert len(server.requests[0]) > 8_000_000


async def test_upload_that_is_cut(dial: Any, raw: Any, asks: str) -> None:
    """A reset in the middle of a large request is told at once; the server may have seen it."""
    with raw(lambda peer: (peer.connection.recv(100_000), peer.reset())) as server:
        client = dial(server, timeout=5)
        with within(0):
            got = await outcome(client, asks, messages=LARGE)
        await done(client.close())

    check(got, APIConnectionError)
    assert got.attempts[0].outcome == "unknown"


def refuses_early(peer: Peer) -> None:
    """Answers in the middle of the request, and closes when the client does."""
    peer.connection.recv(10_000)
    peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\nToo large")
    peer.wait_for_end()


async def test_early_refusal(dial: Any, raw: Any, asks: str) -> None:
    """An answer that comes before the request is written says more than the reset that may follow."""
    with raw(refuses_early) as server:
        client = dial(server, timeout=5)
        got = await outcome(client, asks, messages=LARGE)
        await done(client.close())

    assert got.status_code == 413
    assert "Too large" in str(got)
