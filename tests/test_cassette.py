"""Recordings: what a client was told once, it is told again, without key, project or network."""

from __future__ import annotations

import json
import pickle
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import KEY, MESSAGES, MODEL, ask, done, each, texts
from pydantic import BaseModel
from raw_server import RawServer, answering, chunked, head, sending, whole

from wandb_inference import APIConnectionError, APIError, AsyncClient, Client, RateLimitError, tool
from wandb_inference.testing import Cassette, CassetteMissError, Emulator, Fault
from wandb_inference.types import AttemptEvent

OTHER_PROJECT = "hill-and-sons/secret-plans"


class Nowhere(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A network that must not be used."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError("the network was used")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError("the network was used")


class Point(BaseModel):
    """Something to parse."""

    x: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"cold in {city}"


@pytest.fixture
def inside() -> Emulator:
    """The service, in process."""
    return Emulator()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet, in a folder that is not either."""
    return tmp_path / "cassettes" / "test.json"


@pytest.fixture
async def client_of(kind: Any) -> AsyncIterator[Any]:
    """Makes a client of either kind for a cassette, and closes it in the end."""
    made: list[Any] = []

    def client_of(cassette: Cassette, **options: Any) -> Any:
        made.append(cassette.client(**options) if kind is Client else cassette.async_client(**options))
        return made[-1]

    yield client_of
    for client in made:
        await done(client.close())


@pytest.fixture
def recording(inside: Emulator, path: Path, client_of: Any) -> Any:
    """Makes a client that records what the emulator answers."""

    def recording(mode: Any = "auto", **options: Any) -> Any:
        settings = {"api_key": KEY, "project": OTHER_PROJECT, "base_url": inside.base_url}
        return client_of(Cassette(path, mode, transport=inside.transport()), **{**settings, **options})

    return recording


@pytest.fixture
def replaying(path: Path, client_of: Any) -> Any:
    """Makes a client that has the recordings alone."""

    def replaying(mode: Any = "replay", **options: Any) -> Any:
        return client_of(Cassette(path, mode, transport=Nowhere()), **options)

    return replaying


def written(path: Path) -> bytes:
    """What a file holds; nothing where there is none."""
    return path.read_bytes() if path.exists() else b""


def exchanges(path: Path) -> list[Any]:
    """The exchanges of a file."""
    return json.loads(path.read_text())["exchanges"]


def permissions(path: Path) -> int:
    """Who may read and write a file."""
    return path.stat().st_mode


def an_hour_later(path: Path) -> None:
    """Has the last piece of a recorded stream come an hour later."""
    document = json.loads(path.read_text())
    answer = document["exchanges"][0]["response"]
    answer["ended"] = answer["events"][-1][0] = 3600
    path.write_text(json.dumps(document))


async def create(client: Any) -> object:
    return (await ask(client)).model_dump()


async def stream(client: Any) -> object:
    stream = await ask(client, stream=True)
    return await texts(stream), stream.usage.model_dump()


async def final_only(client: Any) -> object:
    return (await ask(client, final_only=True)).model_dump()


async def events(client: Any) -> object:
    entered: Any = client.chat.completions.stream(model=MODEL, messages=MESSAGES)
    async with Both(await done(entered)) as stream:
        return [(event.type, event.chunk and event.chunk.id) async for event in each(stream)]


async def parse(client: Any) -> object:
    answer = await done(
        client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Point, max_repairs=1)
    )
    return answer.parsed.x, answer.usage.model_dump()


async def run_tools(client: Any) -> object:
    run = await done(client.chat.completions.run_tools(model=MODEL, messages=MESSAGES, tools=[get_weather]))
    return run.text, len(run.steps)


async def conversation(client: Any) -> object:
    talk = client.chat.conversation(model=MODEL)
    return [(await done(talk.say(text))).text for text in ("Hello", "And again", "Hello")]


async def models(client: Any) -> object:
    one = await done(client.models.retrieve(MODEL))
    return [model.id for model in await done(client.models.list())], one.id


async def retried(client: Any) -> object:
    answer = await ask(client)
    return answer.text, [(attempt.status, attempt.error) for attempt in answer.meta.attempts]


async def leave(stream: Any) -> None:
    """Takes a chunk of a stream, and no more."""
    await done(next(stream) if hasattr(stream, "__next__") else anext(stream))
    await done(stream.close())


class Both:
    """Enters a stream of either kind of client."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aenter__(self) -> Any:
        return await self._stream.__aenter__() if hasattr(self._stream, "__aenter__") else self._stream.__enter__()

    async def __aexit__(self, *exc_info: Any) -> None:
        if hasattr(self._stream, "__aexit__"):
            await self._stream.__aexit__(*exc_info)
        else:
            self._stream.__exit__(*exc_info)


def script(emulator: Emulator, use: Callable[..., Any]) -> None:
    """What the model says to each use."""
    if use is parse:
        emulator.reply("no JSON")
        emulator.reply(value=Point(x=1))
    if use is run_tools:
        emulator.reply(tool_calls=[("get_weather", {"city": "Oslo"})])
        emulator.reply("Cold.")
    if use is retried:
        emulator.fault(Fault.storm(429, 1, retry_after=0.01))
        emulator.fault(Fault.refuse())


USES = [create, stream, final_only, events, parse, run_tools, conversation, models, retried]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_it_plays_what_it_recorded(
    use: Callable[[Any], Awaitable[object]], inside: Emulator, recording: Any, replaying: Any, path: Path
) -> None:
    """Whatever a client does, it is told the same by the file alone, and nothing of it is left over."""
    script(inside, use)
    first = await use(recording(max_retries=3))
    count = len(inside.requests)

    client = replaying(max_retries=3)
    again = await use(client)

    assert again == first
    assert len(exchanges(path)) == count
    text = written(path).decode()
    assert KEY not in text
    assert "hill-and-sons" not in text
    assert "secret-plans" not in text


async def test_waits_are_not_played(inside: Emulator, recording: Any, path: Path, client_of: Any) -> None:
    """Between the attempts of a recording nobody waits, or as much less as the speed says."""
    inside.fault(Fault.storm(429, 1, retry_after=0.01))
    first = await ask(recording())
    fast = await ask(client_of(Cassette(path, "replay")))
    double = await ask(client_of(Cassette(path, "replay", speed=2)))

    waited = [answer.meta.attempts[1].waited for answer in (first, fast, double)]
    assert waited == [0.01, 0.0, 0.005]


async def test_errors_keep_what_was_said(inside: Emulator, recording: Any, replaying: Any) -> None:
    """An answer that was an error is the same error, the server's wish to wait included."""
    inside.fault(Fault.storm(429, 1, retry_after=7))
    for make in (recording, replaying):
        with pytest.raises(RateLimitError, match="429") as caught:
            await ask(make(max_retries=0))
        assert caught.value.retry_after == 7


BREAKS = [Fault.refuse(), Fault.cut(after_chunks=0), Fault.cut(after_chunks=2), Fault.reset(after_chunks=2)]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("number", range(len(BREAKS)))
async def test_breaks(number: int, streamed: bool, inside: Emulator, recording: Any, replaying: Any) -> None:
    """What broke when it was recorded breaks again in the same place, with the same error."""
    inside.fault(BREAKS[number], times=None)
    told: list[object] = []
    for make in (recording, replaying):
        with pytest.raises(APIConnectionError) as caught:
            async for _ in each(await ask(make(max_retries=0), stream=streamed)):
                pass
        error = caught.value
        told.append((type(error), str(error), error.text, [attempt[:3] for attempt in error.attempts]))
    assert told[0] == told[1]


async def test_real_connections(path: Path, client_of: Any, kind: Any) -> None:
    """A refused connection, a certificate that does not hold and a clock that ran out are themselves again."""
    data = Path(__file__).parent / "data"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(data / "localhost.pem", data / "localhost.key")
    told: list[list[object]] = [[], []]
    with (
        RawServer(sending(b"")) as closed,
        RawServer(answering(whole(b"{}")), tls=tls) as untrusted,
        RawServer(lambda peer: peer.wait_for_end()) as silent,
    ):
        closed.__exit__()
        for mode, seen in (("record", told[0]), ("replay", told[1])):
            cassette = Cassette(path, mode)  # type: ignore[arg-type]
            for server in (closed, untrusted, silent):
                options = {"base_url": server.base_url, "max_retries": 1 if server is untrusted else 0}
                client = client_of(cassette, timeout=0.2 if server is silent else 5, **options)
                with pytest.raises(APIConnectionError) as caught:
                    await ask(client.with_options(api_key=KEY, project=OTHER_PROJECT), temperature=0.1)
                seen.append((type(caught.value), caught.value.message, len(caught.value.attempts)))
            await (cassette.aclose() if kind is AsyncClient else done(cassette.close()))
    assert told[0] == told[1]
    assert "refused" in str(told[1][0])
    assert "certificate" in str(told[1][1])
    assert "sent nothing for 0.2 seconds" in str(told[1][2])


async def test_a_stream_that_was_left(inside: Emulator, recording: Any, replaying: Any, path: Path) -> None:
    """A stream that was left can be left again; who reads on is told that there is no more, and no end is made up."""
    await leave(await ask(recording(), stream=True))
    assert exchanges(path)[0]["left"] is True

    await leave(await ask(replaying(), stream=True))
    with pytest.raises(CassetteMissError, match="its reader had left") as caught:
        await texts(await ask(replaying(), stream=True))
    assert caught.value.partial is not None
    assert caught.value.as_curl() is not None
    assert [attempt.status for attempt in caught.value.attempts] == [200]


async def test_a_stream_that_ended(recording: Any, replaying: Any, path: Path) -> None:
    """A reader that stops at the last event has read all of it."""
    await texts(await ask(recording(), stream=True))

    assert "left" not in exchanges(path)[0]
    assert await texts(await ask(replaying(), stream=True))


async def test_a_call_that_was_cancelled(kind: Any, path: Path) -> None:
    """A call that was cancelled before there was an answer leaves nothing in the file."""
    if kind is Client:
        return
    with RawServer(lambda peer: peer.wait_for_end()) as server:
        cassette = Cassette(path)
        client = cassette.async_client(api_key=KEY, project=OTHER_PROJECT, base_url=server.base_url)
        with anyio.move_on_after(0.1):
            await ask(client)
        await cassette.aclose()
    assert repr(cassette) == f"<Cassette {str(path)!r}, auto: 0 played, 0 recorded, 0 unused>"
    assert not written(path)


async def test_timing(path: Path, client_of: Any) -> None:
    """At the original speed pieces come when they came; at full speed at once."""
    chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'
    last = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    sse = head(200, "Transfer-Encoding: chunked", kind="text/event-stream")
    with RawServer(sending(sse, *chunked(chunk, chunk, last), pause=0.04)) as server:
        cassette = Cassette(path)
        client = client_of(cassette, api_key=KEY, project=OTHER_PROJECT, base_url=server.base_url)
        await texts(await ask(client, stream=True))
    seconds = [row[0] for row in exchanges(path)[0]["response"]["events"]]
    assert len(seconds) == 3
    assert seconds[0] < seconds[1] < seconds[2]

    began = time.monotonic()
    await texts(await ask(client_of(Cassette(path, "replay", 1)), stream=True))
    assert time.monotonic() - began >= seconds[2] - 0.002
    an_hour_later(path)
    assert len(await texts(await ask(client_of(Cassette(path, "replay")), stream=True))) == 3
    with pytest.raises(APIConnectionError, match=r"sent nothing for 0\.05 seconds"):
        await texts(await ask(client_of(Cassette(path, "replay", 1), timeout=0.05), stream=True))


async def test_order_and_repeats(inside: Emulator, recording: Any, path: Path, client_of: Any) -> None:
    """Equal requests are answered in their order, each recording once, unless it may be repeated."""
    for text in ("one", "two"):
        inside.reply(text)
    client = recording()
    assert [(await ask(client)).text for _ in range(2)] == ["one", "two"]

    strict = Cassette(path, "replay")
    client = client_of(strict)
    assert (await ask(client)).text == "one"
    assert strict.unused == [f"POST {inside.base_url}/chat/completions"]
    with pytest.raises(AssertionError, match=r"1 of the cassette .* were not played:\n  POST http"):
        strict.assert_all_used()
    assert (await ask(client)).text == "two"
    strict.assert_all_used()
    with pytest.raises(CassetteMissError, match=r"is 2 times in .* once more\. .*allow_playback_repeats=True"):
        await ask(client)
    client = client_of(Cassette(path, "replay", allow_playback_repeats=True))
    assert [(await ask(client)).text for _ in range(3)] == ["one", "two", "two"]


async def test_auto_adds_what_is_missing(inside: Emulator, recording: Any, path: Path) -> None:
    """What is there is played, and the rest is recorded behind it."""
    for text in ("one", "two", "three"):
        inside.reply(text)
    await ask(recording())
    client = recording()
    assert (await ask(client)).text == "one"
    assert (await ask(client, temperature=0)).text == "two"
    assert (await ask(client)).text == "three"
    assert [item["request"]["body"].get("temperature") for item in exchanges(path)] == [None, 0, None]
    assert len(inside.requests) == 3


async def test_record_begins_anew(inside: Emulator, recording: Any, path: Path) -> None:
    """In mode record the old recordings go, when there are new ones and not before."""
    await ask(recording())
    before = written(path)
    client = recording("record")
    assert written(path) == before
    await ask(client, temperature=0)

    assert [item["request"]["body"].get("temperature") for item in exchanges(path)] == [0]


async def test_auto_with_an_emulator(inside: Emulator, path: Path, client_of: Any) -> None:
    """What an emulator says is recorded without a key."""
    client = client_of(Cassette(path, transport=inside.transport()))

    assert (await ask(client)).text
    assert inside.requests[0].project == "team/project"


async def test_auto_without_a_key(recording: Any, replaying: Any) -> None:
    """Who has no key plays what is there, and is told of it where something is not: nothing is sent without one."""
    await ask(recording())
    client = replaying("auto", base_url="http://elsewhere.test/v1")

    assert (await ask(client)).text
    with pytest.raises(CassetteMissError, match="no key to record it with: set WANDB_API_KEY and WANDB_PROJECT"):
        await ask(client, temperature=0)


async def test_auto_with_the_environments_key(
    inside: Emulator, path: Path, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recording uses the key and project that any client would find."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_PROJECT", OTHER_PROJECT)
    await ask(client_of(Cassette(path, transport=inside.transport()), base_url=inside.base_url))

    assert inside.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert inside.requests[0].project == OTHER_PROJECT


async def test_a_miss(recording: Any, replaying: Any) -> None:
    """A request that is not there is an error of its own: never retried, never wrapped, with what differs."""
    await ask(recording())
    events: list[AttemptEvent] = []
    client = replaying(max_retries=5, on_attempt=events.append)
    messages = [{"role": "user", "content": "Hello?"}, {"role": "user", "content": "x" * 500}]
    with pytest.raises(CassetteMissError) as caught:
        await ask(client, messages=messages, temperature=0.5)

    error = caught.value
    assert type(error) is CassetteMissError
    assert isinstance(error, APIError)
    assert (error.attempts, events) == ((), [])
    assert error.differences == (
        'messages[0].content: "Hello?" is "Hello" in the cassette',
        f'messages[1]: {{"role": "user", "content": "{"x" * 31}... is not in the cassette',
        "temperature: 0.5 is not in the cassette",
    )
    assert str(error).splitlines()[1:] == [
        *(f"  {line}" for line in error.differences),
        'To record it, delete the file, or give mode="auto", and run again with a key and a project.',
    ]
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.differences) == (str(error), error.differences)


