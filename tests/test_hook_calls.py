"""Hooks of both clients: told of each sending, each attempt and each end, once, whatever the hooks do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pickle
import threading
from typing import Any

import anyio
import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, each, texts
from raw_server import Peer, RawServer, answering, chunked, head, sending, whole

from wandb_inference import (
    APIResponseValidationError,
    AsyncClient,
    Client,
    ConfigurationError,
    InternalServerError,
    InvalidRequestError,
    StreamInterruptedError,
)
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import AttemptEvent, DoneEvent, SendEvent

SSE = head(200, "Transfer-Encoding: chunked", "X-Request-Id: r-1", kind="text/event-stream")
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}], "usage": {"completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"
AGAIN = {"retry-after": "0"}


class Told:
    """What hooks were told, in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    @property
    def hooks(self) -> dict[str, Any]:
        """All three."""
        return dict.fromkeys(("before_send", "on_attempt", "on_done"), self.events.append)

    @property
    def names(self) -> list[str]:
        """Of which kind each was."""
        names = {SendEvent: "send", AttemptEvent: "attempt", DoneEvent: "done"}
        return [names[type(event)] for event in self.events]

    @property
    def end(self) -> DoneEvent:
        """The one end; what was told of attempts before it is what its record of the call says."""
        (event,) = [event for event in self.events if isinstance(event, DoneEvent)]
        assert event is self.events[-1]
        attempts = [event for event in self.events if isinstance(event, AttemptEvent)]
        assert tuple(attempt.record for attempt in attempts) == (event.meta.attempts if event.meta else ())
        assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
        return event


@pytest.fixture
def told() -> Told:
    """What the hooks of a test are told."""
    return Told()


async def test_an_answer(make: Any, emulator: Emulator, told: Told) -> None:
    """A retried call: both sendings, the failure with its wait, and an end with usage."""
    emulator.fault(Fault.status(503, headers=AGAIN))
    client = make(**told.hooks)
    answer = await ask(client)
    await done(client.close())

    assert told.names == ["send", "attempt", "send", "attempt", "done"]
    first, failed, second, attempt, _ = told.events
    assert (first.number, first.body, first.method, first.model) == (1, second.body, "POST", answer.model)
    assert first.url == f"{emulator.base_url}/chat/completions"
    assert "authorization" not in first.headers
    assert (failed.record.status, failed.retry_in, failed.error.status_code) == (503, 0.0, 503)
    assert (second.number, second.waited) == (2, 0.0)
    assert (attempt.record.status, attempt.error, attempt.retry_in) == (200, None, None)
    assert told.end == DoneEvent(answer.model, answer.meta, answer.usage, None, False, True, answer.model)


async def test_an_error(make: Any, emulator: Emulator, told: Told) -> None:
    """A failed call ends with its error, which knows the same."""
    emulator.fault(Fault.status(500))
    client = make(**told.hooks, max_retries=0)
    with pytest.raises(InternalServerError) as caught:
        await ask(client)
    await done(client.close())

    assert told.names == ["send", "attempt", "done"]
    assert told.events[1].error is told.end.error is caught.value
    assert told.end.meta == caught.value.meta
    assert not told.end.complete


async def test_no_answer(connect: Any, told: Told) -> None:
    """A success that is no answer is an error at the end."""
    with RawServer(answering(whole(b"{}"))) as server:
        client = connect(server, **told.hooks)
        for call in (ask(client), client.models.list if isinstance(client, Client) else client.models.list()):
            with pytest.raises(APIResponseValidationError) as caught:
                await done(call() if callable(call) else call)
            assert told.events[-1].error is told.events[-2].error is caught.value
        await done(client.close())

    assert told.names == ["send", "attempt", "done"] * 2


async def test_models(make: Any, told: Told) -> None:
    """A list of models is a call like any other, about no model."""
    client = make(**told.hooks)
    models = await done(client.models.list())
    await done(client.close())

    assert told.names == ["send", "attempt", "done"]
    assert told.end == DoneEvent(None, models.meta, None, None, False, True)
    assert told.events[0].method == "GET"


