"""Clocks and connection errors: which is named, what it says of the request, and whether it is tried again."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from typing import Any

import httpx
import pytest
from conftest import KEY, PROJECT, ask, done, each
from raw_server import Peer, RawServer, answering, whole

from wandb_inference import APIConnectionError, APIError, APITimeoutError, AsyncClient, Client
from wandb_inference.testing import Emulator, Fault

COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
ANSWER = whole(COMPLETION)


class Raising(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A network on which every request ends in the same error."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        raise self.error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


async def failed(kind: Any, error: Exception, **settings: Any) -> Any:
    """Our error for one of httpx's, and how often the request was sent."""
    network = Raising(error)
    given = {"api_key": KEY, "project": PROJECT, "base_url": "http://a.invalid/v1", "max_retries": 3, **settings}
    async with httpx.AsyncClient(transport=network) as waiting:
        with httpx.Client(transport=network) as blocking:
            client = kind(**given, http_client=blocking if kind is Client else waiting)
            with pytest.raises(APIError) as caught:
                await ask(client)
            await done(client.close())
    assert caught.value.__cause__ is error
    return caught.value, network.calls


@pytest.mark.parametrize(
    ("error", "clock", "outcome"),
    [
        (httpx.ConnectTimeout(""), "connect", "not_sent"),
        (httpx.PoolTimeout(""), "connect", "not_sent"),
        (httpx.WriteTimeout(""), "write", "unknown"),
        (httpx.ReadTimeout(""), "read", "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_steps(kind: Any, error: Exception, clock: str, outcome: str) -> None:
    """Each step has its clock; before the connection stands, nothing was sent."""
    caught, _ = await failed(kind, error, timeout=(1, 2), max_retries=0)

    assert isinstance(caught, APITimeoutError)
    assert (caught.clock, caught.attempts[0].outcome) == (clock, outcome)
    assert f"{1 if clock == 'connect' else 2} seconds" in str(caught)


def caused(error: Exception, cause: BaseException) -> Exception:
    """An error with its cause, as `raise ... from` makes it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            caused(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
            "can't be resolved (Name or",
        ),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "can't be resolved ([Errno -2]"),
        (httpx.ConnectError("getaddrinfo failed"), "can't be resolved (getaddrinfo failed)"),
        (httpx.ConnectError("[Errno 111] Connection refused"), "connection refused"),
        (caused(httpx.ReadError(""), ConnectionResetError(104, "Reset")), "connection reset by the server"),
        (httpx.ReadError(""), "ReadError"),
        (OSError(24, "Too many open files"), "Too many open files"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
async def test_reasons(kind: Any, error: Exception, says: str) -> None:
    """The reason is in words, wherever the transport keeps it."""
    caught, _ = await failed(kind, error, max_retries=0)

    assert isinstance(caught, APIConnectionError)
    assert str(caught).startswith("a.invalid:80: ")
    assert says in caught.message


@pytest.mark.parametrize(
    "error", [httpx.UnsupportedProtocol("x"), httpx.LocalProtocolError("x"), httpx.InvalidURL("x")]
)
async def test_hopeless(kind: Any, error: Exception) -> None:
    """What no server could get is not sent again."""
    caught, calls = await failed(kind, error)

    assert calls == 1
    assert caught.attempts[0].outcome == "not_sent"


async def test_deadline_while_asking_for_the_key(make: Any, emulator: Emulator) -> None:
    """A deadline that ends before the key is there: nothing is sent."""

    def key() -> str:
        time.sleep(0.06)
        return KEY

    client = make(api_key=key, deadline=0.05)
    with pytest.raises(APITimeoutError, match=r"deadline of 0\.05 seconds") as caught:
        await ask(client)
    await done(client.close())

    assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")
    assert not emulator.requests


async def test_deadline_of_an_async_key(emulator: Emulator) -> None:
    """An async callable that never answers is ended by the deadline."""

    async def key() -> str:
        await asyncio.sleep(60)
        raise AssertionError

    settings: dict[str, Any] = {"api_key": key, "project": PROJECT, "base_url": emulator.base_url}
    async with AsyncClient(**settings, deadline=0.05) as client:
        with pytest.raises(APITimeoutError) as caught:
            await ask(client)

    assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")
    assert not emulator.requests


async def test_error_of_a_key(make: Any, emulator: Emulator) -> None:
    """What a callable raises is the caller's own, even where the network could raise it."""

    def key() -> str:
        raise FileNotFoundError("no vault")

    client = make(api_key=key)
    with pytest.raises(FileNotFoundError, match="no vault"):
        await ask(client)
    await done(client.close())
    assert not emulator.requests


async def test_rotating_key(make: Any, emulator: Emulator) -> None:
    """Each attempt, of a stream too, is sent with the key of its time."""
    keys = iter(["one", "two", "three"])
    emulator.fault(Fault.status(503, headers={"retry-after": "0"}))
    emulator.fault(Fault.cut(after_chunks=0))
    client = make(api_key=lambda: next(keys))

    async for _ in each(await ask(client, stream=True)):
        pass
    await done(client.close())

    assert [request.headers["authorization"] for request in emulator.requests] == [
        "Bearer one",
        "Bearer two",
        "Bearer three",
    ]


@pytest.mark.parametrize("dates", ["past", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_retry_after_as_a_date(make: Any, emulator: Emulator, dates: str) -> None:
    """A date in the past means now; one far ahead is the caller's to wait for; no date is none."""
    value = "Wed, 21 Oct 2015 07:28:00 GMT" if dates == "past" else dates
    emulator.fault(Fault.status(503, headers={"retry-after": value}))
    client = make()
    if dates == "past":
        assert (await ask(client)).meta.attempts[1].waited == 0.0
    else:
        with pytest.raises(APIError) as caught:
            await ask(client)
        assert caught.value.retry_after > 1e9
    await done(client.close())


async def test_nonsense_in_retry_after(make: Any, emulator: Emulator) -> None:
    """A header that means nothing is no header: the wait is the curve's."""
    emulator.fault(Fault.status(503, headers={"retry-after": "soon", "retry-after-ms": "-1"}))
    client = make()

    assert 0.25 <= (await ask(client)).meta.attempts[1].waited <= 0.5
    await done(client.close())


async def test_no_attempt_is_lost(kind: Any) -> None:
    """An answer that breaks, an answer that refuses, an answer: three attempts, each with what came of it."""

    def broken(peer: Peer) -> None:
        peer.request()
        peer.send(ANSWER[:-10])

    with RawServer(broken, answering(whole(b"", 503, "retry-after: 0"), ANSWER)) as server:
        client = kind(api_key=KEY, project=PROJECT, base_url=server.base_url)
        answer = await ask(client)
        await done(client.close())

    attempts = answer.meta.attempts
    assert [(attempt.status, attempt.outcome) for attempt in attempts] == [
        (200, "unknown"),
        (503, "answered"),
        (200, "answered"),
    ]
    # By h11 itself, and by httpx, whose connections those in trio are.
    assert re.search("before the body did|without sending complete message body", attempts[0].error)
