"""Streams on the wire: what counts as a chunk, as an end, and what is left when a stream breaks."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import threading
import time
import zlib
from typing import Any

import anyio
import anyio.to_thread
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each, texts
from raw_server import STREAM_HEAD, Peer, RawServer, chunked, head, sending, streaming, whole

from wandb_inference import (
    APIError,
    APIResponseValidationError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConcurrencyLimitError,
    InternalServerError,
    QuotaExceededError,
    StreamInterruptedError,
)
from wandb_inference.testing import Emulator, Fault


def data(value: object, name: str = "") -> bytes:
    """An event."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode()


def piece(content: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """An event with a chunk."""
    if content is not None:
        delta["content"] = content
    return data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


USAGE = data({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
DONE = b"data: [DONE]\n\n"
GOOD = (piece("Hel"), piece("lo"), piece(finish="stop"), USAGE, DONE)


async def read(client: Any, **params: Any) -> tuple[Any, list[str]]:
    """A stream read to its end, and its texts."""
    stream = await ask(client, stream=True, **params)
    got = await texts(stream)
    await done(client.close())
    return stream, got


async def broken(client: Any, expected: type[APIError], **params: Any) -> tuple[APIError, list[str]]:
    """The error in which a stream ends, and the texts before it."""
    got: list[str] = []
    with pytest.raises(expected) as caught:
        async for chunk in each(await ask(client, stream=True, **params)):
            got.append(chunk.text)
    await done(client.close())
    return caught.value, got


async def test_stream(client: Any, emulator: Emulator) -> None:
    """Chunks arrive in order and add up; usage is asked for, and kept out of the loop."""
    emulator.reply("Hello there.")

    stream = await ask(client, stream=True)
    got = await texts(stream)

    assert "".join(got) == stream.text == "Hello there."
    assert stream.usage.completion_tokens == stream.meta.completion_tokens > 0
    assert stream.meta.tokens_per_second is None or stream.meta.tokens_per_second > 0
    assert stream.meta.status == 200
    assert 0 < stream.meta.to_headers <= stream.meta.to_first_token <= stream.meta.total
    assert emulator.requests[0].body["stream_options"] == {"include_usage": True}


async def test_usage_on_request(client: Any, emulator: Emulator) -> None:
    """Who asks for usage gets its chunk; who declines is not asked for it."""
    asked = [chunk async for chunk in each(await ask(client, stream=True, stream_options={"include_usage": True}))]
    declined = await ask(client, stream=True, stream_options={"include_usage": False})
    await texts(declined)

    assert asked[-1].choices == []
    assert asked[-1].usage.total_tokens
    assert asked[-1].text == ""
    assert asked[-1].reasoning is None
    assert declined.usage is None
    assert emulator.requests[1].body["stream_options"] == {"include_usage": False}


async def test_reasoning(client: Any, emulator: Emulator) -> None:
    """Thinking comes before the text, under either name."""
    stream = await ask(client, model="openai/gpt-oss-20b", stream=True)
    thinking = [chunk.reasoning async for chunk in each(stream) if chunk.reasoning]

    assert "".join(thinking)
    assert stream.meta.to_first_token is not None


@pytest.mark.parametrize("ending", ["\n\n", "\r\n\r\n", "\r\r"], ids=["LF", "CRLF", "CR"])
async def test_line_ends(connect: Any, ending: str) -> None:
    """Events may end in any of the three line ends, and come with comments between."""
    raw = [event.replace(b"\n\n", ending.encode()) for event in GOOD]
    with RawServer(streaming(b": keep-alive" + ending.encode(), *raw)) as server:
        stream, got = await read(connect(server))

    assert got == ["Hel", "lo", ""]
    assert stream.usage.total_tokens == 3


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_any_cut(connect: Any, size: int) -> None:
    """Where the bytes are cut makes no difference."""
    raw = b"".join((piece("H\u00e9"), piece("l\u2028lo"), piece(finish="stop"), DONE))
    with RawServer(streaming(*(raw[at : at + size] for at in range(0, len(raw), size)))) as server:
        _, got = await read(connect(server))

    assert "".join(got) == "H\u00e9l\u2028lo"


@pytest.mark.parametrize(
    "events",
    [GOOD, GOOD[:-1], (*GOOD[:3], b"data:[DONE]\n\n"), (*GOOD[:3], b"data: [DONE]"), (piece("Hello"), DONE)],
    ids=["full", "no DONE", "no space", "no blank line", "no finish_reason"],
)
async def test_good_ends(connect: Any, events: tuple[bytes, ...]) -> None:
    """A stream ends well with a finish_reason, or with [DONE]."""
    with RawServer(streaming(*events)) as server:
        stream, got = await read(connect(server))

    assert "".join(got) == stream.text == "Hello"


async def test_cut_after_the_finish_reason(connect: Any) -> None:
    """A connection that breaks when only the terminator is missing has lost nothing."""
    with RawServer(streaming(*GOOD[:3], end=False)) as server:
        stream, got = await read(connect(server))

    assert "".join(got) == stream.text == "Hello"


CUT = "the stream broke off"
EARLY = "ended early"


@pytest.mark.parametrize(
    ("events", "end", "expected", "says"),
    [
        (GOOD[:2], False, StreamInterruptedError, CUT),
        (GOOD[:2], True, StreamInterruptedError, EARLY),
        ((*GOOD[:2], b'data: {"choices": [{"de\n\n'), True, StreamInterruptedError, "can't be read"),
        ((*GOOD[:2], b'data: {"choices": [{"de'), True, StreamInterruptedError, EARLY),
        (
            (*GOOD[:2], data({"error": {"code": 429, "message": "Concurrency"}})),
            True,
            ConcurrencyLimitError,
            "429: Conc",
        ),
        ((*GOOD[:2], data({"error": "it broke"}, "error")), True, InternalServerError, "it broke"),
        ((*GOOD[:2], data("it broke", "error")), True, InternalServerError, "it broke"),
        ((*GOOD[:2], data({"detail": "it broke"})), True, InternalServerError, "it broke"),
        ((*GOOD[:2], data({"message": "it broke", "code": 503})), True, InternalServerError, "503: it broke"),
        ((*GOOD[:2], data({"object": "error", "message": "no", "code": 401})), True, AuthenticationError, "401: no"),
        ((*GOOD[:2], data({"error": {"type": "insufficient_quota"}})), True, QuotaExceededError, "402"),
    ],
)
async def test_bad_ends(
    connect: Any, events: tuple[bytes, ...], end: bool, expected: type[APIError], says: str
) -> None:
    """Whatever ends a stream badly is one error of ours, which carries what had arrived."""
    with RawServer(streaming(*events, end=end)) as server:
        error, got = await broken(connect(server), expected)

    assert says in str(error)
    assert "".join(got) == error.text == error.partial.text == "Hello"
    assert error.usage is None
    assert error.meta.status == 200
    assert len(error.attempts) == 1
    assert not isinstance(error.__context__, (json.JSONDecodeError, ValueError))


async def test_usage_on_the_error(connect: Any) -> None:
    """Usage that came before the break is on the error."""
    with RawServer(streaming(piece("Hello"), USAGE, end=False)) as server:
        error, _ = await broken(connect(server), StreamInterruptedError)

    assert error.usage.total_tokens == 3


PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body></body></html>"


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        (whole(b"", kind="text/event-stream"), StreamInterruptedError, "before anything came"),
        (whole(b": only a comment\n\n", kind="text/event-stream"), StreamInterruptedError, "before anything came"),
        (whole(PAGE, kind="text/html"), APIResponseValidationError, "HTML page instead of a stream"),
        (whole(b'{"error": {"code": 429, "message": "Slow down"}}'), APIError, "429: Slow down"),
        (whole(b'{"error": {"message": "Hm"}}'), InternalServerError, "Hm"),
        (whole(b'{"choices": []}'), APIResponseValidationError, "instead of a stream"),
        (whole(b"OK", kind="text/plain"), APIResponseValidationError, "text/plain"),
    ],
    ids=["nothing", "comment", "page", "429", "error", "completion", "text"],
)
async def test_no_stream(connect: Any, answer: bytes, expected: type[APIError], says: str) -> None:
    """A success that is no stream is an error, with nothing partial on it."""
    with RawServer(sending(answer)) as server:
        error, got = await broken(connect(server), expected)

    assert says in str(error)
    assert got == []
    assert error.partial is error.text is error.usage is None


async def test_an_event_without_end(connect: Any) -> None:
    """An event that grows and grows is an error, and not the end of the memory."""
    from wandb_inference._core import chunks, sse

    class Small(sse.SSEDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(max_event_bytes=1000)

    with pytest.MonkeyPatch.context() as patch, RawServer(streaming(piece("Hello"), b"data: " + b"x" * 2000)) as server:
        patch.setattr(chunks, "SSEDecoder", Small)
        error, got = await broken(connect(server), StreamInterruptedError)

    assert "larger than 1000 bytes" in str(error)
    assert got == [error.text] == ["Hello"]


@pytest.mark.parametrize(
    "bad",
    [
        streaming(end=False),
        streaming(b": keep-alive\n\n", end=False),
        streaming(data({"error": {"code": 503, "message": "overloaded"}}), then=Peer.reset),
        streaming(data({"choices": [], "usage": None}), end=False),
    ],
    ids=["cut", "comment", "error", "no choices"],
)
async def test_retried_before_the_first_chunk(connect: Any, bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that breaks before its first chunk is tried again like any request."""
    with RawServer(bad, streaming(*GOOD)) as server:
        stream, got = await read(connect(server, max_retries=1))

    assert "".join(got) == "Hello"
    first, second = stream.meta.attempts
    assert (first.status, first.outcome, second.error) == (200, "unknown", None)
    assert first.error
    assert second.waited > 0
    assert len(server.requests) == 2


async def test_out_of_attempts_before_the_first_chunk(connect: Any) -> None:
    """When all attempts broke before their first chunk, the last one's error lists them."""
    with RawServer(streaming(end=False)) as server:
        error, _ = await broken(connect(server, max_retries=1), StreamInterruptedError)

    assert len(error.attempts) == len(server.requests) == 2
    assert "[2 attempts]" in str(error)
    assert error.partial is None


async def test_never_retried_after_the_first_chunk(connect: Any) -> None:
    """After it, a broken stream is the caller's to see."""
    with RawServer(streaming(GOOD[0], end=False)) as server:
        await broken(connect(server, max_retries=5), StreamInterruptedError)

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 422])
async def test_servers_without_usage(kind: Any, status: int) -> None:
    """A server that refuses `stream_options` is asked again without, and remembered, by clones too."""
    refusal = whole(json.dumps({"error": {"message": "Unknown field: stream_options"}}).encode(), status)

    def script(peer: Peer) -> None:
        while request := peer.request():
            if b"stream_options" in request:
                peer.send(refusal)
            else:
                peer.send(STREAM_HEAD, *chunked(*GOOD[:3], DONE))

    with RawServer(script) as server:
        client = kind(api_key=KEY, project=PROJECT, base_url=server.base_url)
        first = await ask(client, stream=True)
        assert "".join(await texts(first)) == "Hello"
        assert [attempt.status for attempt in first.meta.attempts] == [status, 200]
        assert "".join(await texts(await ask(client, stream=True))) == "Hello"
        clone = client.with_options(max_retries=0)
        assert "".join(await texts(await ask(clone, stream=True))) == "Hello"
        await done(client.close())

    assert sum(b"stream_options" in request for request in server.requests) == 1
    assert len(server.requests) == 4


async def test_other_refusals_are_not_about_usage(client: Any, emulator: Emulator) -> None:
    """A 400 about something else is not tried again."""
    emulator.reply(status=400, json={"error": {"message": "Bad stop"}})

    with pytest.raises(APIError, match="Bad stop"):
        await ask(client, stream=True)
    assert len(emulator.requests) == 1


async def test_compressed_as_it_comes(connect: Any) -> None:
    """A compressed event is handed over as soon as it is there, not when the next one is."""
    squeeze = zlib.compressobj(wbits=31)
    first = squeeze.compress(GOOD[0]) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    rest = squeeze.compress(b"".join(GOOD[1:])) + squeeze.flush()
    has_first = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(head(200, "Content-Encoding: gzip", "Transfer-Encoding: chunked", kind="text/event-stream"))
        peer.send(*chunked(first, end=False))
        if has_first.wait(5):
            peer.send(*chunked(rest))

    got: list[str] = []
    with RawServer(script) as server:
        client = connect(server)
        async for chunk in each(await ask(client, stream=True)):
            got.append(chunk.text)
            has_first.set()
        await done(client.close())

    assert "".join(got) == "Hello"


async def test_compressed(connect: Any) -> None:
    """A compressed stream is read wherever its bytes are cut."""
    body = gzip.compress(b"".join(GOOD))
    answer = head(200, "Content-Encoding: gzip", "Transfer-Encoding: chunked", kind="text/event-stream")
    with RawServer(sending(answer, *chunked(body[:50], body[50:]))) as server:
        _, got = await read(connect(server))

    assert "".join(got) == "Hello"


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


async def test_break(connect: Any) -> None:
    """A `break` frees the connection, while the stream is still held."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        if isinstance(client, Client):
            for _ in stream:
                break
        else:
            async for _ in stream:
                break
        assert await is_left(server)
        assert stream.text == "Hel"
        with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
            await texts(stream)
        assert caught.value.text == "Hel"
        await done(client.close())


async def test_loop_after_an_error(connect: Any) -> None:
    """A stream that broke breaks again in the next loop: it never passes for an answer."""
    with RawServer(streaming(*GOOD[:2], end=False)) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        for _ in range(2):
            with pytest.raises(StreamInterruptedError, match=CUT) as caught:
                await texts(stream)
            assert caught.value.text == "Hello"
        await done(client.close())


async def test_loop_after_closing(connect: Any) -> None:
    """A stream that was closed before anything was taken has nothing partial, and says so."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        await done(stream.close())
        with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
            await texts(stream)
        assert caught.value.partial is None
        await done(client.close())


async def test_loop_after_the_end(connect: Any) -> None:
    """A stream that ended well has nothing more to give, and says nothing wrong."""
    with RawServer(streaming(*GOOD)) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        assert await texts(stream) == ["Hel", "lo", ""]
        assert await texts(stream) == []
        await done(client.close())


async def test_another_loop_right_after_a_break(connect: Any) -> None:
    """A loop that begins before the one that was left has closed the stream does not pass for a whole answer."""

    def slow(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(piece("a"), piece("b"), end=False))
        peer.wait_for_end()

    with RawServer(slow) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        if isinstance(client, Client):
            for _ in stream:
                break
        else:
            async for _ in stream:
                break
        with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
            if isinstance(client, Client):
                for _ in stream:
                    pass
            else:
                async for _ in stream:
                    pass
        await done(client.close())

    assert caught.value.text in ("a", "ab")


async def test_closed_while_it_is_tried_again(connect: Any) -> None:
    """A stream that is closed during its second attempt stays closed, and its connection is freed."""
    closing = threading.Event()

    def breaks(peer: Peer) -> None:
        peer.request()
        if peer.server.connections == 1:
            peer.send(STREAM_HEAD, *chunked(b": wait\n\n", end=False))
            return
        closing.set()
        time.sleep(0.1)
        peer.send(STREAM_HEAD, *chunked(*GOOD))
        peer.wait_for_end()

    with RawServer(breaks) as server:
        client = connect(server, max_retries=1, max_connections=1)
        stream = await ask(client, stream=True)
        if isinstance(client, Client):
            closer = threading.Thread(target=lambda: (closing.wait(5), stream.close()))
            closer.start()
            assert await anyio.to_thread.run_sync(lambda: [chunk.text for chunk in stream]) == []
            closer.join()
        else:
            found: list[str] = []

            async def loop() -> None:
                found.extend(await texts(stream))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(loop)
                await anyio.to_thread.run_sync(closing.wait, 5)
                await stream.close()
            assert found == []
        await done(client.close())

    assert stream.meta.total is not None


async def test_one_reader_at_a_time(connect: Any) -> None:
    """A second reader of a stream is told so at once, and the first goes on."""
    go_on = threading.Event()

    def slow(peer: Peer) -> None:
        peer.request()
        go_on.wait(5)
        peer.send(STREAM_HEAD, *chunked(piece("a"), end=False))
        go_on.clear()
        go_on.wait(5)
        peer.send(*chunked(piece(finish="stop"), DONE))
        peer.wait_for_end()

    with RawServer(slow) as server:
        client = connect(server)
        go_on.set()
        stream = await ask(client, stream=True)
        found: list[str] = []
        refused: list[str] = []

        def second() -> None:
            try:
                next(stream)
            except RuntimeError as error:
                refused.append(str(error))

        if isinstance(client, Client):
            reader = threading.Thread(target=lambda: found.extend(chunk.text for chunk in stream))
            reader.start()
            while not found and stream.text != "a":
                await anyio.sleep(0.001)
            await anyio.sleep(0.02)  # until it waits for more
            await anyio.to_thread.run_sync(second)
            go_on.set()
            reader.join(5)
        else:

            async def loop() -> None:
                found.extend(await texts(stream))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(loop)
                while stream.text != "a":
                    await anyio.sleep(0.001)
                await anyio.sleep(0.02)
                try:
                    await anext(stream)
                except RuntimeError as error:
                    refused.append(str(error))
                go_on.set()
        await done(client.close())

    assert "".join(found) == "a"
    assert "one at a time" in refused[0]


async def test_close(connect: Any) -> None:
    """`close()` frees the connection, twice does no harm, and what had arrived stays."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        first = next(stream) if isinstance(client, Client) else await anext(stream)
        assert first.text == "Hel"
        await done(stream.close())
        await done(stream.close())
        assert await is_left(server)
        assert (stream.text, stream.usage) == ("Hel", None)
        assert stream.meta.total > 0
        with pytest.raises((StopIteration, StopAsyncIteration)):
            next(stream) if isinstance(client, Client) else await anext(stream)
        await done(client.close())


async def test_with(connect: Any) -> None:
    """Leaving `with` closes the stream, whatever was read."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        if isinstance(client, Client):
            with stream as same:
                assert same is stream
        else:
            async with stream as same:
                assert same is stream
        assert await is_left(server)
        await done(client.close())


async def test_garbage(connect: Any) -> None:
    """A stream that is dropped while open says so, and still frees its connection."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        with pytest.warns(ResourceWarning, match="left open"):
            del stream
            gc.collect()
        assert await is_left(server)
        await done(client.close())


def test_garbage_after_the_loop() -> None:
    """An async stream that outlives its event loop warns, and raises nothing."""
    with RawServer(watched) as server:
        client = AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url)

        async def main() -> Any:
            return await ask(client, stream=True)

        stream = asyncio.run(main())
        with pytest.warns(ResourceWarning, match="left open"):
            del stream
            gc.collect()


async def test_cancelled() -> None:
    """A consumer that is cancelled closes its stream."""
    with RawServer(watched) as server:
        client = AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url)
        begun = asyncio.Event()

        async def consume() -> None:
            async for _ in await ask(client, stream=True):
                begun.set()

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await is_left(server)
        await client.close()


async def test_error_in_the_loop(connect: Any) -> None:
    """An error of the caller's own closes the stream and stays what it is."""
    with RawServer(watched) as server:
        client = connect(server)
        stream = await ask(client, stream=True)

        async def consume() -> None:
            if isinstance(client, Client):
                for _ in stream:
                    raise KeyError("mine")
            async for _ in stream:
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await consume()
        assert await is_left(server)
        await done(client.close())


async def test_faults_of_the_emulator(client: Any, emulator: Emulator) -> None:
    """The emulator's faults are the wire's."""
    emulator.reply("Hello there.")
    emulator.fault(Fault.cut(after_chunks=2))

    error, got = await broken(client, StreamInterruptedError, max_retries=0)

    assert "".join(got) == error.text


async def test_many_streams(emulator: Emulator) -> None:
    """A hundred streams at once, none mixed with another."""
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url) as client:

        async def one(number: int) -> str:
            messages = [{"role": "user", "content": f"Number {number}"}]
            stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
            assert "".join([chunk.text async for chunk in stream]) == stream.text
            return (await client.chat.completions.create(model=MODEL, messages=messages)).text == stream.text

        assert all(await asyncio.gather(*(one(number) for number in range(100))))


def test_messages_are_sent_once(emulator: Emulator) -> None:
    """A generator of messages serves all attempts."""
    emulator.fault(Fault.status(503))
    client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url)

    client.chat.completions.create(model=MODEL, messages=(message for message in MESSAGES))

    assert emulator.requests[0].messages == emulator.requests[1].messages == MESSAGES
    client.close()
