"""Blocking clients: calls, streams, the first chunk, large answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from .slices import Clock, Count, Slice, request

CALLS = 300
STREAMS = 6
FIRSTS = 40


def make(peer: str, url: str, **options: Any) -> Any:
    """A client as its users would make it, but for attempts after the first."""
    library: Any = import_module(peer)
    if peer == "httpx":
        return library.Client(timeout=30)
    if peer == "openai":
        return library.OpenAI(api_key="k", base_url=url, max_retries=0, **options)
    return library.Client(api_key="k", project="t/p", base_url=url, max_retries=0, **options)


def caller(peer: str, client: Any, url: str) -> Callable[[Count], None]:
    """What makes one call."""
    body = request(stream=False)

    def bare(count: Count) -> None:
        answer = json.loads(client.post(f"{url}/chat/completions", json=body).content)
        count.add(answer["choices"][0]["message"]["content"])

    def call(count: Count) -> None:
        count.add(client.chat.completions.create(**body).choices[0].message.content)

    return bare if peer == "httpx" else call


def streamer(peer: str, client: Any, url: str) -> Callable[[Count], None]:
    """What reads one stream to its end."""
    body = request(stream=True)

    def bare(count: Count) -> None:
        with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            for piece in response.iter_bytes():
                count.feed(piece)

    def stream(count: Count) -> None:
        for chunk in client.chat.completions.create(**body):
            count.add(chunk.choices[0].delta.content)

    return bare if peer == "httpx" else stream


@contextmanager
def repeated(
    peer: str, url: str, choose: Callable[[str, Any, str], Callable[[Count], None]], times: int
) -> Iterator[Callable[[], Slice]]:
    """The same call or stream, so many times a slice."""
    with make(peer, url) as client:
        once = choose(peer, client, url)

        def measure() -> Slice:
            once(Count())  # opens the connection, or opens it again
            count, clock = Count(), Clock()
            for _ in range(times):
                once(count)
            return clock.slice(count, 1e6)

        yield measure


@contextmanager
def first_chunk(peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """Milliseconds on the wall from the call until the first chunk is there."""
    body = request(stream=True)
    with make(peer, url) as client:

        def bare(count: Count) -> float:
            started = time.perf_counter()
            with client.stream("POST", f"{url}/chat/completions", json=body) as response:
                pieces = response.iter_bytes()
                while not count.units:
                    count.feed(next(pieces))
                taken = time.perf_counter() - started
                for piece in pieces:
                    count.feed(piece)
            return taken

        def once(count: Count) -> float:
            started = time.perf_counter()
            chunks = iter(client.chat.completions.create(**body))
            count.add(next(chunks).choices[0].delta.content)
            taken = time.perf_counter() - started
            for chunk in chunks:
                count.add(chunk.choices[0].delta.content)
            return taken

        ask = bare if peer == "httpx" else once

        def measure() -> Slice:
            ask(Count())
            counts = [Count() for _ in range(FIRSTS)]
            middle = median(ask(count) for count in counts)
            return Slice(middle * 1000, FIRSTS, sum(count.characters for count in counts))

        yield measure


@contextmanager
def parsing(peer: str, url: str, times: int) -> Iterator[Callable[[], Slice]]:
    """A call whose answer is in memory already, until its text; for `json`, `json.loads` of the same. Milliseconds."""
    with urlopen(Request(f"{url}/chat/completions", json.dumps(request(stream=False)).encode())) as response:
        body = response.read()
    once = caller(peer, _answered(peer, url, body), url) if peer != "json" else _loads(body)

    def measure() -> Slice:
        once(Count())
        count, clock = Count(), Clock()
        for _ in range(times):
            once(count)
        return clock.slice(count, 1e3)

    yield measure


def _loads(body: bytes) -> Callable[[Count], None]:
    return lambda count: count.add(json.loads(body)["choices"][0]["message"]["content"])


def _answered(peer: str, url: str, body: bytes) -> Any:
    """A client that gets this answer from no socket: reading three megabytes from one costs as much as their JSON."""
    # openai 3 comes with httpx2, which is httpx by another name.
    http: Any = import_module("httpx2" if peer == "openai" and find_spec("httpx2") else "httpx")
    headers = {"content-type": "application/json"}
    transport = http.MockTransport(lambda _: http.Response(200, headers=headers, content=body))
    return make(peer, url, http_client=http.Client(transport=transport))
