"""Adaptive concurrency on the wire: fan-outs, streams, cancellation, deadlines, and the face of it."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import KEY, MODEL, PROJECT, ask, done, each, texts
from raw_server import RawServer, answering, whole

from wandb_inference import (
    APITimeoutError,
    AsyncClient,
    Client,
    ConcurrencyLimitError,
    ConfigurationError,
    QuotaExceededError,
    ServiceUnavailableError,
    Stream,
)
from wandb_inference._core.adaptive import INITIAL
from wandb_inference.testing import Emulator, Fault
from wandb_inference.types import Concurrency

OTHER = "openai/gpt-oss-20b"
BUSY = b'{"error": {"code": "rate_limit_exceeded", "message": "concurrency limit reached for requests: m-project"}}'
COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'


@pytest.fixture
def adaptive(make: Any) -> Any:
    """Makes a client of either kind that adapts."""

    def adaptive(emulator: Emulator | None = None, **settings: Any) -> Any:
        if emulator is not None:
            settings["base_url"] = emulator.base_url
        return make(adaptive_concurrency=True, **settings)

    return adaptive


async def fan_out(client: Any, calls: int, **params: Any) -> list[Any]:
    """So many answers at once, or what each ended with: from threads, or from tasks."""
    if isinstance(client, AsyncClient):
        return await asyncio.gather(*(ask(client, **params) for _ in range(calls)), return_exceptions=True)

    def one(number: int) -> Any:
        try:
            return client.chat.completions.create(
                **{"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **params}
            )
        except Exception as error:
            return error

    with ThreadPoolExecutor(min(calls, 64)) as threads:
        return await asyncio.to_thread(lambda: list(threads.map(one, range(calls))))


async def test_a_fan_out_against_a_limit(adaptive: Any) -> None:
    """1,000 calls against a limit of 8, without a single retry allowed: each has its answer, few were refused."""
    with Emulator(concurrency_limit=8, latency=0.005) as emulator:
        client = adaptive(emulator, max_retries=0)
        answers = await fan_out(client, 1000, max_tokens=1)
        found = client.concurrency[MODEL]
        await done(client.close())

        assert [answer for answer in answers if isinstance(answer, Exception)] == []
        assert found[1:3] == (0, 0)
        assert 1 <= found.limit < 64
        assert found.refused == len(emulator.requests) - 1000 < 250
    attempts = [answer.meta.attempts for answer in answers]
    assert {record.status for records in attempts for record in records[:-1]} <= {429}
    assert sum(len(records) for records in attempts) == 1000 + found.refused
    assert max(answer.meta.queued for answer in answers) > 0


async def test_without_it(make: Any) -> None:
    """The same fan-out fails for most where nobody waits: nothing of it is on by default."""
    with Emulator(concurrency_limit=2, latency=0.02) as emulator:
        client = make(base_url=emulator.base_url, max_retries=0)
        answers = await fan_out(client, 20)
        await done(client.close())

    assert sum(isinstance(answer, ConcurrencyLimitError) for answer in answers) > 5
    assert client.concurrency == {}


async def test_clones_share_the_windows(adaptive: Any, emulator: Emulator) -> None:
    """A clone knows what the client found out; one for another project has windows of its own; one may do without."""
    client = adaptive()
    emulator.fault(Fault.status(429))
    assert [attempt.status for attempt in (await ask(client)).meta.attempts] == [429, 200]
    found = client.concurrency

    clone = client.with_options(max_retries=5)
    other = client.with_options(project="team/other")
    without = client.with_options(adaptive_concurrency=False)
    await ask(other)
    await ask(without)
    assert found == clone.concurrency == without.concurrency == {MODEL: Concurrency(5, 0, 0, 1)}
    assert other.concurrency == {MODEL: Concurrency(INITIAL, 0, 0, 0)}

    await ask(without.with_options(adaptive_concurrency=True, deadline=5), model=OTHER)
    assert set(client.concurrency) == {MODEL, OTHER}
    await done(client.close())


async def test_a_project_of_the_call(adaptive: Any) -> None:
    """What counts is the project that is sent, wherever it came from."""
    with Emulator(require_project=False) as emulator:
        client = adaptive(emulator, default_headers={"OpenAI-Project": "team/header"})
        await ask(client)
        assert set(client.concurrency) == {MODEL}
        none = client.with_options(default_headers={"OpenAI-Project": None})
        assert none.concurrency == {}
        await ask(none, model=OTHER)
        assert set(none.concurrency) == {OTHER}
        await done(client.close())


async def test_a_server_that_refuses_everything(adaptive: Any) -> None:
    """The window shrinks to 1 at no cost; from there on refusals are attempts like others, and the last is an error."""
    with Emulator(concurrency_limit=0) as emulator:
        client = adaptive(emulator, max_retries=1)
        with pytest.raises(ConcurrencyLimitError) as caught:
            await ask(client)
        found = client.concurrency[MODEL]
        await done(client.close())

    assert found == Concurrency(1, 0, 0, len(caught.value.attempts))
    assert len(caught.value.attempts) == 5  # windows of 10, 5 and 2; then two attempts with 1
    assert caught.value.attempts[1].waited <= 0.1


@pytest.mark.parametrize(("header", "attempts"), [("0", 2), ("500", 1)])
async def test_retry_after(adaptive: Any, emulator: Emulator, header: str, attempts: int) -> None:
    """A server that names a time is obeyed up to two minutes; one that names more has its error told at once."""
    emulator.fault(Fault.status(429, headers={"retry-after": header}))
    client = adaptive(max_retries=0)
    if attempts == 1:
        with pytest.raises(ConcurrencyLimitError):
            await ask(client)
    else:
        assert (await ask(client)).meta.attempts[1].waited == 0.0
    assert len(emulator.requests) == attempts
    await done(client.close())


async def test_a_server_that_forbids_another_attempt(adaptive: Any, emulator: Emulator) -> None:
    """`x-should-retry: false` is the last word."""
    emulator.fault(Fault.status(429, headers={"x-should-retry": "false"}))
    client = adaptive()
    with pytest.raises(ConcurrencyLimitError):
        await ask(client)
    assert len(emulator.requests) == 1
    await done(client.close())


async def test_quota_is_no_concurrency(adaptive: Any, emulator: Emulator) -> None:
    """A 429 that means credits is an error at once, and leaves the window as it was."""
    emulator.fault(Fault.status(429, "You exceeded your current quota, please check your plan and billing details"))
    client = adaptive()
    with pytest.raises(QuotaExceededError):
        await ask(client)
    assert client.concurrency == {MODEL: Concurrency(INITIAL, 0, 0, 0)}
    assert len(emulator.requests) == 1
    await done(client.close())


async def test_overload(adaptive: Any, emulator: Emulator) -> None:
    """A busy server shrinks the window, and uses up retries as ever."""
    emulator.fault(Fault.storm(503, times=2, retry_after=0))
    client = adaptive(max_retries=1)
    with pytest.raises(ServiceUnavailableError):
        await ask(client)
    assert client.concurrency == {MODEL: Concurrency(8, 0, 0, 0)}
    await done(client.close())


async def test_a_stream_keeps_its_place(adaptive: Any, emulator: Emulator) -> None:
    """Until its end or its closing, however it is left; and only then."""
    client = adaptive()
    stream = await ask(client, stream=True)
    assert client.concurrency[MODEL].in_flight == 1
    assert "".join(await texts(stream)) == stream.text
    assert client.concurrency[MODEL].in_flight == 0

    stream = await ask(client, stream=True)
    async for _ in each(stream):
        assert client.concurrency[MODEL].in_flight == 1
        break
    await done(stream.close())
    await done(stream.close())
    assert client.concurrency[MODEL].in_flight == 0

    emulator.fault(Fault.cut(after_chunks=0))
    assert "".join(await texts(await ask(client, stream=True)))
    assert client.concurrency[MODEL] == Concurrency(INITIAL, 0, 0, 0)
    await done(client.close())


async def test_a_forgotten_stream_gives_its_place_up(adaptive: Any) -> None:
    """Where the garbage collector ends a stream, the next call gets its place."""
    client = adaptive()
    stream = await ask(client, stream=True)
    await done(next(stream) if isinstance(stream, Stream) else anext(stream))
    with pytest.warns(ResourceWarning, match="left open"):
        del stream
        gc.collect()
    for _ in range(50):
        if not client.concurrency[MODEL].in_flight:
            break
        await asyncio.sleep(0.01)

    assert client.concurrency[MODEL].in_flight == 0
    await done(client.close())


async def test_a_fan_out_of_streams(adaptive: Any) -> None:
    """Streams against a limit: each is read to its end."""
    with Emulator(concurrency_limit=4) as emulator:
        client = adaptive(emulator, max_retries=0)

        async def read() -> str:
            return "".join(await texts(await ask(client, stream=True, max_tokens=8)))

        def read_blocking() -> str:
            return "".join(chunk.text for chunk in client.chat.completions.create(**request))

        request: dict[str, Any] = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": True,
            "max_tokens": 8,
        }
        if isinstance(client, AsyncClient):
            read_texts = await asyncio.gather(*(read() for _ in range(100)))
        else:
            with ThreadPoolExecutor(32) as threads:
                jobs = [threads.submit(read_blocking) for _ in range(100)]
                read_texts = await asyncio.to_thread(lambda: [job.result() for job in jobs])
        found = client.concurrency[MODEL]
        await done(client.close())

    assert len(read_texts) == 100
    assert all(read_texts)
    assert found[1:3] == (0, 0)


async def test_a_deadline_in_line(adaptive: Any, emulator: Emulator) -> None:
    """Waiting in line ends with the deadline: nothing was sent, and the place goes to others."""
    client = adaptive(max_connections=1)
    stream = await ask(client, stream=True)
    with pytest.raises(APITimeoutError) as caught:
        await ask(client, deadline=0.05)
    assert (caught.value.clock, caught.value.attempts[0].outcome) == ("deadline", "not_sent")
    assert client.concurrency[MODEL] == Concurrency(1, 1, 0, 0)

    await done(stream.close())
    await ask(client, deadline=5)
    assert len(emulator.requests) == 2
    await done(client.close())


async def test_a_deadline_ends_free_attempts(adaptive: Any, emulator: Emulator) -> None:
    """A refusal whose pause would pass the deadline is told at once."""
    emulator.fault(Fault.status(429, headers={"retry-after": "30"}))
    client = adaptive(deadline=5)
    with pytest.raises(ConcurrencyLimitError):
        await ask(client)
    await done(client.close())


async def test_cancel_churn(emulator: Emulator) -> None:
    """Hundreds of calls that are cancelled in line, on their way and in their answers: no place is lost."""
    settings: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "base_url": emulator.base_url}
    async with AsyncClient(**settings, adaptive_concurrency=True, max_connections=4) as client:
        for turn in range(20):
            tasks = [asyncio.create_task(ask(client)) for _ in range(20)]
            await asyncio.sleep(0.0005 * turn)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert client.concurrency[MODEL][1:3] == (0, 0)
        assert len(await asyncio.gather(*(ask(client, deadline=20) for _ in range(20)))) == 20


async def test_a_limit_of_one(kind: Any) -> None:
    """Refusals with a window of 1 are retries: the answer comes after them."""
    busy = whole(BUSY, 429, "retry-after: 0")
    with RawServer(answering(busy, busy, whole(COMPLETION))) as server:
        client = kind(
            api_key=KEY,
            project=PROJECT,
            base_url=server.base_url,
            adaptive_concurrency=True,
            max_connections=1,
            max_retries=2,
        )
        answer = await ask(client)
        await done(client.close())

    assert [attempt.status for attempt in answer.meta.attempts] == [429, 429, 200]


def test_two_loops(emulator: Emulator) -> None:
    """Each event loop has windows of its own; outside of one there is none to tell of."""
    settings: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "base_url": emulator.base_url}
    client = AsyncClient(**settings, adaptive_concurrency=True)

    async def once() -> dict[str, Concurrency]:
        await ask(client)
        return client.concurrency

    assert asyncio.run(once()) == asyncio.run(once()) == {MODEL: Concurrency(INITIAL, 0, 0, 0)}
    assert client.concurrency == {}


def test_after_a_fork(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places that threads of the parent hold are not taken in the child."""
    settings: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "base_url": emulator.base_url}
    client = Client(**settings, adaptive_concurrency=True, max_connections=1)
    stream = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True)
    assert client.concurrency[MODEL].in_flight == 1

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert client.concurrency == {}
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], deadline=5)
        assert client.concurrency == {MODEL: Concurrency(1, 0, 0, 0)}
        client.close()
    stream.close()


