"""What is secret stays so: in logs of every library, in errors, their causes and tracebacks, in pickles."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import KEY, ask, done, texts
from raw_server import Peer, RawServer

from wandb_inference import APIError
from wandb_inference.testing import Emulator, Fault


def links(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and all that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def hang_up(peer: Peer) -> None:
    """Reads a request and leaves."""
    peer.request()


async def test_no_key_in_any_log(make: Any, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Not even with every logger at its loudest."""
    caplog.set_level(1)
    for name in ("httpx", "httpcore", "asyncio", "wandb_inference"):
        caplog.set_level(1, name)
    emulator.fault(Fault.reset())
    emulator.fault(Fault.status(503, headers={"retry-after": "0"}))
    client = make(default_headers={"X-Token": "hush-1"})
    await ask(client)
    await texts(await ask(client, stream=True, extra_body={"cache_salt": "hush-2"}))
    await done(client.close())

    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("wandb_inference"))
    assert "connection reset by the server" in ours
    assert KEY not in caplog.text
    assert "hush" not in ours


@pytest.mark.parametrize("status", [0, 401, 500])
async def test_no_key_in_errors(kind: Any, status: int) -> None:
    """Neither in what an error says and holds, nor in its causes, its traceback or its pickle."""
    with RawServer(hang_up) as server, Emulator() as emulator:
        if status:
            emulator.fault(Fault.status(status))
        url = emulator.base_url if status else server.base_url
        client = kind(api_key=KEY, project="a/b", base_url=url, max_retries=0, default_headers={"X-Token": "hush"})
        with pytest.raises(APIError) as caught:
            await ask(client)
        await done(client.close())

    for error in links(caught.value):
        shown = f"{error} {error!r} {vars(error)} {''.join(traceback.format_exception(error))}"
        assert KEY not in shown
        assert "hush" not in shown
    pickled = pickle.dumps(caught.value)
    assert KEY.encode() not in pickled
    assert b"hush" not in pickled


async def test_clock_in_the_log(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A clock that ran out is named in the log as in the error."""
    caplog.set_level(logging.DEBUG, "wandb_inference")
    with RawServer(lambda peer: peer.wait_for_end() and None) as server:
        client = kind(api_key=KEY, project="a/b", base_url=server.base_url, max_retries=0)
        for settings in ({"timeout": 0.05}, {"deadline": 0.05}):
            with pytest.raises(APIError):
                await ask(client, **settings)
        await done(client.close())

    lines = [record.getMessage() for record in caplog.records if record.name == "wandb_inference"]
    assert ["read timeout after" in lines[0], "deadline timeout after" in lines[1]] == [True, True]


def test_no_key_among_pickled_headers(kind: Any) -> None:
    """A key that is given as a header is no more pickled than one that is given as a key."""
    client = kind(project="a/b", default_headers={"authorization": f"Bearer {KEY}"})

    with pytest.raises(TypeError, match="importable"):
        pickle.dumps(client)
