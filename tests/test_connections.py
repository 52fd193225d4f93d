"""Pools, proxies and trust: how the clients get their connections, and how they let them go."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import KEY, PROJECT, ask, done, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, whole

from wandb_inference import (
    APIConnectionError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    completion,
)
from wandb_inference._transport.outcomes import target_of
from wandb_inference._transport.proxies import proxies_of_environment, proxy_for
from wandb_inference.testing import Emulator

DATA = Path(__file__).parent / "data"
COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
ANSWER = whole(COMPLETION)


def settings(server: RawServer | str, **others: Any) -> dict[str, Any]:
    """A client's settings for a raw server."""
    url = server if isinstance(server, str) else server.base_url
    return {"api_key": KEY, "project": PROJECT, "base_url": url, "max_retries": 0, **others}


def certified() -> ssl.SSLContext:
    """A server's side of TLS, for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    return context


async def test_another_scheme(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone may go to another server by another scheme: trust is a matter of the origin."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))
    with RawServer(answering(ANSWER)) as plain, RawServer(answering(ANSWER), tls=certified()) as secure:
        client = kind(**settings(plain))
        assert (await ask(client)).text == "Hi"
        assert (await ask(client.with_options(base_url=secure.base_url))).text == "Hi"
        assert (await ask(client)).text == "Hi"
        await done(client.close())

    assert (plain.connections, secure.connections) == (1, 1)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://a.b/v1", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://a.b/v1", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://a.b/v1", None),
        ({"https_proxy": "http://p:1"}, "https://a.b/v1", "http://p:1"),
        ({"ALL_PROXY": "p:1"}, "https://a.b/v1", "http://p:1"),
        ({"HTTPS_PROXY": ""}, "https://a.b/v1", None),
    ],
)
def test_proxy(environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is the one for the scheme, else the one for all."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_for(target_of(url).origin, proxies_of_environment()) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", "http://a.b/v1", True),
        ("a.b", "http://a.b/v1", True),
        ("A.B", "http://a.b/v1", True),
        ("x.y, a.b", "http://a.b/v1", True),
        ("x.y a.b", "http://a.b/v1", True),
        ("b", "http://a.b/v1", True),
        (".b", "http://a.b/v1", True),
        ("*.b", "http://a.b/v1", True),
        (".b", "http://ab/v1", False),
        ("a.b:80", "http://a.b/v1", True),
        ("a.b:81", "http://a.b/v1", False),
        ("a.b:81", "http://a.b:81/v1", True),
        ("localhost", "http://localhost:8000/v1", True),
        ("127.0.0.1", "http://127.0.0.1:8000/v1", True),
        ("127.0.0.0/8", "http://127.0.0.1:8000/v1", True),
        ("10.0.0.0/8", "http://127.0.0.1:8000/v1", False),
        ("10.0.0.0/8", "http://a.b/v1", False),
        ("::1", "http://[::1]:8000/v1", True),
        ("[::1]", "http://[::1]:8000/v1", True),
        ("[::1]:8000", "http://[::1]:8000/v1", True),
        ("[::1]:8001", "http://[::1]:8000/v1", False),
        ("fe80::/10", "http://[fe80::1]/v1", True),
        ("fe80::/10", "http://a.b/v1", False),
        ("", "http://a.b/v1", False),
        (",", "http://a.b/v1", False),
        (":", "http://a.b/v1", False),
        ("https://x:y", "http://a.b/v1", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` holds names, domains, addresses and networks; what is none of them does no harm."""
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert (proxy_for(target_of(url).origin, proxies_of_environment()) is None) is direct


async def test_through_a_proxy(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request goes through the proxy of the environment, unless `NO_PROXY` names its host."""
    with RawServer(answering(ANSWER)) as proxy, RawServer(answering(ANSWER)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "[::1],127.0.0.0/8")
        client = kind(**settings("http://somewhere.invalid/v1"))
        assert (await ask(client)).text == "Hi"
        assert (await ask(client.with_options(base_url=server.base_url))).text == "Hi"
        await done(client.close())

    assert proxy.requests[0].startswith(b"POST http://somewhere.invalid/v1/chat/completions ")
    assert (len(proxy.requests), len(server.requests)) == (1, 1)


async def test_proxy_that_does_not_run(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the proxy that could not be reached, and the message says so, without its password."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:hush@127.0.0.1:9")
    client = kind(**settings("http://somewhere.invalid/v1"))
    with pytest.raises(APIConnectionError) as caught:
        await ask(client)
    await done(client.close())

    assert "through the proxy http://***@127.0.0.1:9: connection refused" in str(caught.value)
    assert caught.value.attempts[0].outcome == "not_sent"


async def test_certificate_behind_a_proxy(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that does not hold is the server's, not the proxy's."""

    def tunnel(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        secure = certified().wrap_socket(peer.connection, server_side=True)
        secure.recv(1)

    with RawServer(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url.removesuffix("/v1"))
        client = kind(**settings("https://127.0.0.1/v1"))
        with pytest.raises(APIConnectionError, match="443: its certificate does not hold"):
            await ask(client)
        await done(client.close())


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("nonsense://user:hush@p:1", r"nonsense://\*\*\*@p:1.*HTTP_PROXY"),
        ("http://user:hush@[::1", r"http://\*\*\*@\[::1.*HTTP_PROXY"),
        ("socks5://user:hush@p:1", r"socks5://\*\*\*@p:1.*pip install"),
    ],
)
async def test_impossible_proxy(kind: Any, proxy: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that can't be used is named, without its password, and says what to do."""
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)
    client = kind(**settings("http://somewhere.invalid/v1"))
    with pytest.raises(ConfigurationError, match=says) as caught:
        await ask(client)
    await done(client.close())

    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


