"""aiohttp under clients of httpx, and so under ours: `wandb_inference.transports.AiohttpTransport`."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from conftest import KEY, PROJECT, ask, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, sending, streaming, whole
from test_transports import HELLO, body, echo, hang, reset_midway

from wandb_inference import APIConnectionError, APITimeoutError, AsyncClient, ConfigurationError
from wandb_inference.testing import Emulator
from wandb_inference.transports import AiohttpTransport

DATA = Path(__file__).parent / "data"
ANSWER = whole(
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
)
EVENTS = (
    b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n',
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n',
    b"data: [DONE]\n\n",
)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of httpx over aiohttp."""
    async with httpx.AsyncClient(transport=AiohttpTransport()) as http:
        yield http


def over(http: httpx.AsyncClient, server: Any, **settings: Any) -> AsyncClient:
    """Our client over one of httpx."""
    given = {"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0, **settings}
    return AsyncClient(http_client=http, **given)


# --- Our client ------------------------------------------------------------------------------------------------------


async def test_calls_and_streams(http: httpx.AsyncClient, emulator: Emulator) -> None:
    """Calls and streams in a row use one connection."""
    client = over(http, emulator)
    for _ in range(3):
        answer = await ask(client)
        stream = await ask(client, stream=True)
        assert "".join(await texts(stream)) == answer.text

    assert emulator.connections == 1


async def test_left_after_the_last_event(http: httpx.AsyncClient) -> None:
    """The terminator of a stream's body is waited for, so that the connection can be used again."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(STREAM_HEAD, *chunked(*EVENTS, end=False))
            time.sleep(0.02)
            peer.send(*chunked(b": bye\n\n"), pause=0.01)

    with RawServer(script) as server:
        for _ in range(3):
            assert "".join(await texts(await ask(over(http, server), stream=True))) == "Hi"

    assert server.connections == 1


async def test_silence_after_the_last_event(http: httpx.AsyncClient) -> None:
    """A terminator that does not come costs its connection, and a moment."""
    with RawServer(streaming(*EVENTS, end=False, then=hang)) as server:
        began = time.monotonic()
        assert "".join(await texts(await ask(over(http, server), stream=True))) == "Hi"

    assert time.monotonic() - began < 2


async def test_chunks_as_they_come(http: httpx.AsyncClient) -> None:
    """A chunk is there before the next is sent, and a stream that is left closes its connection."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(EVENTS[0], end=False))
        assert peer.wait_for_end()
        peer.server.left.set()

    with RawServer(script) as server:
        stream = await ask(over(http, server), stream=True)
        async for chunk in stream:
            assert chunk.text == "Hi"
            break
        await stream.close()
        assert await asyncio.to_thread(server.left.wait, 5)

    assert not server.errors


@pytest.mark.parametrize(
    ("settings", "clock"),
    [({"deadline": 0.15}, "deadline"), ({"timeout": (5, 0.15)}, "read"), ({"stall_timeout": 0.15}, "stall")],
    ids=["deadline", "read", "stall"],
)
async def test_clocks(http: httpx.AsyncClient, settings: dict[str, Any], clock: str) -> None:
    """Our clocks hold in a stream that is silent, or fed by comments alone."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(EVENTS[0], end=False))
        while clock != "read":
            peer.send(*chunked(b": comment\n\n", end=False))
            time.sleep(0.01)
        peer.wait_for_end()

    with RawServer(script) as server:
        began = time.monotonic()
        stream = await ask(over(http, server, **settings), stream=True)
        with pytest.raises(APITimeoutError) as caught:
            await texts(stream)

    assert caught.value.clock == clock
    assert time.monotonic() - began < 1


async def test_deadline_of_a_silent_server(http: httpx.AsyncClient) -> None:
    """The deadline holds for headers that do not come."""
    with RawServer(hang) as server, pytest.raises(APITimeoutError) as caught:
        await ask(over(http, server, deadline=0.1))

    assert caught.value.clock == "deadline"


async def test_refused(http: httpx.AsyncClient) -> None:
    """Nobody listens: nothing was sent."""
    client = AsyncClient(
        api_key=KEY, project=PROJECT, base_url="http://127.0.0.1:9/v1", max_retries=0, http_client=http
    )
    with pytest.raises(APIConnectionError, match="connection refused") as caught:
        await ask(client)

    assert caught.value.attempts[0].outcome == "not_sent"


async def test_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for; `SSL_CERT_FILE` names whom to trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    with RawServer(answering(ANSWER), tls=context) as server:
        async with httpx.AsyncClient(transport=AiohttpTransport()) as http:
            with pytest.raises(APIConnectionError, match="its certificate does not hold"):
                await ask(over(http, server))
        monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))
        async with httpx.AsyncClient(transport=AiohttpTransport()) as http:
            assert (await ask(over(http, server))).text == "Hi"


async def test_cancelled() -> None:
    """A call that is cancelled frees its turn and its connection."""
    with RawServer(hang, streaming(EVENTS[0], end=False, then=hang), answering(ANSWER)) as server:
        async with httpx.AsyncClient(transport=AiohttpTransport(max_connections=1)) as http:
            client = over(http, server)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ask(client), 0.05)
            stream = await ask(client, stream=True)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(texts(stream), 0.05)
            assert (await ask(client)).text == "Hi"


# --- Requests --------------------------------------------------------------------------------------------------------


async def test_head(http: httpx.AsyncClient) -> None:
    """The head arrives as it was sent, cookies are kept by httpx alone, and redirects are httpx's to follow."""
    answer = (
        b"HTTP/1.1 302 Over there\r\nLocation: /x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    )
    with RawServer(answering(answer)) as server:
        response = await http.get(f"{server.base_url}/a%2Fb?c=%41")
        http.cookies.clear()
        await http.get(server.base_url)

    assert (response.status_code, response.reason_phrase, response.http_version) == (302, "Over there", "HTTP/1.1")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert server.requests[0].startswith(b"GET /v1/a%2Fb?c=%41 HTTP/1.1\r\n")
    assert server.requests[0].lower().count(b"user-agent:") == 1
    assert b"ookie" not in server.requests[1]
    assert server.connections == 1


async def test_old_server(http: httpx.AsyncClient) -> None:
    """A server of HTTP/1.0 whose reason is none."""
    with RawServer(sending(b"HTTP/1.0 200 \r\n\r\nold")) as server:
        response = await http.get(server.base_url)

    assert (response.http_version, response.extensions["reason_phrase"], response.text) == ("HTTP/1.0", b"", "old")


async def test_headers_that_are_left_out(http: httpx.AsyncClient) -> None:
    """aiohttp adds no header of its own."""
    with RawServer(answering(HELLO)) as server:
        request = httpx.Request("POST", server.base_url, content=b"x")
        await http.send(request)

    names = [line.partition(b":")[0].lower() for line in server.requests[0].split(b"\r\n")[1:] if b":" in line]
    assert sorted(names) == [b"content-length", b"host"]


async def test_uploads(http: httpx.AsyncClient) -> None:
    """Bodies whole or piece by piece, small or large."""
    with RawServer(echo) as server:
        chunks = await http.post(server.base_url, content=body([b"one", b"", b"two"], is_async=True))
        length = {"Content-Length": "6"}
        plain = await http.post(server.base_url, content=body([b"one", b"two"], is_async=True), headers=length)
        large = await http.post(server.base_url, content=b"x" * 200_000)

    assert chunks.text.lower().count("transfer-encoding: chunked") == 1
    assert chunks.text.endswith("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert plain.text.endswith("\r\n\r\nonetwo")
    assert "chunked" not in plain.text
    assert large.text.endswith("\r\n\r\n" + "x" * 200_000)
    assert server.connections == 1


async def test_decoded_once(http: httpx.AsyncClient) -> None:
    """Compressed bodies are httpx's to decompress."""
    packed = gzip.compress(b"text " * 100)
    with RawServer(answering(whole(packed, 200, "Content-Encoding: gzip", kind="text/plain"))) as server:
        assert (await http.get(server.base_url)).text == "text " * 100


async def test_a_stream_left_at_its_end(http: httpx.AsyncClient) -> None:
    """What comes after `[DONE]` is read within the bound, so that the connection is used again."""

    def trails(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(STREAM_HEAD + b"".join(chunked(*EVENTS, end=False)))
            time.sleep(0.05)
            for piece in chunked(b": bye\n\n"):
                peer.send(piece)

    with RawServer(trails) as server:
        for _ in range(2):
            async with http.stream("GET", server.base_url) as response:
                async for piece in response.aiter_raw():
                    if b"[DONE]" in piece:
                        break

    assert server.connections == 1


async def test_netrc_is_left_alone(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """The key of the request is the one that is sent, whatever netrc holds for every host."""
    (tmp_path / ".netrc").write_text("default login user password other")
    with RawServer(answering(ANSWER)) as server:
        await ask(over(http, server))

    assert f"authorization: Bearer {KEY}".encode() in server.requests[0]


async def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of the environment is used, unless the host is excepted."""
    with RawServer(answering(HELLO)) as proxy, RawServer(answering(HELLO)) as direct:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:hush@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        async with httpx.AsyncClient(transport=AiohttpTransport()) as http:
            await http.get("http://a.example/x")
            await http.get(direct.base_url)
            await http.get("http://a.example/y")

    assert proxy.requests[0].startswith(b"GET http://a.example/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " in proxy.requests[0]
    assert len(proxy.requests) == 2
    assert len(direct.requests) == 1


@pytest.mark.parametrize(
    ("proxy", "error", "says"),
    [
        ("socks5://user:hush@127.0.0.1:9", httpx.UnsupportedProtocol, "no proxy of scheme 'socks5'"),
        ("http://user:hush@127.0.0.1:9", httpx.ProxyError, "127.0.0.1:9"),
    ],
)
async def test_bad_proxy(proxy: str, error: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that can't be used is named, without its password."""
    monkeypatch.setenv("HTTP_PROXY", proxy)
    async with httpx.AsyncClient(transport=AiohttpTransport()) as http:
        with pytest.raises(error, match=says) as caught:
            await http.get("http://a.example")
    assert "hush" not in str(caught.value)


async def test_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that opens no tunnel."""
    with RawServer(answering(whole(b"", 407))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with httpx.AsyncClient(transport=AiohttpTransport()) as http:
            with pytest.raises(httpx.ProxyError, match="407: Whatever"):
                await http.get("https://a.example")


# --- Failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "error", "says"),
    [
        (lambda peer: peer.request(), httpx.RemoteProtocolError, "disconnected"),
        (sending(b"SSH-2.0\r\n\r\n"), httpx.RemoteProtocolError, "400: "),
        (lambda peer: (peer.request(), peer.reset()), httpx.ReadError, "reset"),
        (hang, httpx.ReadTimeout, r"read timeout after 0\.1 s"),
        (sending(head(200, "Content-Length: 9"), b"half"), httpx.RemoteProtocolError, "not completed"),
        (
            lambda peer: (peer.request(), peer.send(head(200, "Content-Length: 9")), hang(peer)),
            httpx.ReadTimeout,
            "0.1",
        ),
        (reset_midway, (httpx.ReadError, httpx.RemoteProtocolError), ""),
    ],
    ids=["no answer", "no HTTP", "reset", "silence", "cut body", "silent body", "reset body"],
)
async def test_failures(script: Any, error: Any, says: str) -> None:
    """Failures have httpx's classes, and the request; the turn is free again."""
    timeout = httpx.Timeout(5.0, read=0.1)
    with RawServer(script, answering(HELLO)) as server:
        async with httpx.AsyncClient(transport=AiohttpTransport(max_connections=1), timeout=timeout) as http:
            with pytest.raises(error, match=says or None) as caught:
                await http.post(server.base_url)  # a GET is aiohttp's to repeat
            assert (await http.get(server.base_url)).text == "hello"

    assert caught.value.request.url == server.base_url


async def test_connect_timeout() -> None:
    """A handshake that hangs."""
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=httpx.Timeout(5.0, connect=0.1)) as http:
        with RawServer(hang) as server, pytest.raises(httpx.ConnectTimeout, match=r"connect timeout after 0\.1 s"):
            await http.get(server.base_url.replace("http:", "https:"))


@pytest.mark.parametrize("streams", [False, True])
async def test_write_timeout(streams: bool) -> None:
    """A server that takes nothing; aiohttp has no clock for it."""
    content: Any = body([bytes(1_000_000)] * 20, is_async=True) if streams else bytes(20_000_000)
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=httpx.Timeout(5.0, write=0.1)) as http:
        with RawServer(lambda peer: peer.server.left.wait(5)) as server:
            with pytest.raises(httpx.WriteTimeout, match=r"write timeout after 0\.1 s"):
                await http.post(server.base_url, content=content)
            server.left.set()


async def test_no_write_timeout() -> None:
    """Without a clock an upload takes its time."""
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=None) as http:
        with RawServer(echo) as server:
            response = await http.post(server.base_url, content=body([b"x"], is_async=True))

    assert response.status_code == 200


async def test_pool_timeout() -> None:
    """Who waits for a turn longer than `pool` allows is told."""
    timeout = httpx.Timeout(5.0, pool=0.05)
    with RawServer(streaming(b"one"), answering(HELLO)) as server:
        async with httpx.AsyncClient(transport=AiohttpTransport(max_connections=1), timeout=timeout) as http:
            async with http.stream("GET", server.base_url):
                with pytest.raises(httpx.PoolTimeout, match=r"no turn within 0\.05 s"):
                    await http.get(server.base_url)
            await http.get(server.base_url)


@pytest.mark.parametrize("error", [OSError("no such file"), KeyError("x")])
async def test_body_that_breaks(http: httpx.AsyncClient, error: Exception) -> None:
    """What the caller's own body raises is theirs."""
    with RawServer(hang) as server, pytest.raises(type(error)) as caught:
        try:
            await http.post(server.base_url, content=body([b"one"], True, error))
        finally:
            await http.aclose()  # the server waits for its connection's end

    assert caught.value is error


async def test_impossible_requests(http: httpx.AsyncClient) -> None:
    """What can't be sent is refused."""
    with pytest.raises(httpx.UnsupportedProtocol):
        await http.get("ftp://a.example")
    with RawServer(hang) as server, pytest.raises(httpx.LocalProtocolError):
        await http.get(server.base_url, headers={"a": "b\r\nc: d"})


# --- Sessions --------------------------------------------------------------------------------------------------------


async def test_own_session() -> None:
    """A session of the caller's is used with all it has, and stays open."""
    with RawServer(answering(HELLO)) as server:
        async with aiohttp.ClientSession(headers={"X-Own": "yes"}) as session:
            async with httpx.AsyncClient(transport=AiohttpTransport(session)) as http:
                for _ in range(2):
                    assert (await http.get(server.base_url)).text == "hello"
            assert not session.closed

    assert b"X-Own: yes" in server.requests[0]
    assert server.connections == 1


async def test_line_of_an_own_session() -> None:
    """The line in front of the caller's connections counts as `pool` and `connect` together."""
    timeout = httpx.Timeout(5.0, connect=0.05, pool=0.05)
    with RawServer(hang) as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            http = httpx.AsyncClient(transport=AiohttpTransport(session), timeout=timeout)
            first = asyncio.create_task(http.get(server.base_url))
            await asyncio.sleep(0.02)
            with pytest.raises(httpx.ConnectTimeout):
                await http.get(server.base_url)
            first.cancel()


async def test_error_of_a_hook() -> None:
    """What the caller's own code in a session raises is theirs."""

    async def breaks(*args: object) -> None:
        raise KeyError("mine")

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(breaks)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        http = httpx.AsyncClient(transport=AiohttpTransport(session))
        with pytest.raises(KeyError, match="mine"):
            await http.get("http://127.0.0.1:9")


async def test_closed_session() -> None:
    """A session that is closed is an error that says so."""
    session = aiohttp.ClientSession()
    await session.close()
    http = httpx.AsyncClient(transport=AiohttpTransport(session))
    with pytest.raises(ConfigurationError, match="session of this AiohttpTransport is closed"):
        await http.get("http://127.0.0.1:9")


def test_session_of_another_loop() -> None:
    """A session of the caller's belongs to one event loop."""

    async def made() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def used() -> None:
        with pytest.raises(ConfigurationError, match="belongs to another event loop"):
            await http.get("http://127.0.0.1:9")

    loop = asyncio.new_event_loop()
    session = loop.run_until_complete(made())
    http = httpx.AsyncClient(transport=AiohttpTransport(session))
    asyncio.run(used())
    loop.run_until_complete(session.close())
    loop.close()


def test_event_loops() -> None:
    """Sessions made here end with their loops, and each loop has its own."""
    transport = AiohttpTransport()
    http = httpx.AsyncClient(transport=transport)

    async def get() -> str:
        return (await http.get(server.base_url)).text

    with RawServer(answering(HELLO)) as server:
        assert [asyncio.run(get()) for _ in range(3)] == ["hello"] * 3

    assert server.connections == 3
    assert len(transport._own) == 1


async def test_closed_and_used_again() -> None:
    """Closing ends the session; the next request makes a new one."""
    transport = AiohttpTransport()
    await transport.aclose()
    with RawServer(answering(HELLO)) as server:
        for _ in range(2):
            async with transport:
                response = await transport.handle_async_request(httpx.Request("GET", server.base_url))
                assert await response.aread() == b"hello"

    assert server.connections == 2


def test_without_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where aiohttp is missing, the error says how to get it."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ImportError, match=r'pip install "wandb-inference\[aiohttp\]"'):
        AiohttpTransport()
