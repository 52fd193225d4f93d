"""Streams of events: `chat.completions.stream()`, blocking and async."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import anyio.to_thread
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_server import STREAM_HEAD, Peer, RawServer, chunked, sending, streaming, whole
from test_streaming import DONE, GOOD, USAGE, data, piece

import wandb_inference
from wandb_inference import (
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AsyncChatStream,
    AsyncClient,
    ChatStream,
    Client,
    InvalidRequestError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from wandb_inference.testing import Emulator, Fault

THINKING = "openai/gpt-oss-20b"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in ("get_weather", "get_time")
]


def stream_of(client: Any, **params: Any) -> Any:
    """A stream of events, its request not sent yet."""
    return client.chat.completions.stream(**{"model": MODEL, "messages": MESSAGES, **params})


class Entered:
    """The stream entered by `with` or `async with`, whichever it is for."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def __aenter__(self) -> Any:
        return self.stream.__enter__() if isinstance(self.stream, ChatStream) else await self.stream.__aenter__()

    async def __aexit__(self, *exc_info: Any) -> None:
        if isinstance(self.stream, ChatStream):
            self.stream.__exit__(*exc_info)
        else:
            await self.stream.__aexit__(*exc_info)


async def events_of(stream: Any) -> list[Any]:
    """All events."""
    return [event async for event in each(stream)]


async def next_of(stream: Any) -> Any:
    """The next event."""
    return next(stream) if isinstance(stream, ChatStream) else await anext(stream)


def types(events: list[Any]) -> list[str]:
    """Their types, each run of the same as one."""
    return [event.type for before, event in zip([None, *events], events, strict=False) if not same(before, event)]


def same(before: Any, event: Any) -> bool:
    """Whether an event is one more of the kind before it."""
    return before is not None and before.type == event.type


async def test_events(client: Any, emulator: Emulator) -> None:
    """Thinking, calls, finish and usage are events in their order; the final completion is what `create()` gives."""
    messages = [{"role": "user", "content": "Use get weather and get time."}]
    async with Entered(stream_of(client, model=THINKING, messages=messages, tools=TOOLS)) as stream:
        events = await events_of(stream)
        final = await done(stream.get_final_completion())

    call = ["tool_call.delta", "tool_call.done"]
    assert types(events) == ["reasoning.delta", "reasoning.done", *call, *call, "finish", "usage"]
    calls = [event.tool_call for event in events if event.type == "tool_call.done"]
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert final.choices[0].message.tool_calls == calls
    assert events[-1].usage == stream.usage == final.usage
    assert final.reasoning == next(event.text for event in events if event.type == "reasoning.done")
    assert final.meta.to_first_token is not None
    assert 0 < final.meta.to_headers <= final.meta.total == stream.meta.total
    assert emulator.requests[0].body["stream_options"] == {"include_usage": True}
    assert all(event.chunk.choices or event.type == "usage" for event in events)


async def test_sent_where_it_is_entered(client: Any, emulator: Emulator) -> None:
    """The request is checked at the call and sent where `with` enters; before, nothing is known."""
    stream = stream_of(client)

    assert emulator.requests == []
    assert (stream.text, stream.usage, stream.snapshot.choices) == ("", None, [])
    with pytest.raises(RuntimeError, match="sent where `with` enters"):
        _ = stream.meta
    async with Entered(stream) as same:
        assert same is stream
        assert len(emulator.requests) == 1
        assert stream.meta.status == 200


async def test_answers_side_by_side(client: Any, emulator: Emulator) -> None:
    """The events of several answers come mixed, each with its index; text is the first one's."""
    async with Entered(stream_of(client, n=3, logprobs=True)) as stream:
        events = await events_of(stream)

    final = await done(stream.get_final_completion())
    for choice in final.choices:
        mine = [event for event in events if event.index == choice.index and event.type != "usage"]
        assert "".join(event.delta for event in mine if event.type == "content.delta") == choice.message.text
        tokens = [token for event in mine if event.type == "logprobs" for token in event.logprobs.content]
        assert tokens == choice.logprobs.content
        assert types(mine)[-2:] == ["content.done", "finish"]
    assert stream.text == final.choices[0].message.text


