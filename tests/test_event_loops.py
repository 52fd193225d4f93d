"""The async client on asyncio, on uvloop and in trio: the same bodies, the same behaviour."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, whole

from wandb_inference import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    ConfigurationError,
    ServiceUnavailableError,
    acompletion,
)
from wandb_inference._transport.async_exchange import AsyncPool
from wandb_inference.testing import Emulator, Fault, Reply

COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
ANSWER = whole(COMPLETION)
FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'

BACKENDS = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


@pytest.fixture(params=list(BACKENDS))
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Each library, and asyncio on each of its loops."""
    return BACKENDS[request.param]


def settings(server: Any, **others: Any) -> dict[str, Any]:
    """A client's settings for an emulator or a raw server."""
    return {"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0, **others}


async def is_left(server: RawServer) -> bool:
    """Whether the client closes its connection."""
    return await anyio.to_thread.run_sync(server.left.wait, 5)


def watched(peer: Peer) -> None:
    """Sends one chunk, then waits for the client to leave."""
    peer.request()
    peer.send(STREAM_HEAD, *chunked(FIRST, end=False))
    if peer.wait_for_end():
        peer.server.left.set()


def silent(peer: Peer) -> None:
    """Takes a request, and says nothing."""
    peer.request()
    if peer.wait_for_end():
        peer.server.left.set()


# --- Calls and streams -----------------------------------------------------------------------------------------------


async def test_one_connection(emulator: Emulator) -> None:
    """Calls and streams in a row use one connection."""
    async with AsyncClient(**settings(emulator)) as client:
        for _ in range(10):
            stream = await ask(client, stream=True)
            assert "".join(await texts(stream)) == stream.text == (await ask(client)).text
            assert stream.usage.completion_tokens > 0

    assert emulator.connections == 1


async def test_tasks(emulator: Emulator) -> None:
    """Calls can be started in a task group, and a hundred streams at once don't mix."""
    async with AsyncClient(**settings(emulator, max_connections=40)) as client:
        create = client.chat.completions.create

        async def one(number: int) -> None:
            messages = [{"role": "user", "content": f"Number {number}"}]
            stream: Any = await create(model=MODEL, messages=messages, stream=True)
            assert "".join([chunk.text async for chunk in stream]) == stream.text
            assert (await create(model=MODEL, messages=messages)).text == stream.text

        async with anyio.create_task_group() as group:
            group.start_soon(partial(create, model=MODEL, messages=MESSAGES))
            for number in range(100):
                group.start_soon(one, number)

    assert emulator.connections <= 40


async def test_acompletion(emulator: Emulator) -> None:
    """The function without a client works as well."""
    answer = await acompletion(MODEL, MESSAGES, api_key=KEY, project=PROJECT, api_base=emulator.base_url)
    assert answer.text


async def test_emulator_in_process() -> None:
    """The emulator answers in process, with its delays and faults."""
    emulator = Emulator()
    emulator.reply(Reply(text="One, two.", delay=0.02))
    async with emulator.async_client(max_retries=0) as client:
        assert "".join(await texts(await ask(client, stream=True))) == "One, two."
        emulator.fault(Fault.cut(after_chunks=1))
        with pytest.raises(APIConnectionError):
            await texts(await ask(client, stream=True))


async def test_retries(emulator: Emulator) -> None:
    """Attempts are made again, after their wait."""
    emulator.fault(Fault.status(503))
    async with AsyncClient(**settings(emulator, max_retries=1)) as client:
        answer = await ask(client)
        assert [attempt.status for attempt in answer.meta.attempts] == [503, 200]
        assert answer.meta.attempts[1].waited > 0


async def test_cancelled_between_attempts() -> None:
    """The wait before another attempt can be cancelled."""
    with RawServer(answering(whole(b"", 503, "retry-after: 60"))) as server:
        async with AsyncClient(**settings(server, max_retries=1)) as client:
            with anyio.move_on_after(0.1) as scope:
                await ask(client)
            assert scope.cancelled_caught
    assert len(server.requests) == 1


async def test_callable_keys(emulator: Emulator) -> None:
    """Keys come from callables, async or not."""

    async def key() -> str:
        await anyio.sleep(0.01)
        return KEY

    for callable_key in (key, lambda: KEY):
        async with AsyncClient(**settings(emulator, api_key=callable_key)) as client:
            assert (await ask(client)).text
    assert emulator.requests[-1].headers["authorization"] == f"Bearer {KEY}"


async def test_key_that_does_not_come(emulator: Emulator) -> None:
    """Waiting for a key is counted in the deadline, even one that is over before it begins."""

    async def slow() -> str:
        await anyio.sleep(30)
        return KEY

    def too_late() -> Awaitable[str]:
        time.sleep(0.06)
        return slow()

    class Soon:
        def __await__(self) -> Any:
            return slow().__await__()

    def too_late_and_no_coroutine() -> Any:
        time.sleep(0.06)
        return Soon()

    for key in (slow, too_late, too_late_and_no_coroutine):
        async with AsyncClient(**settings(emulator, api_key=key, deadline=0.05)) as client:
            with pytest.raises(APITimeoutError) as caught:
                await ask(client)
        assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")
    assert not emulator.requests


async def test_timeout_of_a_key(emulator: Emulator) -> None:
    """A timeout of whoever gives the key stays what it is."""

    async def failing() -> str:
        raise TimeoutError("mine")

    async with AsyncClient(**settings(emulator, api_key=failing, deadline=5)) as client:
        with pytest.raises(TimeoutError, match="mine"):
            await ask(client)


async def test_closed(emulator: Emulator) -> None:
    """A closed client says so."""
    client = AsyncClient(**settings(emulator))
    await ask(client)
    await client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        await ask(client)


# --- Leaving early ---------------------------------------------------------------------------------------------------


async def test_break() -> None:
    """A `break` frees the connection, while the stream is still held."""
    with RawServer(watched) as server:
        async with AsyncClient(**settings(server)) as client:
            stream = await ask(client, stream=True)
            async for _ in stream:
                break
            assert await is_left(server)
            assert stream.text == "Hel"


async def test_dropped_stream() -> None:
    """A stream that is dropped while open says so, and frees its connection."""
    with RawServer(watched) as server:
        async with AsyncClient(**settings(server)) as client:
            stream = await ask(client, stream=True)
            with pytest.warns(ResourceWarning, match="left open"):
                del stream
                gc.collect()
            assert await is_left(server)


async def test_dropped_client() -> None:
    """A client that is dropped closes its connections, without a word."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ANSWER)
        if peer.wait_for_end():
            peer.server.left.set()

    with RawServer(script) as server:
        client = AsyncClient(**settings(server))
        await ask(client)
        del client
        assert await is_left(server)


async def test_closed_by_another_task() -> None:
    """A stream that another task closes ends; what had arrived stays."""
    with RawServer(watched) as server:
        async with AsyncClient(**settings(server)) as client:
            stream = await ask(client, stream=True)
            assert (await anext(stream)).text == "Hel"
            rest: list[str] = []

            async def read() -> None:
                rest.extend(await texts(stream))

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.sleep(0.05)
                await stream.close()
            assert await is_left(server)
    assert (rest, stream.text) == ([], "Hel")


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelled(stream: bool) -> None:
    """A call or a stream that is cancelled while it waits leaves its server at once."""
    with RawServer(watched if stream else silent) as server:
        async with AsyncClient(**settings(server)) as client:

            async def consume() -> None:
                if stream:
                    async for _ in await ask(client, stream=True):
                        pass
                else:
                    await ask(client)

            with anyio.move_on_after(0.1) as scope:
                await consume()
            assert scope.cancelled_caught
            assert await is_left(server)


async def test_closed_under_cancellation() -> None:
    """Leaving `async with` because of a cancellation closes stream and client."""
    with RawServer(watched) as server:
        with anyio.move_on_after(0.1) as scope:
            async with AsyncClient(**settings(server)) as client, await ask(client, stream=True) as stream:
                await anext(stream)
                await anyio.sleep(30)
        assert scope.cancelled_caught
        assert await is_left(server)


# --- Clocks ----------------------------------------------------------------------------------------------------------


async def timed_out(client: Any, **params: Any) -> Any:
    """The error of a clock of 0.1 s, which comes in time: 0.2 s more are promised, a busy machine gets more."""
    began = time.monotonic()
    with pytest.raises(APITimeoutError) as caught:
        answer = await ask(client, **params)
        await texts(answer)
    assert 0.08 < time.monotonic() - began < 1
    return caught.value


def dripping(peer: Peer) -> None:
    """Sends an answer a byte at a time."""
    peer.request()
    peer.send(*(bytes([byte]) for byte in ANSWER), pause=0.02)


def dripping_body(peer: Peer) -> None:
    """Sends a head, and the body a byte at a time."""
    peer.request()
    peer.send(head(200, f"Content-Length: {len(COMPLETION)}"))
    peer.send(*(bytes([byte]) for byte in COMPLETION), pause=0.02)


def commenting(peer: Peer) -> None:
    """Sends one chunk, then comments."""
    peer.request()
    peer.send(STREAM_HEAD, *chunked(FIRST, end=False))
    while True:
        peer.send(*chunked(b": ping\n\n", end=False), pause=0.02)


@pytest.mark.parametrize(
    ("script", "params", "clock"),
    [
        (silent, {"deadline": 0.1}, "deadline"),
        (silent, {"timeout": 0.1}, "read"),
        (dripping, {"deadline": 0.1}, "deadline"),
        (dripping_body, {"deadline": 0.1}, "deadline"),
        (watched, {"stream": True, "deadline": 0.1}, "deadline"),
        (watched, {"stream": True, "stall_timeout": 0.1}, "stall"),
        (commenting, {"stream": True, "stall_timeout": 0.1}, "stall"),
        (commenting, {"stream": True, "deadline": 0.1, "stall_timeout": None}, "deadline"),
    ],
)
async def test_clocks(script: Any, params: dict[str, Any], clock: str) -> None:
    """Silence, dripping and comments end on the clock that says so."""
    options = {name: params[name] for name in ("stall_timeout",) if name in params}
    params = {name: value for name, value in params.items() if name not in options}
    with RawServer(script) as server:
        async with AsyncClient(**settings(server, **options)) as client:
            assert (await timed_out(client, **params)).clock == clock


async def test_handshake_that_hangs() -> None:
    """A TLS handshake that never comes ends on the clock of connecting."""
    with RawServer(silent) as server:
        url = server.base_url.replace("http:", "https:")
        async with AsyncClient(**settings(server, base_url=url)) as client:
            error = await timed_out(client, timeout=(0.1, 5))
            assert (error.clock, error.attempts[0].outcome) == ("connect", "not_sent")
            assert (await timed_out(client, deadline=0.1)).clock == "deadline"


@pytest.mark.parametrize("anyio_backend", [BACKENDS["asyncio"], BACKENDS["trio"]], ids=["asyncio", "trio"])
async def test_name_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name look-up that does not return ends on the deadline; uvloop has its own, not to be slowed down from here."""

    def slow(*args: Any, **kwargs: Any) -> Any:
        if not socket.AI_NUMERICHOST & kwargs.get("flags", args[5] if len(args) > 5 else 0):  # trio tries that first
            time.sleep(0.25)
        raise socket.gaierror(-2, "Name or service not known")

    with RawServer(silent) as server:
        async with AsyncClient(**settings(server, base_url="http://slow.example/v1")) as client:
            with monkeypatch.context() as patch:
                patch.setattr(socket, "getaddrinfo", slow)
                assert (await timed_out(client, deadline=0.1)).clock == "deadline"
                await anyio.sleep(0.25)  # until the look-up's thread has ended


async def test_retries_beyond_the_deadline() -> None:
    """An error whose retry would pass the deadline surfaces at once."""
    with RawServer(answering(whole(b"", 503, "retry-after: 30"))) as server:
        async with AsyncClient(**settings(server, max_retries=2, deadline=5)) as client:
            with anyio.fail_after(2), pytest.raises(ServiceUnavailableError):
                await ask(client)


# --- The line for a turn ---------------------------------------------------------------------------------------------


async def test_line(emulator: Emulator) -> None:
    """Calls beyond the limit wait in line, first come, first served, and say for how long."""
    emulator.reply(Reply(text="Hi", delay=0.02), times=6)
    order: list[int] = []
    queued: list[float] = []
    async with AsyncClient(**settings(emulator, max_connections=1)) as client:

        async def one(number: int) -> None:
            answer = await ask(client)
            order.append(number)
            queued.append(answer.meta.queued)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(one, number)
                await anyio.sleep(0.001)

    assert order == sorted(order)
    assert queued[0] == 0.0 < min(queued[1:])
    assert queued[1] < queued[5]
    assert emulator.connections == 1


async def test_leaving_the_line(emulator: Emulator) -> None:
    """Who gives up in line, by the deadline or by a cancellation, costs no place."""
    emulator.reply(Reply(text="Hi", delay=0.4))
    async with AsyncClient(**settings(emulator, max_connections=1)) as client:

        async def late() -> None:
            with pytest.raises(APITimeoutError) as caught:
                await ask(client, deadline=0.05)
            assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")

        async def cancelled() -> None:
            with anyio.move_on_after(0.05) as scope:
                await ask(client)
            assert scope.cancelled_caught

        async with anyio.create_task_group() as group:
            group.start_soon(ask, client)
            await anyio.sleep(0.02)
            group.start_soon(late)
            group.start_soon(cancelled)
            await anyio.sleep(0.01)
            assert (await ask(client, deadline=5)).meta.queued > 0.0
        assert (await ask(client)).meta.queued == 0.0


async def test_called_and_cancelled_at_once(emulator: Emulator) -> None:
    """A task that is cancelled in the moment its turn comes passes it on."""
    async with AsyncClient(**settings(emulator, max_connections=1)) as client:
        await ask(client)
        pool: Any = next(iter(client._transport._pools.values()))
        clocks: Any = type("Clocks", (), {"deadline": None, "queued": 0.0})()

        async def take() -> None:
            await pool.enter(clocks)
            pool.leave()

        for _ in range(3):
            await pool.enter(clocks)
            async with anyio.create_task_group() as group:
                group.start_soon(take)
                await anyio.sleep(0.01)
                pool.leave()
                group.cancel_scope.cancel()
        with anyio.fail_after(5):
            assert (await ask(client)).text


# --- One loop after another ------------------------------------------------------------------------------------------


def run(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    """Runs it on one of the backends."""
    name, options = BACKENDS[backend]
    return anyio.run(main, backend=name, backend_options=options)


def test_run_after_run(emulator: Emulator) -> None:
    """One client serves runs of all kinds, one after the other, and keeps no more than the last."""
    client = AsyncClient(**settings(emulator))

    async def main() -> str:
        return "".join(await texts(await ask(client, stream=True))) + (await ask(client)).text

    assert len({run(backend, main) for backend in [*BACKENDS, *reversed(BACKENDS)]}) == 1
    assert len(client._transport._pools) == 1
    assert emulator.connections == 6


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_run_that_ends(backend: str) -> None:
    """The connections of a run end with it, whether the client was closed or not."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ANSWER)
        if peer.wait_for_end():
            peer.server.left.set()

    with RawServer(script) as server:
        client = AsyncClient(**settings(server))
        run(backend, partial(ask, client))
        assert server.left.wait(5)


def test_stream_that_outlives_its_run() -> None:
    """In trio too, a stream that outlives its run warns, and raises nothing; nor does one that is left as it ends."""
    with RawServer(watched) as server:
        client = AsyncClient(**settings(server))
        kept: list[Any] = []

        async def keep() -> None:
            kept.append(await ask(client, stream=True))

        run("trio", keep)
        with pytest.warns(ResourceWarning, match="left open"):
            kept.clear()
            gc.collect()

        async def leave() -> None:
            async for _ in await ask(client, stream=True):
                break

        run("trio", leave)
        assert server.left.wait(5)


def test_left_in_the_last_moment() -> None:
    """A stream that is dropped while its run of trio ends is closed by that end, without a second warning."""
    with RawServer(watched) as server:
        client = AsyncClient(**settings(server))

        async def last(stream: Any) -> AsyncIterator[None]:
            try:
                yield
            finally:
                stream._abandon()  # trio takes no new tasks any more

        async def main() -> None:
            stream = await ask(client, stream=True)
            await anext(stream)
            held.append(last(stream))
            await anext(held[0])

        held: list[AsyncIterator[None]] = []
        run("trio", main)
        assert server.left.wait(5)


def test_trio_beside_asyncio(emulator: Emulator) -> None:
    """In trio's guest mode the client's tasks are told apart, though both libraries share a thread."""
    client = AsyncClient(**settings(emulator))

    async def guest() -> str:
        return (await ask(client)).text + "".join(await texts(await ask(client, stream=True)))

    async def host() -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        first = await guest()
        assert (await done).unwrap() == first == await guest()

    asyncio.run(host())


async def test_without_trio(anyio_backend_name: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where trio was never imported, nobody asks it."""
    if anyio_backend_name == "asyncio":
        monkeypatch.delitem(sys.modules, "trio")
    async with AsyncClient(**settings(emulator)) as client:
        assert (await ask(client)).text


def test_neither(emulator: Emulator) -> None:
    """Outside any loop a call can't run, and says so as asyncio does."""
    coroutine: Any = ask(AsyncClient(**settings(emulator)))
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncPool(1)
