"""Clocks that run out: each ends what it limits on time, and is named in the error.

The cases of the table wait, and do little else. So many of them run at the same time, each with a server of its own,
and each test looks at what became of one. On a machine that is busy with other things a clock may run out before the
server got to its fault: such a case runs again, alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from conftest import KEY, PROJECT, ask, done, each
from raw_server import Peer, RawServer

from wandb_inference import APIError, APITimeoutError, AsyncClient, Client, InternalServerError
from wandb_inference._transport.pool import DRAIN_SECONDS

from .cases import EVENTS, Good, check, on_time, outcome, within
from .conftest import certified

CLOCK = 0.3
LARGE = [{"role": "user", "content": "x" * 8_000_000}]
CHUNKED = "Transfer-Encoding: chunked"
Serve = Callable[[Peer, Good], None]


class Timed(NamedTuple):
    """A server that takes too long, in one way or another."""

    name: str
    serve: Serve
    settings: dict[str, Any]
    clock: str | None
    """The one that is named; `None` where there is an answer, or an error of another kind."""
    got: str | type[APIError] = APITimeoutError
    text: str | None = None
    """What had come of a stream."""
    seconds: float = CLOCK
    asks: tuple[str, ...] = ("call", "stream")
    layers: tuple[str, ...] = ("plain", "tls")
    """`hello` is a server that never answers the greeting of TLS."""
    params: dict[str, Any] = {}


def silent(peer: Peer, good: Good) -> None:
    """Reads the request, and says nothing."""
    peer.request()
    peer.wait_for_end()


def deaf(peer: Peer, good: Good) -> None:
    """Accepts, reads nothing and says nothing."""
    time.sleep(2 * CLOCK)


def sipping(peer: Peer, good: Good) -> None:
    """Takes the request a few bytes at a time."""
    while peer.connection.recv(4000):
        time.sleep(0.01)


def then_silent(answer: Callable[[Good], bytes]) -> Serve:
    """Sends the beginning of an answer, and no more."""

    def serve(peer: Peer, good: Good) -> None:
        peer.request()
        peer.send(answer(good))
        peer.wait_for_end()

    return serve


def dripping(first: Callable[[Good], bytes], drops: Callable[[Good], Iterable[bytes]]) -> Serve:
    """Sends the beginning of an answer, and goes on bit by bit until the client leaves."""

    def serve(peer: Peer, good: Good) -> None:
        peer.request()
        peer.send(first(good))
        peer.send(*drops(good), pause=0.01)

    return serve


def in_bytes(data: bytes) -> Iterator[bytes]:
    """Byte by byte."""
    return (data[at : at + 1] for at in range(len(data)))


def chunk(data: bytes) -> bytes:
    """A chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def again(data: bytes) -> Iterable[bytes]:
    """The same, five hundred times: more than any clock here lets pass."""
    return (data for _ in range(500))


def half(good: Good) -> bytes:
    """Head and half of the body."""
    return good.whole()[: good.half - len(good.body)]


def begun(good: Good) -> bytes:
    """A chunked answer: its head, and the first event of a stream or the first bytes of a call."""
    return good.head(CHUNKED) + chunk(good.body[: len(EVENTS[0])])


def ended(good: Good) -> bytes:
    """A chunked answer without its end."""
    return good.head(CHUNKED) + chunk(good.body)


def failed(good: Good) -> bytes:
    """The head of an error."""
    return good.head(CHUNKED, start="HTTP/1.1 500 Oops")


LONG = b'data: {"choices": [{"index": 0, "delta": {"content": "' + b"x" * 1000

DRIPS = {
    "head": dripping(lambda good: b"", lambda good: in_bytes(good.whole("X: " + "y" * 1000))),
    "early hints": dripping(lambda good: b"", lambda good: again(b"HTTP/1.1 103 Early Hints\r\n\r\n")),
    "body": dripping(lambda good: good.head("Content-Length: 5000"), lambda good: again(b" ")),
    "chunks": dripping(lambda good: good.head(CHUNKED), lambda good: again(chunk(b" "))),
    "chunk size": dripping(lambda good: good.head(CHUNKED), lambda good: again(b"0")),
}
COMMENTS = dripping(begun, lambda good: again(chunk(b": ping\n\n")))
ONLY_COMMENTS = dripping(lambda good: good.head(CHUNKED), lambda good: again(chunk(b": ping\n\n")))
AN_EVENT = dripping(begun, lambda good: (chunk(byte) for byte in in_bytes(LONG)))
PINGS_AT_THE_END = dripping(ended, lambda good: again(chunk(b": ping\n\n")))
EVENTS_WITHOUT_END = dripping(begun, lambda good: again(chunk(EVENTS[0])))

DEADLINE, READ, STALL = {"deadline": CLOCK}, {"timeout": (5, CLOCK)}, {"stall_timeout": CLOCK}
STREAM = ("stream",)
UPLOAD: dict[str, Any] = {"params": {"messages": LARGE}, "asks": ("call",)}