# --- Lifetime --------------------------------------------------------------------------------------------------------


def test_loops_are_let_go() -> None:
    """A client that outlives many event loops does not keep them."""
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []
    with RawServer(answering(ANSWER)) as server:
        client = AsyncClient(**settings(server))

        async def main() -> None:
            loops.append(weakref.ref(asyncio.get_running_loop()))
            await ask(client)

        for _ in range(4):
            asyncio.run(main())
        gc.collect()

    assert sum(loop() is not None for loop in loops) <= 1


def watched(peer: Peer) -> None:
    """Answers, then waits for the client to leave."""
    peer.request()
    peer.send(ANSWER)
    if peer.wait_for_end():
        peer.server.left.set()


def test_dropped() -> None:
    """A client that nobody holds any more closes its connections."""
    with RawServer(watched) as server:
        client = Client(**settings(server))
        client.chat.completions.create(model="a/b", messages=[{"role": "user", "content": "Hello"}])
        del client
        gc.collect()
        assert server.left.wait(5)


def test_loop_that_ends() -> None:
    """The connections of an event loop end with it, whether the client was closed or not."""
    with RawServer(watched) as server:
        client = AsyncClient(**settings(server))
        asyncio.run(ask(client))
        assert server.left.wait(5)


async def test_another_process(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process a client opens connections of its own, and closes no others."""
    with RawServer(answering(ANSWER)) as server:
        client = kind(**settings(server))
        await ask(client)
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            await ask(client)
            assert server.connections == 2
        await ask(client)
        await done(client.close())


async def test_close_belongs_to_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that closes its client leaves the parent's connections alone."""
    with RawServer(watched) as server:
        client, waiting = Client(**settings(server)), AsyncClient(**settings(server))
        await ask(client)
        await ask(waiting)
        pools = waiting._transport._pools[asyncio.get_running_loop()]
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            client.close()
            await waiting.close()
        assert not server.left.is_set()
        client.close()
        await pools.close()


async def test_closed_http_client(kind: Any) -> None:
    """An HTTP client of the caller's own that they have closed."""
    http: Any = httpx.Client() if kind is Client else httpx.AsyncClient()
    await done(http.close() if kind is Client else http.aclose())
    client = kind(**settings("http://127.0.0.1:9/v1", http_client=http))

    with pytest.raises(ConfigurationError, match="http_client of this client is closed"):
        await ask(client)


async def test_error_of_a_transport(kind: Any) -> None:
    """Errors of a transport of the caller's own that are none of the network's stay what they are."""

    class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise RuntimeError("mine")

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise RuntimeError("mine")

    http: Any = httpx.Client(transport=Broken()) if kind is Client else httpx.AsyncClient(transport=Broken())
    client = kind(**settings("http://a.invalid/v1", http_client=http))
    with pytest.raises(RuntimeError, match="mine"):
        await ask(client)
    await done(http.close() if kind is Client else http.aclose())


@pytest.mark.parametrize("is_read", [False, True])
async def test_hook_that_raises_for_status(kind: Any, is_read: bool) -> None:
    """A hook that calls `raise_for_status()` changes nothing about the error; read before, not even its message."""

    def hook(response: httpx.Response) -> None:
        if is_read:
            response.read()
        response.raise_for_status()

    async def async_hook(response: httpx.Response) -> None:
        if is_read:
            await response.aread()
        response.raise_for_status()

    if kind is Client:
        http: Any = httpx.Client(event_hooks={"response": [hook]})
    else:
        http = httpx.AsyncClient(event_hooks={"response": [async_hook]})
    with RawServer(answering(whole(b'{"error": "No such key"}', 401))) as server:
        client = kind(**settings(server, http_client=http, max_retries=3))
        with pytest.raises(AuthenticationError, match="No such key" if is_read else "no message"):
            await ask(client)
        await done(http.close() if kind is Client else http.aclose())

    assert len(server.requests) == 1


@pytest.mark.parametrize("wrong", ["http://x", 5, object()], ids=["text", "number", "object"])
async def test_no_http_client(kind: Any, wrong: object) -> None:
    """What is no HTTP client is refused when the client is made."""
    with pytest.raises(ConfigurationError, match=f"http_client is of type {type(wrong).__name__}"):
        kind(**settings("http://a.invalid/v1", http_client=wrong))


async def test_a_class(kind: Any) -> None:
    """The class of an HTTP client is none yet."""
    cls = httpx.Client if kind is Client else httpx.AsyncClient
    with pytest.raises(ConfigurationError, match=rf"is the class {cls.__name__}.*httpx\.{cls.__name__}\(\)"):
        kind(**settings("http://a.invalid/v1", http_client=cls))


# --- Closing from elsewhere ------------------------------------------------------------------------------------------


def silent(peer: Peer) -> None:
    """Sends one chunk, then nothing."""
    peer.request()
    first = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
    peer.send(STREAM_HEAD, *chunked(first, end=False))
    peer.wait_for_end()


def test_stream_closed_by_another_thread() -> None:
    """A stream that another thread closes ends; what had arrived stays."""
    with RawServer(silent) as server, Client(**settings(server)) as client:
        stream: Any = client.chat.completions.create(
            model="a/b", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        first = next(stream)
        rest: list[Any] = []
        reader = threading.Thread(target=lambda: rest.extend(stream))
        reader.start()
        time.sleep(0.1)  # until it waits for bytes
        stream.close()
        reader.join(5)

    assert not reader.is_alive()
    assert (first.text, rest, stream.text) == ("Hel", [], "Hel")


async def test_stream_closed_by_another_task() -> None:
    """A stream that another task closes ends; what had arrived stays."""
    with RawServer(silent) as server:
        async with AsyncClient(**settings(server)) as client:
            stream = await ask(client, stream=True)
            assert (await anext(stream)).text == "Hel"
            reader = asyncio.create_task(texts(stream))
            await asyncio.sleep(0.05)
            await stream.close()
            assert await asyncio.wait_for(reader, 5) == []


async def test_client_closed_while_it_waits() -> None:
    """Closing an async client ends the calls that wait, with an error of ours."""
    async with AsyncClient(**settings("http://127.0.0.1:9/v1")) as client:

        def script(peer: Peer) -> None:
            peer.request()
            loop.call_soon_threadsafe(asked.set)
            peer.wait_for_end()

        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        with RawServer(script) as server:
            call = asyncio.create_task(ask(client.with_options(base_url=server.base_url)))
            await asked.wait()
            await client.close()
            with pytest.raises(APIConnectionError):
                await call


def test_client_closed_between_attempts() -> None:
    """A client that another thread closes in the middle of a call says so."""
    with RawServer(answering(ANSWER)) as server:
        client: Client

        def key() -> str:
            client.close()
            return KEY

        client = Client(**settings(server, api_key=key))
        with pytest.raises(ConfigurationError, match="This client is closed"):
            client.models.list()


# --- Errors that break -----------------------------------------------------------------------------------------------


async def test_error_whose_body_breaks(kind: Any) -> None:
    """The status of an error is known before its body: what comes of the message is told."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(head(401, "Content-Length: 100", kind="text/plain"), b"Who are")

    with RawServer(script) as server:
        client = kind(**settings(server, max_retries=3))
        with pytest.raises(AuthenticationError, match="401: Who are"):
            await ask(client)
        await done(client.close())

    assert len(server.requests) == 1


def test_completion_by_another_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of `completion()` share connections, and yet each finds its server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))
    arguments: dict[str, Any] = {"api_key": KEY, "project": PROJECT}
    with Emulator() as emulator, RawServer(answering(ANSWER), tls=certified()) as secure:
        model, messages = "meta-llama/Llama-3.1-8B-Instruct", [{"role": "user", "content": "Hello"}]
        assert completion(model, messages, api_base=emulator.base_url, **arguments).text
        assert completion(model, messages, api_base=secure.base_url, **arguments).text == "Hi"


@pytest.mark.parametrize("adaptive", [False, True])
async def test_a_failure_keeps_nothing_alive(kind: Any, adaptive: bool) -> None:
    """Error and client are in no circle: without the garbage collector, too, a dropped client is gone."""
    gc.collect()
    gc.disable()
    try:
        client = kind(api_key=KEY, project=PROJECT, base_url="http://127.0.0.1:9/v1", max_retries=1)
        client = client.with_options(adaptive_concurrency=adaptive)
        gone = weakref.ref(client)
        with pytest.raises(APIConnectionError) as caught:
            await ask(client)
        await done(client.close())
        del client, caught
        assert gone() is None
    finally:
        gc.enable()
