"""Traces of runs with tools: one tree of answers and calls, however they are made."""

from __future__ import annotations

import contextlib
import gc
import json
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from conftest import MESSAGES, MODEL, done, each
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from spans import Traced, attributes

from wandb_inference import Client, InternalServerError, ToolRoundsExceededError, tracing
from wandb_inference.testing import Emulator, Fault
from wandb_inference.tracing._tracing import Tracing


def get_weather(city: str) -> dict[str, Any]:
    """Says the weather."""
    return {"city": city, "celsius": 3}


async def get_time(city: str) -> str:
    """Says the time."""
    await anyio.lowlevel.checkpoint()
    trace.get_current_span().set_attribute("seen", city)
    return "noon"


def fail(city: str) -> str:
    """Fails."""
    raise LookupError(f"no weather in {city}")


async def run(client: Any, *tools: Any, **options: Any) -> Any:
    """A run of either kind of client."""
    given = {"model": MODEL, "messages": MESSAGES, "tools": tools, **options}
    return await done(client.chat.completions.run_tools(**given))


@contextlib.asynccontextmanager
async def streamed(client: Any, *tools: Any) -> Any:
    """A run as events, of either kind of client."""
    stream = client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=tools, stream=True)
    if hasattr(stream, "__aenter__"):
        async with stream:
            yield stream
    else:
        with stream:
            yield stream


def script(emulator: Emulator, *names: str, text: str = "Cold.") -> None:
    """Scripts an answer that calls, and the answer to that."""
    emulator.reply(tool_calls=[(name, {"city": "Oslo"}) for name in names])
    emulator.reply(text)


TREE = ["invoke_agent", f"  chat {MODEL}", "  execute_tool get_weather", f"  chat {MODEL}"]


