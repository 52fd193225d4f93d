"""Fixtures for the tests of code that uses W&B Inference; pytest finds them by itself.

```python
def test_summary(wandb_emulator):
    wandb_emulator.reply("In short: yes.")

    assert summarise("A long text") == "In short: yes."


@pytest.mark.wandb_cassette
def test_the_real_answer():
    assert "short" in summarise("A long text")
```
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import pytest

from ._cassette_fixture import pytest_addoption, pytest_configure, pytest_itemcollected, wandb_cassette

# Loaded into every pytest run where the package is installed: all that costs time is imported in the fixture.
if TYPE_CHECKING:
    import httpx

    from ._emulator import Emulator


__all__ = [
    "NetworkRefusedError",
    "pytest_addoption",
    "pytest_configure",
    "pytest_itemcollected",
    "wandb_allow_network",
    "wandb_cassette",
    "wandb_emulator",
]


class NetworkRefusedError(RuntimeError):
    """A test was about to use the real network."""


@pytest.fixture
def wandb_emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """An emulator that unchanged code reaches, and no network beside it.

    `WANDB_API_KEY`, `WANDB_PROJECT` and `WANDB_API_BASE` lead to it, for our clients and for every other that is built
    on httpx. Whatever else the test connects to, other than this machine, raises `NetworkRefusedError`, unless the test
    asks for `wandb_allow_network` too.
    """
    from ._emulator import Emulator

    emulator = Emulator()
    monkeypatch.setenv("WANDB_API_KEY", "emulator")
    monkeypatch.setenv("WANDB_PROJECT", "team/project")
    monkeypatch.setenv("WANDB_API_BASE", emulator.base_url)
    allowed = "wandb_allow_network" in request.fixturenames
    _route(emulator, monkeypatch, allowed)
    if not allowed:
        _refuse(monkeypatch)
    return emulator


@pytest.fixture
def wandb_allow_network() -> None:
    """Lets a test that uses `wandb_emulator` reach the real network as well."""


def _route(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    """Lead what httpx sends to the emulator's made-up host into the emulator."""
    import httpx

    host = httpx.URL(emulator.base_url).host
    inside = emulator.transport()
    outside, outside_async = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def handle_request(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.host == host:
            return inside.handle_request(request)
        if not allowed:
            _check(request.url.host)
        return outside(self, request)

    async def handle_async_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.host == host:
            return await inside.handle_async_request(request)
        if not allowed:
            _check(request.url.host)
        return await outside_async(self, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle_request)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async_request)


def _refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse what doesn't go through httpx: by name, where names are looked up, and by address."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked_connect(self: socket.socket, address: Any) -> None:
        _check_address(self, address)
        connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Any) -> int:
        _check_address(self, address)
        return connect_ex(self, address)

    def checked_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", checked_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", checked_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", checked_getaddrinfo)


def _check_address(connection: socket.socket, address: Any) -> None:
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        _check(address[0])


def _check(host: str | bytes | None) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host or ""
    if not _is_here(name):
        raise NetworkRefusedError(
            f"a test with the fixture wandb_emulator was about to connect to {name}; let it use WANDB_API_BASE, "
            "or ask for the fixture wandb_allow_network too"
        )


def _is_here(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name in ("", "localhost") or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
