"""Our pool under clients of httpx: `wandb_inference.transports`."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from conftest import KEY, MESSAGES, MODEL, PROJECT, done, each
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, sending, streaming, whole

from wandb_inference import ConfigurationError, Network
from wandb_inference.testing import Emulator
from wandb_inference.transports import AsyncHTTPTransport, HTTPTransport

DATA = Path(__file__).parent / "data"
HELLO = whole(b"hello", kind="text/plain")


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Whether the client is an async one."""
    return request.param == "async"


@pytest.fixture
def client_of(is_async: bool) -> Callable[..., Any]:
    """Makes a client of httpx, of either kind, over our transport."""

    def client_of(timeout: Any = 5.0, **settings: Any) -> Any:
        if is_async:
            return httpx.AsyncClient(transport=AsyncHTTPTransport(**settings), timeout=timeout)
        return httpx.Client(transport=HTTPTransport(**settings), timeout=timeout)

    return client_of


@pytest.fixture
async def http(client_of: Callable[..., Any]) -> AsyncIterator[Any]:
    """A client of httpx, of either kind, over our transport."""
    http = client_of()
    yield http
    await close(http)


async def close(http: Any) -> None:
    await done(http.aclose() if isinstance(http, httpx.AsyncClient) else http.close())


async def opened(http: Any, url: str, method: str = "GET", **options: Any) -> httpx.Response:
    """A response whose body is still open."""
    return await done(http.send(http.build_request(method, url, **options), stream=True))


async def next_of(pieces: Any) -> bytes:
    return await anext(pieces) if hasattr(pieces, "__anext__") else next(pieces)


async def closed(response: httpx.Response) -> None:
    await (response.aclose() if isinstance(response.stream, httpx.AsyncByteStream) else done(response.close()))


def lines_of(response: httpx.Response) -> Any:
    return response.aiter_lines() if isinstance(response.stream, httpx.AsyncByteStream) else response.iter_lines()


def raw_of(response: httpx.Response) -> Any:
    return response.aiter_raw() if isinstance(response.stream, httpx.AsyncByteStream) else response.iter_raw()


def body(pieces: list[bytes], is_async: bool, error: Exception | None = None) -> Any:
    """A body that comes piece by piece, and perhaps breaks."""

    def blocking() -> Iterator[bytes]:
        yield from pieces
        if error is not None:
            raise error

    async def asynchronous() -> AsyncIterator[bytes]:
        for piece in blocking():
            yield piece

    return asynchronous() if is_async else blocking()


def echo(peer: Peer) -> None:
    """Answers each request with itself, however its body is framed."""
    while data := peer.connection.recv(65536):
        while b"\r\n\r\n" not in data:
            data += peer.connection.recv(65536)
        top, _, rest = data.partition(b"\r\n\r\n")
        lines = [line.partition(b":") for line in top.lower().split(b"\r\n")]
        lengths = [int(value) for name, _, value in lines if name == b"content-length"]
        while len(rest) < sum(lengths) or (b"chunked" in top.lower() and not rest.endswith(b"0\r\n\r\n")):
            rest += peer.connection.recv(65536)
        peer.send(whole(top + b"\r\n\r\n" + rest, kind="text/plain"))


# --- Requests --------------------------------------------------------------------------------------------------------


