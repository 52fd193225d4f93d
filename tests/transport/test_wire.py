"""Connections of our own, on the wire: kept, replaced, drained, queued for, and never leaked."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, calls_and_streams, chunked, whole

from wandb_inference import APIConnectionError, APITimeoutError, AsyncClient, Client, ConfigurationError
from wandb_inference.testing import Emulator, Reply

ANSWER = whole(
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
)
EVENTS = (
    b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n',
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n',
    b"data: [DONE]\n\n",
)
BOTH = calls_and_streams(ANSWER, *EVENTS)


async def test_one_connection(client: Any, emulator: Emulator) -> None:
    """Calls and streams in a row use one connection, and say so."""
    for number in range(10):
        stream = await ask(client, stream=True)
        await texts(stream)
        answer = await ask(client)
        assert answer.meta.reused
        assert stream.meta.reused == bool(number)

    assert emulator.connections == 1
    assert answer.meta.queued == 0.0


def slow_terminator(peer: Peer) -> None:
    """The terminator comes a little after `[DONE]`."""
    while peer.request():
        peer.send(STREAM_HEAD, *chunked(*EVENTS, end=False))
        time.sleep(0.02)
        peer.send(b"0\r\n\r\n")


def test_drained(connect: Any) -> None:
    """The terminator is waited for, so that the connection can be used again."""

    async def run() -> None:
        with RawServer(slow_terminator) as server:
            client = connect(server)
            for _ in range(3):
                assert await texts(await ask(client, stream=True)) == ["Hi", ""]
            await done(client.close())
        assert server.connections == 1

    asyncio.run(run())


def never_ending(peer: Peer) -> None:
    """After `[DONE]` come bytes without end."""
    peer.request()
    peer.send(STREAM_HEAD, *chunked(*EVENTS, end=False))
    while True:
        peer.send(*chunked(b": more\n\n" * 1000, end=False))


def silent_after_done(peer: Peer) -> None:
    """After `[DONE]` comes nothing."""
    peer.request()
    peer.send(STREAM_HEAD, *chunked(*EVENTS, end=False))
    if peer.wait_for_end():
        peer.server.left.set()


@pytest.mark.parametrize("script", [never_ending, silent_after_done])
async def test_drained_within_bounds(connect: Any, script: Any) -> None:
    """A peer that goes on, or says nothing, costs its connection and no more."""
    with RawServer(script) as server:
        client = connect(server)
        assert await texts(await ask(client, stream=True)) == ["Hi", ""]
        await done(client.close())


def once(peer: Peer) -> None:
    """Answers one request, and closes without a word."""
    peer.request()
    peer.send(ANSWER)


async def test_stale(connect: Any) -> None:
    """A connection that the server closed while it was idle is replaced, free of charge."""
    with RawServer(once) as server:
        client = connect(server)
        for _ in range(3):
            answer = await ask(client)
            assert len(answer.meta.attempts) == 1
            await asyncio.sleep(0.02)
        await done(client.close())

    assert server.connections == 3


def resets_when_idle(peer: Peer) -> None:
    """Answers one request, and breaks off."""
    peer.request()
    peer.send(ANSWER)
    time.sleep(0.02)
    peer.reset()


async def test_reset_while_idle(connect: Any) -> None:
    """A connection that was reset while it was idle is replaced as well."""
    with RawServer(resets_when_idle, answering(ANSWER)) as server:
        client = connect(server)
        await ask(client)
        await asyncio.sleep(0.1)
        assert (await ask(client)).meta.reused is False
        await done(client.close())


def leaves_at_the_second(peer: Peer) -> None:
    """Answers one request, and closes when the second comes."""
    peer.request()
    peer.send(ANSWER)
    peer.request()


async def test_closed_under_the_request(connect: Any) -> None:
    """A used connection that breaks before the first byte of an answer is replaced at once."""
    with RawServer(leaves_at_the_second, answering(ANSWER)) as server:
        client = connect(server)
        await ask(client)
        answer = await ask(client)
        await done(client.close())

    assert len(answer.meta.attempts) == 1
    assert answer.meta.reused is False
    assert len(server.requests) == 3


def speaks_out_of_turn(peer: Peer) -> None:
    """Sends an answer that nobody asked for."""
    peer.request()
    peer.send(ANSWER)
    time.sleep(0.02)
    peer.send(whole(b'{"choices": [{"message": {"content": "Not yours"}}]}'))
    peer.wait_for_end()


async def test_bytes_out_of_turn(connect: Any) -> None:
    """Bytes that come while a connection is idle are nobody's answer."""
    with RawServer(speaks_out_of_turn, answering(ANSWER)) as server:
        client = connect(server)
        await ask(client)
        await asyncio.sleep(0.1)
        assert (await ask(client)).text == "Hi"
        await done(client.close())

    assert server.connections == 2


