"""What most tests need: an empty environment, an emulator, and both clients under one name."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from raw_server import RawServer
from spans import Traced, traced

from wandb_inference import AsyncClient, Client
from wandb_inference.testing import Emulator

# The same examples each time: what passes today passes tomorrow. `--hypothesis-profile default` looks for others.
settings.register_profile("same", derandomize=True, max_examples=50)
settings.load_profile("same")

pytest_plugins = ["pytester", "wandb_inference.testing.pytest_plugin"]

KEY = "0123456789abcdef0123456789abcdef01234567"
PROJECT = "team/project"
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
MESSAGES = [{"role": "user", "content": "Hello"}]


IN_TRIO = (
    "test_budget",
    "test_cassette",
    "test_chat_stream",
    "test_client",
    "test_conversation",
    "test_retries",
    "test_streaming",
    "test_tracing",
    "test_tracing_runs",
)
"""Modules whose async tests run in trio as well."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test of both clients twice, and a third time in trio where the module says so."""
    if "way" in metafunc.fixturenames:
        trio = metafunc.module.__name__ in IN_TRIO and inspect.iscoroutinefunction(metafunc.function)
        metafunc.parametrize("way", ["sync", "async", "trio"] if trio else ["sync", "async"], scope="function")


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The async client runs on asyncio, unless the test says otherwise."""
    way = request.getfixturevalue("way") if "way" in request.fixturenames else "async"
    return "trio" if way == "trio" else "asyncio"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, and no proxy of theirs."""
    for name in os.environ:
        if name.startswith("WANDB_") or name.lower().endswith("_proxy") or name == "NETRC":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """The service on a port of this machine."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def kind(way: str) -> Any:
    """The blocking client's class, then the async one's."""
    return Client if way == "sync" else AsyncClient


@pytest.fixture
def make(kind: Any, emulator: Emulator) -> Any:
    """Makes a client of either kind, for the emulator unless told otherwise."""

    def make(**settings: Any) -> Any:
        return kind(**{"api_key": KEY, "project": PROJECT, "base_url": emulator.base_url, **settings})

    return make


@pytest.fixture
def connect(kind: Any) -> Any:
    """Makes a client of either kind for a raw server, without retries unless told otherwise."""

    def connect(server: RawServer | str, **settings: Any) -> Any:
        url = server if isinstance(server, str) else server.base_url
        return kind(**{"api_key": KEY, "project": PROJECT, "base_url": url, "max_retries": 0, **settings})

    return connect


@pytest.fixture
async def client(make: Any) -> AsyncIterator[Any]:
    """A client of either kind, for the emulator."""
    client = make()
    yield client
    await done(client.close())


async def done(answer: Any) -> Any:
    """The answer, awaited if it has to be."""
    return await answer if isinstance(answer, Awaitable) else answer


async def each(items: Any) -> AsyncIterator[Any]:
    """The items of any iterable, async or not."""
    if isinstance(items, Iterable):
        for item in items:
            yield item
    else:
        async for item in items:
            yield item


async def ask(client: Any, **params: Any) -> Any:
    """One answer or stream of either kind of client."""
    return await done(client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES, **params}))


async def texts(stream: Any) -> list[str]:
    """The text of each chunk."""
    return [chunk.text async for chunk in each(stream)]


@pytest.fixture
def kept() -> Iterator[Traced]:
    """What is traced, without content."""
    with traced() as kept:
        yield kept


@pytest.fixture
def full() -> Iterator[Traced]:
    """What is traced, with content."""
    with traced(capture_content=True) as kept:
        yield kept
