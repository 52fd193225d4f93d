"""The benchmark of the gateway, as far as it needs no measuring: its service, its clients, its verdicts."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import bench
import bench_gateway

from benchmarks.gateway import load, upstream
from benchmarks.gateway.measure import TARGETS, Figures, table
from benchmarks.gateway.peers import LITELLM, NGINX, OURS, pinned
from benchmarks.gateway.soak import Sample, grown


@asynccontextmanager
async def service(chunks: int = 3, pause: float = 0.0, faults: float = 0.0) -> AsyncIterator[str]:
    """The service in this event loop; its URL."""
    loop = asyncio.get_running_loop()
    served: list[upstream.Service] = []

    def made() -> upstream.Service:
        served.append(upstream.Service(chunks, pause, faults))
        return served[-1]

    server = await loop.create_server(made, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for each in served:
            each._transport.abort()
        await asyncio.sleep(0)


async def test_calls() -> None:
    """Clients ask as fast as they are answered, or at a rate, and count what they met."""
    async with service() as url:
        fast = await load.closed(url, 0.1, 4, 1000)
        steady = await load.open_loop(url, 0.2, 50, 1000)
    assert fast["answers"] > 4
    assert fast["errors"] == steady["errors"] == 0
    assert len(steady["seconds_each"]) == 10


@pytest.mark.parametrize("pause", [0.0, 0.001])
async def test_streams(pause: float) -> None:
    """Each stream is read to its end; its first data is what counts, and chunks with usage and a reason too."""
    async with service(3, pause) as url:
        met = await load.streams(url, 0.01, 5, 1000)
    assert (len(met["first"]), met["errors"]) == (5, 0)
    assert met["chunks"] == 5 * (3 + 2)


@pytest.mark.parametrize("fault", upstream._FAULTS)
@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
async def test_faults(monkeypatch: pytest.MonkeyPatch, fault: str, stream: bool) -> None:
    """Whatever breaks, a client has no good answer."""
    monkeypatch.setattr(random, "choice", lambda ways: fault)
    async with service(faults=1.0) as url:
        client = await load.connected(url)
        over = client.ask(load.request_of(url, 300, stream=stream))
        if fault == "stall" and stream:
            await asyncio.sleep(0.05)
            assert not over.done()
        else:
            assert await asyncio.wait_for(over, 5) is False
        client.transport.abort()


def figures(**more: float) -> Figures:
    """Figures that meet their targets."""
    return {**dict.fromkeys(TARGETS, 0.0), "rate": 30_000.0, "large": 4000.0, **more}


def test_verdicts() -> None:
    """Each figure stands beside its target, with whether it is met; what was not measured is said."""
    found: dict[str, Any] = {OURS: figures(p50=0.9), LITELLM: figures(rate=100.0, large=100.0)}
    lines = table(found, "A machine.").splitlines()

    assert lines[0] == "A machine."
    assert "| requests/s, 1 KB, 64 connections | 30,000 | 100 | >= 150 x LiteLLM | met |" in lines
    assert "| the same, beside nginx | 30,000 | 100 | >= 0.22 of nginx | not measured |" in lines
    assert "| added p50 at 50/s | 0.90 ms | 0.00 ms | <= 0.8 ms | missed |" in lines
    assert f"{OURS} has 300 x the requests/s of {LITELLM}, with 100 KB 40 x." in lines
    assert "missed" in table({**found, NGINX: figures(rate=1e6)}, "").split("beside nginx")[1].splitlines()[0]


def test_growth() -> None:
    """What has come to stay is told, and what comes and goes is not."""
    steady = [Sample(float(n), 50.0 + min(n, 3), 20 + 70 * (n % 2), n % 3) for n in range(9)]
    assert grown(steady, 10) == []
    leaking = [Sample(float(n), 50.0 + 10 * n, 20 + 70 * n, 10 * n) for n in range(9)]
    assert grown(leaking, 0) == [
        "megabytes grew from 80 to 110",
        "open files grew from 230 to 440",
        "requests under way grew from 30 to 60",
        "nothing was answered",
    ]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`scripts/bench gateway` has options of its own; a command keeps to its core."""
    with pytest.raises(SystemExit) as ended:
        bench.main(["gateway", "--help"])
    assert ended.value.code == 0
    assert "--soak" in capsys.readouterr().out
    assert pinned(["x", "y"], 1)[-2:] == ["x", "y"]
    assert bench_gateway._BLOCK.search(bench_gateway.PAGE.read_text())