async def test_a_run(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A run is one tree: its answers, and the calls between them. Only the answers have tokens."""
    script(emulator, "get_weather")
    answer = await run(client, get_weather)

    assert kept.tree == TREE
    [agent] = kept.named("invoke_agent")
    assert (agent.kind, agent.status.status_code) == (SpanKind.INTERNAL, StatusCode.UNSET)
    found = attributes(agent)
    assert found["gen_ai.operation.name"] == "invoke_agent"
    assert found["gen_ai.request.model"] == MODEL
    assert (found["wandb_inference.rounds"], found["wandb_inference.tool_calls"]) == (2, 1)
    assert not [name for name in found if name.startswith("gen_ai.usage")]
    [call] = kept.named("execute_tool")
    assert attributes(call) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.call.id": answer.steps[0].call.id,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.description": "Says the weather.",
    }
    tokens = sum(attributes(span)["gen_ai.usage.output_tokens"] for span in kept.named("chat"))
    assert tokens == answer.usage.completion_tokens
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_run_as_events(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A run as events is the same tree; what the loop does between them is none of the run's."""
    script(emulator, "get_weather")
    seen = set()
    async with streamed(client, get_weather) as stream:
        async for _ in each(stream):
            seen.add(trace.get_current_span())

    assert kept.tree == TREE
    assert seen == {trace.INVALID_SPAN}


@pytest.mark.parametrize("parallel", [True, False], ids=["together", "one by one"])
async def test_several_calls(client: Any, emulator: Emulator, kept: Traced, way: str, parallel: bool) -> None:
    """Calls at the same time, in threads and tasks, are below their run, each current in its own function."""
    other = get_weather if way == "sync" else get_time
    names = ("get_weather", other.__name__)
    script(emulator, *names)
    with kept.provider.get_tracer("program").start_as_current_span("program"):
        await run(client, *dict.fromkeys((get_weather, other)), parallel=parallel)

    assert kept.tree[:3] == ["program", "  invoke_agent", f"    chat {MODEL}"]
    assert sorted(kept.tree[3:5]) == sorted(f"    execute_tool {name}" for name in names)
    assert kept.tree[5:] == [f"    chat {MODEL}"]
    if way != "sync":
        [timed] = [span for span in kept.spans if span.name == "execute_tool get_time"]
        assert attributes(timed)["seen"] == "Oslo"


async def test_calls_within_a_call(make: Any, emulator: Emulator, kept: Traced) -> None:
    """What a function asks itself is below its call."""
    client = make()
    inner = make()

    async def ask_async(city: str) -> str:
        """Asks again."""
        answer = await inner.chat.completions.create(model=MODEL, messages=MESSAGES)
        return str(answer.text)

    def ask_sync(city: str) -> str:
        """Asks again."""
        return str(inner.chat.completions.create(model=MODEL, messages=MESSAGES).text)

    ask = ask_sync if isinstance(client, Client) else ask_async
    emulator.reply(tool_calls=[(ask.__name__, {"city": "Oslo"})])
    await run(client, ask)

    assert f"    chat {MODEL}" in kept.tree
    await done(client.close())
    await done(inner.close())


async def test_a_function_that_fails(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A function that raises is a failed call, and no failed run: the model was told."""
    script(emulator, "fail")
    await run(client, fail)

    [call] = kept.named("execute_tool")
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, "LookupError")
    assert attributes(call)["error.type"] == "LookupError"
    assert kept.named("invoke_agent")[0].status.status_code is StatusCode.UNSET


async def test_a_run_that_fails(client: Any, emulator: Emulator, full: Traced) -> None:
    """What ends a run is on its span."""
    script(emulator, "fail")
    with pytest.raises(LookupError):
        await run(client, fail, on_error="raise")

    [agent] = full.named("invoke_agent")
    assert agent.status.description == "LookupError: no weather in Oslo"


async def test_a_run_without_end(client: Any, emulator: Emulator, kept: Traced) -> None:
    """Too many rounds are a failure of the run alone."""
    script(emulator, "get_weather")
    with pytest.raises(ToolRoundsExceededError):
        await run(client, get_weather, max_rounds=1)

    assert kept.tree == TREE[:3]
    assert attributes(kept.named("invoke_agent")[0])["error.type"] == "ToolRoundsExceededError"


async def test_a_run_that_is_not_answered(make: Any, emulator: Emulator, kept: Traced) -> None:
    """A run whose first call fails, whole or as events, has no answer to tell of."""
    client = make(max_retries=0)
    emulator.fault(Fault.status(500), times=2)
    with pytest.raises(InternalServerError):
        await run(client, get_weather)
    with pytest.raises(InternalServerError):
        async with streamed(client, get_weather):
            pass

    assert kept.tree == TREE[:2] * 2
    assert "wandb_inference.rounds" not in attributes(kept.named("invoke_agent")[0])
    await done(client.close())


async def test_a_stream_of_a_run_that_breaks(make: Any, emulator: Emulator, kept: Traced) -> None:
    """A run whose stream breaks fails with it."""
    client = make(max_retries=0)
    emulator.reply("One two three four")
    emulator.fault(Fault.cut(after_chunks=2))
    with pytest.raises(Exception, match="end"):
        async with streamed(client, get_weather) as stream:
            async for _ in each(stream):
                pass

    assert {span.status.status_code for span in kept.spans} == {StatusCode.ERROR}
    await done(client.close())


async def test_refused_calls(client: Any, emulator: Emulator, kept: Traced) -> None:
    """Calls that are not made have no spans: an event says why."""
    emulator.reply(tool_calls=[("nothing", {}), ("get_weather", {"town": 1}), ("get_weather", {"city": "Oslo"})])
    emulator.reply("Sorry.")
    await run(client, get_weather, approve=lambda _: False)

    [agent] = kept.named("invoke_agent")
    assert not kept.named("execute_tool")
    found = [dict(event.attributes or {}) for event in agent.events]
    assert {event.name for event in agent.events} == {"wandb_inference.tool_refused"}
    assert [event["wandb_inference.tool.outcome"] for event in found] == ["unknown", "invalid", "denied"]
    assert found[0]["gen_ai.tool.name"] == "nothing"
    assert "wandb_inference.tool.error" not in found[0]


async def test_why_a_call_was_refused(client: Any, emulator: Emulator, full: Traced) -> None:
    """With content, the event has the words that the model was told."""
    emulator.reply(tool_calls=[("nothing", {})])
    emulator.reply("Sorry.")
    await run(client, get_weather)

    event = dict(full.named("invoke_agent")[0].events[0].attributes or {})
    assert "there is no tool 'nothing'" in str(event["wandb_inference.tool.error"])


async def test_what_was_said(client: Any, emulator: Emulator, full: Traced) -> None:
    """With content, arguments and results are on the calls, and question and answer on the run."""
    script(emulator, "get_weather", "fail")
    await run(client, get_weather, fail)

    weather, failed = sorted(full.named("execute_tool"), key=lambda span: span.name, reverse=True)
    assert attributes(weather)["gen_ai.tool.call.arguments"] == '{"city":"Oslo"}'
    assert json.loads(attributes(weather)["gen_ai.tool.call.result"]) == {"city": "Oslo", "celsius": 3}
    assert failed.status.description == "LookupError: no weather in Oslo"
    found = attributes(full.named("invoke_agent")[0])
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
    ]
    assert json.loads(found["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Cold."}]
    names = [tool["name"] for tool in json.loads(found["gen_ai.tool.definitions"])]
    assert names == ["get_weather", "fail"]


async def test_calls_left_to_the_caller(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A run that ends with calls that the caller makes has ended well."""
    emulator.reply(tool_calls=[("mine", {})])
    await run(client, {"type": "function", "function": {"name": "mine"}})

    [agent] = kept.named("invoke_agent")
    assert "wandb_inference.stream.left" not in attributes(agent)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "dropped"])
