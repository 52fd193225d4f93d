"""Calls cancelled at the limit of connections, in every phase and by the thousand, cost nothing that lasts."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import KEY, PROJECT, ask, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, whole

from wandb_inference import AsyncClient

DATA = Path(__file__).parent / "data"
ANSWER = whole(
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
)
FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
LIMIT = 5

# What goes through httpx leaves generators behind, of which trio warns, where the writing of a request is cancelled.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx._content:ResourceWarning")

BATCHES = {
    "asyncio": (("asyncio", {"use_uvloop": False}), 9),
    "uvloop": (("asyncio", {"use_uvloop": True}), 9),
    "trio": (("trio", {}), 3),
}
"""Each library, and how many batches of 20 calls are cancelled there in each phase."""


@pytest.fixture(params=list(BATCHES))
def loop(request: pytest.FixtureRequest) -> str:
    """Where a test runs."""
    return str(request.param)


@pytest.fixture
def anyio_backend(loop: str) -> Any:
    """Each library, and asyncio on each of its loops."""
    return BATCHES[loop][0]


class Moody:
    """A server's script that hangs in one phase of an answer, until it is told to behave."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.behaves = threading.Event()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")

    def __call__(self, peer: Peer) -> None:
        if self.phase in ("handshake", "writing") and not self.behaves.is_set():
            # Not a byte is read before the client has left or been told to go on.
            self.behaves.wait(30) if self.phase == "writing" else peer.wait_for_end()
        elif self.phase == "handshake":
            with self.tls.wrap_socket(peer.connection, server_side=True) as peer.connection:
                self.answer(peer)
        else:
            self.answer(peer)

    def answer(self, peer: Peer) -> None:
        """Answers one request after the other."""
        while peer.request():
            if self.behaves.is_set():
                peer.send(ANSWER)
                continue
            if self.phase in ("body", "drain"):
                peer.send(STREAM_HEAD, *chunked(FIRST, *([LAST] if self.phase == "drain" else []), end=False))
            peer.wait_for_end()
            return


@contextmanager
def unreachable() -> Iterator[tuple[str, Callable[[], None]]]:
    """A port whose queue is full, so that connecting hangs; and what makes it answer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        with suppress(BlockingIOError):
            filler.connect(listener.getsockname())
    server = RawServer(Moody("connecting"))
    server.scripts[0].behaves.set()  # type: ignore[attr-defined]
    server._listener.close()
    server._listener = listener

    def open_up() -> None:
        for filler in fillers:
            filler.close()
        listener.listen(128)
        server.__enter__()

    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", open_up
    finally:
        server.__exit__()


async def open_files() -> int:
    """File descriptors of this process, once the loop has all of its own, of which a first call opens some."""
    with RawServer(answering(ANSWER)) as server:
        async with AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url) as client:
            await ask(client)
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def working() -> set[Any]:
    """Asyncio's tasks; trio counts its own, and waits for each."""
    try:
        return set(asyncio.all_tasks())
    except RuntimeError:
        return set()


async def churn(client: Any, batches: int, until: Callable[[], bool] = lambda: True, **params: Any) -> int:
    """Cancels batches of calls, after pauses of different lengths; how many calls were cancelled."""
    cancelled = 0

    async def one() -> None:
        nonlocal cancelled
        try:
            answer = await ask(client, **params)
            if params.get("stream"):
                await texts(answer)
        except Exception:
            raise
        except BaseException:  # a cancellation: in trio perhaps a group of them
            cancelled += 1
            raise

    for batch in range(batches):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
            while not until():
                await anyio.sleep(0.01)
            await anyio.sleep(0.002 * (batch % 8))
            group.cancel_scope.cancel()
    return cancelled


async def recover(client: Any) -> None:
    """A hundred calls at the limit, all of which succeed, and as many at once as there are places."""
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask, client)
    queued: list[float] = []

    async def one() -> None:
        queued.append((await ask(client)).meta.queued)

    async with anyio.create_task_group() as group:
        for _ in range(LIMIT):
            group.start_soon(one)
    assert queued == [0.0] * LIMIT


async def settled(files: int, tasks: set[Any]) -> None:
    """Waits until nothing is open that was not before: a closing connection takes a moment on the server's side."""
    end = time.monotonic() + 5
    while len(os.listdir("/proc/self/fd")) > files and time.monotonic() < end:
        await anyio.sleep(0.02)
    assert len(os.listdir("/proc/self/fd")) <= files
    assert working() == tasks


@pytest.mark.parametrize("phase", ["handshake", "writing", "head", "body", "drain"])
async def test_churn(phase: str, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled in whatever phase, or in line behind it, calls leave no connection, place or task behind."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))
    moody = Moody(phase)
    params: dict[str, Any] = {"stream": phase in ("body", "drain")}
    batches = BATCHES[loop][1]
    if phase == "writing":
        params["messages"] = [{"role": "user", "content": "x" * 6_000_000}]
        params["until"] = lambda: server.connections >= LIMIT
        batches = 1
    files, tasks = await open_files(), working()
    with RawServer(moody) as server:
        url = server.base_url.replace("http:", "https:") if phase == "handshake" else server.base_url
        async with AsyncClient(
            api_key=KEY, project=PROJECT, base_url=url, max_connections=LIMIT, max_retries=0, deadline=20
        ) as client:
            assert await churn(client, batches, **params) == 20 * batches
            moody.behaves.set()
            await recover(client)
    await settled(files, tasks)


async def test_churn_while_connecting(loop: str) -> None:
    """Calls cancelled while they connect leave nothing behind."""
    files, tasks = await open_files(), working()
    with unreachable() as (url, open_up):
        async with AsyncClient(
            api_key=KEY, project=PROJECT, base_url=url, max_connections=LIMIT, max_retries=0, deadline=20
        ) as client:
            batches = BATCHES[loop][1]
            assert await churn(client, batches) == 20 * batches
            open_up()
            await recover(client)
    await settled(files, tasks)


async def test_churn_of_answers(loop: str) -> None:
    """Calls cancelled at any moment of a working exchange leave nothing behind, whether they had ended or not."""
    moody = Moody("none")
    moody.behaves.set()
    files, tasks = await open_files(), working()
    with RawServer(moody) as server:
        async with AsyncClient(
            api_key=KEY, project=PROJECT, base_url=server.base_url, max_connections=LIMIT, max_retries=0, deadline=20
        ) as client:
            await churn(client, 4 * BATCHES[loop][1])
            await recover(client)
    await settled(files, tasks)
