"""A gateway at half of what it can do, with a service that breaks in every way and clients that leave: does it grow?"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
import urllib.request
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .load import Client, connected, request_of
from .measure import load
from .peers import OURS, Running, peer, upstream

FAULTS = 0.15
"""Share of requests that the service answers wrongly."""
MOST = 1500.0
"""Requests a second that the clients manage, with a connection for each."""
LEAVING = 0.05
"""Share of clients that leave before their answer is there."""
PATIENCE = 5.0
"""Seconds that a client waits for an answer of which nothing more comes."""
MEMORY, FILES, TASKS = 8.0, 20, 5
"""Megabytes, descriptors and requests under way that may come to stay from the second third to the last."""


class Sample(NamedTuple):
    """The gateway at one time, with nothing under way."""

    seconds: float
    megabytes: float
    files: int
    under_way: int


def sample(running: Running, began: float) -> Sample:
    """What it holds."""
    address = running.url.removesuffix("/v1")
    request = urllib.request.Request(f"{address}/metrics", headers={"authorization": "Bearer a-master-key-0123456789"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        page = answer.read().decode()
    found = re.search(r"^\w*in_flight_requests (\S+)$", page, re.MULTILINE)
    files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in running.processes())
    return Sample(time.monotonic() - began, running.megabytes(), files, round(float(found[1])) if found else -1)


async def _storm(url: str, seconds: float, rate: float) -> dict[str, int]:
    """Requests at a rate, streams and calls; some clients leave."""
    met = {"answered": 0, "failed": 0, "left": 0}
    bodies = [request_of(url, size, stream=stream) for size in (300, 20_000) for stream in (False, True)]
    loop = asyncio.get_running_loop()

    async def one() -> None:
        client: Client = await connected(url)
        try:
            over = client.ask(random.choice(bodies))
            if random.random() < LEAVING:
                await asyncio.sleep(random.random() * 0.02)
                met["left"] += 1
                return
            met["answered" if await asyncio.wait_for(over, PATIENCE) else "failed"] += 1
        except (OSError, asyncio.TimeoutError):
            met["failed"] += 1
        finally:
            client.transport.abort()

    tasks: set[asyncio.Task[None]] = set()
    began = loop.time()
    number = 0
    while loop.time() - began < seconds:
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        task = loop.create_task(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
    if tasks:
        await asyncio.wait(tasks, timeout=60)
    return met


def soak(pythons: dict[str, str], seconds: float, say: Callable[[str], None]) -> list[str]:
    """What has grown; empty where nothing has.

    Args:
        pythons: The interpreters of the environments, by peer.
        seconds: How long.
        say: Told of each sample.
    """
    python = pythons[OURS]
    with upstream(python) as service, peer(OURS, pythons, service) as running:
        met = load(python, "closed", running.url, 3.0, 64, 1000)
        # Every request here has a connection of its own, which costs about what the request does.
        rate = min(met["answers"] / met["seconds"] / 4, MOST)
    say(f"at {rate:,.0f} requests/s, each on a connection of its own")
    samples: list[Sample] = []
    with upstream(python, 20, 0.005, FAULTS) as service, peer(OURS, pythons, service) as running:
        began = time.monotonic()
        rounds = 10
        total = {"answered": 0, "failed": 0, "left": 0}
        for _ in range(rounds):
            met_now = asyncio.run(_storm(running.url, seconds / rounds, rate))
            total = {name: total[name] + met_now[name] for name in total}
            time.sleep(2.5)  # what was left is closed by then
            samples.append(sample(running, began))
            last = samples[-1]
            say(
                f"{last.seconds:5.0f} s  {last.megabytes:6.1f} MB  {last.files:3} files  {last.under_way} under way  "
                + ", ".join(f"{count:,} {name}" for name, count in total.items())
            )
    return grown(samples, total["answered"])


def grown(samples: Sequence[Sample], answered: int) -> list[str]:
    """What has come to stay from the second third to the last: the least of each, as connections come and go.

    Args:
        samples: In their order, three at least. The first third is for warming up.
        answered: Requests that were.
    """
    third = len(samples) // 3
    middle, end = samples[third : 2 * third], samples[2 * third :]
    problems: list[str] = []
    measures: tuple[tuple[str, Callable[[Sample], float], float], ...] = (
        ("megabytes", lambda each: each.megabytes, MEMORY),
        ("open files", lambda each: float(each.files), FILES),
        ("requests under way", lambda each: float(each.under_way), TASKS),
    )
    for what, get, most in measures:
        before, after = min(map(get, middle)), min(map(get, end))
        if after > before + most:
            problems.append(f"{what} grew from {before:g} to {after:g}")
    if not answered:
        problems.append("nothing was answered")
    return problems
