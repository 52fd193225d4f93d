"""Closing a client ends what it does at once, and nobody else is blamed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import KEY, PROJECT, ask, done
from raw_server import STREAM_HEAD, Peer, RawServer, chunked

from wandb_inference import Client, ConfigurationError
from wandb_inference._core.wire import Timeouts
from wandb_inference._transport.async_exchange import AsyncPool
from wandb_inference._transport.clocks import Clocks
from wandb_inference._transport.exchange import Pool


def silent(peer: Peer) -> None:
    """Sends one chunk, then nothing."""
    peer.request()
    first = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
    peer.send(STREAM_HEAD, *chunked(first, end=False))
    peer.wait_for_end()


def begun(client: Any, **params: Any) -> asyncio.Task[Any]:
    """A call in a thread, or in a task."""
    if isinstance(client, Client):
        return asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(ask(client, **params))))
    return asyncio.create_task(ask(client, **params))


@pytest.fixture
def closing(kind: Any) -> Any:
    """Makes a client of either kind, which does not try again unless told so."""

    def closing(server: RawServer, **settings: Any) -> Any:
        plain = {"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0}
        return kind(**{**plain, **settings})

    return closing


@pytest.mark.parametrize("adaptive", [False, True])
async def test_calls_in_line(closing: Any, adaptive: bool) -> None:
    """Calls that wait for a turn, or for a place in a model's window, end when the client is closed."""
    with RawServer(silent) as server:
        client = closing(server, max_connections=1, adaptive_concurrency=adaptive)
        stream = await ask(client, stream=True)
        waiting = [begun(client) for _ in range(3)]
        await asyncio.sleep(0.05)  # until they are in line
        await done(client.close())
        for call in waiting:
            with pytest.raises(ConfigurationError, match="This client is closed"):
                await asyncio.wait_for(call, 5)
        with pytest.raises(ConfigurationError, match="This client is closed"):
            await ask(client)
        await done(stream.close())

    assert len(server.requests) == 1


async def test_a_pool_that_has_ended() -> None:
    """Nobody enters it, not even who was called just before."""
    clocks = Clocks(Timeouts())
    for pool in (Pool(1), AsyncPool(1)):
        await done(pool.enter(clocks))
        pool.end()
        with pytest.raises(ConfigurationError, match="This client is closed"):
            await done(pool.enter(clocks))