async def test_nothing_sent(make: Any, told: Told) -> None:
    """What is refused before it is sent is no call; a closed client's sends nothing."""
    client = make(**told.hooks)
    with pytest.raises(InvalidRequestError):
        await ask(client, temperature="hot")
    assert told.names == []
    await done(client.close())
    with pytest.raises(ConfigurationError):
        await ask(client)

    assert told.names == ["send", "done"]
    assert isinstance(told.end.error, ConfigurationError)


async def test_a_stream(make: Any, told: Told) -> None:
    """A stream's attempt and end are told when it is over."""
    client = make(**told.hooks)
    stream = await ask(client, stream=True)
    assert told.names == ["send"]
    await texts(stream)
    await done(stream.close())
    await done(client.close())

    assert told.names == ["send", "attempt", "done"]
    assert (told.end.meta, told.end.usage) == (stream.meta, stream.usage)
    assert (told.end.streamed, told.end.complete, told.end.error) == (True, True, None)


async def test_a_stream_that_is_left(connect: Any, told: Told) -> None:
    """A stream that was left is no error, and not complete; the usage that had come is there."""
    with RawServer(sending(SSE, *chunked(CHUNK, CHUNK, end=False))) as server:
        client = connect(server, **told.hooks)
        stream = await ask(client, stream=True)
        async for _ in each(stream):
            break
        await done(stream.close())
        await done(client.close())

    assert (told.end.error, told.end.complete) == (None, False)
    assert told.end.usage is not None
    assert told.end.usage.completion_tokens == 3


async def test_a_stream_that_breaks(connect: Any, told: Told) -> None:
    """Broken before its first chunk it is an attempt that failed; after it, the end of the call."""
    with RawServer(sending(SSE, *chunked()), sending(SSE, *chunked(CHUNK))) as server:
        client = connect(server, max_retries=1, **told.hooks)
        stream = await ask(client, stream=True)
        with pytest.raises(StreamInterruptedError) as caught:
            await texts(stream)
        await done(client.close())

    assert told.names == ["send", "attempt", "send", "attempt", "done"]
    _, first, _, second, _ = told.events
    assert (first.record.outcome, first.record.status) == ("unknown", 200)
    assert 0.25 <= first.retry_in <= 0.5
    assert isinstance(first.error, StreamInterruptedError)
    assert second.error is told.end.error is caught.value
    assert second.record.outcome == "unknown"
    assert (told.end.meta, told.end.complete) == (caught.value.meta, False)


async def test_a_stream_out_of_attempts(connect: Any, told: Told) -> None:
    """A stream whose last attempt failed before its first chunk ends once."""
    with RawServer(sending(SSE, *chunked())) as server:
        client = connect(server, **told.hooks)
        stream = await ask(client, stream=True)
        with pytest.raises(StreamInterruptedError) as caught:
            await texts(stream)
        await done(client.close())

    assert told.names == ["send", "attempt", "done"]
    assert told.end.error is told.events[1].error is caught.value


async def test_usage_refused(connect: Any, told: Told) -> None:
    """A server that won't be asked for usage is asked at once without: two attempts."""
    refusal = whole(b'{"error": {"message": "stream_options is not supported"}}', 400)
    with RawServer(answering(refusal, SSE + b"".join(chunked(CHUNK, DONE)))) as server:
        client = connect(server, **told.hooks)
        await texts(await ask(client, stream=True))
        await done(client.close())

    assert told.names == ["send", "attempt", "send", "attempt", "done"]
    assert (told.events[1].record.status, told.events[1].retry_in, told.events[1].error.status_code) == (400, 0.0, 400)
    assert b"stream_options" not in told.events[2].body


