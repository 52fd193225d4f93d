"""Clients of a gateway, in a process of their own. Prints what they met as JSON.

python -m benchmarks.gateway.load closed URL SECONDS CONNECTIONS BYTES     as fast as they are answered
python -m benchmarks.gateway.load open URL SECONDS RATE BYTES              so many a second, whatever comes back
python -m benchmarks.gateway.load streams URL SECONDS COUNT BYTES          all at the same time, each to its end
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

KEY = "a-key-of-the-benchmark-0123456789"


class Client(asyncio.Protocol):
    """One connection: sends a request, and tells when the first byte of the body and when all of it is there."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.begun: float | None = None
        self.chunks = 0
        self.status = b""
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._got = 0
        self._length: int | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection."""
        # No `isinstance`: uvloop's are asyncio's by their methods alone.
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[bool]:
        """Sends a request; the result is whether a whole and good answer came."""
        self._over = asyncio.get_running_loop().create_future()
        self.begun, self.chunks, self.status = None, 0, b""
        self._got, self._length, self._tail = 0, None, b""
        self.transport.write(request)
        return self._over

    def data_received(self, data: bytes) -> None:
        """Reads the head once, and then counts."""
        if not self.status:
            data = self._tail + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._tail = data
                return
            head, data = data[:end].lower(), data[end + 4 :]
            self.status = head[9:12]
            at = head.find(b"content-length:")
            if at >= 0:
                line = head.find(b"\r\n", at)
                self._length = int(head[at + 15 : line if line >= 0 else None])
        if data and self.begun is None and (self._length is not None or b"data: " in data):
            self.begun = perf_counter()
        self._got += len(data)
        if self._length is not None:
            if self._got >= self._length:
                self._end(self.status == b"200")
            return
        self.chunks += data.count(b"data: {")
        self._tail = (self._tail + data)[-64:]
        if self._tail.endswith(b"0\r\n\r\n"):
            self._end(b"[DONE]" in self._tail)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends what was under way."""
        self._end(False)

    def _end(self, is_good: bool) -> None:
        if not self._over.done():
            self._over.set_result(is_good)


def request_of(url: str, size: int, *, stream: bool) -> bytes:
    """A chat request of about so many bytes."""
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "y" * max(1, size - 100)}]}
    raw = json.dumps({**body, "stream": True} if stream else body).encode()
    parts = urlsplit(url)
    lines = [f"POST {parts.path}/chat/completions HTTP/1.1", f"host: {parts.netloc}", f"authorization: Bearer {KEY}"]
    lines += ["content-type: application/json", f"content-length: {len(raw)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


async def connected(url: str) -> Client:
    """A new connection."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, parts.hostname or "", parts.port or 80)
    return client


async def closed(url: str, seconds: float, count: int, size: int) -> dict[str, Any]:
    """Each connection asks again as soon as it has its answer."""
    request = request_of(url, size, stream=False)
    answers = errors = 0
    clients = [await connected(url) for _ in range(count)]
    began = perf_counter()

    async def go(client: Client) -> None:
        nonlocal answers, errors
        while perf_counter() - began < seconds:
            if await client.ask(request):
                answers += 1
            else:
                errors += 1
                if client.transport.is_closing():
                    client = await connected(url)

    await asyncio.gather(*map(go, clients))
    return {"answers": answers, "errors": errors, "seconds": perf_counter() - began}


async def open_loop(url: str, seconds: float, rate: int, size: int) -> dict[str, Any]:
    """Requests at a steady rate on free connections; each one's seconds."""
    request = request_of(url, size, stream=False)
    free = [await connected(url) for _ in range(8)]
    took: list[float] = []
    errors = 0

    async def one() -> None:
        nonlocal errors
        client = free.pop() if free else await connected(url)
        began = perf_counter()
        if await client.ask(request):
            took.append(perf_counter() - began)
        else:
            errors += 1
        if not client.transport.is_closing():
            free.append(client)

    tasks: list[asyncio.Task[None]] = []
    began = perf_counter()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
        tasks.append(asyncio.ensure_future(one()))
    await asyncio.gather(*tasks)
    return {"seconds_each": sorted(took), "errors": errors}


async def streams(url: str, seconds: float, count: int, size: int) -> dict[str, Any]:
    """So many streams at the same time, each to its end; their first data begins within `seconds`."""
    request = request_of(url, size, stream=True)
    first: list[float] = []
    chunks = errors = 0

    async def one(number: int) -> None:
        nonlocal chunks, errors
        await asyncio.sleep(seconds * number / count)
        try:
            client = await connected(url)
        except OSError:
            errors += 1
            return
        began = perf_counter()
        is_good = await client.ask(request)
        chunks += client.chunks
        if client.begun is not None and is_good:
            first.append(client.begun - began)
        else:
            errors += 1
        client.transport.close()

    await asyncio.gather(*(one(number) for number in range(count)))
    return {"first": sorted(first), "chunks": chunks, "errors": errors}


async def main(mode: str, url: str, seconds: float, count: int, size: int) -> None:
    """Prints what was met."""
    run = {"closed": closed, "open": open_loop, "streams": streams}[mode]
    print(json.dumps({**await run(url, seconds, count, size), "pid": os.getpid()}))


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    mode, url, seconds, count, size = sys.argv[1:]
    asyncio.run(main(mode, url, float(seconds), int(count), int(size)))
