"""Drives one client through one scenario, and prints what it cost as JSON. Runs in that client's environment.

The processor time is this process's alone, user and system, after a warm-up and a garbage collection; a bare library
reads the JSON of every answer and chunk, since a client does no less.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any, NamedTuple

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
CALLS = 300
STREAMS = 6


class Driven(NamedTuple):
    """What a client did."""

    cpu: float
    """Microseconds of processor time for each call or chunk."""
    wall: float
    """Microseconds by the clock for each."""
    units: int
    characters: int
    """Text received: the same for all clients, or they did not do the same."""


def body(text: str, stream: bool) -> dict[str, Any]:
    """A request of about 700 bytes."""
    messages = [
        {"role": "system", "content": "You answer briefly. " * 15},
        {"role": "user", "content": f"{text}. " + "Name a prime above one hundred, please. " * 5},
    ]
    return {"model": MODEL, "messages": messages, "temperature": 0.7, **({"stream": True} if stream else {})}


def blocking(peer: str, url: str, text: str) -> Callable[[], tuple[int, int]]:
    """One call or stream: how many units it had, and how many characters."""
    stream = text != "call"
    request = body(text, stream)
    library: Any = import_module("httpx" if peer == "httpx" else peer)
    if peer == "httpx":
        http = library.Client(timeout=30)

        def bare() -> tuple[int, int]:
            if not stream:
                answer = json.loads(http.post(f"{url}/chat/completions", json=request).content)
                return 1, len(answer["choices"][0]["message"]["content"])
            with http.stream("POST", f"{url}/chat/completions", json=request) as response:
                return _split(response.iter_bytes())

        return bare
    if peer == "openai":
        client = library.OpenAI(api_key="k", base_url=url, max_retries=0)
    else:
        client = library.Client(api_key="k", project="t/p", base_url=url, max_retries=0)

    def call() -> tuple[int, int]:
        answer = client.chat.completions.create(**request)
        if not stream:
            return 1, len(answer.choices[0].message.content)
        units = characters = 0
        for chunk in answer:
            units += 1
            characters += len(chunk.choices[0].delta.content or "")
        return units, characters

    return call


def _split(pieces: Any) -> tuple[int, int]:
    units = characters = 0
    pending = b""
    for piece in pieces:
        *events, pending = (pending + piece).split(b"\n\n")
        for event in events:
            if event != b"data: [DONE]":
                units += 1
                characters += len(json.loads(event[6:])["choices"][0]["delta"].get("content") or "")
    return units, characters


def waiting(peer: str, url: str) -> Callable[[int], Coroutine[Any, Any, int]]:
    """So many calls at once: how many characters came."""
    request = body("call", stream=False)
    library: Any = import_module(peer)

    async def many(concurrency: int) -> int:
        if peer == "httpx":
            limits = library.Limits(max_connections=1000, max_keepalive_connections=1000)
            client = library.AsyncClient(timeout=30, limits=limits)
        elif peer == "aiohttp":
            client = library.ClientSession(connector=library.TCPConnector(limit=1000))
        elif peer == "openai":
            client = library.AsyncOpenAI(api_key="k", base_url=url, max_retries=0)
        else:
            client = library.AsyncClient(api_key="k", project="t/p", base_url=url, max_retries=0)

        async def one() -> int:
            if peer == "httpx":
                answer = json.loads((await client.post(f"{url}/chat/completions", json=request)).content)
            elif peer == "aiohttp":
                async with client.post(f"{url}/chat/completions", json=request) as response:
                    answer = json.loads(await response.read())
            else:
                return len((await client.chat.completions.create(**request)).choices[0].message.content)
            return len(answer["choices"][0]["message"]["content"])

        async def worker(calls: int) -> int:
            return sum([await one() for _ in range(calls)])

        async with client:
            await asyncio.gather(*(worker(2) for _ in range(concurrency)))
            start()
            return sum(await asyncio.gather(*(worker(CALLS * 2 // concurrency) for _ in range(concurrency))))

    return many


_started = (0.0, 0.0)


def start() -> None:
    """Starts the clocks."""
    global _started
    gc.collect()
    _started = (time.process_time(), time.perf_counter())


def stop(units: int, characters: int) -> Driven:
    """Stops them."""
    cpu, wall = time.process_time() - _started[0], time.perf_counter() - _started[1]
    return Driven(cpu / units * 1e6, wall / units * 1e6, units, characters)


def drive(peer: str, scenario: str, port: int) -> Driven:
    """One client, one scenario."""
    if scenario.startswith("async"):
        concurrency = int(scenario.removeprefix("async "))
        many = waiting(peer, f"http://127.0.0.1:{port}/slow/v1")
        characters = asyncio.run(many(concurrency))
        return stop(CALLS * 2 // concurrency * concurrency, characters)
    once = blocking(peer, f"http://127.0.0.1:{port}/v1", scenario)
    repeats = CALLS if scenario == "call" else STREAMS
    for _ in range(repeats // 3):
        once()
    start()
    results = [once() for _ in range(repeats)]
    return stop(sum(units for units, _ in results), sum(characters for _, characters in results))


if __name__ == "__main__":
    print(json.dumps(drive(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
