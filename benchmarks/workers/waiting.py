"""Async clients: many calls or streams in flight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .slices import Clock, Count, Slice, request


def make(peer: str, url: str) -> Any:
    """A client as its users would make it, but for attempts after the first and for room for all calls."""
    library: Any = import_module(peer)
    if peer == "httpx":
        limits = library.Limits(max_connections=1000, max_keepalive_connections=1000)
        return library.AsyncClient(timeout=30, limits=limits)
    if peer == "aiohttp":
        return library.ClientSession(connector=library.TCPConnector(limit=1000))
    if peer == "openai":
        return library.AsyncOpenAI(api_key="k", base_url=url, max_retries=0)
    return library.AsyncClient(api_key="k", project="t/p", base_url=url, max_retries=0)


def caller(peer: str, client: Any, url: str) -> Callable[[Count], Awaitable[None]]:
    """What makes one call."""
    body = request(stream=False)

    async def aiohttp(count: Count) -> None:
        async with client.post(f"{url}/chat/completions", json=body) as response:
            count.add(json.loads(await response.read())["choices"][0]["message"]["content"])

    async def call(count: Count) -> None:
        count.add((await client.chat.completions.create(**body)).choices[0].message.content)

    return aiohttp if peer == "aiohttp" else call


def streamer(peer: str, client: Any, url: str) -> Callable[[Count], Awaitable[None]]:
    """What reads one stream to its end."""
    body = request(stream=True)

    # A stream of its own for each count: what is left over of one must not reach another.
    async def httpx(count: Count) -> None:
        own = Count()
        async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            async for piece in response.aiter_bytes():
                own.feed(piece)
        count.join(own)

    async def aiohttp(count: Count) -> None:
        own = Count()
        async with client.post(f"{url}/chat/completions", json=body) as response:
            async for piece in response.content.iter_any():
                own.feed(piece)
        count.join(own)

    async def stream(count: Count) -> None:
        async for chunk in await client.chat.completions.create(**body):
            count.add(chunk.choices[0].delta.content)

    return {"httpx": httpx, "aiohttp": aiohttp}.get(peer, stream)


@contextmanager
def concurrent(
    peer: str,
    url: str,
    choose: Callable[[str, Any, str], Callable[[Count], Awaitable[None]]],
    in_flight: int,
    each: int,
    loops: str = "asyncio",
) -> Iterator[Callable[[], Slice]]:
    """So many tasks, each doing the same so many times in a slice.

    Args:
        peer: The library.
        url: Where to ask.
        choose: What each task does.
        in_flight: Tasks at a time.
        each: Times for each task.
        loops: The module whose event loop is used.
    """
    loop: asyncio.AbstractEventLoop = import_module(loops).new_event_loop()

    async def opened() -> Any:
        return await make(peer, url).__aenter__()

    client = loop.run_until_complete(opened())
    once = choose(peer, client, url)

    async def task(count: Count, times: int) -> None:
        for _ in range(times):
            await once(count)

    async def opening() -> None:
        await asyncio.gather(*(task(Count(), 1) for _ in range(in_flight)))

    async def measured() -> Slice:
        count, clock = Count(), Clock()
        await asyncio.gather(*(task(count, each) for _ in range(in_flight)))
        return clock.slice(count)

    # The connections are opened before the clock starts. Turns are short enough for them to stay open in between.
    loop.run_until_complete(opening())
    yield lambda: loop.run_until_complete(measured())
    loop.run_until_complete(client.__aexit__(None, None, None))
    loop.close()