async def test_text_stream(client: Any, emulator: Emulator) -> None:
    """The text alone, of the first answer alone, with `with` or without."""
    emulator.reply("Hello there.", reasoning="Hm.", times=2)
    async with Entered(stream_of(client, n=2)) as stream:
        got = [text async for text in each(stream.text_stream)]
    again = [text async for text in each(stream_of(client, n=2).text_stream)]

    assert got == again
    assert "".join(got) == "Hello there."
    assert len(got) > 1


async def test_scripted_chunks(client: Any, emulator: Emulator) -> None:
    """The emulator sends chunks as a test writes them: here, answers that differ and calls without index or id."""
    call = {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    choices = [(1, {"content": "b"}, None), (0, call, None), (0, call, "tool_calls"), (1, {}, "stop")]
    emulator.reply(
        chunks=[
            {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]} for index, delta, finish in choices
        ]
    )

    final = await done(stream_of(client, n=2).get_final_completion())

    assert [choice.finish_reason for choice in final.choices] == ["tool_calls", "stop"]
    assert len(final.choices[0].message.tool_calls) == 2
    assert final.choices[1].message.text == "b"


async def test_until_done(client: Any, emulator: Emulator) -> None:
    """The rest is read without events; the stream itself comes back."""
    emulator.reply("Hello there.")
    async with Entered(stream_of(client)) as stream:
        assert await done(stream.until_done()) is stream
        assert stream.text == "Hello there."
        assert await events_of(stream) == []


async def test_final_completion_before(client: Any, emulator: Emulator) -> None:
    """The final completion can be asked for first, without `with`, and again; a loop then has nothing more."""
    emulator.reply("Hello there.")
    stream = stream_of(client)

    assert (await done(stream.get_final_completion())).text == "Hello there."
    assert (await done(stream.get_final_completion())).text == "Hello there."
    assert await events_of(stream) == []
    assert len(emulator.requests) == 1


async def test_final_completion_within(client: Any, emulator: Emulator) -> None:
    """Within a loop it reads the rest, and the loop ends, even where its chunk had more events to give."""
    emulator.reply("Hello there.")
    finals = []
    async with Entered(stream_of(client, logprobs=True)) as stream:
        async for event in each(stream):
            assert event.delta == "Hello"
            finals.append(await done(stream.get_final_completion()))

    assert [final.text for final in finals] == ["Hello there."]


async def test_snapshot(client: Any, emulator: Emulator) -> None:
    """The completion so far, at any time."""
    emulator.reply("Hello there.")
    async with Entered(stream_of(client)) as stream:
        await next_of(stream)
        assert (stream.snapshot.text, stream.text) == ("Hello", "Hello")
        assert stream.snapshot.choices[0].finish_reason is None


async def test_two_loops(client: Any, emulator: Emulator) -> None:
    """Single events can be taken by `next`, and the rest in a loop."""
    emulator.reply("Hello there.")
    async with Entered(stream_of(client)) as stream:
        first = await next_of(stream)
        rest = await events_of(stream)

    assert first.delta == "Hello"
    assert rest[-3].text == "Hello there."


# --- Leaving early ---------------------------------------------------------------------------------------------------


def watched(peer: Peer) -> None:
    """Sends one chunk, then waits for the client to leave."""
    peer.request()
    peer.send(STREAM_HEAD, *chunked(GOOD[0], end=False))
    if peer.wait_for_end():
        peer.server.left.set()


async def is_left(server: RawServer) -> bool:
    """Whether the client closes its connection."""
    return await anyio.to_thread.run_sync(server.left.wait, 5)


@pytest.mark.parametrize("of", ["events", "texts"])
async def test_break(connect: Any, of: str) -> None:
    """A `break` frees the connection, within `with` too, and what comes after says the truth."""
    with RawServer(watched) as server:
        client = connect(server)
        async with Entered(stream_of(client)) as stream:
            if isinstance(client, Client):
                for _ in stream if of == "events" else stream.text_stream:
                    break
            else:
                async for _ in stream if of == "events" else stream.text_stream:
                    break
            assert await is_left(server)
            assert stream.text == "Hel"
            for ask_for in (stream.get_final_completion, stream.until_done):
                with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
                    await done(ask_for())
                assert caught.value.text == "Hel"
        await done(client.close())


