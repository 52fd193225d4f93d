"""Clients that leave, in each phase of a request, and clients that are too slow."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from time import monotonic

import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    LAST,
    MODEL,
    ONE,
    STREAM,
    USED,
    Served,
    chat_bytes,
    chunk,
    completion,
    configured,
    serving,
    until,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, whole
from wandb_inference.gateway import attempt as attempts
from wandb_inference.gateway import protocol

KEY = f"authorization: Bearer {ENVIRON['KEY_A']}"


class Held:
    """A service that sends this much of an answer, and sees when the gateway has gone."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.asked = threading.Event()
        self.gone = threading.Event()
        self.at = 0.0

    def __call__(self, peer: Peer) -> None:
        if not peer.request():
            return
        peer.send(*self.pieces)
        self.asked.set()
        if peer.wait_for_end():
            self.at = monotonic()
            self.gone.set()


@pytest.mark.parametrize(
    ("body", "pieces"),
    [
        (BODY, ()),
        (BODY, (head(200, "Content-Length: 1000"), b'{"id"')),
        (STREAM, ()),
        (STREAM, (STREAM_HEAD,)),
        (STREAM, (STREAM_HEAD, *chunked(b": ping\n\n", end=False))),
        (STREAM, (STREAM_HEAD, *chunked(chunk("a"), chunk("b"), end=False))),
    ],
    ids=["call", "call, within the body", "before headers", "before the first byte", "after a comment", "mid-stream"],
)
async def test_a_client_that_leaves_frees_the_service(tmp_path, body, pieces):
    """Whatever the service has sent by then, its connection is closed within half a second, and the request booked."""
    held = Held(*pieces)
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes(body, KEY))
            await until(held.asked.is_set)
            if len(pieces) > 1 and body is STREAM and b"ping" not in pieces[1]:
                await reader.readuntil(b"data: ")
            await asyncio.sleep(0.02)
            left = monotonic()
            writer.close()
            await until(held.gone.is_set)
            await until(lambda: not served.gateway.calls)
            page = served.page()
            (status,) = served.gateway.router.status(monotonic())

    assert held.at - left < 0.5
    assert 'requests_total{model="fast",key="a",status="499"} 1' in page
    assert status.in_flight == 0
    if len(pieces) > 2:
        assert 'kind="completion"} 2' in page


def uploads(served: Served) -> bool:
    return any(connection.is_uploading for connection in served.state.connections)  # type: ignore[union-attr]


async def test_a_client_that_leaves_while_it_uploads(tmp_path):
    """Nothing was sent to the service, and nothing is held."""
    with RawServer(answering(b"")) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            _, writer = await served.raw(chat_bytes(BODY, KEY, length=10_000))
            await until(lambda: uploads(served))
            writer.close()
            await until(lambda: not served.state.connections)

    assert upstream.connections == 0


async def test_a_client_that_leaves_at_once(tmp_path):
    """A client that leaves before its body has begun to come is no mistake either."""
    async with serving(configured(tmp_path)) as served:
        _, writer = await served.raw(chat_bytes(b"", KEY, length=10))
        await until(lambda: uploads(served))
        writer.close()
        await until(lambda: not served.state.connections)


async def test_a_client_that_leaves_in_the_line(tmp_path):
    """Who waits for a place and leaves is taken out of the line."""
    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, max_parallel_requests: 1}}
