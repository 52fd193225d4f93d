"""What happens at the same time, or in an order that is rare: nothing is waited for, told or given back twice."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    LAST,
    ONE,
    STREAM,
    Served,
    chat_bytes,
    chunk,
    completion,
    configured,
    serving,
    until,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, whole
from wandb_inference.gateway.call import Call
from wandb_inference.gateway.protocol import GatewayProtocol
from wandb_inference.gateway.routing import Router

PLAIN = whole(completion())
KEY = f"authorization: Bearer {ENVIRON['KEY_A']}"
HEADERS = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """The loop of tests, and that of gateways, which is stricter with what is closed."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture(params=["short", "long", "task"])
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through the router, and by a task."""
    if request.param == "long":
        monkeypatch.setattr(Router, "ride", lambda *_: None)
    elif request.param == "task":
        monkeypatch.setattr(GatewayProtocol, "_begin", lambda *_: False)
    return str(request.param)


def in_flight(served: Served) -> list[int]:
    """What is held of the deployment, and of what keys may have at a time."""
    gates = served.gateway.router.admission._gates.values()
    return [served.gateway.router.status(monotonic())[0].in_flight, *(gate.in_flight for gate in gates)]


def at_once(file: int, go: threading.Event) -> None:
    """Has a request come, and then the answer that frees the place, while the loop stands still."""
    os.write(file, chat_bytes())
    time.sleep(0.05)
    go.set()
    time.sleep(0.1)


async def test_a_place_that_comes_free_while_nobody_waits_yet(tmp_path: Path) -> None:
    """The one who was to wait for it goes on at once, though there was nobody to wake."""
    config = ONE.rstrip()[:-1] + ", max_parallel_requests: 1}\n"
    asked, go = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        for number in range(4):
            peer.request()
            if number == 1:
                asked.set()
                go.wait(5)
            peer.send(PLAIN)

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, config, upstream.base_url)) as served:
            assert (await served.chat()).status_code == 200
            clients = [await served.raw(chat_bytes())]
            await until(asked.is_set)
            clients.append(await served.raw(b""))
            await until(lambda: len(served.state.connections) == 3)
            at_once(clients[1][1].get_extra_info("socket").fileno(), go)
            for reader, writer in clients:
                assert await asyncio.wait_for(reader.readline(), 2) == b"HTTP/1.1 200 OK\r\n"
                writer.close()


def draining(asked: threading.Event, gone: threading.Event) -> Callable[[Peer], None]:
    """A service whose streams end long after their last event, and that does not answer the request called second."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            if b'"stream"' in request:
                peer.send(STREAM_HEAD, *chunked(chunk("a"), LAST, DONE, end=False))
                time.sleep(0.1)
                peer.send(b"0\r\n\r\n")
            elif b"second" in request:
                asked.set()
                peer.wait_for_end()
                gone.set()
            else:
                peer.send(PLAIN)

    return script


@pytest.mark.parametrize("close", [False, True], ids=["keeps", "closes"])
async def test_a_client_that_leaves_its_second_request(tmp_path: Path, by: str, close: bool) -> None:
    """It is noticed, though a stream before it on the connection ended for the service later than for the client."""
    config = KEYED.replace("rpm: 100,", "rpm: 100, max_parallel_requests: 5,")
    asked, gone = threading.Event(), threading.Event()
    more = ["connection: close"] if close else []
    with RawServer(draining(asked, gone)) as upstream:
        async with serving(configured(tmp_path, config, upstream.base_url)) as served:
            await asyncio.gather(served.chat(headers=HEADERS), served.chat(headers=HEADERS))
            reader, writer = await served.raw(chat_bytes(STREAM, KEY))
            await reader.readuntil(b"0\r\n\r\n")
            writer.write(chat_bytes(BODY, KEY, "x-request-id: second", *more))
            await until(asked.is_set)
            await asyncio.sleep(0.25)  # the stream's task has ended
            writer.close()
            await until(gone.is_set, 2)
            await until(lambda: not served.gateway.calls)
            assert in_flight(served) == [0, 0]
            assert 'key="a",status="499"} 1\n' in served.page()


