"""The emulator in process, with blocking and async clients."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from wandb_inference.testing import Emulator, EmulatorTransport, Fault

from .asking import HEADERS, content, http, request


def async_http(emulator, **options):
    return httpx.AsyncClient(
        transport=emulator.transport(), base_url=emulator.base_url, headers=HEADERS, trust_env=False, **options
    )


def test_any_host(emulator):
    """Whatever the host, the emulator answers."""
    with httpx.Client(transport=emulator.transport(), headers=HEADERS) as client:
        answer = client.post("https://api.inference.wandb.ai/v1/chat/completions", json=request())

    assert answer.status_code == 200
    assert isinstance(emulator.transport(), EmulatorTransport)


def test_the_made_up_host(emulator):
    """Without a port the base URL is one that leads nowhere else."""
    assert emulator.base_url == "http://emulator.test/v1"
    assert repr(emulator) == "<Emulator in process, 0 requests>"


async def test_async_is_the_same(emulator):
    """An async client has the answers of a blocking one."""
    async with async_http(emulator) as client:
        answer = await client.post("/chat/completions", json=request())

    assert answer.json()["choices"][0]["message"]["content"] == content(Emulator())
    assert emulator.requests[0].outcome == "sent"


async def test_async_streams_pause(emulator):
    """Pace, latency and delay wait without blocking the loop."""
    emulator = Emulator(tokens_per_second=10_000, latency=0.001)
    emulator.reply("One two three.", delay=0.001)
    async with async_http(emulator) as client:
        answers = await asyncio.gather(
            *(client.post("/chat/completions", json=request(stream=stream)) for stream in (True, False))
        )

    assert [answer.status_code for answer in answers] == [200, 200]
    assert "three" in answers[0].text


async def test_streams_alternate(emulator):
    """Two streams that are read side by side advance side by side."""
    order = []

    async def read(name):
        async with client.stream("POST", "/chat/completions", json=request(stream=True)) as response:
            async for _ in response.aiter_bytes():
                order.append(name)

    async with async_http(emulator) as client:
        await asyncio.gather(read("a"), read("b"))
    assert order[:6] in (["a", "b"] * 3, ["b", "a"] * 3)


async def test_leaving_a_stream(emulator):
    """A stream that is left half way is known as left, one that was read to `[DONE]` as sent."""
    async with async_http(emulator) as client:
        async with client.stream("POST", "/chat/completions", json=request(stream=True)) as response:
            assert emulator.in_flight == 1
            async for _ in response.aiter_lines():
                break
        assert emulator.in_flight == 0
        async with client.stream("POST", "/chat/completions", json=request(stream=True)) as response:
            async for line in response.aiter_lines():
                if line == "data: [DONE]":
                    break
    assert [request.outcome for request in emulator.requests] == ["left", "sent"]


async def test_cancelling_an_async_call(emulator):
    """A cancelled call has left."""
    emulator.fault(Fault.stall(after_chunks=None))
    async with async_http(emulator) as client:
        call = asyncio.create_task(client.post("/chat/completions", json=request()))
        for _ in range(10):  # turns of the loop until it stalls
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert emulator.requests[0].outcome == "left"
    assert emulator.in_flight == 0


async def test_async_faults(emulator):
    """Faults are the same exceptions for an async client."""
    emulator.fault(Fault.refuse())
    emulator.fault(Fault.stall())
    async with async_http(emulator, timeout=0.01) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("/chat/completions", json=request())
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/chat/completions", json=request(stream=True))

    assert [request.outcome for request in emulator.requests] == ["sent", "left"]


def test_pauses_add_up_to_a_timeout():
    """Pauses without data in between count together against the read timeout."""
    emulator = Emulator(latency=0.03)
    emulator.reply("Late.", delay=0.03)

    with http(emulator, timeout=0.05) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/chat/completions", json=request())


def test_without_a_timeout(emulator):
    """A client without a timeout waits."""
    emulator.fault(Fault.stall(1, seconds=0.01))

    with http(emulator, timeout=None) as client:
        assert client.post("/chat/completions", json=request(stream=True)).text.endswith("[DONE]\n\n")


def test_a_bare_request(emulator):
    """A request that was made by hand, without any timeout, is answered as well."""
    answer = emulator.transport().handle_request(httpx.Request("GET", "http://x/v1/models", headers=HEADERS))

    assert answer.status_code == 200


def test_what_a_computed_reply_raises(emulator):
    """An exception of the test's own function reaches the test."""
    emulator.reply(lambda request: request.body["nothing"])

    with http(emulator) as client, pytest.raises(KeyError, match="nothing"):
        client.post("/chat/completions", json=request())


def test_closing_twice(emulator):
    """An answer ends once, however often its stream is closed."""
    response = emulator.transport().handle_request(httpx.Request("GET", "http://x/v1/models", headers=HEADERS))
    for _ in range(2):
        response.stream.close()

    assert emulator.in_flight == 0
    assert emulator.requests[0].outcome == "left"


@pytest.mark.parametrize("wrong", [{"latency": -1}, {"tokens_per_second": 0}, {"port": 65536}])
def test_durations_out_of_range(wrong):
    """A duration that can't be is a ValueError that names it."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Emulator(**wrong)