"""
    held = Held()
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            _, first = await served.raw(chat_bytes())
            await until(held.asked.is_set)
            _, second = await served.raw(chat_bytes())
            await until(lambda: served.gateway.router.line.waiting == 1)
            second.close()
            await until(lambda: served.gateway.router.line.waiting == 0)
            first.close()
            await until(lambda: not served.gateway.calls)

    assert upstream.connections == 1


async def test_a_client_that_leaves_in_a_pause(tmp_path):
    """Who leaves while the gateway waits to try again is not tried for."""
    with RawServer(answering(whole(b"{}", 503, "Retry-After: 30"))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            _, writer = await served.raw(chat_bytes())
            await until(lambda: upstream.requests)
            await asyncio.sleep(0.05)
            assert served.gateway.calls
            writer.close()
            await until(lambda: not served.gateway.calls, 0.5)

    assert len(upstream.requests) == 1


async def test_requests_behind_each_other(tmp_path):
    """Several requests sent at once are answered in their order, each with its own answer."""
    with RawServer(answering(*(whole(completion(str(number))) for number in range(3)))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes() * 3)
            answers = []
            for _ in range(3):
                lines = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(lines.split(b"content-length: ")[1].split(b"\r\n")[0])
                answers.append(json.loads(await reader.readexactly(length))["choices"][0]["message"]["content"])
            writer.close()

    assert answers == ["0", "1", "2"]


async def test_a_reader_that_is_slow_holds_the_service(tmp_path):
    """A client that takes nothing makes the service wait: what it sends is not piled up."""
    big = chunk("x" * 60_000)
    sent: list[int] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.connection.settimeout(0.5)
        peer.send(STREAM_HEAD)
        try:
            for number in range(2000):
                peer.send(*chunked(big, end=False))
                sent.append(number)
        except TimeoutError:
            return

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes(STREAM))
            await reader.readuntil(b"data: ")
            await asyncio.sleep(0.8)
            writer.transport.abort()
            await until(lambda: not served.gateway.calls)

    assert len(sent) < 1000


async def test_a_reader_that_takes_nothing_is_left(tmp_path, monkeypatch):
    """A client that takes nothing of its answer for too long is taken for one that left."""
    monkeypatch.setattr(protocol, "_LOOK", 0.02)
    monkeypatch.setattr(protocol, "READER_SECONDS", 0.1)
    big = chunk("x" * 60_000)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD)
        while True:
            peer.send(*chunked(big, end=False))

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes(STREAM))
            await reader.readuntil(b"data: ")
            await until(lambda: not served.gateway.calls)
            page = served.page()
            writer.transport.abort()

    assert 'status="499"} 1' in page


@pytest.mark.parametrize(
    ("sent", "clock"),
    [
        (b"", "HEAD_SECONDS"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost:", "HEAD_SECONDS"),
        (chat_bytes(b'{"model"', length=1000), "STALL_SECONDS"),
        (chat_bytes(b'{"model"', length=1000), "BODY_SECONDS"),
    ],
    ids=["nothing", "half a head", "half a body", "too long a body"],
)
async def test_a_sender_that_is_slow_is_left(tmp_path, monkeypatch, sent, clock):
    """A client that does not get on with its request is not waited for."""
    monkeypatch.setattr(protocol, "_LOOK", 0.02)
    monkeypatch.setattr(protocol, clock, 0.08)
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(sent)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()
        await until(lambda: not served.state.tasks)


async def test_a_client_in_no_hurry(tmp_path, monkeypatch):
    """A client that gets on, or waits for its answer, or is idle between two requests is not left."""
    monkeypatch.setattr(protocol, "_LOOK", 0.01)
    for clock in ("HEAD_SECONDS", "STALL_SECONDS", "READER_SECONDS"):
        monkeypatch.setattr(protocol, clock, 0.15)

    def slow(peer: Peer) -> None:
        while peer.request():
            threading.Event().wait(0.3)
            peer.send(whole(completion()))

    with RawServer(slow) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            body = json.dumps(BODY).encode()
            reader, writer = await served.raw(chat_bytes(body[:5], length=len(body)))
            for at in range(5, len(body), 10):
                await asyncio.sleep(0.05)
                writer.write(body[at : at + 10])
            answer = await reader.readuntil(b"}")
            await asyncio.sleep(0.3)
            writer.write(chat_bytes())
            again = await reader.readuntil(b"200 OK")
            writer.close()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert again


async def test_too_many_connections(tmp_path, monkeypatch):
    """Beyond the bound a connection is closed at once."""
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 1)
    async with serving(configured(tmp_path)) as served:
        _, first = await served.raw(b"")
        await until(lambda: served.state.connections)
        reader, second = await served.raw(b"")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        first.close()
        second.close()


@pytest.mark.parametrize("pieces", [1, 17], ids=["at once", "in pieces"])
async def test_a_head_that_is_too_large(tmp_path, pieces):
    """A head beyond 64 KB is refused before it is whole."""
    line = b"x-filler: " + b"y" * 4000 + b"\r\n"
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(b"GET /v1/models HTTP/1.1\r\n" + line * (17 if pieces == 1 else 0))
        for _ in range(pieces if pieces > 1 else 0):
            writer.write(line)
            await asyncio.sleep(0.002)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"nonsense " * 8000,
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\rc\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["words", "many words", "TLS", "two lengths", "two different lengths", "a space", "a bare CR", "a bad chunk"],
)
async def test_garbage(tmp_path, data, caplog):
    """What is no HTTP is refused and closed, with no word in the log."""
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(data)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 OK")) or b"HTTP/1.1 400 " in answer
    assert b"Traceback" not in answer
    assert not caplog.records


async def test_a_stream_can_follow_a_stream(tmp_path):
    """After a stream that was read to its end the connections to client and service are used again."""
    pieces = [STREAM_HEAD, *chunked(chunk("a"), LAST + USED + DONE)]

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(*pieces)

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            for _ in range(3):
                answer = await served.chat(STREAM)
                assert answer.text.endswith("data: [DONE]\n\n")
                await until(lambda: not served.gateway.calls)

    assert upstream.connections == 1


async def test_a_stream_left_before_its_first_data(tmp_path):
    """The prompt counts: nothing else was seen of it."""
    held = Held(STREAM_HEAD)
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            _, writer = await served.raw(chat_bytes({**STREAM, "max_tokens": 5000}, KEY))
            await until(held.asked.is_set)
            await asyncio.sleep(0.05)
            writer.close()
            await until(held.gone.is_set, 2)
            await until(lambda: not served.gateway.calls)
            meter = served.gateway.router.ledger.meter("key:a", "tpm", 1_000_000)
            assert 0 < meter.used(monotonic()) < 100


async def test_a_stream_without_a_deadline(tmp_path):
    """It may last as long as it likes."""
    script = answering(STREAM_HEAD + b"".join(chunked(chunk("a"), LAST, DONE)))
    with RawServer(script) as upstream:
        config = configured(tmp_path, ONE, upstream.base_url)
        config = dataclasses.replace(config, router=dataclasses.replace(config.router, deadline=None))
        async with serving(config) as served:
            assert "[DONE]" in (await served.chat(STREAM)).text


async def test_a_client_that_takes_nothing_until_the_deadline(tmp_path, monkeypatch):
    """It holds its places no longer than a request may last."""
    monkeypatch.setattr(attempts, "_STUCK", 0.1)
    big = chunk("x" * 500_000)

    def flood(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD)
        for _ in range(200):
            peer.send(*chunked(big, end=False))

    with RawServer(flood) as upstream:
        config = configured(tmp_path, ONE, upstream.base_url)
        config = dataclasses.replace(config, router=dataclasses.replace(config.router, deadline=0.5))
        async with serving(config) as served:
            _, writer = await served.raw(chat_bytes(STREAM))
            writer.transport.pause_reading()
            await until(lambda: len(served.gateway.calls) == 1)
            await until(lambda: not served.gateway.calls, 5)
            assert served.gateway.router.status(monotonic())[0].in_flight == 0
            writer.transport.abort()