async def test_one_connection(http: Any) -> None:
    """Requests in a row use one connection; the head arrives as it was sent."""
    answer = b"HTTP/1.1 201 Made  it\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok"
    with RawServer(answering(answer)) as server:
        for _ in range(3):
            response = await done(http.get(f"{server.base_url}/x?y=z", headers={"X-A": "b"}))

    assert server.connections == 1
    assert server.requests[0].startswith(b"GET /v1/x?y=z HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-A: b\r\n" in server.requests[0]
    assert (response.status_code, response.reason_phrase, response.http_version) == (201, "Made  it", "HTTP/1.1")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.text == "ok"
    assert http.cookies["b"] == "2"


async def test_unusual_head(http: Any) -> None:
    """What h11 reads has its version, its reason and its bytes."""
    with RawServer(sending(b"HTTP/1.0 299 Fine\r\nX-A: \xe9\r\n\r\nold")) as server:
        response = await done(http.get(server.base_url))

    assert (response.status_code, response.reason_phrase, response.http_version) == (299, "Fine", "HTTP/1.0")
    assert response.headers.raw == [(b"x-a", b"\xe9")]
    assert response.text == "old"


@pytest.mark.parametrize("reason", [b"", b" ", b" OK"])
async def test_reasons(http: Any, reason: bytes) -> None:
    """The reason may be missing."""
    with RawServer(answering(b"HTTP/1.1 200%s\r\nContent-Length: 0\r\n\r\n" % reason)) as server:
        response = await done(http.get(server.base_url))

    assert response.extensions["reason_phrase"] == reason.strip()


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "POST", "PUT", "PROPFIND"])
async def test_methods(http: Any, method: str) -> None:
    """Any method, with a body or without."""
    with RawServer(echo) as server:
        bare = await done(http.request(method, server.base_url))
        full = await done(http.request(method, server.base_url, content=b"a body"))

    assert bare.text.startswith(f"{method} /v1 HTTP/1.1\r\n")
    assert bare.text.endswith("\r\n\r\n")
    assert full.text.endswith("Content-Length: 6\r\n\r\na body")
    assert server.connections == 1


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["HEAD", "204", "304", "103"],
)
async def test_answers_without_a_body(http: Any, method: str, answer: bytes) -> None:
    """An answer that has no body leaves its connection free."""
    with RawServer(answering(answer)) as server:
        for _ in range(2):
            response = await done(http.request(method, server.base_url))
            assert response.content == b""

    assert server.connections == 1


async def test_streamed_upload(http: Any, is_async: bool) -> None:
    """A body that comes piece by piece goes in chunks, or as long as its headers say."""
    with RawServer(echo) as server:
        pieces = [b"one", b"", b"two"]
        chunks = await done(http.post(server.base_url, content=body(pieces, is_async)))
        length = {"Content-Length": "6"}
        plain = await done(http.post(server.base_url, content=body(pieces, is_async), headers=length))
        joined = await done(http.post(server.base_url, content=b"whole", headers={"Transfer-Encoding": "chunked"}))

    assert chunks.text.endswith("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert plain.text.endswith("Content-Length: 6\r\n\r\nonetwo")
    assert joined.text.endswith("5\r\nwhole\r\n0\r\n\r\n")
    assert server.connections == 1


async def test_multipart(http: Any) -> None:
    """A form with a file goes as httpx writes it."""
    with RawServer(echo) as server:
        response = await done(http.post(server.base_url, files={"file": b"content"}))

    assert "\r\ncontent\r\n" in response.text


async def test_target(http: Any) -> None:
    """The extension `target` replaces path and query."""
    with RawServer(echo) as server:
        response = await done(http.request("OPTIONS", server.base_url, extensions={"target": b"*"}))

    assert response.text.startswith("OPTIONS * HTTP/1.1\r\n")


async def test_redirects_and_cookies(http: Any) -> None:
    """What httpx's client does above its transports still works."""
    with RawServer(answering(head(302, "Location: /v1/there", "Content-Length: 0"), HELLO)) as server:
        response = await done(http.get(server.base_url, follow_redirects=True))

    assert response.text == "hello"
    assert [past.status_code for past in response.history] == [302]


@pytest.mark.parametrize("told_by", ["environment", "network"])
async def test_tls(client_of: Callable[..., Any], told_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS too, with the authorities of the environment or the network; others' certificates do not hold."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    with RawServer(answering(HELLO), tls=context) as server:
        stranger = client_of()
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await done(stranger.get(server.base_url))
        await close(stranger)
        if told_by == "network":
            http = client_of(network=Network(verify=DATA / "localhost.pem"))
        else:
            monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))
            http = client_of()
        assert (await done(http.get(server.base_url))).text == "hello"
        await close(http)