@pytest.mark.parametrize("adaptive", [False, True], ids=["plain", "adaptive"])
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_a_miss_everywhere(use: Callable[[Any], Awaitable[object]], adaptive: bool, replaying: Any) -> None:
    """Whatever the client was asked for, the error is that of the cassette."""
    with pytest.raises(CassetteMissError, match="which is empty") as caught:
        await use(replaying(adaptive_concurrency=adaptive))
    assert type(caught.value) is CassetteMissError


async def test_a_miss_after_an_attempt(inside: Emulator, recording: Any, replaying: Any) -> None:
    """A retry that was not recorded is a miss, and knows of the attempt before it."""
    inside.fault(Fault.status(503))
    with pytest.raises(APIError):
        await ask(recording(max_retries=0))

    with pytest.raises(CassetteMissError, match="is once in the cassette") as caught:
        await ask(replaying(max_retries=1))

    assert [attempt.status for attempt in caught.value.attempts] == [503]


async def test_no_file(replaying: Any) -> None:
    """Without a file nothing is known, and the first request says so."""
    with pytest.raises(CassetteMissError, match=r"is not in the cassette .*, which is empty\. To record it"):
        await ask(replaying(), stream=True)


async def test_a_client_of_ones_own(inside: Emulator, kind: Any, path: Path) -> None:
    """A cassette is a transport for any client of httpx."""
    for mode in ("auto", "replay"):
        with Cassette(path, mode, transport=inside.transport()) as cassette:  # type: ignore[arg-type]
            own: Any = (httpx.Client if kind is Client else httpx.AsyncClient)(transport=cassette)
            client = kind(api_key=KEY, project=OTHER_PROJECT, base_url=inside.base_url, http_client=own)
            assert (await ask(client)).meta.route == "http_client"
            await done(client.close())
            await done(own.close() if kind is Client else own.aclose())
    assert len(inside.requests) == 1


