"""Requests that are over are gone, however they went: none waits in a circle of references for the collector.

The collector runs seldom in a gateway. What it is to find holds bodies and buffers until then, and the heap grows
around them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    LAST,
    MODEL,
    STREAM,
    Served,
    chat_bytes,
    chunk,
    completion,
    configured,
    serving,
    until,
)
from tests.gateway.test_fault_table import HEADERS, ROWS, Row, after_another, silent
from tests.raw_server import STREAM_HEAD, Peer, RawServer, chunked, whole

KEY = f"authorization: {HEADERS['authorization']}"
TWO = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, timeout: 0.1}}
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, timeout: 0.1, project: team/two}}
router_settings: {{num_retries: 0}}
general_settings: {{master_key: os.environ/MASTER}}
keys: [{{name: a, key: os.environ/KEY_A, tpm: 1000000}}]
"""
RETRIED = TWO.replace("num_retries: 0", "num_retries: 1")


@contextmanager
def collected(found: list[str]) -> Iterator[None]:
    """Adds the types of ours, and of the server, of which something had to be collected."""
    gc.disable()
    gc.freeze()  # what was there before is not looked at
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        types = (type(each) for each in gc.garbage)
        found += sorted({each.__qualname__ for each in types if each.__module__.startswith(("wandb_", "uvicorn"))})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


async def ask(served: Served, data: bytes, seconds: float | None = None) -> None:
    """Sends a request; the client leaves once nothing more comes, or earlier."""
    reader, writer = await served.raw(data)
    if seconds is None:
        await reader.read()
    else:
        await asyncio.sleep(seconds)
    writer.transport.abort()
    await until(lambda: not served.state.connections and not served.state.tasks and not served.gateway.calls)
    await asyncio.sleep(0.02)  # for what ends after them


def well(peer: Peer) -> None:
    """Answers calls and streams."""
    while request := peer.request():
        if b'"stream"' in request:
            peer.send(STREAM_HEAD, *chunked(chunk("hello"), LAST, DONE))
        else:
            peer.send(whole(completion()))


def begun(peer: Peer) -> None:
    """Begins a stream, and goes no further."""
    peer.request()
    peer.send(STREAM_HEAD, *chunked(chunk("hello"), end=False))
    peer.wait_for_end()


async def left(
    tmp_path: Path, config: str, script: Callable[[Peer], Any], data: bytes, seconds: float | None = None
) -> list[str]:
    """What is left of a request to be collected, on a new connection to the service and on one that is there."""
    found: list[str] = []
    for scripts in ([script] * 3, [after_another(script), *[script] * 3]):
        with RawServer(*scripts) as upstream:
            async with serving(configured(tmp_path, config, upstream.base_url)) as served:
                if len(scripts) > 3:
                    await ask(served, chat_bytes(BODY, KEY, "connection: close"))
                with collected(found):
                    await ask(served, data, seconds)
    return found


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["call", "stream"])
async def test_good_requests(tmp_path: Path, body: dict[str, Any]) -> None:
    """Calls and streams that end well."""
    assert not await left(tmp_path, TWO, well, chat_bytes(body, KEY, "connection: close"))


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row.name}, {'stream' if row.body.get('stream') else 'call'}, {row.status}"
)
async def test_broken_services(tmp_path: Path, row: Row) -> None:
    """Every way in which the service breaks, at both deployments."""
    config = RETRIED if row.status == 500 else TWO
    assert not await left(tmp_path, config, row.script, chat_bytes(row.body, KEY, "connection: close"))


@pytest.mark.parametrize(
    ("script", "body"),
    [(silent, BODY), (silent, STREAM), (begun, STREAM)],
    ids=["call", "stream, before it begins", "stream"],
)
async def test_clients_that_leave(tmp_path: Path, script: Any, body: dict[str, Any]) -> None:
    """A client that leaves before the end."""
    assert not await left(tmp_path, TWO, script, chat_bytes(body, KEY), 0.05)


@pytest.mark.parametrize("first", [BODY, STREAM], ids=["call", "stream"])
async def test_clients_that_leave_several_requests(tmp_path: Path, first: dict[str, Any]) -> None:
    """A client that leaves while requests wait behind the one that is answered."""
    assert not await left(tmp_path, TWO, silent, chat_bytes(first, KEY) + chat_bytes(BODY, KEY) * 2, 0.05)


@pytest.mark.parametrize(
    "data",
    [
        chat_bytes(BODY, "connection: close"),
        chat_bytes({**BODY, "model": "slow"}, KEY, "connection: close"),
        chat_bytes(b"{", KEY, "connection: close"),
        chat_bytes({**BODY, "project": "mine"}, KEY, "connection: close"),
        b"GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["no key", "no such model", "no JSON", "a project", "no key for the models", "the page", "nonsense"],
)
async def test_refusals(tmp_path: Path, data: bytes) -> None:
    """What the gateway answers itself."""
    assert not await left(tmp_path, TWO, well, data)
