"""Servers that fail, in the clear and over TLS, and clients of either kind for them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, PROJECT
from raw_server import RawServer

from .cases import by_path

DATA = Path(__file__).parent.parent / "data"


def certified(name: str = "localhost") -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / f"{name}.pem", DATA / "localhost.key")
    return context


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients trust the certificate of the servers."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))


@pytest.fixture(params=["plain", "tls"])
def layer(request: pytest.FixtureRequest, trust: None) -> str:
    """In the clear, then over TLS."""
    return request.param


@pytest.fixture(params=["call", "stream"])
def asks(request: pytest.FixtureRequest) -> str:
    """A call, then a stream."""
    return request.param


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, RawServer]]:
    """The server of a module's table, in the clear and over TLS."""
    script = by_path(request.module.CASES)
    with RawServer(script) as plain, RawServer(script, tls=certified()) as secure:
        yield {"plain": plain, "tls": secure}
        assert plain.errors == secure.errors == []


@pytest.fixture
def dial(kind: Any) -> Any:
    """Makes a client of either kind for the origin of a raw server and a path."""

    def dial(server: RawServer, path: str = "/v1", **settings: Any) -> Any:
        url = server.base_url.removesuffix("/v1") + path
        return kind(**{"api_key": KEY, "project": PROJECT, "base_url": url, "max_retries": 0, **settings})

    return dial


@pytest.fixture
def raw(layer: str) -> Any:
    """Makes a raw server for a script, on the layer of the test."""

    def raw(*scripts: Any, **options: Any) -> RawServer:
        return RawServer(*scripts, tls=certified() if layer == "tls" else None, **options)

    return raw
