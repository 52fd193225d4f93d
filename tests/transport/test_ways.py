"""Which way a request goes, and what httpx's errors mean on its way."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import threading
import time
from typing import Any

import httpcore
import httpx
import pytest

from wandb_inference import Network
from wandb_inference._core.wire import Timeouts
from wandb_inference._transport import async_connection, async_exchange, bridge, connection, exchange, routes, runs, tls
from wandb_inference._transport.clocks import ClockError, Clocks, Limit
from wandb_inference._transport.http11 import ProtocolError
from wandb_inference._transport.outcomes import Answer, NotSentError, chain, target_of, why, without_key
from wandb_inference.exceptions import ConfigurationError

REQUEST = httpx.Request("POST", "http://x")


@pytest.mark.parametrize(
    ("error", "clock"),
    [(httpx.WriteTimeout("x"), "write"), (httpx.ReadTimeout("x"), "read")],
)
def test_httpx_timeouts(error: Exception, clock: str) -> None:
    """A timeout of httpx is the clock that it stands for."""
    with pytest.raises(ClockError) as caught:
        bridge.translated(error, Clocks(Timeouts()), stream=False)
    assert caught.value.clock == clock


@pytest.mark.parametrize("error", [httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_httpx_timeouts_before_sending(error: Exception) -> None:
    """A timeout before there was a connection says that nothing was sent."""
    with pytest.raises(NotSentError) as caught:
        bridge.translated(error, Clocks(Timeouts()), stream=False)
    assert isinstance(caught.value.__cause__, ClockError)
    assert caught.value.__cause__.clock == "connect"


@pytest.mark.parametrize(
    ("timeouts", "clock"),
    [
        (Timeouts(read=600, stall=120), "stall"),
        (Timeouts(read=None, stall=120), "stall"),
        (Timeouts(read=60, stall=120), "read"),
        (Timeouts(read=60, stall=None), "read"),
    ],
)
def test_httpx_timeouts_of_streams(timeouts: Timeouts, clock: str) -> None:
    """In a stream, silence is the clock that would have rung first."""
    with pytest.raises(ClockError) as caught:
        bridge.translated(httpx.ReadTimeout("x"), Clocks(timeouts), stream=True)
    assert caught.value.clock == clock


def test_httpx_timeout_at_the_deadline() -> None:
    """What rings when the deadline is over is the deadline."""
    clocks = Clocks(Timeouts(deadline=0.01))
    time.sleep(0.02)
    with pytest.raises(ClockError) as caught:
        bridge.translated(httpx.ReadTimeout("x"), clocks, stream=False)
    assert caught.value.clock == "deadline"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("x"), NotSentError),
        (httpx.ProxyError("x"), NotSentError),
        (httpx.InvalidURL("x"), NotSentError),
        (httpx.ReadError("x"), ProtocolError),
        (httpx.DecodingError("x"), ProtocolError),
        (httpx.StreamClosed(), ProtocolError),
        (ConnectionResetError("x"), ProtocolError),
        (KeyError("x"), KeyError),
    ],
)
def test_httpx_errors(error: Exception, expected: type[Exception]) -> None:
    """Errors of httpx become ours, and those of others stay what they are."""
    with pytest.raises(expected):
        bridge.translated(error, Clocks(Timeouts()), stream=False)


def test_names_of_errors_are_enough() -> None:
    """A fork of httpx, whose errors have the same names, is understood too."""

    class TimeoutException(Exception): ...

    class ReadTimeout(TimeoutException): ...

    with pytest.raises(ClockError):
        bridge.translated(ReadTimeout(), Clocks(Timeouts()), stream=False)


def test_originals_are_no_mocks() -> None:
    """Without a mock requests take our own way; the second look is a comparison."""
    assert httpcore
    assert not routes.is_mocked()
    assert not routes.is_mocked()


def replaced(self: Any, request: Any) -> Any:
    """Stands in for a method of httpx."""


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (httpx.HTTPTransport, "handle_request"),
        (httpx.AsyncHTTPTransport, "handle_async_request"),
        (httpx.Client, "_transport_for_url"),
        (httpx.AsyncClient, "_send_single_request"),
        (httpcore.ConnectionPool, "handle_request"),
    ],
)
@pytest.mark.parametrize("mock", [replaced, object()], ids=["function", "object"])
def test_mocks(owner: Any, name: str, mock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that is not the original is a mock, whenever it was put there."""
    monkeypatch.setattr(owner, name, mock)
    assert routes.is_mocked()
    monkeypatch.setattr(routes, "_verified", {})
    assert routes.is_mocked()


