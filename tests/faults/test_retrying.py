"""Storms of refusals: what is tried again, how often, and what the deadline says to it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import done
from raw_server import Peer, RawServer, Script

from wandb_inference import (
    APITimeoutError,
    ConcurrencyLimitError,
    QuotaExceededError,
    ServiceUnavailableError,
)

from .cases import Good, outcome, within

BUSY = b'{"error": {"message": "Concurrency limit reached for requests"}}'
BROKE = b'{"error": {"message": "You exceeded your current quota, please check your plan and billing details"}}'
NOW = "retry-after-ms: 1"


def refusing(times: int, status: int, *headers: str, body: bytes = BUSY, pause: float = 0.0) -> Script:
    """Refuses so many requests, however many connections they come on, and answers the rest."""
    left = times

    def script(peer: Peer) -> None:
        nonlocal left
        while request := peer.request():
            time.sleep(pause)
            good = Good.of(request)
            left -= 1
            peer.send(good.whole(*headers, start=f"HTTP/1.1 {status} No", body=body) if left >= 0 else good.whole())

    return script


async def test_storm_that_passes(dial: Any, raw: Any, asks: str) -> None:
    """Who tries often enough gets an answer, on one connection."""
    with raw(refusing(20, 429, NOW)) as server:
        client = dial(server, max_retries=20)
        assert await outcome(client, asks) == "Hi"
        await done(client.close())

    assert (len(server.requests), server.connections) == (21, 1)


async def test_storm_that_stays(dial: Any, raw: Any, asks: str) -> None:
    """Who tries too seldom gets the last refusal, with all of them on it."""
    with raw(refusing(20, 429, NOW)) as server:
        client = dial(server, max_retries=4)
        got = await outcome(client, asks)
        await done(client.close())

    assert type(got) is ConcurrencyLimitError
    assert [(attempt.status, attempt.outcome) for attempt in got.attempts] == [(429, "answered")] * 5
    assert "[5 attempts]" in str(got)


async def test_storm_against_the_deadline(connect: Any, asks: str) -> None:
    """The deadline counts over all attempts, and ends the one it comes in."""
    with RawServer(refusing(1000, 503, "retry-after: 0", pause=0.05)) as server:
        client = connect(server, max_retries=1000)
        with within(0.3):
            got = await outcome(client, asks, deadline=0.3)
        await done(client.close())

    assert type(got) in (APITimeoutError, ServiceUnavailableError)
    assert 3 <= len(got.attempts) <= 7
    if isinstance(got, APITimeoutError):
        assert got.clock == "deadline"


@pytest.mark.parametrize(
    ("headers", "deadline"),
    [
        (("retry-after: 5",), 2.0),
        (("retry-after-ms: 5000",), 2.0),
        (("retry-after: Wed, 21 Oct 2099 07:28:00 GMT",), None),
        (("retry-after: 121",), None),
        ((), 0.2),
    ],
    ids=["seconds", "milliseconds", "date", "two minutes", "backoff"],
)
async def test_wait_that_is_too_long(
    dial: Any, raw: Any, asks: str, headers: tuple[str, ...], deadline: float | None
) -> None:
    """A wait that would pass the deadline, or two minutes, is not begun: the refusal is told at once."""
    with raw(refusing(20, 429, *headers)) as server:
        client = dial(server, max_retries=5, deadline=deadline)
        with within(0):
            got = await outcome(client, asks)
        await done(client.close())

    assert type(got) is ConcurrencyLimitError
    assert len(got.attempts) == len(server.requests) == 1


async def test_quota(dial: Any, raw: Any, asks: str) -> None:
    """A quota that is used up is asked for once, whatever the headers say."""
    with raw(refusing(20, 429, NOW, "x-should-retry: true", body=BROKE)) as server:
        client = dial(server, max_retries=5)
        got = await outcome(client, asks)
        await done(client.close())

    assert type(got) is QuotaExceededError
    assert len(server.requests) == 1