CASES = [
    Timed("silence", silent, DEADLINE, "deadline"),
    *(Timed(f"{name} drips", serve, DEADLINE, "deadline") for name, serve in DRIPS.items()),
    Timed("error drips", dripping(failed, lambda good: again(chunk(b" "))), DEADLINE, None, InternalServerError),
    Timed("half, then silence", then_silent(half), DEADLINE, "deadline", asks=("call",)),
    Timed("one event, then silence", then_silent(begun), DEADLINE, "deadline", text="Hi", asks=STREAM),
    Timed("one event, then comments", COMMENTS, DEADLINE, "deadline", text="Hi", asks=STREAM),
    Timed("only comments", ONLY_COMMENTS, DEADLINE, "deadline", asks=STREAM),
    Timed("an event drips", AN_EVENT, DEADLINE, "deadline", text="Hi", asks=STREAM),
    Timed("events without end", EVENTS_WITHOUT_END, DEADLINE, "deadline", text="HiHi", asks=STREAM),
    Timed("DONE, then silence", then_silent(ended), {}, None, "Hi", seconds=DRAIN_SECONDS, asks=STREAM),
    Timed("DONE, then comments", PINGS_AT_THE_END, {}, None, "Hi", seconds=DRAIN_SECONDS, asks=STREAM),
    Timed("reads nothing", deaf, DEADLINE, "deadline", **UPLOAD),
    Timed("reads bit by bit", sipping, DEADLINE, "deadline", **UPLOAD),
    Timed("handshake", silent, DEADLINE, "deadline", layers=("hello",)),
    Timed("handshake", silent, {"timeout": (CLOCK, 5)}, "connect", layers=("hello",)),
    Timed("silence", silent, READ, "read"),
    Timed("half a head, then silence", then_silent(lambda good: good.whole()[:30]), READ, "read"),
    Timed("half, then silence", then_silent(half), READ, "read", asks=("call",)),
    Timed("one event, then silence", then_silent(begun), READ, "read", text="Hi", asks=STREAM),
    Timed("reads nothing", deaf, READ, "write", **UPLOAD),
    Timed("one event, then silence", then_silent(begun), STALL, "stall", text="Hi", asks=STREAM),
    Timed("head, then silence", then_silent(lambda good: good.head(CHUNKED)), STALL, "stall", asks=STREAM),
    Timed("one event, then comments", COMMENTS, STALL, "stall", text="Hi", asks=STREAM),
    Timed("only comments", ONLY_COMMENTS, STALL, "stall", asks=STREAM),
    Timed("comments and a shorter read", COMMENTS, {"timeout": 0.2, **STALL}, "stall", text="Hi", asks=STREAM),
    Timed("an event drips", AN_EVENT, STALL, "stall", text="Hi", asks=STREAM),
    Timed("chunk size drips", DRIPS["chunk size"], STALL, "stall", asks=STREAM),
]
RUNS = [
    (kind, layer, asks, case)
    for kind in (Client, AsyncClient)
    for case in CASES
    for layer in case.layers
    for asks in case.asks
]


class Run(NamedTuple):
    """What became of a case."""

    got: Any
    took: float


def run(kind: Any, layer: str, asks: str, case: Timed) -> Run:
    """Runs a case, in a thread of its own."""
    good = Good.of(b"accept: text/event-stream" if asks == "stream" else b"")
    window = 4096 if case.params else None
    tls = certified() if layer == "tls" else None
    with RawServer(lambda peer: case.serve(peer, good), tls=tls, window=window) as server:

        async def main() -> Run:
            url = server.base_url.replace("http:", "https:") if layer == "hello" else server.base_url
            client = kind(api_key=KEY, project=PROJECT, base_url=url, **{"max_retries": 0, **case.settings})
            began = time.monotonic()
            got = await outcome(client, asks, **case.params)
            took = time.monotonic() - began
            await done(client.close())
            return Run(got, took)

        return asyncio.run(main())


@pytest.fixture(scope="module")
def became() -> Callable[[Any, int], Run]:
    """What became of a case, by its number; the first question runs all of its kind."""
    found: dict[int, Run] = {}

    def became(kind: Any, number: int) -> Run:
        if number not in found:
            numbers = [other for other, run in enumerate(RUNS) if run[0] is kind]
            with ThreadPoolExecutor(15) as pool:
                found.update(zip(numbers, pool.map(lambda other: run(*RUNS[other]), numbers), strict=True))
        return found[number]

    return became


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize(
    "number",
    range(len(RUNS)),
    ids=[f"{kind.__name__}-{layer}-{asks}-{case.name}-{case.clock}" for kind, layer, asks, case in RUNS],
)
def test_clocks(became: Any, number: int) -> None:
    """A clock ends what it limits on time, whatever the server does, and is named; what had come is kept."""
    kind, _, _, case = RUNS[number]
    ended = became(kind, number)
    for _ in range(3):
        with contextlib.suppress(AssertionError):
            return as_told(case, *ended)
        ended = run(*RUNS[number])
    as_told(case, *ended)