def test_without_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where httpx is not even loaded, there is no mock of it."""
    for module in ("httpx", "httpcore"):
        monkeypatch.delitem(sys.modules, module)
    assert not routes.is_mocked()


@pytest.mark.parametrize(
    ("url", "origin", "host", "path"),
    [
        ("https://a.example/v1/x", ("https", "a.example", 443), "a.example", "/v1/x"),
        ("http://a.example:8080/v1?q=1", ("http", "a.example", 8080), "a.example:8080", "/v1?q=1"),
        ("http://[::1]:80", ("http", "::1", 80), "[::1]", "/"),
        ("https://b\u00fccher.example/", ("https", "xn--bcher-kva.example", 443), "xn--bcher-kva.example", "/"),
    ],
)
def test_targets(url: str, origin: tuple[str, str, int], host: str, path: str) -> None:
    """Origin, Host header and path of a URL."""
    assert target_of(url) == (origin, host, path)


@pytest.mark.parametrize(("host", "is_address"), [("::1", True), ("127.0.0.1", True), ("a1.example", False)])
def test_addresses(host: str, is_address: bool) -> None:
    """An address needs no race of connections."""
    assert async_connection.is_address(host) == is_address


def test_own_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts are shared by those with the same authorities."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    default = tls.TLS(Network()).context()
    assert tls.TLS(Network()).context() is default
    monkeypatch.setenv("SSL_CERT_DIR", "/")
    assert tls.TLS(Network()).context() is not default


def test_reasons() -> None:
    """The innermost cause that says more than its wrapper is the reason; a group's members count."""
    group = OSError("All connection attempts failed")
    group.exceptions = [ConnectionRefusedError(111, "x"), OSError("y")]  # type: ignore[attr-defined]
    wrapped = RuntimeError("wrapper")
    wrapped.__cause__ = group

    assert why(wrapped) == "connection refused"
    assert why(BrokenPipeError()) == "connection reset by the server"
    assert why(OSError()) == "OSError"
    alert = ssl.SSLError(1, "x")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert why(alert) == "it asks for a client certificate"
    loop = OSError("a")
    loop.__context__ = loop
    assert list(chain(loop)) == [loop]


def test_a_place_given_and_given_up_at_once() -> None:
    """A deadline that rings when the turn has come already changes nothing."""

    async def run() -> None:
        waiter = runs._AsyncioWaiter(asyncio.get_running_loop())
        waiter.call()
        waiter._give_up()
        assert waiter.gone
        assert await waiter.wait(0)

    asyncio.run(run())


async def test_a_connection_that_is_gone() -> None:
    """What is written to a connection that is gone comes to light at the next read."""
    connection = async_connection.AsyncConnection(asyncio.get_running_loop())
    connection.connection_lost(ConnectionResetError("gone"))

    await connection.write(b"x", Clocks(Timeouts()))
    with pytest.raises(ConnectionResetError, match="gone"):
        await connection.read(Limit(None, "read"))


async def test_a_connection_nobody_waits_for() -> None:
    """A connection that comes about when its call has been given up is closed."""
    connection = async_connection.AsyncConnection(asyncio.get_running_loop())

    async def connected() -> Any:
        return None, connection

    connecting = asyncio.create_task(connected())
    await connecting
    async_connection._abandon(connecting)

    assert not connection.usable
    assert await connection.read(Limit(None, "read")) == b""


class Lost(asyncio.Transport):
    """A transport of Python 3.10's TLS after its connection was lost, before that is told."""

    def get_write_buffer_size(self) -> int:
        raise AttributeError("'NoneType' object has no attribute 'get_write_buffer_size'")

    def resume_reading(self) -> None:
        raise AttributeError("'NoneType' object has no attribute 'resume_reading'")


