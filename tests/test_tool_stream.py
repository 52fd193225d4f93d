"""Runs with tools as events, blocking and async."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
from conftest import MESSAGES, MODEL, done, each

from wandb_inference import (
    APIError,
    AsyncClient,
    BadRequestError,
    Client,
    StreamInterruptedError,
    ToolRoundsExceededError,
)
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import ToolCompletion, ToolResultEvent


def get_weather(city: str) -> str:
    """Says the weather."""
    return f"{city}: cold"


def fail(city: str) -> str:
    """Fails."""
    raise LookupError(city)


class Entered:
    """A stream of either kind, entered and left as its kind needs it."""

    def __init__(self, client: Client | AsyncClient, *tools: Any, **options: Any) -> None:
        given: Any = {"model": MODEL, "messages": MESSAGES, "tools": tools, "stream": True, **options}
        self.stream: Any = client.chat.completions.run_tools(**given)
        self.blocking = isinstance(client, Client)

    async def __aenter__(self) -> Any:
        return self.stream.__enter__() if self.blocking else await self.stream.__aenter__()

    async def __aexit__(self, *exc_info: Any) -> None:
        if self.blocking:
            self.stream.__exit__(*exc_info)
        else:
            await self.stream.__aexit__(*exc_info)


async def following(stream: Any) -> Any:
    """The next event of either kind of stream."""
    return next(stream) if hasattr(stream, "__next__") else await anext(stream)


def called(emulator: Emulator, *calls: tuple[str, Any], text: str | None = "It is cold.") -> None:
    """Scripts an answer that calls, and the answer to that."""
    emulator.reply(tool_calls=calls)
    if text is not None:
        emulator.reply(text)


async def test_events(client: Any, emulator: Emulator) -> None:
    """Events of each answer, and between them each call's result."""
    called(emulator, ("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"}))

    async with Entered(client, get_weather) as stream:
        assert len(emulator.requests) == 1
        assert (stream.text, stream.usage, stream.steps) == ("", None, ())
        events = [event async for event in each(stream)]
        final = await done(stream.get_final_completion())

    whole = [event.type for event in events if event.type not in ("content.delta", "tool_call.delta", "usage")]
    assert whole == [
        "tool_call.done",
        "tool_call.done",
        "finish",
        "tool.result",
        "tool.result",
        "content.done",
        "finish",
    ]
    results = [event for event in events if isinstance(event, ToolResultEvent)]
    assert [event.step.content for event in results] == ["Oslo: cold", "Rome: cold"]
    assert "".join(event.delta for event in events if event.type == "content.delta") == "It is cold."
    assert isinstance(final, ToolCompletion)
    assert (final.text, stream.text) == ("It is cold.", "It is cold.")
    assert final.steps == stream.steps == tuple(event.step for event in results)
    assert final.usage == stream.usage
    assert final.meta.request_id == final.rounds[-1].meta.request_id
    assert [request.stream for request in emulator.requests] == [True, True]


async def test_the_same_as_without_events(client: Any, emulator: Emulator) -> None:
    """The run comes to the same."""
    for _ in range(2):
        called(emulator, ("get_weather", {"city": "Oslo"}), ("fail", {"city": "Rome"}), ("sing", '{"a":'))
    given: Any = {"model": MODEL, "messages": MESSAGES, "tools": [get_weather, fail]}

    whole = await done(client.chat.completions.run_tools(**given))
    async with Entered(client, get_weather, fail) as stream:
        streamed = await done(stream.get_final_completion())

    def plain(messages: list[dict[str, Any]]) -> Any:
        return [(message["role"], message["content"], len(message.get("tool_calls", ()))) for message in messages]

    assert plain(streamed.messages) == plain(whole.messages)
    assert [step.outcome for step in streamed.steps] == [step.outcome for step in whole.steps]
    assert streamed.usage.total_tokens == whole.usage.total_tokens


async def test_texts(client: Any, emulator: Emulator) -> None:
    """The text of all answers, and nothing else."""
    emulator.reply("Let me see. ", tool_calls=[("get_weather", {"city": "Oslo"})])
    emulator.reply("It is cold.")

    async with Entered(client, get_weather) as stream:
        assert "".join([text async for text in each(stream.text_stream)]) == "Let me see. It is cold."


async def test_taking_up_a_loop(client: Any, emulator: Emulator) -> None:
    """A loop that was left inside `with` goes on where it stopped."""
    called(emulator, ("get_weather", {"city": "Oslo"}))

    async with Entered(client, get_weather) as stream:
        async for event in each(stream):
            if event.type == "tool.result":
                break
        assert await done(stream.until_done()) is stream

    assert stream.text == "It is cold."
    assert [event async for event in each(stream)] == []


