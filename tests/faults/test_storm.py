"""A thousand calls at the same time, each with a fault drawn for it: all end, in time, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from conftest import KEY, PROJECT, done

from wandb_inference import APIError, APITimeoutError, Client

from .cases import SLACK, Good, outcome
from .conftest import certified

CALLS = {"plain": 1000, "tls": 200}
"""Over TLS fewer: their handshakes, of both sides in one process, would take longer than the deadline."""
DEADLINES = (1.5, 6.0, 20.0)
"""Seconds for each call. A machine that is busy with other things gets nothing done in the first: it has the next."""
CHUNKED = "Transfer-Encoding: chunked"


class Side:
    """The server's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """One whole request; `b""` where the client has left."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(length)

    def reset(self) -> None:
        """Breaks the connection off."""
        own: socket.socket = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def drip(self, data: bytes) -> None:
        """Sends the same until the client leaves."""
        while not self.writer.transport.is_closing():
            self.writer.write(data)
            await asyncio.sleep(0.1)

    async def wait(self) -> None:
        """Waits until the client leaves."""
        while await self.reader.read(65536):
            pass


Fault = Callable[[Side, Good], "Awaitable[None] | None"]


def saying(answer: Callable[[Good], bytes]) -> Fault:
    """Sends an answer, good or not, and goes on."""
    return lambda side, good: side.writer.write(answer(good))


def leaving(answer: Callable[[Good], bytes], *, reset: bool = False) -> Fault:
    """Sends an answer, good or not, and ends the connection."""

    async def fault(side: Side, good: Good) -> None:
        side.writer.write(answer(good))
        if reset:
            side.reset()
        else:
            side.writer.close()

    return fault


def holding(answer: Callable[[Good], bytes]) -> Fault:
    """Sends an answer, or a part of one, and says no more."""

    async def fault(side: Side, good: Good) -> None:
        side.writer.write(answer(good))
        await side.wait()

    return fault


def half(good: Good) -> bytes:
    """Half of an answer."""
    return good.whole()[: good.half - len(good.body)]


def status(code: int, *headers: str) -> Fault:
    """A refusal."""
    return saying(lambda good: good.whole(*headers, start=f"HTTP/1.1 {code} No", body=b"{}"))


FAULTS: dict[str, Fault] = {
    "good": saying(Good.whole),
    "good, then gone": leaving(Good.whole),
    "late": lambda side, good: _late(side, good),
    "chunked": saying(lambda good: good.head(CHUNKED) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(good.body), good.body)),
    "429": status(429, "retry-after-ms: 5"),
    "503": status(503),
    "400": status(400),
    "redirect": status(307, "Location: http://127.0.0.1:9/v1"),
    "gone": leaving(lambda good: b""),
    "reset": leaving(lambda good: b"", reset=True),
    "half a head": leaving(lambda good: good.whole()[:20]),
    "half": leaving(half),
    "half, then reset": leaving(half, reset=True),
    "nonsense": saying(lambda good: b"\0" * 100),
    "bad chunk": saying(lambda good: good.head(CHUNKED) + b"-1\r\n"),
    "bad gzip": saying(lambda good: good.whole("Content-Encoding: gzip")),
    "page": saying(lambda good: good.whole(body=b"<html>")),
    "silent": holding(lambda good: b""),
    "half, then silent": holding(half),
    "drips": lambda side, good: side.drip(b"H"),
    "comments": lambda side, good: _comments(side, good),
}


async def _late(side: Side, good: Good) -> None:
    await asyncio.sleep(0.2)
    side.writer.write(good.whole())


async def _comments(side: Side, good: Good) -> None:
    side.writer.write(good.head(CHUNKED))
    await side.drip(b"1\r\n:\r\n1\r\n\n\r\n")


