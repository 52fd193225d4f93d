"""Keys that a server repeats, and keys that tracebacks would show."""

from __future__ import annotations

import pickle
import reprlib
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import KEY, ask, done, each
from raw_server import RawServer, answering, chunked, head, sending, whole

from wandb_inference import APIError
from wandb_inference._checks import Key, check_key
from wandb_inference._transport.outcomes import Wire, hiding
from wandb_inference.types import AttemptEvent, DoneEvent, SendEvent

LONG_KEY = f"wandb_v1_{KEY}_{KEY}"
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
