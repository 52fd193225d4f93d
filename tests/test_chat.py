"""Leaving a call or a stream early, by every door that Python has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each, texts
from raw_server import STREAM_HEAD, Peer, RawServer, chunked

from wandb_inference import AsyncClient, Client, StreamInterruptedError, acompletion, completion
from wandb_inference.testing import Emulator, Reply

PIECE = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'


def watched(peer: Peer) -> None:
    """Sends three chunks in one packet, then waits for the client to leave."""
    peer.request()
    peer.send(STREAM_HEAD + b"".join(chunked(PIECE * 3, end=False)))
    if peer.wait_for_end():
        peer.server.left.set()


def settings(server: RawServer) -> dict[str, Any]:
    """A client's settings for a raw server."""
    return {"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0}


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something is so at the server, for five seconds at most."""
    with anyio.fail_after(5):
        while not condition():
            await anyio.sleep(0.005)


async def test_nothing_after_a_break(kind: Any) -> None:
    """A loop that was left has closed the stream: another one says so, and holds what had arrived."""
    with RawServer(watched) as server:
        client = kind(**settings(server))
        stream = await ask(client, stream=True)
        if kind is Client:
            for _ in stream:
                break
        else:
            loop = stream.__aiter__()
            await anext(loop)
            await loop.aclose()
        assert await asyncio.to_thread(server.left.wait, 5)
        with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
            await texts(stream)
        assert caught.value.text == stream.text == "HiHiHi"
        await done(client.close())


async def test_one_by_one(kind: Any) -> None:
    """`next` takes chunks that came together one at a time, and a loop goes on where it stopped."""
    with RawServer(watched) as server:
        client = kind(**settings(server))
        stream = await ask(client, stream=True)
        got = [next(stream) if kind is Client else await anext(stream) for _ in range(2)]
        async for chunk in each(stream):
            got.append(chunk)
            await done(stream.close())
        await done(client.close())

    assert [chunk.text for chunk in got] == ["Hi"] * 3


async def test_break_leaves_the_server(client: Any, emulator: Emulator) -> None:
    """The server stops generating when the caller stops reading."""
    emulator.reply(Reply(text="word " * 50, tokens_per_second=50))
    stream = await ask(client, stream=True)
    if isinstance(client, Client):
        for _ in stream:
            break
    else:
        async for _ in stream:
            break
    await until(lambda: not emulator.in_flight)

    assert emulator.requests[0].outcome == "left"


async def test_cancel_scope() -> None:
    """A stream in a cancelled scope of anyio closes its connection, though nothing can wait there any more."""
    with RawServer(watched) as server:
        async with AsyncClient(**settings(server)) as client:
            with anyio.move_on_after(0.1) as scope:
                async for _ in await ask(client, stream=True):
                    pass
            assert scope.cancelled_caught
            assert await asyncio.to_thread(server.left.wait, 5)


async def test_timeout_around_a_call(emulator: Emulator) -> None:
    """A call that `wait_for` gives up leaves the server at once, and the client works on."""
    emulator.reply(Reply(text="Late.", delay=30), times=20)
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:

        async def one() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.chat.completions.create(model=MODEL, messages=MESSAGES), 0.1)

        await asyncio.gather(*(one() for _ in range(20)))
        await until(lambda: not emulator.in_flight)
        assert (await ask(client)).text

    assert [request.outcome for request in emulator.requests] == ["left"] * 20 + ["sent"]


async def test_cancelled_before_the_answer(emulator: Emulator) -> None:
    """A task that is cancelled while it waits for a stream to begin leaves no stream behind."""
    emulator.reply(Reply(text="Late.", delay=30))
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        task = asyncio.create_task(ask(client, stream=True))
        await until(lambda: bool(emulator.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not emulator.in_flight)


async def test_blocking_client_in_a_loop(emulator: Emulator) -> None:
    """The blocking client works where a loop is running, as in notebooks; `completion` too."""
    with Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    again = completion(MODEL, MESSAGES, api_key=KEY, project=PROJECT, api_base=emulator.base_url)

    assert answer.text == again.text


async def test_tasks_have_names(emulator: Emulator) -> None:
    """What asyncio and debuggers show of a task names the call."""
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:
        task = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=MESSAGES))
        assert "create()" in repr(task)
        assert task.get_stack() == []
        await task


def test_run_takes_a_call(emulator: Emulator) -> None:
    """`asyncio.run` takes a call as it is, with its checks for coroutines on."""
    arguments: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "api_base": emulator.base_url}
    answer = asyncio.run(acompletion(MODEL, MESSAGES, **arguments), debug=True)

    assert answer.text


@pytest.mark.parametrize("function", [completion, acompletion], ids=["sync", "async"])
async def test_misspelt_keyword(function: Any) -> None:
    """A keyword that does not exist is refused by name, before anything is looked up."""
    with pytest.raises(TypeError, match=r"completion\(\) got an unexpected keyword argument 'temprature'"):
        await done(function(MODEL, MESSAGES, temprature=1))
    with pytest.raises(TypeError, match="did you mean 'max_retries'"):
        await done(function(MODEL, MESSAGES, num_retries=1))


@pytest.mark.parametrize("function", [completion, acompletion], ids=["sync", "async"])
async def test_completion_by_position(function: Any, emulator: Emulator) -> None:
    """LiteLLM's names and order: model and messages by position, `stream=None` for no stream."""
    emulator.reply("Hi.", times=3)
    arguments: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "api_base": emulator.base_url}
    answer = await done(function(f"wandb/{MODEL}", MESSAGES, stream=None, **arguments))
    named = await done(function(messages=MESSAGES, model=MODEL, temperature=0.1, **arguments))
    stream = await done(function(MODEL, MESSAGES, stream=True, **arguments))
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in each(stream)])

    assert (answer.text, named.text, text) == ("Hi.", "Hi.", "Hi.")
    assert [request.model for request in emulator.requests] == [MODEL] * 3
    assert emulator.connections <= 2


async def test_wrong_door() -> None:
    """The wrong kind of `with` names the right one."""
    with pytest.raises(TypeError, match="needs AsyncClient"):
        async with Client(api_key=KEY, project=PROJECT):
            pass
    waiting: Any = AsyncClient(api_key=KEY, project=PROJECT)
    with pytest.raises(TypeError, match="needs Client"), waiting:
        pass