async def test_a_redirect(connect: Any, told: Told) -> None:
    """A redirect is sent twice, and one attempt."""
    with RawServer(answering(whole(b"", 307, "Location: /v2/x"), whole(b'{"data": []}'))) as server:
        client = connect(server, **told.hooks)
        await done(client.models.list())
        await done(client.close())

    assert told.names == ["send", "send", "attempt", "done"]
    assert [event.number for event in told.events[:2]] == [1, 1]
    assert told.events[1].url.endswith("/v2/x")


@pytest.mark.parametrize("name", ["before_send", "on_attempt", "on_done"])
async def test_a_hook_that_fails(make: Any, emulator: Emulator, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a hook raises is logged with its traceback, and takes nothing from the caller."""

    def fails(event: object) -> None:
        raise ValueError("a bug")

    emulator.fault(Fault.status(503, headers=AGAIN))
    client = make(**{name: fails})
    assert (await ask(client)).text
    assert "".join(await texts(await ask(client, stream=True)))
    await done(client.close())

    records = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(records) >= 2
    assert {record.getMessage() for record in records} == {f"the hook {name} failed"}
    assert all(record.exc_info and "a bug" in str(record.exc_info[1]) for record in records)


async def test_an_interrupt_in_a_hook(make: Any, told: Told) -> None:
    """What is no Exception goes through a hook, and ends the call."""

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    client = make(**told.hooks | {"before_send": interrupt})
    with pytest.raises(KeyboardInterrupt):
        await ask(client)
    await done(client.close())

    assert told.names == ["attempt", "done"]
    assert isinstance(told.end.error, KeyboardInterrupt)


async def test_with_options(make: Any, told: Told) -> None:
    """A clone has its own hooks; `None` removes one, and what is not named stays."""
    client = make(on_done=told.events.append, on_attempt=told.events.append)
    clone = client.with_options(on_done=None, timeout=5)
    await ask(clone)
    assert told.names == ["attempt"]
    await ask(clone.with_options(on_attempt=None))
    assert told.names == ["attempt"]
    await ask(client.with_options(timeout=5, max_retries=1))
    await done(client.close())

    assert told.names == ["attempt", "attempt", "done"]


async def test_refused(kind: Any) -> None:
    """A hook that can't work is refused when the client is made, and by `with_options()`."""
    with pytest.raises(ConfigurationError, match="on_done is of type int"):
        kind(api_key=KEY, on_done=1)
    with pytest.raises(ConfigurationError, match="before_send is of type int"):
        kind(api_key=KEY).with_options(before_send=1)

    async def waits(event: object) -> None: ...

    if kind is Client:
        with pytest.raises(ConfigurationError, match="on_done is a coroutine function"):
            kind(api_key=KEY, on_done=waits)
    else:
        assert kind(api_key=KEY, on_done=waits)


def heard(event: object) -> None:
    """A hook that can be imported."""


async def test_pickle(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client is pickled with hooks that can be imported."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    again = pickle.loads(pickle.dumps(kind(project=PROJECT, on_done=heard)))

    assert again._settings.hooks.on_done is heard


async def test_async_hooks(emulator: Emulator, told: Told) -> None:
    """The async client awaits what its hooks return, before it goes on."""

    async def slow(event: object) -> None:
        await asyncio.sleep(0.001)
        told.events.append(event)

    hooks = dict.fromkeys(("before_send", "on_attempt", "on_done"), slow)
    emulator.fault(Fault.status(503, headers=AGAIN))
    async with AsyncClient(api_key=KEY, project=PROJECT, base_url=emulator.base_url, **hooks) as client:
        await ask(client)
        assert told.names == ["send", "attempt", "send", "attempt", "done"]
        await texts(await ask(client, stream=True))

    assert told.names[5:] == ["send", "attempt", "done"]


def test_a_hook_that_returns_a_coroutine(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """The blocking client can't await, and says so where it could not know before."""

    async def waits() -> None: ...

    with Client(
        api_key=KEY,
        project=PROJECT,
        base_url=emulator.base_url,
        on_done=lambda event: waits(),
        on_attempt=lambda event: _Later(),
    ) as client:
        client.models.list()

    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "the hook on_attempt failed",
        "the hook on_done failed",
    ]
    assert "nothing can be awaited here" in caplog.text


class _Later:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Any:
        raise AssertionError("nobody can await it there")


def silent(peer: Peer) -> None:
    """Takes the request, and says nothing."""
    peer.request()
    peer.server.left.set()
    peer.wait_for_end()


@pytest.mark.parametrize("native", [False, True], ids=["task", "scope"])
async def test_cancelled(told: Told, native: bool) -> None:
    """A cancelled call ends too, for hooks that wait as well; what was under way may have been billed."""

    async def slow(event: object) -> None:
        await asyncio.sleep(0.001)
        told.events.append(event)

    with RawServer(silent) as server:
        hooks = dict.fromkeys(("on_attempt", "on_done"), slow)
        async with AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url, **hooks) as client:
            if native:
                with anyio.move_on_after(0.05):
                    await ask(client)
            else:
                task = asyncio.ensure_future(ask(client))
                await asyncio.to_thread(server.left.wait, 5)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    assert told.names == ["attempt", "done"]
    assert isinstance(told.end.error, asyncio.CancelledError)
    assert told.events[0].record.outcome == "unknown"
    assert told.events[0].record.error == "CancelledError"


async def test_a_cancelled_stream(told: Told) -> None:
    """A stream that is cancelled while it waits ends with the cancellation."""

    def stalls(peer: Peer) -> None:
        peer.request()
        peer.send(SSE, *chunked(CHUNK, end=False))
        peer.wait_for_end()

    async with AsyncClient(api_key=KEY, project=PROJECT, base_url="http://x/v1", **told.hooks) as client:
        with RawServer(stalls) as server:
            stream = await ask(client.with_options(base_url=server.base_url), stream=True)
            await anext(stream)
            with anyio.move_on_after(0.05):
                await anext(stream)

    assert told.names == ["send", "attempt", "done"]
    assert isinstance(told.end.error, asyncio.CancelledError)
    assert told.end.meta == stream.meta


async def test_a_call_that_is_thrown_away(told: Told) -> None:
    """A coroutine that is closed can't wait, and tells what it can."""
    with RawServer(silent) as server:
        client = AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url, **told.hooks)
        call: Any = client.models.list()
        call.send(None)
        call.close()
        await client.close()

    assert told.names == ["send", "attempt", "done"]
    assert isinstance(told.end.error, GeneratorExit)