async def test_no_limits_at_all(connect: Any) -> None:
    """Without any limit a call still works, and a name that leads nowhere still fails."""
    with RawServer(answering(ANSWER)) as server:
        client = connect(server, timeout=None, stall_timeout=None)
        assert (await ask(client)).text == "Hi"
        assert (await ask(client.with_options(project="a/b"))).text == "Hi"
        nowhere = client.with_options(base_url="http://nowhere.invalid/v1")
        with pytest.raises(APIConnectionError, match="resolved"):
            await ask(nowhere)
        await done(client.close())


def test_line_of_threads() -> None:
    """Calls beyond the limit wait in line, and say for how long."""
    with Emulator(latency=0.05) as emulator:
        client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url, max_connections=2)
        queued: list[float] = []

        def work() -> None:
            queued.append(client.chat.completions.create(model=MODEL, messages=MESSAGES).meta.queued)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        assert emulator.connections == 2

    assert sorted(queued)[:2] == [0.0, 0.0]
    assert sum(seconds > 0 for seconds in queued) == 4


def test_thread_that_leaves_the_line() -> None:
    """A call whose deadline comes while it waits in line leaves it, and its place is not lost."""
    with Emulator() as emulator:
        emulator.reply(Reply(text="Late.", delay=0.4))
        client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url, max_connections=1, max_retries=0)
        thread = threading.Thread(target=lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES))
        thread.start()
        while not emulator.requests:
            time.sleep(0.01)
        with pytest.raises(APITimeoutError) as caught:
            client.chat.completions.create(model=MODEL, messages=MESSAGES, deadline=0.1)
        thread.join()
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).text
        client.close()

    assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")


async def test_line_of_tasks() -> None:
    """Tasks wait in line; who gives up or is cancelled there costs no place."""
    with Emulator(latency=0.1) as emulator:
        async with AsyncClient(
            api_key=KEY, project=PROJECT, base_url=emulator.base_url, max_connections=1, max_retries=0
        ) as client:

            async def one(**options: Any) -> Any:
                return await client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)

            first = asyncio.create_task(one())
            await asyncio.sleep(0.02)
            late = asyncio.create_task(one(deadline=0.05))
            cancelled = asyncio.create_task(one())
            last = asyncio.create_task(one(deadline=5))
            await asyncio.sleep(0.02)
            cancelled.cancel()
            with pytest.raises(APITimeoutError):
                await late
            assert (await first).meta.queued == 0.0
            assert (await last).meta.queued > 0.0
            with pytest.raises(asyncio.CancelledError):
                await cancelled


async def test_called_and_cancelled_at_once() -> None:
    """A task that is cancelled in the moment its turn comes passes it on."""
    with Emulator(latency=0.05) as emulator:
        async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url, max_connections=1) as client:

            async def one() -> Any:
                return await client.chat.completions.create(model=MODEL, messages=MESSAGES)

            first = asyncio.create_task(one())
            await asyncio.sleep(0.01)
            second = asyncio.create_task(one())
            await asyncio.sleep(0.01)
            first.add_done_callback(lambda _: second.cancel())
            await first
            with pytest.raises(asyncio.CancelledError):
                await second
            assert (await asyncio.wait_for(one(), 5)).text


async def test_cancel_churn(emulator: Emulator) -> None:
    """After hundreds of cancelled calls at the limit, all that follow succeed, and nothing is left open."""
    before, tasks_before = len(os.listdir("/proc/self/fd")), asyncio.all_tasks()
    async with AsyncClient(
        api_key=KEY, project=PROJECT, base_url=emulator.base_url, max_connections=5, max_retries=0
    ) as client:

        async def one(number: int) -> None:
            stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=bool(number % 2))
            if number % 2:
                async for _ in stream:
                    pass

        for batch in range(20):
            tasks = [asyncio.create_task(one(number)) for number in range(20)]
            await asyncio.sleep(0.001 * (batch % 7))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(20):
            assert (await asyncio.wait_for(ask(client), 5)).text
    gc.collect()
    await asyncio.sleep(0.05)

    assert len(os.listdir("/proc/self/fd")) <= before + 8  # the emulator's side of those still closing
    assert asyncio.all_tasks() == tasks_before


async def test_slow_reader(emulator: Emulator) -> None:
    """A stream that is not read does not fill the memory, and goes on when it is."""
    emulator.reply("word " * 20_000)
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        first = await anext(stream)
        await asyncio.sleep(0.3)
        unread = stream._body._turn.exchange._connection._unread
        assert unread < 1_000_000
        async for _ in stream:
            pass
        assert stream.text == "word " * 20_000
        assert first.choices


