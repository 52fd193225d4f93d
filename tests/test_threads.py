"""One client in many threads, in several event loops at once, in other processes, and inside a running loop."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, whole

from wandb_inference import AsyncClient, Client
from wandb_inference.testing import Emulator

ROOT = Path(__file__).parent.parent
ANSWER = whole(
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
)


def settings(server: Any, **others: Any) -> dict[str, Any]:
    """A client's settings for an emulator or a raw server."""
    return {"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0, **others}


def in_threads(number: int, work: Callable[[int], None]) -> None:
    """Does the work in so many threads at once."""
    failed: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as error:  # raised again where it is seen
            failed.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    if failed:
        raise failed[0]


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_answers_are_not_mixed_up(emulator: Emulator) -> None:
    """32 threads share a client: each gets the answers to its own questions, over no more connections than allowed."""
    echo = [{"role": "user", "content": f"Number {index}"} for index in range(32)]
    with Client(**settings(emulator, max_connections=8)) as client:
        alone = [client.chat.completions.create(model=MODEL, messages=[message]).text for message in echo]

        def work(index: int) -> None:
            for number in range(6):
                if number % 2:
                    stream = client.chat.completions.create(model=MODEL, messages=[echo[index]], stream=True)
                    assert "".join(chunk.text for chunk in stream) == alone[index]
                else:
                    assert client.chat.completions.create(model=MODEL, messages=[echo[index]]).text == alone[index]

        in_threads(32, work)

    assert len(set(alone)) > 1
    assert emulator.connections <= 8


def test_two_loops_at_once(emulator: Emulator) -> None:
    """One async client serves two event loops in two threads at the same time."""
    client = AsyncClient(**settings(emulator, max_connections=4))

    async def main() -> None:
        async def one(number: int) -> None:
            stream = await ask(client, stream=True)
            assert "".join(await texts(stream)) == stream.text == (await ask(client)).text

        await asyncio.gather(*(one(number) for number in range(20)))

    in_threads(2, lambda _: asyncio.run(main()))

    assert emulator.connections <= 8


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # its socket goes the same way
def test_collected_at_the_worst_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten stream that is collected while its pool is busy with another frees its place, and blocks nobody."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n', end=False))
        peer.wait_for_end()

    with RawServer(script, answering(ANSWER)) as server:
        client = Client(**settings(server, max_connections=2))
        forgotten: Any = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        forgotten.myself = forgotten
        turns: Any = client._transport._pool._turns
        leave = turns.leave

        class Collecting:
            """Turns during which the garbage collector comes."""

            enter, wait = turns.enter, turns.wait

            @staticmethod
            def leave() -> Any:
                monkeypatch.setattr(client._transport._pool, "_turns", turns)
                gc.collect()
                return leave()

        monkeypatch.setattr(client._transport._pool, "_turns", Collecting)
        gc.disable()
        try:
            with pytest.warns(ResourceWarning, match="left open"):
                del forgotten
                in_threads(1, lambda _: client.chat.completions.create(model=MODEL, messages=MESSAGES))
        finally:
            gc.enable()
        in_threads(2, lambda _: client.chat.completions.create(model=MODEL, messages=MESSAGES))
        client.close()


async def test_in_a_notebook(emulator: Emulator) -> None:
    """The blocking client works where an event loop is running already, and leaves it alone."""
    with Client(**settings(emulator)) as client:
        text = client.chat.completions.create(model=MODEL, messages=MESSAGES).text
        assert (
            "".join(chunk.text for chunk in client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
            == text
        )
        assert (
            await asyncio.to_thread(lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES).text) == text
        )

    assert emulator.connections == 1


# --- Processes -------------------------------------------------------------------------------------------------------

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")


def forked(child: Callable[[], str]) -> str:
    """What a child process says; empty if it fails, or takes longer than ten seconds."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover  runs in another process
        signal.alarm(10)
        try:
            os.write(writer, child().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


@FORKS
def test_fork(emulator: Emulator) -> None:
    """After a fork both processes go on: the parent on its old connections and in the middle of its stream."""
    with Client(**settings(emulator)) as client:
        text = client.chat.completions.create(model=MODEL, messages=MESSAGES).text
        stream: Any = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        parts = [next(stream).text]
        waiting = client.chat.completions.create(model=MODEL, messages=MESSAGES)  # so that one is idle, one busy

        def child() -> str:
            said = client.chat.completions.create(model=MODEL, messages=MESSAGES).text
            stream.close()
            client.close()
            return said

        assert forked(child) == text
        parts += [chunk.text for chunk in stream]
        after = client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert "".join(parts) == waiting.text == after.text == text
    assert after.meta.reused
    assert emulator.connections == 3  # the child's is the third


@FORKS
async def test_fork_under_a_loop(emulator: Emulator) -> None:
    """After a fork within an event loop, the child runs a loop of its own, and the parent's goes on undisturbed."""
    client = AsyncClient(**settings(emulator))
    text = (await ask(client)).text
    stream = await ask(client, stream=True)
    parts = [(await anext(stream)).text]
    await ask(client)

    async def call() -> str:
        said = (await ask(client)).text
        await client.close()
        return said

    assert forked(lambda: asyncio.run(call())) == text
    parts += await texts(stream)
    after = await ask(client)
    await client.close()

    assert "".join(parts) == after.text == text
    assert after.meta.reused
    assert emulator.connections == 3


async def test_stream_dropped_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that drops a stream of its parent warns, and leaves the connection to the parent."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n', end=False))
        if peer.wait_for_end():
            peer.server.left.set()

    with RawServer(script) as server:
        async with AsyncClient(**settings(server)) as client:
            stream = await ask(client, stream=True)
            await anext(stream)
            with monkeypatch.context() as patch, pytest.warns(ResourceWarning, match="left open"):
                patch.setattr(os, "getpid", lambda: -1)
                del stream
            await asyncio.sleep(0.05)
            assert not server.left.is_set()
        assert await asyncio.to_thread(server.left.wait, 5)


def answers(client: Any) -> tuple[str, str]:
    """A whole and a streamed answer of either kind of client, for another process."""

    async def wait() -> tuple[str, str]:
        async with client:
            return (await ask(client)).text, "".join(await texts(await ask(client, stream=True)))

    if isinstance(client, AsyncClient):
        return asyncio.run(wait())
    with client:
        chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        return client.chat.completions.create(model=MODEL, messages=MESSAGES).text, "".join(c.text for c in chunks)


@FORKS
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Both clients travel to other processes, where they find the key in the environment."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    with Client(project=PROJECT, base_url=emulator.base_url) as client:
        text = client.chat.completions.create(model=MODEL, messages=MESSAGES).text
        both = [client, AsyncClient(project=PROJECT, base_url=emulator.base_url)]
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.map_async(answers, both).get(30) == [(text, text)] * 2
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).meta.reused