async def test_proxies(client_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is used where the network names it, or lets the environment name it; else none is."""
    with RawServer(answering(HELLO)) as proxy, RawServer(answering(HELLO)) as direct:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for network in (None, Network(trust_env=False)):
            http = client_of(network=network)
            assert (await done(http.get(direct.base_url))).text == "hello"
            await close(http)
        assert not proxy.requests
        for network in (Network(), Network(proxy=f"http://127.0.0.1:{proxy.port}", trust_env=False)):
            http = client_of(network=network)
            assert (await done(http.get("http://a.example/x"))).text == "hello"
            await close(http)

    assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"GET http://a.example/x HTTP/1.1"] * 2


def test_a_network_that_is_none(client_of: Callable[..., Any]) -> None:
    """What is no network is refused when the transport is made."""
    with pytest.raises(ConfigurationError, match="network is of type str"):
        client_of(network="direct")


async def test_the_service(http: Any, emulator: Emulator) -> None:
    """Calls and streams of the service, as any client of httpx makes them."""
    headers = {"Authorization": f"Bearer {KEY}", "OpenAI-Project": PROJECT}
    ask = {"model": MODEL, "messages": MESSAGES}
    url = f"{emulator.base_url}/chat/completions"
    whole = (await done(http.post(url, json=ask, headers=headers))).json()
    response = await opened(http, url, "POST", json={**ask, "stream": True}, headers=headers)
    lines = [line async for line in each(lines_of(response))]

    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert lines[-2] == "data: [DONE]"
    assert (
        "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        == whole["choices"][0]["message"]["content"]
    )
    assert emulator.connections == 1


# --- Responses -------------------------------------------------------------------------------------------------------


async def test_decoded_once(http: Any) -> None:
    """Compressed bodies are httpx's to decompress; `iter_raw` has them as they came."""
    packed = gzip.compress(b"text " * 100)
    with RawServer(answering(whole(packed, 200, "Content-Encoding: gzip", kind="text/plain"))) as server:
        assert (await done(http.get(server.base_url))).text == "text " * 100
        response = await opened(http, server.base_url)
        assert b"".join([piece async for piece in each(raw_of(response))]) == packed

    assert server.connections == 1


async def test_lazy(http: Any) -> None:
    """Pieces arrive as they come, long before the body ends; a response that is left is closed with its connection."""
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(b"one", end=False))
        go_on.wait(5)
        peer.send(*chunked(b"two", end=False))
        assert peer.wait_for_end()
        peer.server.left.set()

    with RawServer(script, answering(HELLO)) as server:
        response = await opened(http, server.base_url)
        pieces = raw_of(response)
        assert await next_of(pieces) == b"one"
        go_on.set()
        assert await next_of(pieces) == b"two"
        await closed(response)
        assert await asyncio.to_thread(server.left.wait, 5)
        assert (await done(http.get(server.base_url))).text == "hello"

    assert not server.errors