async def test_many_at_once(kind: Any, path: Path, inside: Emulator) -> None:
    """Threads and tasks record side by side, in the order in which they began, and each is told its own again."""
    count = 40

    def question(number: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": f"Number {number}"}]

    async def all_of(cassette: Cassette, **options: Any) -> list[str]:
        found = [""] * count
        client: Any = cassette.client(**options) if kind is Client else cassette.async_client(**options)

        async def one(number: int) -> None:
            found[number] = "".join(await texts(await ask(client, messages=question(number), stream=True)))

        if kind is Client:
            threads = [threading.Thread(target=lambda n=n: anyio.run(one, n)) for n in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            async with anyio.create_task_group() as group:
                for number in range(count):
                    group.start_soon(one, number)
        return found

    cassette = Cassette(path, transport=inside.transport())
    first = await all_of(cassette, api_key=KEY, project=OTHER_PROJECT, base_url=inside.base_url)
    assert (cassette.recorded, len(exchanges(path))) == (count, count)
    cassette = Cassette(path, "replay")
    assert await all_of(cassette) == first
    assert cassette.played == count
    assert not list(path.parent.glob(".*"))
    if kind is AsyncClient:
        bodies = [item["request"]["body"]["messages"][0]["content"] for item in exchanges(path)]
        assert sorted(bodies) == sorted(f"Number {number}" for number in range(count))


async def test_the_same_file_each_time(recording: Any, path: Path) -> None:
    """The file says nothing of who recorded it, and can be read by others."""
    await ask(recording())

    assert permissions(path) & 0o444 == 0o444
    request = exchanges(path)[0]["request"]
    assert request == {
        "method": "POST",
        "url": "http://emulator.test/v1/chat/completions",
        "headers": {"openai-project": "team/project"},
        "body": {"model": MODEL, "messages": MESSAGES},
    }
