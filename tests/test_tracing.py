"""Traces of chats: each call is one span, whatever becomes of it."""

from __future__ import annotations

import contextvars
import gc
import json
import logging
import threading
from typing import Any

import anyio
import httpx
import pytest
from conftest import KEY, MODEL, PROJECT, ask, done, each
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel
from spans import Traced, attributes, traced

from wandb_inference import (
    APITimeoutError,
    BudgetExceededError,
    Client,
    InternalServerError,
    ParseError,
    StreamInterruptedError,
    budget,
    lora,
    tracing,
)
from wandb_inference._core import following
from wandb_inference.testing import Emulator, Fault

ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
STREAMED = ({"stream": True}, {"final_only": True})


async def read(stream: Any) -> None:
    """Reads a stream to its end."""
    async for _ in each(stream):
        pass


async def test_an_answer(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A span says what was asked of whom, what came back, and what it took; nothing of what was said."""
    answer = await ask(client, temperature=1, top_p=0.5, seed=7, max_tokens=50, stop="stop", n=2, frequency_penalty=0)

    span = kept.one
    port = int(emulator.base_url.split(":")[2].removesuffix("/v1"))
    assert (span.name, span.kind, span.status.status_code) == (f"chat {MODEL}", SpanKind.CLIENT, StatusCode.UNSET)
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    assert answer.usage is not None
    assert answer.meta is not None
    assert attributes(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "wandb",
        "gen_ai.request.model": MODEL,
        "server.address": "127.0.0.1",
        "server.port": port,
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.frequency_penalty": 0.0,
        "gen_ai.request.seed": 7,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.stop_sequences": ("stop",),
        "gen_ai.response.model": MODEL,
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": ("stop", "stop"),
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": answer.usage.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "gen_ai.usage.reasoning_tokens": 0,
        "http.response.status_code": 200,
        "wandb_inference.request_id": answer.meta.request_id,
        "wandb_inference.attempts": 1,
    }


async def test_thinking(client: Any, kept: Traced) -> None:
    """Tokens of thinking go by both names that W&B's readers know."""
    answer = await ask(client, model="openai/gpt-oss-20b", reasoning_effort="low")

    found = attributes(kept.one)
    assert found["gen_ai.request.reasoning.level"] == "low"
    assert found["gen_ai.usage.reasoning.output_tokens"] == answer.usage.reasoning_tokens > 0
    assert found["gen_ai.usage.reasoning_tokens"] == answer.usage.reasoning_tokens


@pytest.mark.parametrize(
    ("form", "expected"),
    [({"type": "text"}, "text"), ({"type": "json_object"}, "json"), (None, None)],
    ids=["text", "json", "none"],
)
async def test_the_form_asked_for(client: Any, kept: Traced, form: Any, expected: str | None) -> None:
    """A form that was asked for is told as the kind of output."""
    await ask(client, response_format=form)

    assert attributes(kept.one).get("gen_ai.output.type") == expected


async def test_what_only_the_server_knows(client: Any, emulator: Emulator, kept: Traced) -> None:
    """Parameters of another kind than they should be are left out."""
    emulator.reply("Yes.")
    wild = {"temperature": "hot", "seed": True, "stop": ["a", 1], "reasoning_effort": 3, "n": "two", "top_k": 40}
    await ask(client, extra_body={**wild, "max_completion_tokens": 9, "response_format": "json"})

    found = attributes(kept.one)
    assert {name for name in found if name.startswith("gen_ai.request.")} == {
        "gen_ai.request.model",
        "gen_ai.request.top_k",
        "gen_ai.request.max_tokens",
        "gen_ai.request.stop_sequences",
    }
    assert found["gen_ai.request.stop_sequences"] == ("a",)
    assert "gen_ai.output.type" not in found


@pytest.mark.parametrize("how", STREAMED, ids=["stream", "final_only"])
async def test_a_stream(client: Any, emulator: Emulator, kept: Traced, how: dict[str, Any]) -> None:
    """The span of a stream ends with its last chunk, and knows when the first came."""
    emulator.reply("One two three", tokens_per_second=200)
    if "stream" in how:
        stream = await ask(client, **how)
        assert not kept.spans
        await read(stream)
    else:
        await ask(client, **how)

    span = kept.one
    found = attributes(span)
    assert span.start_time is not None
    assert span.end_time is not None
    assert found["gen_ai.request.stream"] is True
    assert 0 < found["gen_ai.response.time_to_first_chunk"] < (span.end_time - span.start_time) / 1e9
    assert found["gen_ai.usage.output_tokens"] == 3
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    assert "wandb_inference.stream.left" not in found


async def test_a_stream_of_events(client: Any, kept: Traced) -> None:
    """A stream of events is one chat."""
    manager = client.chat.completions.stream(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
    stream = await done(manager.__aenter__()) if hasattr(manager, "__aenter__") else manager.__enter__()
    await done(stream.until_done())
    await done(stream.close())

    assert kept.tree == [f"chat {MODEL}"]


async def test_a_stream_that_is_left(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A stream that is left is no failure, and says so."""
    emulator.reply("One two three four five", tokens_per_second=20)
    stream = await ask(client, stream=True)
    await (done(next(stream)) if isinstance(client, Client) else anext(stream))
    await done(stream.close())

    found = attributes(kept.one)
    assert kept.one.status.status_code is StatusCode.UNSET
    assert found["wandb_inference.stream.left"] is True
    assert found["gen_ai.response.finish_reasons"] == ("error",)


async def test_a_stream_that_is_dropped(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A stream that the collector takes ends its span, too."""
    emulator.reply("One two three four five", tokens_per_second=20)
    stream = await ask(client, stream=True)
    with pytest.warns(ResourceWarning):
        del stream
        gc.collect()

    assert attributes(kept.one)["wandb_inference.stream.left"] is True
    await anyio.sleep(0.01)


async def test_a_stream_that_breaks(make: Any, emulator: Emulator, kept: Traced) -> None:
    """A stream that breaks is a failure with what had arrived."""
    emulator.reply("One two three four")
    emulator.fault(Fault.cut(after_chunks=2))
    client = make(max_retries=0)
    with pytest.raises(StreamInterruptedError):
        await read(await ask(client, stream=True))

    assert kept.one.status.status_code is StatusCode.ERROR
    assert attributes(kept.one)["error.type"] == "StreamInterruptedError"
    assert attributes(kept.one)["gen_ai.response.model"] == MODEL
    await done(client.close())


async def test_retries(make: Any, emulator: Emulator, kept: Traced) -> None:
    """Each of several attempts is an event, in order, at its time; none says what the server said."""
    emulator.fault(Fault.storm(503, times=2, retry_after=0.001))
    client = make()
    await ask(client)

    span = kept.one
    assert [event.name for event in span.events] == ["wandb_inference.attempt"] * 3
    found = [dict(event.attributes or {}) for event in span.events]
    assert [event["wandb_inference.attempt.number"] for event in found] == [1, 2, 3]
    assert [event["http.response.status_code"] for event in found] == [503, 503, 200]
    assert not [event for event in found if "wandb_inference.attempt.error" in event]
    times = [span.start_time or 0, *(event.timestamp for event in span.events), (span.end_time or 0)]
    assert times == sorted(times)
    assert attributes(span)["wandb_inference.attempts"] == 3
    await done(client.close())


async def test_attempts_that_were_not_answered(make: Any, emulator: Emulator, full: Traced) -> None:
    """An attempt without an answer has no status; with content, the words of the failure are told."""
    emulator.fault(Fault.reset(), times=1)
    client = make()
    await ask(client)

    first = dict(full.one.events[0].attributes or {})
    assert "http.response.status_code" not in first
    assert first["wandb_inference.attempt.error"]
    await done(client.close())


@pytest.mark.parametrize(
    ("content", "description"),
    [(False, "InternalServerError: 500"), (True, "InternalServerError: 500: ")],
    ids=["without content", "with content"],
)
async def test_a_refusal(make: Any, emulator: Emulator, content: bool, description: str) -> None:
    """A failure has the error's class and status; its words, which may quote the prompt, only with content."""
    emulator.fault(Fault.status(500))
    client = make(max_retries=0)
    with traced(capture_content=content) as kept, pytest.raises(InternalServerError):
        await ask(client)

    span = kept.one
    assert span.status.status_code is StatusCode.ERROR
    assert (span.status.description or "").startswith(description)
    assert (span.status.description == description) is not content
    assert attributes(span)["error.type"] == "InternalServerError"
    assert attributes(span)["http.response.status_code"] == 500
    await done(client.close())


async def test_a_deadline(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A clock that runs out is named."""
    emulator.reply("late", delay=5.0)
    with pytest.raises(APITimeoutError):
        await ask(client, deadline=0.05)

    assert kept.one.status.description == "APITimeoutError: deadline"


async def test_a_cancellation(make: Any, emulator: Emulator, kept: Traced, way: str) -> None:
    """A call that is cancelled is one that failed."""
    if way == "sync":
        return
    emulator.reply("late", delay=5.0)
    client = make()
    with anyio.move_on_after(0.1):
        await ask(client)

    assert kept.one.status.status_code is StatusCode.ERROR
    assert attributes(kept.one)["error.type"] in ("CancelledError", "Cancelled")
    assert trace.get_current_span() is trace.INVALID_SPAN
    await client.close()


async def test_a_budget(client: Any, emulator: Emulator, kept: Traced) -> None:
    """A call that a budget refuses is a span that failed, and has no attempt."""
    with budget(calls=0), pytest.raises(BudgetExceededError):
        await ask(client)

    assert attributes(kept.one)["error.type"] == "BudgetExceededError"
    assert not emulator.requests


async def test_what_is_never_sent(client: Any, kept: Traced) -> None:
    """A request that can't be sent is no call, and no span."""
    with pytest.raises(ValueError, match="temperature"):
        await ask(client, temperature="hot")

    assert not kept.spans


async def test_the_parent(client: Any, kept: Traced) -> None:
    """A call belongs to the span that was current when it was made, and leaves that one current."""
    tracer = kept.provider.get_tracer("program")
    with tracer.start_as_current_span("program") as parent:
        await ask(client)
        stream = await ask(client, stream=True)
        assert trace.get_current_span() is parent
    await read(stream)
    await ask(client)

    assert kept.tree == ["program", f"  chat {MODEL}", f"  chat {MODEL}", f"chat {MODEL}"]
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_hooks_and_connections_belong_to_the_call(make: Any, kept: Traced) -> None:
    """What happens inside of a call has its span as the current one."""
    seen: list[Any] = []
    client = make(before_send=lambda _: seen.append(trace.get_current_span()))
    await ask(client)

    assert seen[0].get_span_context() == kept.one.get_span_context()
    await done(client.close())


async def test_suppression(client: Any, kept: Traced) -> None:
    """Where instrumentation is suppressed, nothing is traced or measured."""
    for key in ("suppress_instrumentation", context._SUPPRESS_INSTRUMENTATION_KEY):
        token = context.attach(context.set_value(key, True))
        await ask(client)
        context.detach(token)

    assert not kept.spans
    assert not kept.measured


@pytest.mark.parametrize("propagate", [False, True], ids=["by default", "asked for"])
async def test_propagation(make: Any, emulator: Emulator, propagate: bool) -> None:
    """The span is told to the server only where that is asked for."""
    client = make()
    with traced(propagate=propagate) as kept:
        await ask(client)

    told = emulator.requests[0].headers.get("traceparent")
    if propagate:
        span = kept.one.get_span_context()
        assert span is not None
        ids = f"00-{trace.format_trace_id(span.trace_id)}-{trace.format_span_id(span.span_id)}-"
        assert str(told).startswith(ids)
    else:
        assert told is None
    await done(client.close())


async def test_measurements(make: Any, emulator: Emulator, kept: Traced) -> None:
    """Durations, tokens and the time to a stream's first chunk are measured by model and server."""
    client = make(max_retries=0)
    answer = await ask(client)
    await read(await ask(client, stream=True))
    emulator.fault(Fault.status(500))
    with pytest.raises(InternalServerError):
        await ask(client)

    measured = kept.measured
    assert sorted(measured) == [
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    ]
    durations = {point.attributes.get("error.type"): point for point in measured["gen_ai.client.operation.duration"]}
    assert (durations[None].count, durations["InternalServerError"].count) == (2, 1)
    assert durations[None].attributes["gen_ai.response.model"] == MODEL
    assert durations[None].explicit_bounds[-1] == 81.92
    tokens = {point.attributes["gen_ai.token.type"]: point for point in measured["gen_ai.client.token.usage"]}
    assert tokens["input"].sum == 2 * answer.usage.prompt_tokens
    assert measured["gen_ai.client.operation.time_to_first_chunk"][0].count == 1
    await done(client.close())


async def test_what_was_said(client: Any, full: Traced) -> None:
    """With content, a span holds the messages as parts; pictures by their size, links without their secrets."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJDRA=="}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/a.png?token=hidden"}}
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}]
    said = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "name": "ada", "content": [{"type": "text", "text": "See"}, picture, linked]},
        {"role": "assistant", "content": None, "reasoning": "Hm.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    ]
    answer = await ask(client, model="moonshotai/Kimi-K2.6", messages=said)

    found = attributes(full.one)
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be short."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "See"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "", "bytes": 4},
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png?token=***"},
            ],
            "name": "ada",
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "a cat"}]},
    ]
    assert json.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be short."}]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": answer.reasoning},
                {"type": "text", "content": answer.text},
            ],
            "finish_reason": "stop",
        }
    ]
    assert "gen_ai.tool.definitions" not in found


async def test_half_a_surrogate_pair(client: Any, emulator: Emulator, full: Traced) -> None:
    """Text that can't be written as UTF-8 does not keep a span from being sent."""
    emulator.reply("Half \ud800 a pair.")
    await ask(client)

    assert "Half \N{REPLACEMENT CHARACTER} a pair." in attributes(full.one)["gen_ai.output.messages"]


async def test_no_secrets(make: Any, full: Traced) -> None:
    """Neither the key nor a secret header is in any part of a trace, content or not."""
    client = make(default_headers={"x-secret-token": "hush-hush-hush-hush"})
    await ask(client, extra_query={"token": "quiet-quiet-quiet"})

    text = full.one.to_json()
    assert KEY not in text
    assert "hush" not in text
    assert "quiet" not in text
    await done(client.close())


async def test_a_conversation(client: Any, kept: Traced) -> None:
    """The turns of a conversation bear its id, and those of a fork another."""
    conversation = client.chat.conversation(model=MODEL)
    await done(conversation.say("One"))
    await read(await done(conversation.say("Two", stream=True)))
    fork = conversation.fork()
    await done(fork.say("Three"))
    await ask(client)

    ids = [attributes(span).get("gen_ai.conversation.id") for span in kept.spans]
    assert ids == [conversation.id, conversation.id, fork.id, None]
    assert conversation.id != fork.id


async def test_models_as_people_write_them(make: Any, emulator: Emulator, kept: Traced) -> None:
    """A LoRA goes by the id that is sent."""
    client = make()
    await ask(client, model=lora("team/project/mine:v1"))

    assert kept.one.name == "chat wandb-artifact:///team/project/mine:v1"
    await done(client.close())


class Person(BaseModel):
    name: str


async def test_repairs_are_one_tree(client: Any, emulator: Emulator, kept: Traced) -> None:
    """The rounds of parse() with repairs are one tree; without repairs there is one round, by itself."""
    emulator.reply("no JSON")
    emulator.reply('{"name": "Ada"}')
    messages = [{"role": "user", "content": "Who?"}]
    parse = client.chat.completions.parse
    await done(parse(model=MODEL, messages=messages, response_format=Person, max_repairs=1))
    await done(parse(model=MODEL, messages=messages, response_format=Person))

    assert kept.tree == ["parse", f"  chat {MODEL}", f"  chat {MODEL}", f"chat {MODEL}"]


async def test_repairs_that_fail(client: Any, emulator: Emulator, kept: Traced) -> None:
    """An answer that does not fit is a failure of parse(), and none of the chat."""
    emulator.reply("no JSON")
    emulator.reply("none either")
    with pytest.raises(ParseError):
        await done(
            client.chat.completions.parse(
                model=MODEL, messages=[{"role": "user", "content": "?"}], response_format=Person, max_repairs=1
            )
        )

    [parse] = kept.named("parse")
    assert attributes(parse) == {"error.type": "ParseError"}
    assert {span.status.status_code for span in kept.named("chat")} == {StatusCode.UNSET}


async def test_a_second_instrument(make: Any, emulator: Emulator) -> None:
    """A second instrument() takes the place of the first; a call that is under way ends where it began."""
    client = make()
    with traced() as first:
        stream = await ask(client, stream=True)
        with traced() as second:
            await ask(client)
            await read(stream)
            assert (len(first.spans), len(second.spans)) == (1, 1)
    await done(client.close())


async def test_uninstrument(make: Any, kept: Traced) -> None:
    """After uninstrument() nothing new is traced, and what is under way ends its span."""
    client = make()
    stream = await ask(client, stream=True)
    tracing.uninstrument()
    tracing.uninstrument()
    await ask(client)
    await read(stream)

    assert len(kept.spans) == 1
    assert (following.trace, following.runs, following.functions) == (None, None, None)
    await done(client.close())


async def test_the_programs_own_provider(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a provider, spans go to the program's."""
    kept = Traced()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept.provider)
    tracing.instrument()
    await ask(client)
    tracing.uninstrument()

    assert kept.one.name == f"chat {MODEL}"
    kept.provider.shutdown()


async def test_without_any_provider(client: Any) -> None:
    """A program without OpenTelemetry's SDK set up works as it did."""
    tracing.instrument(capture_content=True)
    assert (await ask(client)).text
    tracing.uninstrument()


async def test_spans_that_are_not_sampled(client: Any, full: Traced) -> None:
    """What is not sampled is not written down; it is measured all the same."""
    tracing.instrument(
        tracer_provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False), meter_provider=full.meters
    )
    await ask(client)

    assert not full.spans
    assert full.measured["gen_ai.client.operation.duration"][0].count == 1


async def test_answers_that_say_little(client: Any, emulator: Emulator, kept: Traced) -> None:
    """What a server does not say is not told."""
    emulator.reply(json={"choices": [{"message": {"content": "Hi"}}]}, headers={"x-request-id": ""})
    await ask(client)

    found = attributes(kept.one)
    assert {name for name in found if name.startswith(("gen_ai.response", "gen_ai.usage"))} == {
        "gen_ai.response.finish_reasons"
    }
    assert "gen_ai.response.model" not in kept.measured["gen_ai.client.operation.duration"][0].attributes


async def test_counts_without_their_parts(client: Any, emulator: Emulator, kept: Traced) -> None:
    """Of counts that a server does not split, no parts are told."""
    emulator.reply("Hi", usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})
    await ask(client)

    found = attributes(kept.one)
    assert {name: count for name, count in found.items() if name.startswith("gen_ai.usage")} == {
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 1,
    }


async def test_a_stream_without_anything(make: Any, emulator: Emulator, kept: Traced) -> None:
    """A stream that ends before it has begun has no reasons to have ended."""
    client = make(max_retries=0)
    emulator.reply(sse=b"data: [DONE]\n\n")
    await read(await ask(client, stream=True))

    assert "gen_ai.response.finish_reasons" not in attributes(kept.one)
    await done(client.close())


async def test_waiting_in_line(make: Any, emulator: Emulator, kept: Traced) -> None:
    """Time in line is told."""
    client = make(max_connections=1)
    emulator.reply("slow", delay=0.05)
    if isinstance(client, Client):
        threads = [threading.Thread(target=client.chat.completions.create, kwargs=ASKED) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(lambda: ask(client))

    assert len([span for span in kept.spans if attributes(span).get("wandb_inference.queued", 0) > 0]) == 1
    await done(client.close())


async def test_a_call_that_is_thrown_away(make: Any, emulator: Emulator, kept: Traced, way: str) -> None:
    """A coroutine that ends where another span is current leaves that one alone."""
    if way == "sync":
        return
    client = make()
    emulator.reply("late", delay=5.0)
    call = client.chat.completions.create(**ASKED).__await__()
    contextvars.copy_context().run(next, call)
    with kept.provider.get_tracer("program").start_as_current_span("program") as program:
        call.close()
        assert trace.get_current_span() is program

    assert attributes(kept.named("chat")[0])["error.type"] == "GeneratorExit"
    await client.close()


class Broken(Sampler):
    """A sampler that fails."""

    def should_sample(self, *args: Any, **kwargs: Any) -> Any:
        raise LookupError("no")

    def get_description(self) -> str:
        return "broken"


async def test_tracing_that_fails(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What fails in a trace is logged, and the call goes on."""
    tracing.instrument(tracer_provider=TracerProvider(sampler=Broken(), shutdown_on_exit=False))
    with caplog.at_level(logging.ERROR, "wandb_inference"):
        assert (await ask(client)).text
    tracing.uninstrument()

    assert [record.getMessage() for record in caplog.records] == ["wandb_inference: a trace could not be written"]


def test_http_spans_are_below(kept: Traced, emulator: Emulator) -> None:
    """What an HTTP library traces by itself is below the call's span, which alone has the tokens."""

    def spanned(request: httpx.Request) -> None:
        kept.provider.get_tracer("http").start_span(request.method).end()

    http = httpx.Client(transport=emulator.transport(), event_hooks={"request": [spanned]})
    client = Client(api_key=KEY, project=PROJECT, base_url="http://emulator.test/v1", http_client=http)
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

    assert kept.tree == [f"chat {MODEL}", "  POST"]
    assert len([span for span in kept.spans if "gen_ai.usage.input_tokens" in attributes(span)]) == 1
    http.close()


def test_threads(kept: Traced, emulator: Emulator) -> None:
    """Calls of several threads and clients are spans of their own, each below that of its thread."""
    tracer = kept.provider.get_tracer("program")

    def work(number: int) -> None:
        with tracer.start_as_current_span(f"thread {number}"):
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": str(number)}])

    client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()

    names = [name.strip() for name in kept.tree]
    assert names[1::2] == [f"chat {MODEL}"] * 4
    assert sorted(names[::2]) == [f"thread {number}" for number in range(4)]


async def test_the_end_is_told_once(make: Any, emulator: Emulator, kept: Traced) -> None:
    """Closing a stream again ends nothing again."""
    client = make()
    stream = await ask(client, stream=True)
    await read(stream)
    ended = kept.one.end_time
    await done(stream.close())

    assert kept.one.end_time == ended
    await done(client.close())