@pytest.mark.parametrize("of", ["events", "texts"])
async def test_break_without_with(connect: Any, of: str) -> None:
    """A `break` frees the connection of a stream that no `with` entered, too."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = stream_of(client)
        if isinstance(client, Client):
            for _ in stream if of == "events" else stream.text_stream:
                break
        else:
            async for _ in stream if of == "events" else stream.text_stream:
                break
        assert await is_left(server)
        await done(client.close())


async def test_leaving_with(connect: Any) -> None:
    """Leaving `with` frees the connection, whatever was read."""
    with RawServer(watched) as server:
        client = connect(server)
        async with Entered(stream_of(client)):
            pass
        assert await is_left(server)
        await done(client.close())


async def test_an_exception_within(connect: Any) -> None:
    """So does an exception in the block."""
    with RawServer(watched) as server:
        client = connect(server)
        with pytest.raises(KeyError):
            async with Entered(stream_of(client)) as stream:
                await next_of(stream)
                raise KeyError
        assert await is_left(server)
        await done(client.close())


async def test_cancelled() -> None:
    """So does a cancellation."""
    with RawServer(watched) as server:
        client = AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url)
        begun = asyncio.Event()

        async def consume() -> None:
            async with stream_of(client) as stream:
                async for _ in stream:
                    begun.set()

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await is_left(server)
        await client.close()


async def test_garbage(connect: Any) -> None:
    """A stream that is entered and dropped says so, and still frees its connection."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = stream_of(client)
        await next_of(stream)
        with pytest.warns(ResourceWarning, match="left open"):
            del stream
            gc.collect()
        assert await is_left(server)
        await done(client.close())


async def test_one_connection(client: Any, emulator: Emulator) -> None:
    """Streams in a row use one connection, however they are read to their end."""
    for _ in range(3):
        async with Entered(stream_of(client)) as stream:
            await events_of(stream)
        await done(stream_of(client).get_final_completion())
        [text async for text in each(stream_of(client).text_stream)]

    assert emulator.connections == 1


async def test_closed_before_it_was_sent(client: Any, emulator: Emulator) -> None:
    """A stream that was closed first sends nothing."""
    stream = stream_of(client)
    await done(stream.close())

    with pytest.raises(StreamInterruptedError, match="closed before its answer began"):
        await events_of(stream)
    assert emulator.requests == []


# --- Errors ----------------------------------------------------------------------------------------------------------


async def test_broken(connect: Any) -> None:
    """An error in the middle carries what had arrived; nothing is told as done."""
    events: list[Any] = []
    with RawServer(streaming(*GOOD[:2], end=False)) as server:
        client = connect(server, max_retries=5)
        async with Entered(stream_of(client)) as stream:
            for ask_for in (lambda: events_of(stream), stream.get_final_completion):
                with pytest.raises(StreamInterruptedError, match="broke off") as caught:
                    if not events:
                        async for event in each(stream):
                            events.append(event)
                    await done(ask_for())
                assert caught.value.text == caught.value.partial.text == "Hello"
        await done(client.close())

    assert [event.type for event in events] == ["content.delta", "content.delta"]
    assert len(server.requests) == 1


async def test_retried_before_the_first_chunk(connect: Any) -> None:
    """A stream that breaks before its first chunk is tried again like any request."""
    with RawServer(streaming(end=False), streaming(*GOOD)) as server:
        client = connect(server, max_retries=1)
        async with Entered(stream_of(client)) as stream:
            events = await events_of(stream)
        await done(client.close())

    assert [event.type for event in events][-3:] == ["content.done", "finish", "usage"]
    assert len(stream.meta.attempts) == 2


async def test_refused(connect: Any) -> None:
    """A refusal is raised where the request is sent, and is no reason to send it again."""
    with RawServer(sending(whole(b"{}", 503))) as server:
        client = connect(server)
        stream = stream_of(client)
        with pytest.raises(ServiceUnavailableError):
            async with Entered(stream):
                pass
        with pytest.raises(StreamInterruptedError, match="stream\\(\\) again"):
            await done(stream.get_final_completion())
        await done(client.close())

    assert len(server.requests) == 1


