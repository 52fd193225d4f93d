"""What the wire can do to a call, and what the caller is told: raw sockets, no mocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done, texts
from raw_server import Peer, RawServer, answering, head, whole

import wandb_inference
from wandb_inference import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncClient,
    BadRequestError,
    Client,
    InternalServerError,
    QuotaExceededError,
    ServiceUnavailableError,
)
from wandb_inference.testing import Emulator, Fault

DATA = Path(__file__).parent / "data"
COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
ANSWER = whole(COMPLETION)


async def fails(client: Any, expected: type[APIError], **params: Any) -> Any:
    """The error of a call."""
    with pytest.raises(expected) as caught:
        await ask(client, **params)
    await done(client.close())
    return caught.value


# --- Failures --------------------------------------------------------------------------------------------------------


async def test_no_limit(connect: Any) -> None:
    """`None` and infinity wait for ever."""
    with RawServer(answering(ANSWER)) as server:
        client = connect(server, timeout=None, stall_timeout=float("inf"))
        assert (await ask(client, timeout=httpx.Timeout(5, connect=None))).text == "Hi"
        await done(client.close())


async def test_endless_error(connect: Any) -> None:
    """An error's body is read up to a bound."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(head(500, "Content-Length: 1000000000", kind="text/plain"))
        while True:
            peer.send(b"x" * 65536)

    with RawServer(script) as server:
        error = await fails(connect(server), InternalServerError)

    assert len(error.body) == 64 * 1024


# --- Retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 524, 529])
async def test_retried(make: Any, emulator: Emulator, status: int) -> None:
    """A passing failure is tried again, and the answer tells of it."""
    emulator.fault(Fault.status(status, headers={"retry-after-ms": "1"}))
    client = make()

    answer = await ask(client)
    await done(client.close())

    assert [attempt.status for attempt in answer.meta.attempts] == [status, 200]
    assert answer.meta.attempts[1].waited == 0.001


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, None),
        (401, None),
        (402, None),
        (403, None),
        (404, None),
        (422, None),
        (429, "You exceeded your current quota, please check your plan and billing details"),
        (429, "W&B Inference isn't available for personal accounts"),
    ],
)
async def test_sent_once(make: Any, emulator: Emulator, status: int, message: str | None) -> None:
    """What no other attempt can mend is sent once."""
    emulator.fault(Fault.status(status, message))
    client = make(max_retries=5)
    error = await fails(client, APIStatusError)

    assert len(emulator.requests) == len(error.attempts) == 1
    assert isinstance(error, QuotaExceededError) == ("quota" in error.message)


async def test_all_attempts_on_the_error(make: Any, emulator: Emulator) -> None:
    """The final error lists the attempts."""
    emulator.fault(Fault.storm(503, times=3, retry_after=0))
    error = await fails(make(max_retries=1), ServiceUnavailableError)

    assert [attempt.status for attempt in error.attempts] == [503, 503]
    assert "[2 attempts]" in str(error)


async def test_the_server_decides(make: Any, emulator: Emulator) -> None:
    """`x-should-retry` decides where it is sent."""
    emulator.fault(Fault.status(400, headers={"x-should-retry": "true", "retry-after": "0"}))
    client = make()
    assert (await ask(client)).text
    emulator.fault(Fault.status(503, headers={"x-should-retry": "false"}))
    error = await fails(client, ServiceUnavailableError)

    assert len(error.attempts) == 1


async def test_retries_per_call(make: Any, emulator: Emulator) -> None:
    """`max_retries` of a call beats the client's."""
    emulator.fault(Fault.status(503))
    error = await fails(make(max_retries=5), ServiceUnavailableError, max_retries=0)

    assert len(error.attempts) == 1


async def test_error_fields(make: Any, emulator: Emulator) -> None:
    """What the server said is on the error."""
    body = {"error": {"message": "Bad stop", "type": "invalid_request_error", "param": "stop", "code": 7}}
    emulator.reply(status=400, json=body, headers={"x-request-id": "req_7"})
    error = await fails(make(), BadRequestError)

    assert (error.message, error.type, error.param, error.code) == ("Bad stop", "invalid_request_error", "stop", "7")
    assert (error.request_id, error.headers["x-request-id"], error.body) == ("req_7", "req_7", body)
    assert str(error) == "400: Bad stop (req_7)"


# --- Mocks of users' tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx(kind: Any, using: str) -> None:
    """respx intercepts our clients as it does httpx's own."""
    body = json.loads(COMPLETION)
    with respx.mock(base_url="https://api.inference.wandb.ai/v1", using=using) as mock:
        route = mock.post("/chat/completions").mock(return_value=httpx.Response(200, json=body))
        client = kind(api_key=KEY, project=PROJECT)
        assert (await ask(client)).text == "Hi"
        await done(client.close())

    request = route.calls[0].request
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(request.content)["model"] == MODEL


async def test_respx_stream(kind: Any) -> None:
    """Streams and errors are mocked like any answer."""
    events = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    with respx.mock(base_url="https://api.inference.wandb.ai/v1") as mock:
        route = mock.post("/chat/completions")
        route.side_effect = [
            httpx.Response(200, content=events, headers={"content-type": "text/event-stream"}),
            httpx.ConnectError("no way"),
        ]
        client = kind(api_key=KEY, project=PROJECT, max_retries=0)
        assert await texts(await ask(client, stream=True)) == ["Hi"]
        error = await fails(client, APIConnectionError)

    assert str(error).startswith("api.inference.wandb.ai:443: no way")


async def test_pytest_httpx(kind: Any, httpx_mock: Any) -> None:
    """pytest-httpx intercepts our clients as it does httpx's own."""
    httpx_mock.add_response(json=json.loads(COMPLETION))
    client = kind(api_key=KEY, project=PROJECT)

    assert (await ask(client)).text == "Hi"
    await done(client.close())
    assert str(httpx_mock.get_request().url) == "https://api.inference.wandb.ai/v1/chat/completions"


def test_emulator_fixture(wandb_emulator: Emulator) -> None:
    """The fixture leads unchanged code to an emulator in process."""
    wandb_emulator.reply("Hi.")

    assert wandb_inference.completion(MODEL, MESSAGES).text == "Hi."
    with Client() as client:
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).text
    assert len(wandb_emulator.requests) == 2


async def test_emulator_fixture_async(wandb_emulator: Emulator) -> None:
    """The fixture leads async code there too."""
    async with AsyncClient() as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        assert "".join([chunk.text async for chunk in stream])