async def test_garbage(connect: Any, told: Told) -> None:
    """A stream that was left to the garbage collector ends too."""
    with RawServer(sending(SSE, *chunked(CHUNK, end=False))) as server:
        client = connect(server, **told.hooks)
        stream = await ask(client, stream=True)
        with pytest.warns(ResourceWarning):
            del stream
            gc.collect()
        await asyncio.sleep(0.05)
        await done(client.close())

    assert told.names == ["send", "attempt", "done"]
    assert not told.end.complete


def test_garbage_after_the_loop(told: Told) -> None:
    """A stream that outlives its loop tells the hooks that need not wait."""
    with RawServer(sending(SSE, *chunked(CHUNK, end=False))) as server:
        client = AsyncClient(api_key=KEY, project=PROJECT, base_url=server.base_url, **told.hooks)
        stream = asyncio.run(_open(client))
        with pytest.warns(ResourceWarning):
            del stream
            gc.collect()

    assert told.names == ["send", "attempt", "done"]


async def _open(client: Any) -> Any:
    return await ask(client, stream=True)


def test_closed_by_many_threads(told: Told) -> None:
    """However many close a stream, it ends once."""
    with RawServer(sending(SSE, *chunked(CHUNK, end=False))) as server:
        client = Client(api_key=KEY, project=PROJECT, base_url=server.base_url, **told.hooks)
        stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        threads = [threading.Thread(target=stream.close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

    assert told.names == ["send", "attempt", "done"]
