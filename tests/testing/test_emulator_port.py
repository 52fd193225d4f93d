"""The emulator on a port, and as an application of somebody else's server."""

from __future__ import annotations

import asyncio
import builtins
import socket
import sys
import threading

import httpx
import pytest

from wandb_inference.testing import Emulator, Fault
from wandb_inference.testing._asgi import TRANSPORT
from wandb_inference.testing._server import Server

from .asking import HEADERS, ask, content, http, request


def test_a_port_of_its_own():
    """Each emulator has a free port of this machine, and gives it back."""
    with Emulator() as one, Emulator() as two:
        assert one.base_url != two.base_url
        assert one.base_url.startswith("http://127.0.0.1:")
        assert one.base_url.endswith("/v1")
        assert repr(one) == f"<Emulator {one.base_url}, 0 requests>"
        assert ask(one).status_code == ask(two).status_code == 200
        url = one.base_url

    assert one.base_url == "http://emulator.test/v1"
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get(url)


async def test_async_with():
    """`async with` opens the port as well."""
    async with Emulator() as emulator, httpx.AsyncClient(base_url=emulator.base_url, headers=HEADERS) as client:
        assert (await client.get("/models")).status_code == 200


def test_starting_twice():
    """An open port is kept; stopping a stopped emulator does nothing."""
    with Emulator().start() as emulator:
        assert ask(emulator).status_code == 200
        url = emulator.base_url
        assert emulator.start().base_url == url
    emulator.stop()

    with emulator:
        assert ask(emulator).status_code == 200
    assert len(emulator.requests) == 2


def test_nothing_is_left_behind():
    """Hundreds of starts leave no thread."""
    before = threading.active_count()
    for _ in range(100):
        with Emulator():
            pass

    assert threading.active_count() <= before


def test_stopping_with_open_connections():
    """The end of the emulator is the end of every connection, idle, streaming or half-way through a request."""
    emulator = Emulator().start()
    port = int(emulator.base_url.split(":")[2].removesuffix("/v1"))
    emulator.fault(Fault.stall(after_chunks=1), when=lambda request: request.stream)
    with http(emulator) as client, socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
        client.get("/models")
        with client.stream("POST", "/chat/completions", json=request(stream=True)) as response:
            lines = response.iter_lines()
            next(lines)
            emulator.stop()
            with pytest.raises(httpx.TransportError):
                list(lines)
        assert half.recv(1) == b""

    assert emulator.in_flight == 0
    assert [request.path for request in emulator.requests] == ["/v1/models", "/v1/chat/completions"]


def test_connections_are_counted():
    """Requests of one client share a connection, and the emulator counts it."""
    with Emulator() as emulator:
        with http(emulator) as client:
            for _ in range(3):
                client.get("/models")
        assert emulator.connections == 1
        ask(emulator)
        assert emulator.connections == 2


def test_every_event_leaves_at_once():
    """Each event can be read before the next one is sent."""
    with Emulator() as emulator:
        emulator.fault(Fault.stall(after_chunks=1))
        with http(emulator) as client, client.stream("POST", "/chat/completions", json=request(stream=True)) as answer:
            text = ""
            for piece in answer.iter_text():
                text += piece
                if '"role":"assistant"' in text:
                    break
    assert text.count("data: ") == 1


def test_nothing_waits_for_acknowledgements():
    """The sockets of connections have TCP_NODELAY."""
    seen = []

    class App:
        async def __call__(self, scope, receive, send):
            connection = scope["state"][TRANSPORT].get_extra_info("socket")
            seen.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    server = Server(App(), "127.0.0.1", 0, opened=lambda: None)
    with httpx.Client(trust_env=False) as client:
        client.get(f"http://127.0.0.1:{server.port}/")
    server.close()

    assert seen == [1]