async def test_left_after_the_last_event(http: Any) -> None:
    """A stream that is left after `[DONE]` gives its connection back: only the terminator was missing."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(STREAM_HEAD, *chunked(b"data: 1\n\ndata: [DO", b"NE]\n\n", end=False), pause=0.01)
            time.sleep(0.02)
            peer.send(b"0\r\n\r\n")

    with RawServer(script) as server:
        for _ in range(3):
            response = await opened(http, server.base_url)
            async for line in each(lines_of(response)):
                if line == "data: [DONE]":
                    break
            await closed(response)

    assert server.connections == 1


async def test_the_last_in_line(client_of: Callable[..., Any]) -> None:
    """A turn lasts until the body has been read or left; who waits for it longer than `pool` allows is told."""
    http = client_of(httpx.Timeout(5.0, pool=0.05), max_connections=1)
    with RawServer(streaming(b"one"), answering(HELLO)) as server:
        response = await opened(http, server.base_url)
        with pytest.raises(httpx.PoolTimeout, match=r"no turn within 0\.05 s") as caught:
            await done(http.get(server.base_url))
        assert [piece async for piece in each(raw_of(response))] == [b"one"]
        assert (await done(http.get(server.base_url))).status_code == 200
    await close(http)

    assert caught.value.request.url == server.base_url


# --- Failures --------------------------------------------------------------------------------------------------------


def hang(peer: Peer) -> None:
    peer.request()
    peer.wait_for_end()


def reset_midway(peer: Peer) -> None:
    peer.request()
    peer.send(head(200, "Content-Length: 100"), b"begun")
    time.sleep(0.05)
    peer.reset()


@pytest.mark.parametrize(
    ("script", "error", "says"),
    [
        (lambda peer: peer.request(), httpx.RemoteProtocolError, "without an answer"),
        (sending(b"SSH-2.0\r\n\r\n"), httpx.RemoteProtocolError, "illegal status line"),
        (sending(head(101, "Upgrade: x")), httpx.RemoteProtocolError, "SwitchedProtocol|upgrade|event"),
        (lambda peer: (peer.request(), peer.reset()), httpx.ReadError, "reset"),
        (hang, httpx.ReadTimeout, r"read timeout after 0\.1 s"),
        (sending(head(200, "Content-Length: 9"), b"half"), httpx.RemoteProtocolError, "5 bytes before the body did"),
        (
            lambda peer: (peer.request(), peer.send(head(200, "Content-Length: 9")), hang(peer)),
            httpx.ReadTimeout,
            "timeout",
        ),
        (reset_midway, httpx.ReadError, "reset"),
    ],
    ids=["no answer", "no HTTP", "101", "reset", "silence", "cut body", "silent body", "reset body"],
)
async def test_failures(client_of: Callable[..., Any], script: Any, error: Any, says: str) -> None:
    """Failures have httpx's classes, and the request; the turn is free again."""
    http = client_of(httpx.Timeout(5.0, read=0.1), max_connections=1)
    with RawServer(script, answering(HELLO)) as server:
        with pytest.raises(error, match=says) as caught:
            await done(http.get(server.base_url))
        assert (await done(http.get(server.base_url))).text == "hello"
    await close(http)

    assert type(caught.value) is error
    assert caught.value.request.url == server.base_url


async def test_refused(http: Any) -> None:
    """Nobody listens."""
    with pytest.raises(httpx.ConnectError, match=r"refused|111"):
        await done(http.get("http://127.0.0.1:9"))


async def test_connect_timeout(client_of: Callable[..., Any]) -> None:
    """A handshake that hangs."""
    http = client_of(httpx.Timeout(5.0, connect=0.1))
    with RawServer(hang) as server, pytest.raises(httpx.ConnectTimeout, match=r"connect timeout after 0\.1 s"):
        await done(http.get(server.base_url.replace("http:", "https:")))
    await close(http)


@pytest.mark.parametrize("streams", [False, True])
async def test_write_timeout(client_of: Callable[..., Any], is_async: bool, streams: bool) -> None:
    """A server that takes nothing."""
    http = client_of(httpx.Timeout(5.0, write=0.1))
    content = body([bytes(1_000_000)] * 20, is_async) if streams else bytes(20_000_000)
    with RawServer(lambda peer: peer.server.left.wait(5)) as server:
        with pytest.raises(httpx.WriteTimeout, match=r"write timeout after 0\.1 s"):
            await done(http.post(server.base_url, content=content))
        server.left.set()
    await close(http)


async def test_broken_upload(client_of: Callable[..., Any], is_async: bool) -> None:
    """A connection that breaks while a body is sent."""
    http = client_of(max_connections=1)

    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.reset()

    with RawServer(script, answering(HELLO)) as server:
        with pytest.raises(httpx.WriteError):
            await done(http.post(server.base_url, content=body([bytes(1_000_000)] * 50, is_async)))
        assert (await done(http.get(server.base_url))).text == "hello"
    await close(http)