@pytest.mark.parametrize("kept", [0, 1, 3])
async def test_leaving(client: Any, emulator: Emulator, kept: int) -> None:
    """Leaving `with` ends the run: no answer is read on, no function called, and no end pretended."""
    called(emulator, ("get_weather", {"city": "Oslo"}))

    async with Entered(client, get_weather) as stream:
        for _ in range(kept):
            await following(stream)

    with pytest.raises(StreamInterruptedError, match="closed before its end"):
        await following(stream)
    with pytest.raises(StreamInterruptedError):
        await done(stream.get_final_completion())
    assert len(emulator.requests) == 1
    with anyio.fail_after(5):
        while emulator.in_flight:
            await anyio.sleep(0.001)


async def test_errors_on_entering(client: Any, emulator: Emulator) -> None:
    """The first request is sent where `with` enters, and fails there."""
    emulator.fault(Fault.status(400))

    with pytest.raises(BadRequestError):
        async with Entered(client, get_weather):
            pass


async def test_errors_later(client: Any, emulator: Emulator) -> None:
    """One of a later request is raised by the loop, with the rounds before it."""
    called(emulator, ("get_weather", {"city": "Oslo"}), text=None)
    emulator.reply(status=400)

    async with Entered(client, get_weather) as stream:
        with pytest.raises(BadRequestError) as caught:
            await done(stream.until_done())

    assert caught.value.tool_run is not None
    assert [step.content for step in caught.value.tool_run.steps] == ["Oslo: cold"]


async def test_a_broken_answer(client: Any, emulator: Emulator) -> None:
    """A stream that breaks has what had arrived of the answer, and the rounds before it."""
    called(emulator, ("get_weather", {"city": "Oslo"}))
    emulator.fault(Fault.cut(after_chunks=3), when=lambda request: len(request.messages) > 1)

    async with Entered(client, get_weather) as stream:
        with pytest.raises(APIError) as caught:
            await done(stream.until_done())

    assert caught.value.text
    assert caught.value.tool_run is not None
    assert len(caught.value.tool_run.rounds) == 1


async def test_errors_of_functions(client: Any, emulator: Emulator) -> None:
    """By choice a function's error ends the run."""
    called(emulator, ("fail", {"city": "Oslo"}), text=None)

    async with Entered(client, fail, on_error="raise") as stream:
        with pytest.raises(LookupError) as caught:
            await done(stream.until_done())
        with pytest.raises(StreamInterruptedError):
            await following(stream)

    made: Any = caught.value
    assert [step.outcome for step in made.tool_run.steps] == ["failed"]


async def test_max_rounds(client: Any, emulator: Emulator) -> None:
    """The bound holds, and the results of the last round are told before."""
    emulator.reply(tool_calls=[("get_weather", {"city": "Oslo"})], times=None)

    async with Entered(client, get_weather, max_rounds=2) as stream:
        types = []
        with pytest.raises(ToolRoundsExceededError):
            async for event in each(stream):
                types.append(event.type)

    assert types.count("tool.result") == len(emulator.requests) == 2


async def test_tools_of_the_caller(client: Any, emulator: Emulator) -> None:
    """The run ends where a tool of the caller's is called."""
    mine = {"type": "function", "function": {"name": "mine"}}
    called(emulator, ("mine", {}), text=None)

    async with Entered(client, mine) as stream:
        final = await done(stream.get_final_completion())

    assert [call.function.name for call in final.pending] == ["mine"]


async def test_cancellation(emulator: Emulator) -> None:
    """A cancellation ends functions and stream; another event is not to be had."""
    began = asyncio.Event()

    async def wait(city: str) -> None:
        began.set()
        await asyncio.sleep(60)

    called(emulator, ("wait", {"city": "Oslo"}), text=None)
    async with emulator.async_client() as client, Entered(client, wait) as stream:
        task = asyncio.create_task(stream.until_done())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(StreamInterruptedError):
            await anext(stream)


def test_interrupts(emulator: Emulator) -> None:
    """So does an interrupt."""

    def stop(city: str) -> None:
        raise KeyboardInterrupt

    called(emulator, ("stop", {"city": "Oslo"}), text=None)
    given: Any = {"model": MODEL, "messages": MESSAGES, "tools": [stop], "stream": True}
    with emulator.client() as client, client.chat.completions.run_tools(**given) as stream:
        with pytest.raises(KeyboardInterrupt):
            stream.until_done()
        with pytest.raises(StreamInterruptedError):
            next(stream)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio(anyio_backend: str, emulator: Emulator) -> None:
    """All of it works in trio, a text loop that is left included."""
    called(emulator, ("get_weather", {"city": "Oslo"}))

    async with emulator.async_client() as client, Entered(client, get_weather) as stream:
        async for text in stream.text_stream:
            assert text
            break
        assert (await stream.get_final_completion()).text == "It is cold."