async def test_a_connection_lost_in_this_turn() -> None:
    """What had come is read, and the connection is of no more use."""
    connection = async_connection.AsyncConnection(asyncio.get_running_loop())
    connection._transport = Lost()
    connection._paused_reading = True
    connection._arrived.append(b"x")

    assert await connection.read(Limit(None, "read")) == b"x"
    assert not connection.usable


async def test_an_idle_connection_that_is_gone() -> None:
    """A connection that was lost while it was idle is passed over."""
    pool = async_exchange.AsyncPool(1)
    connection = async_connection.AsyncConnection(asyncio.get_running_loop())
    origin = target_of("http://x").origin
    pool.put(origin, connection)
    connection.connection_lost(None)

    assert pool.take(origin) is None


async def test_a_turn_given_and_cancelled_at_once() -> None:
    """A task that is cancelled in the moment its turn comes passes it on."""
    pool = async_exchange.AsyncPool(1)
    clocks = Clocks(Timeouts())
    await pool.enter(clocks)
    waiting = asyncio.create_task(pool.enter(clocks))
    await asyncio.sleep(0)
    pool.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await asyncio.wait_for(pool.enter(clocks), 1)
    late = Clocks(Timeouts(deadline=0.001))
    await asyncio.sleep(0.01)
    with pytest.raises(NotSentError):
        await pool.enter(late)
    pool.leave()
    await asyncio.wait_for(pool.enter(clocks), 1)


@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "/nowhere.pem"), ("SSL_CERT_FILE", __file__)])
def test_authorities_that_cant_be_read(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that holds no certificates is named, with the variable that names it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name} names '{value}'"):
        tls.TLS(Network()).context()


def test_folder_that_cant_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a folder."""

    def refuse(terms: Any) -> None:
        raise NotADirectoryError(20, "Not a directory")

    monkeypatch.setattr(tls, "_context", refuse)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_DIR names '/nowhere'.*\(Not a directory\)"):
        tls.TLS(Network()).context()


def test_answers_that_repeat_the_key() -> None:
    """A key that a server repeats is taken out of head and body; a stand-in that may be a word is not."""
    answer = Answer(401, {"x-key": "your 0123456789abcdef"}, None)

    assert without_key(answer, b"bad key 0123456789abcdef", "0123456789abcdef") == (
        Answer(401, {"x-key": "your ***"}, None),
        b"bad key ***",
    )
    assert without_key(answer, b"bad", "another-key-of-mine") == (answer, b"bad")
    assert without_key(answer, b"bad key", "key") == (answer, b"bad key")
    assert without_key(answer, b"bad key", None) == (answer, b"bad key")


@pytest.mark.parametrize("is_parent", [True, False])
def test_aborting_belongs_to_the_process(is_parent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that gives up a connection does not end it for its parent."""
    ours, theirs = socket.socketpair()
    parents = ours.dup()
    aborted = connection.Connection(ours)
    if not is_parent:
        monkeypatch.setattr(os, "getpid", lambda: -1)
    aborted.abort()

    with parents, theirs:
        if is_parent:
            assert theirs.recv(1) == b""
        else:
            parents.send(b"x")
            assert theirs.recv(1) == b"x"


def test_a_turn_given_and_interrupted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is interrupted in the moment its turn comes passes it on; one that comes too late gets none."""
    pool = exchange.Pool(1)
    clocks = Clocks(Timeouts())

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pool.leave()
            raise KeyboardInterrupt

    pool.enter(clocks)
    with monkeypatch.context() as patch:
        patch.setattr(exchange.threading, "Event", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.enter(clocks)
    pool.enter(clocks)
    late = Clocks(Timeouts(deadline=0.001))
    time.sleep(0.01)
    with pytest.raises(NotSentError):
        pool.enter(late)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", lambda self, timeout=None: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            pool.enter(clocks)
    pool.leave()
    pool.enter(clocks)


async def test_a_connection_that_comes_too_late() -> None:
    """A connection that comes about when nobody waits for it any more is closed."""
    connection = async_connection.AsyncConnection(asyncio.get_running_loop())

    async def connecting() -> Any:
        return None, connection

    task = asyncio.create_task(connecting())
    await task
    async_connection._abandon(task)

    assert not connection.usable
    assert await connection.read(Limit(None, "read")) == b""
