"""Closing a client ends what it does at once, and nobody else is blamed."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from conftest import KEY, PROJECT, ask, done, texts
from raw_server import STREAM_HEAD, Peer, RawServer, chunked, whole

from wandb_inference import APIConnectionError, Client, ConfigurationError, StreamInterruptedError
from wandb_inference._core.wire import Timeouts
from wandb_inference._transport.async_exchange import AsyncPool
from wandb_inference._transport.clocks import Clocks
from wandb_inference._transport.exchange import Pool
from wandb_inference._transport.outcomes import target_of

COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'


def silent(peer: Peer) -> None:
    """Sends one chunk, then nothing."""
    peer.request()
    first = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
    peer.send(STREAM_HEAD, *chunked(first, end=False))
    peer.wait_for_end()


def begun(client: Any, **params: Any) -> asyncio.Task[Any]:
    """A call in a thread, or in a task."""
    if isinstance(client, Client):
        return asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(ask(client, **params))))
    return asyncio.create_task(ask(client, **params))


@pytest.fixture
def closing(kind: Any) -> Any:
    """Makes a client of either kind, which does not try again unless told so."""

    def closing(server: RawServer, **settings: Any) -> Any:
        plain = {"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0}
        return kind(**{**plain, **settings})

    return closing


@pytest.mark.parametrize("adaptive", [False, True])
async def test_calls_in_line(closing: Any, adaptive: bool) -> None:
    """Calls that wait for a turn, or for a place in a model's window, end when the client is closed."""
    with RawServer(silent) as server:
        client = closing(server, max_connections=1, adaptive_concurrency=adaptive)
        stream = await ask(client, stream=True)
        waiting = [begun(client) for _ in range(3)]
        await asyncio.sleep(0.05)  # until they are in line
        await done(client.close())
        for call in waiting:
            with pytest.raises(ConfigurationError, match="This client is closed"):
                await asyncio.wait_for(call, 5)
        with pytest.raises(ConfigurationError, match="This client is closed"):
            await ask(client)
        await done(stream.close())

    assert len(server.requests) == 1


async def test_a_pool_that_has_ended() -> None:
    """Nobody enters it, not even who was called just before."""
    clocks = Clocks(Timeouts())
    for pool in (Pool(1), AsyncPool(1)):
        await done(pool.enter(clocks))
        pool.end()
        with pytest.raises(ConfigurationError, match="This client is closed"):
            await done(pool.enter(clocks))


async def closed_after(client: Any, call: asyncio.Task[Any]) -> Any:
    """The error of a call during which the client was closed."""
    await asyncio.sleep(0.05)  # until it waits for bytes
    await done(client.close())
    with pytest.raises(APIConnectionError) as caught:
        await asyncio.wait_for(call, 4)
    return caught.value


def mute(peer: Peer) -> None:
    """Never answers."""
    peer.request()
    peer.wait_for_end()


def endless(peer: Peer) -> None:
    """Begins an answer that would end with the connection."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{")
    peer.wait_for_end()


def then_mute(peer: Peer) -> None:
    """Answers once, and never again."""
    peer.request()
    peer.send(whole(COMPLETION))
    mute(peer)


@pytest.mark.parametrize("script", [mute, endless])
async def test_calls_in_flight(closing: Any, script: Any) -> None:
    """A call that waits for its answer, or for the rest, ends with the client, and is not tried again."""
    with RawServer(script) as server:
        client = closing(server, max_retries=3)
        error = await closed_after(client, begun(client))

    assert str(error) == f"{target_of(server.base_url).host}: this client was closed. Close it later."
    assert [attempt.outcome for attempt in error.attempts] == ["unknown"]
    assert len(server.requests) == 1


async def test_a_call_on_a_used_connection(closing: Any) -> None:
    """It is not taken for one that had died while idle."""
    with RawServer(then_mute) as server:
        client = closing(server)
        assert (await ask(client)).text == "Hi"
        error = await closed_after(client, begun(client))

    assert "this client was closed" in str(error)
    assert len(server.requests) == 2


@pytest.mark.parametrize("adaptive", [False, True])
async def test_streams_in_flight(closing: Any, adaptive: bool) -> None:
    """A stream ends with the client; what had arrived is on the error."""
    with RawServer(silent) as server:
        client = closing(server, adaptive_concurrency=adaptive)
        stream = await ask(client, stream=True)
        reading = asyncio.create_task(texts(stream)) if not isinstance(client, Client) else in_a_thread(stream)
        error = await closed_after(client, reading)

    assert "the stream broke off: this client was closed" in str(error)
    assert error.text == "Hel"


async def test_a_stream_without_a_chunk(closing: Any) -> None:
    """It would be tried again, had the client not been closed."""
    with RawServer(speechless) as server:
        client = closing(server, max_retries=3)
        stream = await ask(client, stream=True)
        reading = asyncio.create_task(texts(stream)) if not isinstance(client, Client) else in_a_thread(stream)
        await asyncio.sleep(0.05)  # until it waits for bytes
        await done(client.close())
        with pytest.raises(ConfigurationError, match="This client is closed") as caught:
            await asyncio.wait_for(reading, 4)

    assert [attempt.outcome for attempt in caught.value.attempts] == ["unknown"]
    assert "this client was closed" in str(caught.value.attempts[0].error)


def speechless(peer: Peer) -> None:
    """Begins a stream, and says nothing."""
    peer.request()
    peer.send(STREAM_HEAD)
    peer.wait_for_end()


def in_a_thread(stream: Any) -> asyncio.Task[Any]:
    """Reads a stream."""
    return asyncio.create_task(asyncio.to_thread(lambda: [chunk.text for chunk in stream]))


async def test_an_http_client_of_the_caller(kind: Any) -> None:
    """It stays open, and what its server does is the server's."""

    def breaking(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD)
        released.wait(5)

    released = threading.Event()
    http: Any = httpx.Client() if kind is Client else httpx.AsyncClient()
    with RawServer(breaking) as server:
        client = kind(api_key=KEY, project=PROJECT, base_url=server.base_url, max_retries=0, http_client=http)
        stream = await ask(client, stream=True)
        await done(client.close())
        released.set()
        with pytest.raises(StreamInterruptedError) as caught:
            await texts(stream)

    assert "client was closed" not in str(caught.value)
    await done(http.close() if kind is Client else http.aclose())


async def test_connections_of_a_pool_that_has_ended() -> None:
    """One that comes about too late is closed, and so is one that is given back."""
    clocks = Clocks(Timeouts())
    with RawServer(mute) as server:
        origin = target_of(server.base_url).origin
        pool, other = Pool(1), AsyncPool(1)
        connection = pool.connect(origin, clocks)
        for one in (pool, other):
            one.end()
            with pytest.raises(ConfigurationError, match="This client is closed"):
                await done(one.connect(origin, clocks))
        pool.put(origin, connection)

        assert pool.take(origin) is None
        with pytest.raises(OSError, match="descriptor"):
            connection.read(clocks.limit("read"))
