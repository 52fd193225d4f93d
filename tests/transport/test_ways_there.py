"""Every way to a server, over real sockets: authorities, client certificates, proxies, HTTP/2, Unix sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import truststore
from conftest import ask, done, texts
from raw_server import RawServer, answering, calls_and_streams, whole
from relays import Connect, Http2Server, Listener, Relay, Socks, unix_relay

from wandb_inference import APIConnectionError, APITimeoutError, Client, ConfigurationError, Network
from wandb_inference._transport.dialing import Dialer
from wandb_inference._transport.tls import _context

DATA = Path(__file__).parent.parent / "data"
AUTHORITY = DATA / "authority.pem"
CLIENT = DATA / "client.pem"
ANSWER = whole(
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
)
BODY = ANSWER.partition(b"\r\n\r\n")[2]
EVENTS = [
    b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n',
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n',
    b"data: [DONE]\n\n",
]
BOTH = calls_and_streams(ANSWER, *EVENTS)


def tls(name: str = "server", *, wants_client: bool = False) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / f"{name}.pem")
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY)
    return context


async def check(client: Any, route: str) -> None:
    """A call and a stream, twice, on this route."""
    for _ in range(2):
        answer = await ask(client)
        assert (answer.text, answer.meta.route) == ("Hi", route)
        stream = await ask(client, stream=True)
        assert await texts(stream) == ["Hi", ""]
        assert stream.meta.route == route
    await done(client.close())


# --- Trust: on connections of our own, and through a proxy -----------------------------------------------------------

WAYS = ["direct", "proxy"]


class Through:
    """Makes clients for a TLS server, directly or through a proxy of its own."""

    def __init__(self, connect: Any, route: str) -> None:
        self.connect = connect
        self.route = route
        self.proxy = Relay(Connect())

    def __call__(self, server: Any, **network: Any) -> Any:
        if self.route == "proxy":
            network["proxy"] = f"http://127.0.0.1:{self.proxy.port}"
        return self.connect(server, network=Network(**network), deadline=20)


@pytest.fixture(params=WAYS)
def through(connect: Any, request: pytest.FixtureRequest) -> Any:
    """Clients of either kind on each route."""
    through = Through(connect, request.param)
    with through.proxy:
        yield through


async def test_own_authority(through: Any) -> None:
    """Servers of an authority that was given are believed, and no others."""
    with RawServer(BOTH, tls=tls()) as server:
        await check(through(server, verify=AUTHORITY), through.route)
        client = through(server)
        with pytest.raises(APIConnectionError, match="its certificate does not hold: unable to get local issuer"):
            await ask(client)
        await done(client.close())


async def test_system(through: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's authorities are believed, which on Linux a variable can point to."""
    with RawServer(BOTH, tls=tls()) as server:
        _context.cache_clear()
        client = through(server, verify="system")
        with pytest.raises(APIConnectionError, match="its certificate does not hold"):
            await ask(client)
        await done(client.close())
        monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
        _context.cache_clear()
        await check(through(server, verify="system"), through.route)
    _context.cache_clear()