async def test_answer_before_the_end_of_an_upload(http: Any, is_async: bool) -> None:
    """A server that refuses an upload at once, and reads on, is heard."""

    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(whole(b"too large", 413))
        peer.wait_for_end()

    with RawServer(script) as server:
        response = await done(http.post(server.base_url, content=body([bytes(1_000_000)] * 10, is_async)))

    assert response.status_code == 413


async def test_answer_instead_of_an_upload() -> None:
    """A server that refuses an upload at once, and reads no more, is heard where the rest does not block."""

    def script(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(whole(b"too large", 413))
        peer.server.left.wait(5)

    async with httpx.AsyncClient(transport=AsyncHTTPTransport()) as http:
        with RawServer(script, answering(HELLO)) as server:
            response = await http.post(server.base_url, content=body([bytes(1_000_000)] * 50, is_async=True))
            server.left.set()
            await http.get(server.base_url)

    assert response.status_code == 413
    assert server.connections == 2


@pytest.mark.parametrize("error", [OSError("no such file"), httpx.StreamConsumed(), KeyError("x")])
async def test_body_that_breaks(client_of: Callable[..., Any], is_async: bool, error: Exception) -> None:
    """What the caller's own body raises is theirs, and ends the request."""
    http = client_of(max_connections=1)
    with RawServer(hang, answering(HELLO)) as server:
        with pytest.raises(type(error)) as caught:
            await done(http.post(server.base_url, content=body([b"one"], is_async, error)))
        assert (await done(http.get(server.base_url))).text == "hello"
    await close(http)

    assert caught.value is error


@pytest.mark.parametrize(
    ("request_of", "error", "says"),
    [
        (lambda: httpx.Request("GET", "ftp://a.example"), httpx.UnsupportedProtocol, "scheme 'ftp'"),
        (lambda: httpx.Request("GET", "/path"), httpx.UnsupportedProtocol, "host ''"),
        (lambda: httpx.Request("CONNECT", "http://a.example"), httpx.LocalProtocolError, "tunnel"),
        (lambda: httpx.Request("GET", "http://a", headers={"a": "b\r\nc: d"}), httpx.LocalProtocolError, "b'a'"),
        (
            lambda: httpx.Request("POST", "http://a", content=b"abc", headers={"content-length": "4"}),
            httpx.LocalProtocolError,
            "ends 1 bytes before",
        ),
        (
            lambda: httpx.Request("POST", "http://a", content=b"abc", headers={"content-length": "2"}),
            httpx.LocalProtocolError,
            "longer",
        ),
    ],
    ids=["scheme", "host", "CONNECT", "injection", "short", "long"],
)
async def test_impossible_requests(is_async: bool, request_of: Any, error: Any, says: str) -> None:
    """What can't be sent is refused before any I/O."""
    request = request_of()
    with pytest.raises(error, match=says) as caught:
        if is_async:
            await AsyncHTTPTransport().handle_async_request(request)
        else:
            HTTPTransport().handle_request(request)
    assert caught.value.request is request


async def test_request_of_another_library(is_async: bool) -> None:
    """A request of another library is no riddle: its response would have to be of that library too."""

    class Request: ...

    request: Any = Request()
    with pytest.raises(TypeError, match="a request of test_transports, where this transport carries those of httpx"):
        if is_async:
            await AsyncHTTPTransport().handle_async_request(request)
        else:
            HTTPTransport().handle_request(request)


async def test_wrong_length_of_a_streamed_upload(client_of: Callable[..., Any], is_async: bool) -> None:
    """A body that comes piece by piece can turn out too long only while it is sent."""
    http = client_of(max_connections=1)
    with RawServer(hang, answering(HELLO)) as server:
        with pytest.raises(httpx.LocalProtocolError, match="longer"):
            await done(
                http.post(server.base_url, content=body([b"one", b"two"], is_async), headers={"Content-Length": "3"})
            )
        assert (await done(http.get(server.base_url))).text == "hello"
    await close(http)


def test_max_connections() -> None:
    """A number that can't work is an error at once."""
    for transport in (HTTPTransport, AsyncHTTPTransport):
        with pytest.raises(ConfigurationError, match="max_connections is 0"):
            transport(max_connections=0)


# --- Connections -----------------------------------------------------------------------------------------------------


def once(peer: Peer) -> None:
    """Answers one request, and closes when the next comes."""
    peer.request()
    peer.send(HELLO)
    peer.connection.recv(100)


async def test_stale(http: Any) -> None:
    """A connection that had died is replaced, and the request sent again."""
    with RawServer(once) as server:
        for _ in range(3):
            assert (await done(http.post(server.base_url, content=b"x"))).text == "hello"

    assert server.connections == 3


async def test_stale_under_a_streamed_upload(http: Any, is_async: bool) -> None:
    """A body that comes piece by piece is not sent again: nobody has it any more."""
    with RawServer(once) as server:
        await done(http.get(server.base_url))
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
            await done(http.post(server.base_url, content=body([b"x"], is_async)))

    assert server.connections == 1


async def test_the_client_says_close(http: Any) -> None:
    """A connection that the request closes is not used again, whatever the server says."""
    with RawServer(answering(HELLO)) as server:
        for _ in range(2):
            await done(http.get(server.base_url, headers={"Connection": "close"}))

    assert server.connections == 2


async def test_for_ever(client_of: Callable[..., Any]) -> None:
    """Without timeouts, or with endless ones, nothing rings."""
    with RawServer(echo) as server:
        for timeout in (None, httpx.Timeout(float("inf"))):
            http = client_of(timeout)
            assert (await done(http.post(server.base_url, content=b"x"))).status_code == 200
            await close(http)


async def test_without_a_client(is_async: bool) -> None:
    """A transport by itself, which has no timeouts then, works as those of httpx do, and again after its close."""
    transport: Any = AsyncHTTPTransport() if is_async else HTTPTransport()
    with RawServer(answering(HELLO)) as server:
        for _ in range(2):
            request = httpx.Request("GET", server.base_url)
            if is_async:
                async with transport:
                    response = await transport.handle_async_request(request)
                    assert await response.aread() == b"hello"
            else:
                with transport:
                    response = transport.handle_request(request)
                    assert response.read() == b"hello"

    assert server.connections == 2


def test_threads() -> None:
    """One transport serves many threads."""
    texts: list[str] = []
    with RawServer(answering(HELLO)) as server, httpx.Client(transport=HTTPTransport()) as http:

        def get() -> None:
            texts.extend(http.get(server.base_url).text for _ in range(20))

        threads = [threading.Thread(target=get) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert texts == ["hello"] * 160
    assert server.connections <= 8


def test_event_loops() -> None:
    """One async transport serves several event loops, each with connections of its own."""
    http = httpx.AsyncClient(transport=AsyncHTTPTransport())

    async def get() -> str:
        return (await http.get(server.base_url)).text

    with RawServer(answering(HELLO)) as server:
        assert [asyncio.run(get()) for _ in range(3)] == ["hello"] * 3

    assert server.connections == 3


async def test_cancelled() -> None:
    """A request that is cancelled, in any phase, frees its turn and its connection."""
    async with httpx.AsyncClient(transport=AsyncHTTPTransport(max_connections=1)) as http:
        with RawServer(hang, streaming(b"one", end=False, then=hang), answering(HELLO)) as server:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(http.get(server.base_url), 0.05)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(http.get(server.base_url), 0.05)
            assert (await http.get(server.base_url)).text == "hello"


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_mocks(http: Any, using: str) -> None:
    """A mock of httpx sees the requests."""
    with respx.mock(using=using) as mock:
        route = mock.get("http://a.example/x").mock(return_value=httpx.Response(200, text="mocked"))
        assert (await done(http.get("http://a.example/x"))).text == "mocked"

    assert route.called


def test_import() -> None:
    """httpx is loaded with the transports, and not before."""
    program = """
import sys, wandb_inference
assert not {"httpx", "aiohttp", "asyncio"} & set(sys.modules)
wandb_inference.transports
assert "httpx" in sys.modules and "aiohttp" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=Path(__file__).parent.parent)