@pytest.mark.parametrize("more", [1, 3])
async def test_a_client_that_leaves_several_requests(
    tmp_path: Path, by: str, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The first is ended, the others never begin, and nothing is said of it."""
    asked, gone = threading.Event(), threading.Event()
    with RawServer(draining(asked, gone)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await served.chat()
            _, writer = await served.raw(chat_bytes(BODY, "x-request-id: second") + chat_bytes() * more)
            await until(asked.is_set)
            writer.close()
            await until(gone.is_set, 2)
            await until(lambda: not served.gateway.calls and not served.state.tasks)
            assert in_flight(served) == [0]
    assert not caplog.records


@pytest.mark.parametrize("more", [1, 3])
async def test_a_client_that_leaves_within_the_second_of_several(
    tmp_path: Path, by: str, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is where it had one answer already."""
    asked, gone = threading.Event(), threading.Event()
    with RawServer(draining(asked, gone)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await served.chat()
            reader, writer = await served.raw(
                chat_bytes() + chat_bytes(BODY, "x-request-id: second") + chat_bytes() * more
            )
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            await until(asked.is_set)
            writer.close()
            await until(gone.is_set, 2)
            await until(lambda: not served.gateway.calls and not served.state.tasks)
            assert in_flight(served) == [0]
    assert not caplog.records


async def test_a_client_that_left_before_its_task_began() -> None:
    """Its request is ended at once."""
    call = Call({}, cast("Any", SimpleNamespace(left=None, is_gone=True)))

    async def served() -> None:
        call.watch()
        await asyncio.sleep(5)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(served())
    assert call.reason == "left"


async def test_the_clock_of_a_request_that_is_sent_again(tmp_path: Path, by: str) -> None:
    """It began with the first time, on a connection that then ended without a byte."""
    config = ONE.rstrip()[:-1] + ", timeout: 0.5}\nrouter_settings: {num_retries: 0}\n"

    def dying(peer: Peer) -> None:
        peer.request()
        peer.send(PLAIN)
        peer.request()
        time.sleep(0.4)

    def slow(peer: Peer) -> None:
        peer.request()
        time.sleep(0.4)
        peer.send(PLAIN)

    with RawServer(dying, slow) as upstream:
        async with serving(configured(tmp_path, config, upstream.base_url)) as served:
            assert (await served.chat()).status_code == 200
            began = monotonic()
            assert (await served.chat()).status_code == 504
            assert monotonic() - began < 0.79
            assert in_flight(served) == [0]


async def test_a_usage_beyond_all_numbers(tmp_path: Path, by: str) -> None:
    """It counts as nothing, and is passed on as it came."""
    huge = b'"completion_tokens":1' + b"0" * 400
    body = completion().replace(b'"completion_tokens":2', huge)
    with RawServer(answering(PLAIN, whole(body), PLAIN)) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            assert (await served.chat(headers=HEADERS)).status_code == 200
            answer = await served.chat(headers=HEADERS)
            assert (answer.status_code, huge in answer.content) == (200, True)
            assert in_flight(served)[0] == 0
            assert 'kind="completion"} 2\n' in served.page()


async def test_a_mistake_behind_the_books(
    tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that can't be written, for whatever reason, is a 500, and nothing is given back twice."""

    def failing(*args: object) -> None:
        monkeypatch.undo()
        raise ZeroDivisionError

    config = KEYED.replace("rpm: 100,", "rpm: 100, max_parallel_requests: 5,")
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, config, upstream.base_url)) as served:
            assert (await served.chat(headers=HEADERS)).status_code == 200
            monkeypatch.setattr(GatewayProtocol, "answer" if by == "task" else "reply", failing)
            answer = await served.chat(headers=HEADERS)
            assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
            assert in_flight(served) == [0, 0]
            assert not served.gateway.calls
    assert "mistake of the gateway's own" in caplog.text