async def test_proxy(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is used, and a host in `NO_PROXY` is not."""
    with RawServer(answering(ANSWER)) as proxy, RawServer(answering(ANSWER)) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        client = connect(server, base_url="http://api.example/v1")
        answer = await ask(client)
        assert (await ask(client)).text == "Hi"
        await done(client.close())
        assert proxy.requests[0].startswith(b"POST http://api.example/v1/chat/completions ")
        assert answer.meta.reused is None

        monkeypatch.setenv("NO_PROXY", "127.0.0.1,fd07:b51a::/64")
        client = connect(server)
        assert (await ask(client)).text == "Hi"
        await done(client.close())
        assert (len(server.requests), len(proxy.requests)) == (1, 2)


def test_keep_alive(emulator: Emulator) -> None:
    """Connections send at once, and are probed while the peer is silent."""
    client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url)
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    [stack] = client._transport._pool._idle._stacks.values()
    connection = stack[0][0]._socket

    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    client.close()


def test_a_dropped_client_closes_its_connections(emulator: Emulator) -> None:
    """A client that is not closed leaves nothing open when it goes."""
    client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url)
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    del client
    gc.collect()


async def test_key_that_does_not_come() -> None:
    """Waiting for a key is counted in the deadline, and an error of whoever gives it stays what it is."""
    with RawServer(answering(ANSWER)) as server:

        async def slow() -> str:
            await asyncio.sleep(30)
            return KEY

        async def failing() -> str:
            raise TimeoutError("mine")

        settings: dict[str, Any] = {"project": PROJECT, "base_url": server.base_url, "max_retries": 0}
        async with AsyncClient(api_key=slow, **settings) as client:
            with pytest.raises(APITimeoutError) as caught:
                await ask(client, deadline=0.1)
        async with AsyncClient(api_key=failing, **settings) as client:
            with pytest.raises(TimeoutError, match="mine"):
                await ask(client, deadline=5)
            with pytest.raises(TimeoutError, match="mine"):
                await ask(client)

    assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")
    assert server.connections == 0


async def test_closed_while_the_key_comes() -> None:
    """A client that is closed while it waits for its key says so."""
    client: AsyncClient

    async def key() -> str:
        await client.close()
        return KEY

    client = AsyncClient(api_key=key, project=PROJECT, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ConfigurationError, match="closed"):
        await ask(client)


async def test_deadline_of_a_callers_own_client() -> None:
    """Through an async client of the caller's own the deadline holds for headers and body, key or none."""

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield EVENTS[0]
            await asyncio.sleep(30)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/models"):
            await asyncio.sleep(30)
        return httpx.Response(200, stream=Slow(), headers={"content-type": "text/event-stream"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = AsyncClient(
            project=PROJECT, default_headers={"Authorization": "x"}, http_client=http, max_retries=0, deadline=0.2
        )
        with pytest.raises(APITimeoutError) as caught:
            await client.models.list()
        assert caught.value.clock == "deadline"
        with pytest.raises(APITimeoutError) as caught:
            await texts(await ask(client, stream=True))
        assert (caught.value.clock, caught.value.text) == ("deadline", "Hi")


@pytest.mark.parametrize("answers", [0, 1, 2])
async def test_several_addresses(connect: Any, monkeypatch: pytest.MonkeyPatch, answers: int) -> None:
    """Where one address does not answer, another is tried; the last one's reason is told."""
    with RawServer(answering(ANSWER)) as server:
        good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        bad = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))
        found = [[], [bad, good], [bad, bad]][answers]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        client = connect(server, base_url=f"http://several.example:{server.port}/v1")
        if answers == 1:
            assert (await ask(client)).text == "Hi"
        else:
            with pytest.raises(APIConnectionError, match="refused" if answers else "no address|empty list"):
                await ask(client)
        await done(client.close())


def test_interrupted_while_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while connecting leaves no socket behind, and stays what it is."""

    def connect(self: socket.socket, address: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(socket.socket, "connect", connect)
    with (
        Client(api_key=KEY, project=PROJECT, base_url="http://127.0.0.1:9/v1") as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


# --- Over TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, whose certificate the clients trust."""
    data = Path(__file__).parent.parent / "data"
    monkeypatch.setenv("SSL_CERT_FILE", str(data / "localhost.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(data / "localhost.pem", data / "localhost.key")
    return context


async def test_one_tls_connection(connect: Any, tls: ssl.SSLContext) -> None:
    """Calls and streams in a row use one connection over TLS too, its session tickets notwithstanding."""
    with RawServer(BOTH, tls=tls) as server:
        client = connect(server, base_url=server.base_url.replace("127.0.0.1", "localhost"))
        for _ in range(3):
            assert (await ask(client)).text == "Hi"
            assert await texts(await ask(client, stream=True)) == ["Hi", ""]
        await done(client.close())

    assert server.connections == 1


async def test_stale_over_tls(connect: Any, tls: ssl.SSLContext) -> None:
    """A TLS connection that the server closed while it was idle is replaced, free of charge."""
    with RawServer(once, tls=tls) as server:
        client = connect(server)
        for _ in range(3):
            assert len((await ask(client)).meta.attempts) == 1
            await asyncio.sleep(0.05)
        await done(client.close())

    assert server.connections == 3


async def test_large_body_over_tls(connect: Any, tls: ssl.SSLContext) -> None:
    """Bodies of many TLS records go both ways."""
    text = "x" * 3_000_000
    body = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()
    with RawServer(answering(whole(body)), tls=tls) as server:
        client = connect(server)
        assert (await ask(client, messages=[{"role": "user", "content": text}])).text == text
        await done(client.close())

    assert len(server.requests[0]) > 3_000_000
