"""Keys that a server repeats, and keys that tracebacks would show."""

from __future__ import annotations

import pickle
import reprlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, ask, done, each
from raw_server import RawServer, answering, chunked, head, sending, whole
from test_curl import Ran

from wandb_inference import APIError
from wandb_inference._checks import Key, check_key
from wandb_inference._transport.outcomes import Wire, hiding
from wandb_inference.types import AttemptEvent, DoneEvent, SendEvent

LONG_KEY = f"wandb_v1_{KEY}_{KEY}"
OTHER_KEY = f"mine_{LONG_KEY[::-1]}"
ECHO = b"bad key " + LONG_KEY.encode()
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
SSE = head(200, "Transfer-Encoding: chunked", f"X-Echo: {LONG_KEY}", kind="text/event-stream")
FAILED = b'data: {"error": {"message": "%s", "code": "%s", "param": "%s"}}\n\n' % (ECHO, ECHO, ECHO)


def stream_of(*pieces: bytes) -> Any:
    """A stream of these pieces."""
    return sending(SSE, *chunked(*pieces), pause=0.001)


@pytest.mark.parametrize(
    "script",
    [
        stream_of(CHUNK, FAILED),
        stream_of(FAILED[:40], FAILED[40:]),
        stream_of(b"event: error\ndata: " + ECHO + b"\n\n"),
        stream_of(b"data: " + ECHO + b"\n\n"),
        stream_of(CHUNK),
        answering(whole(ECHO, 200, f"X-Echo: {LONG_KEY}")),
        answering(whole(b'{"error": "%s"}' % ECHO, 200)),
        answering(whole(ECHO, 401, f"X-Echo: {LONG_KEY}")),
        sending(head(200, "Content-Length: 999", f"X-Echo: {LONG_KEY}"), ECHO),
    ],
    ids=[
        "event",
        "split",
        "event without JSON",
        "no JSON",
        "cut",
        "no stream",
        "no stream, JSON",
        "status",
        "cut answer",
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_echoes(connect: Any, script: Any, streamed: bool) -> None:
    """A key that comes back is in nothing that an error says or holds, nor in what hooks are told."""
    events: list[Any] = []
    hooks = dict.fromkeys(("before_send", "on_attempt", "on_done"), events.append)
    with RawServer(script) as server:
        client = connect(server, api_key=LONG_KEY, **hooks)
        with pytest.raises(APIError) as caught:
            async for _ in each(await ask(client, stream=streamed)):
                pass
        await done(client.close())

    error = caught.value
    assert KEY not in f"{error} {error!r} {vars(error)} {error.meta} {error.as_curl()}"
    assert KEY.encode() not in pickle.dumps(error)
    assert {type(event) for event in events} == {SendEvent, AttemptEvent, DoneEvent}
    assert KEY not in repr(events)


@pytest.mark.parametrize("filling", [0, 150_000], ids=["argument", "input"])
@pytest.mark.parametrize("header", [None, f"Bearer {OTHER_KEY}"], ids=["key", "own header"])
async def test_elsewhere(connect: Any, tmp_path: Path, header: str | None, filling: int) -> None:
    """A key in another header, in the query or the body is in no error and no event, and a shell puts it back."""
    events: list[Any] = []
    key = OTHER_KEY if header else LONG_KEY
    text = "$HOME `id` \\ it's" + "x" * filling
    with RawServer(answering(whole(b"{}", 400))) as server:
        client = connect(server, api_key=LONG_KEY, before_send=events.append)
        with pytest.raises(APIError) as caught:
            await ask(
                client,
                extra_headers={"x-mine": f"<{key}>", "x-api": LONG_KEY} | ({"authorization": header} if header else {}),
                extra_query={"k": key, "a": 1},
                extra_body={"api_key": key, "text": text},
            )
        await done(client.close())
        body = server.requests[0].partition(b"\r\n\r\n")[2].decode()
    command = caught.value.as_curl() or ""
    told = f"{events[0]} {events[0].body}"

    assert key in body
    for secret in (LONG_KEY, OTHER_KEY):
        assert secret not in command + told
        assert secret.encode() not in pickle.dumps(caught.value)
    assert events[0].body.decode() == body.replace(key, "***")
    assert (events[0].headers["x-mine"], events[0].headers["x-api"]) == ("<***>", "***")
    assert events[0].url.endswith("?k=***&a=1")
    ran = Ran(command, tmp_path, {"WANDB_API_KEY": key})
    assert ran.input.removesuffix("\n") + "".join(ran.after("--data-raw")) == body
    assert f"x-mine: <{key}>" in ran.after("-H")
    assert f"{server.base_url}/chat/completions?k={key}&a=1" in ran.arguments


async def test_written_in_other_ways(connect: Any) -> None:
    """A key is found as a query and JSON write it, and a short one stays where it may be a word."""
    key = 'a"b+c/d' * 4
    events: list[Any] = []
    with RawServer(answering(whole(b"{}", 400))) as server:
        for given in (key, "short"):
            client = connect(server, api_key=given, before_send=events.append)
            with pytest.raises(APIError) as caught:
                await ask(client, extra_query={"k": given}, extra_body={"k": given})
            await done(client.close())
            told = f"{events[-1]} {events[-1].body} {caught.value.as_curl()}"
            assert ("a%22b" in told, "b+c" in told, "short" in told) == (False, False, given == "short")


def frames(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """The variables of the package's own frames, in the tracebacks of an error and of all it came from."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "wandb_inference" in frame.f_code.co_filename:
                yield frame.f_locals
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "script", [answering(whole(b"{}", 401)), sending(b""), stream_of(CHUNK)], ids=["refused", "cut", "stream"]
)
@pytest.mark.parametrize("given", [LONG_KEY, lambda: LONG_KEY], ids=["key", "callable"])
async def test_variables(connect: Any, script: Any, streamed: bool, given: Any) -> None:
    """Reporters that show the variables of a traceback's frames show no key."""
    with RawServer(script) as server:
        client = connect(server, api_key=given)
        with pytest.raises(APIError) as caught:
            async for _ in each(await ask(client, stream=streamed)):
                pass
        await done(client.close())

    shown = [
        f"{name} = {value!r} {reprlib.repr(value)}"
        for variables in frames(caught.value)
        for name, value in variables.items()
    ]
    assert len(shown) > 5
    assert not [line for line in shown if KEY in line or KEY[:20] in line]


def test_a_key() -> None:
    """A key is a text like any other, but for how it is shown."""
    key = check_key(f" {LONG_KEY} ", "argument")

    assert (key, f"Bearer {key}", key.encode()) == (LONG_KEY, f"Bearer {LONG_KEY}", LONG_KEY.encode())
    assert repr(key) == repr(key[:20]) == f"{(key,)!r}"[1:-2] == "'***'"
    assert key[:8] == "wandb_v1"
    assert isinstance(key, Key)


def test_what_is_sent() -> None:
    """The bytes of a request, in which the key is, are not shown either."""
    assert repr(Wire(b"authorization: Bearer x")) == "<23 bytes>"


def test_short_keys() -> None:
    """A key that may be a word of the answer is left in it."""
    assert hiding("key") is hiding(None) is None