def as_told(case: Timed, got: Any, took: float) -> None:
    """Fails unless a case ended as the table says."""
    check(got, case.got, "0.3 seconds" if case.clock else "", case.clock)
    on_time(took, case.seconds)
    if isinstance(got, APITimeoutError):
        assert got.attempts[0].outcome in (("not_sent",) if case.layers == ("hello",) else ("unknown", "answered"))
        assert (got.text or "").startswith(case.text or "")
        assert (got.text is None) == (case.text is None)


@pytest.fixture
def full() -> Iterator[str]:
    """The URL of a server whose backlog is full: Linux drops the first packet of whoever comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        taken = [socket.socket() for _ in range(3)]
        for one in taken:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for one in taken:
            one.close()


async def test_connecting(connect: Any, full: str) -> None:
    """A connection that does not come about ends on the clock of connecting: nothing was sent."""
    client = connect(full, timeout=(CLOCK, 5))
    with within(CLOCK):
        got = await outcome(client, "call")
    await done(client.close())

    check(got, APITimeoutError, r"0\.3 seconds", "connect")
    assert got.attempts[0].outcome == "not_sent"


async def test_names(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name look-up can't be stopped, and yet the call ends on time; the look-up's thread ends when it returns."""
    release = threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        release.wait(5)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = connect("http://slow.example/v1", deadline=CLOCK)
    with within(CLOCK):
        got = await outcome(client, "call")
    release.set()
    await done(client.close())

    check(got, APITimeoutError, r"0\.3 seconds", "deadline")
    assert got.attempts[0].outcome == "not_sent"


async def test_queue(connect: Any) -> None:
    """A queue that never moves ends on the deadline alone: nothing was sent, and the place is not lost."""
    with RawServer(lambda peer: then_silent(begun)(peer, Good.of(b"accept: text/event-stream"))) as server:
        client = connect(server, max_connections=1, timeout=0.1, stall_timeout=5)
        held = await ask(client, stream=True, timeout=5)
        with within(CLOCK):
            got = await outcome(client, "call", deadline=CLOCK)
        await done(held.close())
        check(got, APITimeoutError, r"deadline of 0\.3 seconds", "deadline")
        assert got.attempts[0].outcome == "not_sent"

        assert len(server.requests) == 1
        check(await outcome(client, "call"), APITimeoutError, "", "read")
        assert len(server.requests) == 2
        await done(client.close())


async def test_without_limits(dial: Any, raw: Any, asks: str) -> None:
    """`None` waits until there is an answer."""

    def slow(peer: Peer) -> None:
        good = Good.of(peer.request())
        time.sleep(0.05)
        peer.send(good.head(CHUNKED))
        time.sleep(0.05)
        peer.send(chunk(good.body), b"0\r\n\r\n")

    with raw(slow) as server:
        client = dial(server, timeout=None, stall_timeout=float("inf"), deadline=None)
        with within(0.1):
            assert await outcome(client, asks) == "Hi"
        await done(client.close())


def gulping(peer: Peer) -> None:
    """Takes 12 MB in half a second and more, and answers."""
    taken, piece = 0, b""
    while taken < 12_000_000 or not piece.endswith(b"}"):
        piece = peer.connection.recv(65536)
        if taken // 200_000 < (taken + len(piece)) // 200_000:
            time.sleep(0.01)
        taken += len(piece)
    peer.send(Good.of(b"").whole())


async def test_slow_upload(dial: Any, raw: Any) -> None:
    """The clock of writing is about each piece that the server takes: a request may take longer than that."""
    with raw(gulping, window=65536) as server:
        client = dial(server, timeout=0.4)
        began = time.monotonic()
        assert await outcome(client, "call", messages=[{"role": "user", "content": "x" * 12_000_000}]) == "Hi"
        assert time.monotonic() - began > 0.4
        await done(client.close())


async def test_slow_reader(connect: Any) -> None:
    """The deadline ends a stream whose events are always there when a slow reader comes for the next."""
    with RawServer(lambda peer: EVENTS_WITHOUT_END(peer, Good.of(b"accept: text/event-stream"))) as server:
        client = connect(server, deadline=CLOCK)
        with within(CLOCK), pytest.raises(APITimeoutError) as caught:
            async for _ in each(await ask(client, stream=True)):
                await asyncio.sleep(0.015)
        await done(client.close())

    assert caught.value.clock == "deadline"


async def test_clock_that_rings_late(connect: Any) -> None:
    """A clock that rings when its step has ended long ago changes nothing."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(Good.of(request).whole())

    with RawServer(script) as server:
        client = connect(server, timeout=0.1)
        await ask(client)
        await asyncio.sleep(0.15)
        assert (await ask(client)).meta.reused
        await ask(client, timeout=30)
        assert (await ask(client, timeout=10)).text == "Hi"
        await done(client.close())