async def test_environment_at_construction(through: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment counts when the client is made, and not later, and not at all where it is not trusted."""
    with RawServer(BOTH, tls=tls()) as server:
        without = through(server)
        monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
        client = through(server)
        untrusting = through(server, trust_env=False)
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        for other in (without, untrusting):
            with pytest.raises(APIConnectionError, match="certificate does not hold"):
                await ask(other)
            await done(other.close())
        await check(client, through.route)


async def test_any_certificate(through: Any) -> None:
    """Without verification even a certificate that is expired or another's will do."""
    for name in ("expired", "elsewhere"):
        with RawServer(BOTH, tls=tls(name)) as server:
            await check(through(server, verify=False), through.route)


@pytest.mark.parametrize(
    ("name", "says"), [("expired", "certificate has expired"), ("elsewhere", r"does not hold: .*127\.0\.0\.1")]
)
async def test_certificates_that_do_not_hold(through: Any, name: str, says: str) -> None:
    """What is wrong with a certificate is told, and trying again can't help."""
    with RawServer(BOTH, tls=tls(name)) as server:
        client = through(server, verify=AUTHORITY).with_options(max_retries=3)
        with pytest.raises(APIConnectionError, match=says) as caught:
            await ask(client)
        await done(client.close())

    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize(
    "cert",
    [CLIENT, (CLIENT, CLIENT), (CLIENT, DATA / "client-locked.key", "hush")],
    ids=["one file", "two files", "password"],
)
async def test_client_certificate(through: Any, cert: Any) -> None:
    """A server that wants a client certificate gets it."""
    with RawServer(BOTH, tls=tls(wants_client=True)) as server:
        await check(through(server, verify=AUTHORITY, cert=cert), through.route)


async def test_client_certificate_that_is_missing(through: Any) -> None:
    """Without the certificate it wants a server refuses: by an alert, which is told, or an end that overtakes it."""
    with RawServer(BOTH, tls=tls(wants_client=True)) as server:
        client = through(server, verify=AUTHORITY)
        with pytest.raises(APIConnectionError, match=r"asks for a client certificate|connection reset|disconnected"):
            await ask(client)
        await done(client.close())


async def test_own_context(through: Any) -> None:
    """A context of the caller's own is used, and stays as it is."""

    class Watched(ssl.SSLContext):
        def set_alpn_protocols(self, alpn_protocols: Any) -> None:
            raise AssertionError("changed")

    for kind in (Watched, truststore.SSLContext):
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(AUTHORITY)
        with RawServer(BOTH, tls=tls()) as server:
            await check(through(server, verify=context), through.route)


async def test_bad_certificates_of_ours(through: Any) -> None:
    """A client certificate that can't be used is an error before anything is sent, and is not tried again."""
    with RawServer(BOTH, tls=tls()) as server:
        client = through(server, verify=AUTHORITY, cert=(CLIENT, DATA / "server.pem")).with_options(max_retries=3)
        with pytest.raises(ConfigurationError, match=r"network\.cert names"):
            await ask(client)
        await done(client.close())
    assert not server.requests


async def test_own_context_that_offers_http2(connect: Any) -> None:
    """A context that offers HTTP/2 where the client does not is told, in place of an answer that can't be read."""
    context = ssl.create_default_context(cafile=AUTHORITY)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Http2Server(tls(), [BODY], EVENTS) as server:
        client = connect(server, network=Network(verify=context))
        with pytest.raises(ConfigurationError, match=r"offers HTTP/2.*http2=True"):
            await ask(client)
        await done(client.close())
        await check(connect(server, network=Network(verify=context, http2=True)), "httpx")


class Silent(Listener):
    """Accepts, and says nothing."""

    def serve(self, connection: socket.socket) -> None:
        while connection.recv(65536):
            pass


def test_handshakes_do_not_wait_for_each_other() -> None:
    """A handshake that hangs stops no other one, whichever kind of context they share."""
    network = Network(verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    network.context.load_verify_locations(AUTHORITY)  # type: ignore[union-attr]
    settings: dict[str, Any] = {"api_key": "k", "project": "a/b", "max_retries": 0, "network": network}
    with Silent() as silent, RawServer(BOTH, tls=tls()) as server:
        hanging = Client(base_url=f"https://127.0.0.1:{silent.port}/v1", deadline=0.5, **settings)
        clocks: list[str | None] = []

        def hang() -> None:
            with pytest.raises(APITimeoutError) as caught:
                hanging.models.list()
            clocks.append(caught.value.clock)

        thread = threading.Thread(target=hang)
        thread.start()
        while not silent.connections:
            time.sleep(0.01)
        with Client(base_url=server.base_url, **settings) as client:
            client.chat.completions.create(model="a/b", messages=[{"role": "user", "content": "Hello"}])
        assert not clocks
        thread.join()
        hanging.close()
    assert clocks == ["deadline"]


# --- Proxies ---------------------------------------------------------------------------------------------------------


async def test_plain_proxy(connect: Any) -> None:
    """A plain request is sent to the proxy whole; the environment's list of exceptions is not looked at."""
    with RawServer(BOTH) as proxy:
        network = Network(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        await check(connect("http://somewhere.invalid/v1", network=network), "proxy")

    assert proxy.requests[0].startswith(b"POST http://somewhere.invalid/v1/chat/completions ")
    assert b"proxy-authorization: basic dxnlcjpwqhnz" in proxy.requests[0].lower()


async def test_tunnel(connect: Any) -> None:
    """A TLS connection goes through a tunnel, which never sees the key."""
    opening = Connect({"localhost": "127.0.0.1"})
    with RawServer(BOTH, tls=tls()) as server, Relay(opening) as proxy:
        network = Network(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}", verify=AUTHORITY)
        await check(connect(server.base_url.replace("127.0.0.1", "localhost"), network=network), "proxy")

    assert opening.user == "user:p@ss"
    assert b"Bearer" not in b"".join(opening.heads)


async def test_tls_proxy(connect: Any) -> None:
    """A proxy that speaks TLS itself is held to the same authorities, and TLS goes through TLS."""
    with RawServer(BOTH, tls=tls()) as server, Relay(Connect(), tls=tls()) as proxy:
        network = Network(proxy=f"https://127.0.0.1:{proxy.port}", verify=AUTHORITY)
        await check(connect(server, network=network), "proxy")
        client = connect(server, network=Network(proxy=f"https://127.0.0.1:{proxy.port}"))
        with pytest.raises(APIConnectionError, match="certificate"):
            await ask(client)
        await done(client.close())


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5H"])
async def test_socks(connect: Any, scheme: str) -> None:
    """A SOCKS proxy is told the name, not an address, and who asks."""
    socks = Socks({"somewhere.invalid": "127.0.0.1"})
    with RawServer(BOTH) as server, Relay(socks) as proxy:
        network = Network(proxy=f"{scheme}://user:hush@127.0.0.1:{proxy.port}")
        await check(connect(f"http://somewhere.invalid:{server.port}/v1", network=network), "proxy")

    assert socks.asked[0] == "somewhere.invalid"
    assert socks.users[0] == ("user", "hush")


async def test_socks_of_the_environment(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment can name a SOCKS proxy too, and TLS goes through it."""
    socks = Socks()
    with RawServer(BOTH, tls=tls()) as server, Relay(socks) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"SOCKS5H://127.0.0.1:{proxy.port}")
        client = connect(server, network=Network(verify=AUTHORITY))
        monkeypatch.delenv("ALL_PROXY")
        await check(client, "proxy")

    assert socks.asked[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "no_proxy"), [("127.0.0.1", "fd07:b51a::/64,127.0.0.0/8"), ("::1", "10.0.0.0/8,::1/128"), ("::1", "[::1]")]
)
async def test_exceptions_from_the_proxy(
    connect: Any, host: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`NO_PROXY` holds networks of both kinds, and counts as it was when the client was made."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        RawServer(BOTH) as server,
        socket.create_server((host, 0), family=family) as listener,
        Relay(lambda connection: ("127.0.0.1", server.port), listener) as relay,
    ):
        client = connect(f"http://{f'[{host}]' if ':' in host else host}:{relay.port}/v1")
        monkeypatch.delenv("NO_PROXY")
        await check(client, "direct")


async def test_proxy_that_is_refused(connect: Any) -> None:
    """A proxy that can't be reached is named, without its password."""
    client = connect("http://somewhere.invalid/v1", network=Network(proxy="socks5://user:hush@127.0.0.1:9"))
    with pytest.raises(
        APIConnectionError, match=r"through the proxy socks5://\*\*\*@127\.0\.0\.1:9: connection refused"
    ) as caught:
        await ask(client)
    assert caught.value.hint == "Check network=Network(proxy=...)."
    await done(client.close())


# --- HTTP/2 and Unix sockets -----------------------------------------------------------------------------------------


async def test_http2(connect: Any) -> None:
    """Calls and streams go over one HTTP/2 connection, where the server takes it."""
    with Http2Server(tls(), [BODY[:9], BODY[9:]], EVENTS) as server:
        await check(connect(server, network=Network(http2=True, verify=AUTHORITY)), "httpx")

    assert server.connections == 1
    assert server.headers[0][":path"] == "/v1/chat/completions"
    assert server.headers[0]["authorization"].startswith("Bearer ")


async def test_http2_through_a_proxy(connect: Any) -> None:
    """HTTP/2 goes through a proxy as well."""
    with Http2Server(tls(), [BODY], EVENTS) as server, Relay(Connect()) as proxy:
        network = Network(http2=True, verify=AUTHORITY, proxy=f"http://127.0.0.1:{proxy.port}")
        await check(connect(server, network=network), "proxy")

    assert len(server.headers) == 4


async def test_http2_that_the_server_lacks(connect: Any) -> None:
    """A server that knows HTTP/1.1 alone is asked in that."""
    with RawServer(BOTH, tls=tls()) as server:
        await check(connect(server, network=Network(http2=True, verify=AUTHORITY)), "httpx")


async def test_http2_and_not() -> None:
    """Clients with and without HTTP/2 leave each other's protocol alone."""
    settings: dict[str, Any] = {"api_key": "k", "project": "a/b"}
    with (
        Http2Server(tls(), [BODY], EVENTS) as modern,
        RawServer(BOTH, tls=tls()) as plain,
    ):
        two = Client(network=Network(http2=True, verify=AUTHORITY), base_url=modern.base_url, **settings)
        one = Client(network=Network(verify=AUTHORITY), base_url=plain.base_url, **settings)
        for _ in range(2):
            assert (await ask(two)).text == (await ask(one)).text == "Hi"
        two.close()
        one.close()

    assert len(modern.headers) == 2


async def test_http2_in_parallel() -> None:
    """Calls at the same time share one HTTP/2 connection."""
    from wandb_inference import AsyncClient

    with Http2Server(tls(), [BODY], EVENTS) as server:
        network = Network(http2=True, verify=AUTHORITY)
        async with AsyncClient(api_key="k", project="a/b", base_url=server.base_url, network=network) as client:
            await ask(client)
            answers = await asyncio.gather(*(ask(client) for _ in range(20)))

    assert [answer.text for answer in answers] == ["Hi"] * 20
    assert server.connections == 1


@pytest.mark.parametrize("hang", [True, False], ids=["no headers", "dripping"])
async def test_http2_deadline(connect: Any, hang: bool) -> None:
    """The deadline holds over HTTP/2."""
    drip = [b": nothing\n\n"] * 40
    with Http2Server(tls(), [BODY], drip, pause=0.05, hang=hang) as server:
        client = connect(server, network=Network(http2=True, verify=AUTHORITY), deadline=0.4)
        began = time.monotonic()
        with pytest.raises(APITimeoutError) as caught:
            await texts(await ask(client, stream=True))
        assert time.monotonic() - began < 1.5
        await done(client.close())

    assert caught.value.clock == "deadline"


async def test_unix_socket(connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go to a Unix socket, plain and over TLS, whatever proxy the environment names."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with RawServer(BOTH) as server, unix_relay(tmp_path / "a", server.port):
        await check(connect("http://localhost/v1", network=Network(uds=tmp_path / "a")), "httpx")
    with RawServer(BOTH, tls=tls()) as server, unix_relay(tmp_path / "b", server.port):
        network = Network(uds=tmp_path / "b", verify=AUTHORITY)
        await check(connect("https://localhost/v1", network=network), "httpx")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpcore does not close its socket
async def test_unix_socket_that_is_not_there(connect: Any, tmp_path: Path) -> None:
    """A Unix socket that is not there is a connection that failed; its path is named, and no address."""
    client = connect("http://localhost/v1", network=Network(uds=tmp_path / "a"))
    with pytest.raises(APIConnectionError, match="No such file") as caught:
        await ask(client)
    await done(client.close())
    assert caught.value.attempts[0].outcome == "not_sent"
    assert f"the Unix socket {str(tmp_path / 'a')!r} (network.uds)" in str(caught.value)
    assert "localhost" not in str(caught.value)
    del caught
    gc.collect()


# --- Sockets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """The sockets of all connections that are made, as far as the system is concerned: TLS takes Python's."""
    sockets: list[socket.socket] = []
    tune: Callable[[Dialer, socket.socket], None] = Dialer.tune

    def watch(self: Dialer, connection: socket.socket) -> None:
        tune(self, connection)
        sockets.append(socket.socket(fileno=os.dup(connection.fileno())))

    monkeypatch.setattr(Dialer, "tune", watch)
    yield sockets
    for connection in sockets:
        connection.close()


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("route", ["direct", "plain proxy", "tunnel", "socks"])
async def test_socket_options(connect: Any, route: str, on: bool, tuned: list[socket.socket]) -> None:
    """Keep-alive and no delay are on, or off where they are switched off, on each way there."""
    scheme = {"direct": None, "plain proxy": "http", "tunnel": "http", "socks": "socks5"}[route]
    relay = Relay(Socks() if route == "socks" else Connect())
    secure = tls() if route == "tunnel" else None
    with RawServer(BOTH, tls=secure) as server, relay as proxy:
        port = server.port if route == "plain proxy" else proxy.port
        client = connect(
            server,
            network=Network(
                verify=AUTHORITY,
                proxy=scheme and f"{scheme}://127.0.0.1:{port}",
                tcp_keepalive=on,
                tcp_nodelay=on,
            ),
        )
        assert (await ask(client)).text == "Hi"
        [connection] = tuned
        assert bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is on
        assert bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is on
        if on and hasattr(socket, "TCP_KEEPIDLE"):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        await done(client.close())


@pytest.mark.parametrize(("expiry", "connections"), [(0, 3), (0.05, 3), (20, 1), (None, 1)])
async def test_keepalive_expiry(connect: Any, expiry: float | None, connections: int) -> None:
    """An idle connection is kept as long as it was asked for."""
    with RawServer(answering(ANSWER)) as server:
        client = connect(server, network=Network(keepalive_expiry=expiry))
        for _ in range(3):
            await ask(client)
            await asyncio.sleep(0.06)
        await done(client.close())

    assert server.connections == connections


@pytest.mark.parametrize(("on", "delay"), [(True, 0.25), (False, None)])
async def test_happy_eyeballs(on: bool, delay: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second address is tried beside the first, unless that is switched off."""
    from wandb_inference import AsyncClient

    delays: list[float | None] = []
    create = asyncio.BaseEventLoop.create_connection

    async def watch(self: Any, *args: Any, **options: Any) -> Any:
        delays.append(options.get("happy_eyeballs_delay"))
        return await create(self, *args, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", watch)
    with RawServer(answering(ANSWER)) as server:
        url = server.base_url.replace("127.0.0.1", "localhost")
        async with AsyncClient(api_key="k", project="a/b", base_url=url, network=Network(happy_eyeballs=on)) as client:
            assert (await ask(client)).text == "Hi"

    assert delays == [delay]


@pytest.mark.parametrize("parser", ["auto", "h11"])
async def test_parser(connect: Any, parser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """h11 reads everything where that is asked for, with the same result."""
    import h11

    fed: list[bytes] = []
    receive = h11.Connection.receive_data

    def watch(self: h11.Connection, data: bytes) -> None:
        fed.append(data)
        receive(self, data)

    monkeypatch.setattr(h11.Connection, "receive_data", watch)
    with RawServer(BOTH) as server:
        await check(connect(server, network=Network(http_parser=parser)), "direct")

    assert bool(fed) is (parser == "h11")
    assert server.connections == 1


async def test_route_of_mocks_and_clients_of_ones_own(kind: Any, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through a mock or a client of the caller's own says so."""
    import httpx

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=BODY)

    http: Any = (httpx.Client if kind is Client else httpx.AsyncClient)(transport=httpx.MockTransport(answer))
    client = connect("http://somewhere.invalid/v1", http_client=http)
    assert (await ask(client)).meta.route == "http_client"
    await done(http.close() if kind is Client else http.aclose())

    async def async_answer(self: Any, request: httpx.Request) -> httpx.Response:
        return answer(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: answer(request))
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", async_answer)
    client = connect("https://somewhere.invalid/v1")
    assert (await ask(client)).meta.route == "httpx"
    await done(client.close())