async def test_threads_wait_for_each_other(emulator: Emulator) -> None:
    """All threads of a client stand in one line."""
    settings: dict[str, Any] = {"api_key": KEY, "project": PROJECT, "base_url": emulator.base_url}
    with Client(**settings, adaptive_concurrency=True, max_connections=1) as client:
        stream = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True)
        waiting = asyncio.create_task(asyncio.to_thread(lambda: client.with_options().chat.completions.create(**HELLO)))
        while not client.concurrency[MODEL].waiting:
            await asyncio.sleep(0.001)
        stream.close()
        assert (await waiting).meta.queued > 0


HELLO: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


def give_key() -> str:
    """An importable key."""
    return KEY


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_neither_on_nor_off(kind: Any, value: Any) -> None:
    """Anything but True and False is refused, when the client is made; for a clone `None` keeps what is."""
    with pytest.raises(ConfigurationError, match=r"adaptive_concurrency is .*\. Give True or False"):
        kind(api_key=KEY, project=PROJECT, adaptive_concurrency=value)
    client = kind(api_key=KEY, project=PROJECT, adaptive_concurrency=True)
    if value is None:
        assert "adaptive_concurrency=True" in repr(client.with_options(adaptive_concurrency=None))
    else:
        with pytest.raises(ConfigurationError, match="Give True or False"):
            client.with_options(adaptive_concurrency=value)


def test_it_shows(kind: Any) -> None:
    """What a client will do is in its `repr`, and travels with its pickle."""
    client = kind(api_key=give_key, project=PROJECT, adaptive_concurrency=True)

    assert repr(client).endswith("max_retries=2, adaptive_concurrency=True)")
    assert "adaptive" not in repr(client.with_options(adaptive_concurrency=False))
    assert repr(pickle.loads(pickle.dumps(client))) == repr(client)
    assert client.concurrency == {}