async def test_no_answer(connect: Any) -> None:
    """A stream that ends well without an answer has no final completion."""
    with RawServer(streaming(USAGE, DONE)) as server:
        client = connect(server)
        async with Entered(stream_of(client)) as stream:
            assert [event.type for event in await events_of(stream)] == ["usage"]
            with pytest.raises(APIResponseValidationError):
                await done(stream.get_final_completion())
        await done(client.close())


@pytest.mark.parametrize(
    ("params", "error", "says"),
    [
        ({"stream": True}, TypeError, "stream() always streams"),
        ({"final_only": True}, TypeError, "get_final_completion()"),
        ({"temprature": 1}, TypeError, "did you mean 'temperature'"),
        ({"temperature": "hot"}, InvalidRequestError, "temperature"),
        ({"messages": []}, InvalidRequestError, "messages"),
        ({"model": ""}, InvalidRequestError, "model"),
        ({"extra_body": {"stream": False}}, InvalidRequestError, "extra_body.stream"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_mistakes(make: Any, emulator: Emulator, params: dict[str, Any], error: type[Exception], says: str) -> None:
    """Mistakes are found at the call, not where the stream is entered."""
    with pytest.raises(error) as caught:
        stream_of(make(), **params)

    assert says in str(caught.value)
    assert emulator.requests == []


def test_names() -> None:
    """Both kinds of stream and all events can be imported; the events are loaded when they are first used."""
    assert wandb_inference.ChatStream is ChatStream
    assert {"ChatEvent", "ContentDeltaEvent"} <= set(dir(wandb_inference.types))
    with pytest.raises(AttributeError, match="NoEvent"):
        _ = wandb_inference.types.NoEvent
    assert ChatStream.__init__ is not AsyncChatStream.__init__


# --- One answer, three ways ------------------------------------------------------------------------------------------

QUESTIONS = st.sampled_from(["Hello", "Use get weather.", "What do get time and get weather say?"])
SHAPES = st.fixed_dictionaries(
    {"n": st.integers(1, 3), "model": st.sampled_from([MODEL, THINKING])},
    optional={
        "tools": st.just(TOOLS),
        "logprobs": st.just(True),
        "return_token_ids": st.just(True),
        "max_tokens": st.integers(1, 40),
        "response_format": st.just({"type": "json_object"}),
        "stop": st.just("."),
        "seed": st.integers(0, 9),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), question=QUESTIONS, shape=SHAPES)
async def test_the_same_answer(kind: Any, seed: int, question: str, shape: dict[str, Any]) -> None:
    """Streamed as events, streamed for its end alone, or whole: it is the same completion for the same seed."""
    params = {**shape, "messages": [{"role": "user", "content": question}]}

    def client() -> Any:
        emulator = Emulator(seed=seed)
        return emulator.client() if kind is Client else emulator.async_client()

    plain = await ask(client(), **params)
    final = await ask(client(), final_only=True, **params)
    stream = stream_of(client(), **params)
    events = await events_of(stream)
    added = await done(stream.get_final_completion())

    assert plain.model_dump(exclude_none=True) == final.model_dump(exclude_none=True)
    assert plain.model_dump(exclude_none=True) == added.model_dump(exclude_none=True)
    for choice in plain.choices:
        deltas = [event.delta for event in events if event.type == "content.delta" and event.index == choice.index]
        assert "".join(deltas) == choice.message.text


async def test_stall(client: Any, emulator: Emulator) -> None:
    """A stream that stalls is a timeout, with what had arrived."""
    emulator.reply("Hello there.")
    emulator.fault(Fault.stall(after_chunks=2))

    with pytest.raises(APITimeoutError) as caught:
        await events_of(stream_of(client, stall_timeout=0.1))
    assert caught.value.clock == "stall"
    assert caught.value.text == "Hello"


# --- final_only ------------------------------------------------------------------------------------------------------


async def test_final_only(client: Any, emulator: Emulator) -> None:
    """On the wire a stream that tells its usage; for the caller one completion."""
    emulator.reply("Hello there.", times=2)
    plain = await ask(client)
    final = await ask(client, final_only=True)

    assert (final.text, final.usage.completion_tokens) == (plain.text, plain.usage.completion_tokens)
    assert final.choices[0].finish_reason == "stop"
    assert final.object == "chat.completion"
    body = emulator.requests[1].body
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert emulator.requests[1].headers["accept"] == "text/event-stream"
    assert plain.meta.to_first_token is None
    assert 0 < final.meta.to_headers <= final.meta.to_first_token <= final.meta.total
    assert final.meta.completion_tokens == final.usage.completion_tokens
    assert emulator.connections == 1


async def test_final_only_makes_no_chunks(client: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long stream only chunks of a new kind are made into objects."""
    from wandb_inference._core import chunks, template

    made = 0

    def counting(validate: Any) -> Any:
        def count(raw: bytes) -> Any:
            nonlocal made
            made += 1
            return validate(raw)

        return count

    monkeypatch.setattr(chunks, "_validate", counting(chunks._validate))
    monkeypatch.setattr(template.ChunkTemplate, "read", lambda *_: None)
    emulator.reply("word " * 1000)

    assert (await ask(client, final_only=True)).text.count("word") == 1000
    assert made < 20


async def test_final_only_is_tried_again(connect: Any) -> None:
    """A stream that breaks in the middle is tried again whole, since nobody was given its beginning."""
    with RawServer(streaming(piece("lost"), end=False), streaming(*GOOD)) as server:
        client = connect(server, max_retries=1)
        final = await ask(client, final_only=True)
        await done(client.close())

    assert final.text == "Hello"
    assert [attempt.outcome for attempt in final.meta.attempts] == ["unknown", "answered"]


@pytest.mark.parametrize(
    ("second", "error"),
    [(streaming(piece("again"), end=False), StreamInterruptedError), (sending(whole(b"{}", 503)), APIError)],
    ids=["cut", "503"],
)
async def test_final_only_gives_up(connect: Any, second: Any, error: type[APIError]) -> None:
    """The last error carries what had arrived last, and frees its connection."""
    with RawServer(streaming(piece("first"), end=False), second) as server:
        client = connect(server, max_retries=1)
        with pytest.raises(error) as caught:
            await ask(client, final_only=True)
        await done(client.close())

    assert caught.value.text in ("first", "again")
    assert len(caught.value.attempts) == len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (streaming(DONE), APIResponseValidationError),
        (sending(whole(b"<html></html>", kind="text/html")), APIResponseValidationError),
        (sending(whole(b"{}", 401)), wandb_inference.AuthenticationError),
        (streaming(piece("Hel"), data({"error": {"message": "no", "code": 402}})), wandb_inference.QuotaExceededError),
    ],
    ids=["nothing", "page", "401", "402 inside"],
)
async def test_final_only_errors(connect: Any, answer: Any, error: type[APIError]) -> None:
    """What can't be answered is the same error as `create()` has, and is asked once."""
    with RawServer(answer) as server:
        client = connect(server, max_retries=2)
        with pytest.raises(error):
            await ask(client, final_only=True)
        await done(client.close())

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"final_only": True, "stream": True}, "together with stream=True"),
        ({"final_only": "yes"}, "final_only is 'yes', expected True or False"),
        ({"final_only": 1}, "expected True or False"),
        ({"final_only": True, "extra_body": {"stream": False}}, "extra_body.stream"),
    ],
)
async def test_final_only_mistakes(client: Any, emulator: Emulator, params: dict[str, Any], says: str) -> None:
    """It is a switch, and contradicts `stream`."""
    with pytest.raises(InvalidRequestError, match=says):
        await ask(client, **params)
    assert emulator.requests == []


async def test_final_only_of_completion(kind: Any, emulator: Emulator) -> None:
    """`completion()` and `acompletion()` have it too, and read `None` as off."""
    function = wandb_inference.completion if kind is Client else wandb_inference.acompletion
    where = {"api_key": KEY, "project": PROJECT, "api_base": emulator.base_url}

    final = await done(function(MODEL, MESSAGES, final_only=True, **where))
    plain = await done(function(MODEL, MESSAGES, final_only=None, **where))

    assert final.text == plain.text
    assert ["stream" in request.body for request in emulator.requests] == [True, False]
    with pytest.raises(InvalidRequestError, match="together with stream=True"):
        await done(function(MODEL, MESSAGES, final_only=True, stream=True, **where))