def test_a_client_that_is_gone_before_it_is_let_in():
    """A connection that is no more when it is taken is no reason to stop."""
    with Emulator() as emulator:
        server = emulator._server
        server._loop.call_soon_threadsafe(server._accept)
        assert ask(emulator).status_code == 200


def test_garbage():
    """What is no HTTP is a 400, and no noise."""
    with Emulator() as emulator:
        port = int(emulator.base_url.split(":")[2].removesuffix("/v1"))
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"hello\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_what_a_computed_reply_raises(caplog):
    """An exception of the test's own function is a 500 and stands in the log."""
    with Emulator() as emulator:
        emulator.reply(lambda request: request.body["nothing"])
        assert ask(emulator).status_code == 500

    assert "KeyError" in caplog.text
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["wandb_inference.emulator"]


def test_a_port_that_is_taken():
    """A taken port is an OSError at once."""
    with Emulator() as emulator:
        port = int(emulator.base_url.split(":")[2].removesuffix("/v1"))
        with pytest.raises(OSError, match="in use"):
            Emulator(port=port).start()


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("localhost", "127.0.0.1")]
)
def test_other_addresses(host, shown):
    """The base URL is one that a client can use, whatever the server listens on."""
    try:
        emulator = Emulator(host=host).start()
    except OSError:  # a machine without IPv6
        assert ":" in host
        return
    with emulator:
        assert emulator.base_url.startswith(f"http://{shown}:")
        with httpx.Client(base_url=emulator.base_url, headers=HEADERS, trust_env=False) as client:
            assert client.get("/models").status_code == 200


def test_without_the_extra(monkeypatch):
    """Without uvicorn the error names what to install; in process all works."""
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.split(".")[0] == "uvicorn":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "wandb_inference.testing._server", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)

    emulator = Emulator()
    with pytest.raises(ImportError, match=r'pip install "wandb-inference\[emulator\]"'):
        emulator.start()
    assert content(emulator)


class Conversation:
    """Plays a server for the ASGI application: one request whose body comes in two parts."""

    def __init__(self, body=b"", leaves_after=None):
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/models",
            "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        }
        self.incoming = [
            {"type": "http.request", "body": body[:1], "more_body": True},
            {"type": "http.request", "body": body[1:]},
        ][:leaves_after]
        self.leaves = leaves_after is not None
        self.sent = []

    async def receive(self):
        if self.incoming:
            return self.incoming.pop(0)
        if not self.leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)


async def test_any_asgi_server(emulator):
    """`app` is a plain ASGI application."""
    server = Conversation(b"{}")
    await emulator.app(server.scope, server.receive, server.send)

    assert [message["type"] for message in server.sent] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]
    assert server.sent[0]["status"] == 200
    assert emulator.requests[0].content == b"{}"


async def test_a_client_that_leaves_while_it_asks(emulator):
    """A request that never was complete is none."""
    server = Conversation(leaves_after=1)
    await emulator.app(server.scope, server.receive, server.send)

    assert server.sent == emulator.requests == []


async def test_a_client_that_leaves_before_the_answer(emulator):
    """Nothing is sent to nobody."""
    server = Conversation(leaves_after=2)
    await emulator.app(server.scope, server.receive, server.send)

    assert emulator.requests[0].outcome == "left"


async def test_faults_under_another_server(emulator):
    """A server that doesn't lend its connection is made to close it."""
    emulator.fault(Fault.cut())
    server = Conversation()

    with pytest.raises(ConnectionResetError, match="cut by a fault"):
        await emulator.app(server.scope, server.receive, server.send)


async def test_lifespan(emulator):
    """The application takes part in its server's start and stop."""
    server = Conversation()
    server.incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    await emulator.app({"type": "lifespan"}, server.receive, server.send)

    assert [message["type"] for message in server.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_other_protocols(emulator):
    """Whatever isn't HTTP is left alone."""
    server = Conversation()
    await emulator.app({"type": "websocket"}, server.receive, server.send)

    assert server.sent == []
