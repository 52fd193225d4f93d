"""What clients hold: an idle one, and after thousands of calls.

The size of anything is the growth of the resident memory or of what Python's allocator has handed out, whichever is
more: the first sees what extension modules take, the second is exact.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from . import blocking, waiting
from .slices import Count, Slice

CLIENTS = 60
WARM_UP = 1000


@contextmanager
def idle_size(peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """KB for each of many clients that have sent nothing, after the first few."""
    kept = [blocking.make(peer, url) for _ in range(3)]

    def more() -> None:
        kept.extend(blocking.make(peer, url) for _ in range(CLIENTS))

    yield lambda: Slice(grown(more) / CLIENTS, CLIENTS, 0)
    for client in kept:
        client.close()


@contextmanager
def idle_time(peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """Milliseconds on the wall that making a client takes, after the first."""
    kept = [blocking.make(peer, url)]

    def one() -> float:
        started = time.perf_counter()
        kept.append(blocking.make(peer, url))
        return time.perf_counter() - started

    yield lambda: Slice(median(one() for _ in range(CLIENTS)) * 1000, CLIENTS, 0)
    for client in kept:
        client.close()


@contextmanager
def calls(peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """KB that 10,000 calls leave behind."""
    with blocking.make(peer, url) as client:
        once = blocking.caller(peer, client, url)

        def many(times: int = 10_000) -> None:
            for _ in range(times):
                once(Count())

        many(WARM_UP)
        yield lambda: Slice(grown(many), 0, 0)


@contextmanager
def clones(peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """KB that 1,000 clones leave behind, each of which made a call."""
    with blocking.make(peer, url) as client:

        def many(times: int = 1_000) -> None:
            for number in range(times):
                clone = client.with_options(timeout=30 + number)
                blocking.caller(peer, clone, url)(Count())

        many(WARM_UP)
        yield lambda: Slice(grown(many), 0, 0)


@contextmanager
def cancelled(peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """KB that 1,000 cancelled calls leave behind."""
    loop = asyncio.new_event_loop()

    async def opened() -> Any:
        return await waiting.make(peer, url).__aenter__()

    client = loop.run_until_complete(opened())
    once = waiting.caller(peer, client, url)

    async def task(number: int) -> None:
        call = asyncio.ensure_future(once(Count()))
        # Anywhere between the start and the answer, which takes 5 ms.
        await asyncio.sleep(number % 8 * 0.0005)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call

    async def churn(times: int) -> None:
        for first in range(0, times, 50):
            await asyncio.gather(*(task(number) for number in range(first, first + 50)))

    def many(times: int = 1_000) -> None:
        loop.run_until_complete(churn(times))

    many(WARM_UP)
    yield lambda: Slice(grown(many), 0, 0)
    loop.run_until_complete(client.__aexit__(None, None, None))
    loop.close()


def grown(work: Callable[[], None]) -> float:
    """KB that the process is larger after some work; never below 0."""
    gc.collect()
    before = _resident()
    work()
    gc.collect()
    resident = _resident() - before
    tracemalloc.start()
    try:
        work()  # so that what replaces something was counted before as well
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    return max(resident, traced, 0) / 1024


def _resident() -> int:
    """Bytes in memory; 0 where the system does not say so."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