class Storm:
    """A server on one event loop, in a thread of its own. What it does to the next request is drawn by a seed."""

    def __init__(self, layer: str) -> None:
        self.draw = random.Random(layer)
        self.calm = False
        self.served: Counter[str] = Counter()
        self.port = 0
        self._tls = certified() if layer == "tls" else None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(),))
        self._end = asyncio.Event()
        self._thread.start()
        self._ready.wait(5)

    async def _main(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        await asyncio.sleep(0.05)  # who was accepted just now has a socket that only its task would close
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = Side(reader, writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while request := await side.request():
                name = "good" if self.calm else self.draw.choice(list(FAULTS))
                self.served[name] += 1
                waits = FAULTS[name](side, Good.of(request))
                if waits is not None:
                    await waits
        writer.transport.abort()

    def close(self) -> None:
        """Ends it."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def storm(layer: str) -> Iterator[Storm]:
    """A server of faults."""
    storm = Storm(layer)
    yield storm
    storm.close()


def ours() -> int:
    """File descriptors that are open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def timed(client: Any, number: int) -> tuple[Any, float]:
    """How a call ended, and how long it took."""
    began = time.monotonic()
    got = await outcome(client, "stream" if number % 2 else "call")
    return got, time.monotonic() - began


def in_threads(client: Client, calls: int) -> list[tuple[Any, float]]:
    """All calls, each in a thread of its own."""
    ends: list[tuple[Any, float]] = []
    # `outcome` is a coroutine that never waits where the client is a blocking one: one step takes it to its end.
    threads = [
        threading.Thread(target=lambda number=number: ends.append(_run(timed(client, number))))
        for number in range(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def _run(call: Any) -> Any:
    try:
        call.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError


async def until(reached: Callable[[], bool]) -> None:
    """Waits until something is so, ten seconds at most."""
    end = time.monotonic() + 10
    while not reached() and time.monotonic() < end:
        await asyncio.sleep(0.02)


async def test_storm(kind: Any, storm: Storm, layer: str) -> None:
    """Every call ends in a result or an error of ours, in time; no descriptor, thread, task or place is left behind."""
    for deadline in DEADLINES:
        kinds = await weathered(kind, storm, layer, deadline)
        if kinds["APITimeoutError"] < CALLS[layer] / 2:
            break
    assert min(kinds["answer"], kinds["APITimeoutError"], kinds["StreamInterruptedError"], kinds["BadRequestError"]) > 5
    assert storm.served.keys() == FAULTS.keys()


async def weathered(kind: Any, storm: Storm, layer: str, deadline: float) -> Counter[str]:
    """How many calls of a client ended in an answer, and in which errors."""
    calls = CALLS[layer]
    scheme = "https" if layer == "tls" else "http"
    client = kind(
        api_key=KEY,
        project=PROJECT,
        base_url=f"{scheme}://127.0.0.1:{storm.port}/v1",
        deadline=deadline,
        max_retries=2,
        max_connections=calls,
    )
    storm.calm = False
    files, threads, tasks = ours(), threading.active_count(), asyncio.all_tasks()

    if kind is Client:
        ends = await asyncio.to_thread(in_threads, client, calls)
        threads += 1  # of `to_thread`, which stays for the next
    else:
        ends = await asyncio.gather(*(timed(client, number) for number in range(calls)))

    assert len(ends) == calls
    # A thousand threads, and the server's, wait for each other's turns at the interpreter as well.
    assert max(took for _, took in ends) <= deadline + 3 * SLACK
    assert all(got == "Hi" or isinstance(got, APIError) for got, _ in ends)
    assert all(got.clock == "deadline" for got, _ in ends if isinstance(got, APITimeoutError))

    storm.calm = True
    if kind is Client:
        room = client._transport._pool._turns._room
    else:
        room = client._transport._pools[asyncio.get_running_loop()]._turns._room
    assert room == calls
    # The server may still be at what nobody waits for any more.
    patient = client.with_options(deadline=20)
    assert await outcome(patient, "call") == await outcome(patient, "stream") == "Hi"

    await done(client.close())
    await until(lambda: ours() <= files and threading.active_count() <= threads)
    assert ours() <= files
    assert threading.active_count() <= threads
    assert asyncio.all_tasks() == tasks
    return Counter("answer" if got == "Hi" else type(got).__name__ for got, _ in ends)