async def test_a_run_that_is_left(client: Any, emulator: Emulator, kept: Traced, closed: bool) -> None:
    """A run that is left between its events ends its span, and says so."""
    script(emulator, "get_weather", text="One two three four five")
    stream = client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[get_weather], stream=True)
    kind = ""
    while kind != "tool.result":
        kind = (next(stream) if isinstance(client, Client) else await anext(stream)).type
    if closed:
        await done(stream.close())
    del stream
    gc.collect()

    assert kept.tree == TREE[:3]
    assert attributes(kept.named("invoke_agent")[0])["wandb_inference.stream.left"] is True


async def test_a_run_that_is_cancelled(make: Any, emulator: Emulator, kept: Traced, way: str) -> None:
    """A run that is cancelled in a function ends all its spans as failed."""
    if way == "sync":
        return

    async def sleep(city: str) -> str:
        """Sleeps."""
        await anyio.sleep(5)
        return "awake"

    client = make()
    script(emulator, "sleep")
    with anyio.move_on_after(0.3):
        await run(client, sleep)

    assert kept.tree == ["invoke_agent", f"  chat {MODEL}", "  execute_tool sleep"]
    failed = {span.name.partition(" ")[0]: span.status.status_code for span in kept.spans}
    assert failed == {"chat": StatusCode.UNSET, "execute_tool": StatusCode.ERROR, "invoke_agent": StatusCode.ERROR}
    await client.close()


async def test_an_interrupt(make: Any, emulator: Emulator, kept: Traced, way: str) -> None:
    """What no `except Exception` catches ends the spans, too."""
    if way != "sync":
        return

    def stop(city: str) -> str:
        """Stops."""
        raise KeyboardInterrupt

    client = make()
    script(emulator, "stop")
    with pytest.raises(KeyboardInterrupt):
        await run(client, stop)

    assert attributes(kept.named("execute_tool")[0])["error.type"] == "KeyboardInterrupt"
    assert attributes(kept.named("invoke_agent")[0])["error.type"] == "KeyboardInterrupt"
    client.close()


def test_a_trace_that_fails(emulator: Emulator, kept: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a function raised is what is raised, though nothing could be said of it in its span."""

    def stop(city: str) -> str:
        """Stops."""
        raise KeyboardInterrupt

    def broken(*args: object) -> None:
        raise LookupError

    script(emulator, "stop")
    monkeypatch.setattr(Tracing, "fail", broken)
    with emulator.client() as client, pytest.raises(KeyboardInterrupt):
        client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[stop])


async def test_suppression(client: Any, emulator: Emulator, kept: Traced) -> None:
    """Where instrumentation is suppressed, no part of a run is traced."""
    script(emulator, "get_weather", "nothing")
    token = context.attach(context.set_value("suppress_instrumentation", True))
    await run(client, get_weather)
    context.detach(token)

    assert not kept.spans


async def test_a_function_without_a_word(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A function without a docstring has no description."""

    def bare() -> str:
        return "bare"

    emulator.reply(tool_calls=[("bare", {})])
    emulator.reply("Bare.")
    await run(client, bare)

    assert "gen_ai.tool.description" not in attributes(kept.named("execute_tool")[0])


async def test_runs_that_are_not_sampled(client: Any, emulator: Emulator, full: Traced) -> None:
    """Of a run that is not sampled, nothing is written down."""
    off = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    tracing.instrument(tracer_provider=off, capture_content=True)
    script(emulator, "get_weather")
    await run(client, get_weather)

    assert not full.spans


async def test_a_model_that_can_not_be(client: Any, kept: Traced) -> None:
    """A model that can't be asked is the run's failure, by the name that was given."""
    with pytest.raises(ValueError, match="model"):
        await run(client, get_weather, model="")

    assert attributes(kept.one)["gen_ai.request.model"] == ""
    assert attributes(kept.one)["error.type"] == "InvalidRequestError"


async def test_two_threads_close_a_run(make: Any, emulator: Emulator, kept: Traced, way: str) -> None:
    """A run that several threads close ends once."""
    if way != "sync":
        return
    client = make()
    script(emulator, "get_weather")
    with client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[get_weather], stream=True) as stream:
        next(stream)
        threads = [threading.Thread(target=stream.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(kept.named("invoke_agent")) == 1
    client.close()
