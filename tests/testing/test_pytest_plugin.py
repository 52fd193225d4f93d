"""The pytest plugin, as a user's own tests see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wandb_inference

pytest_plugins = ["pytester"]

PLUGIN = "wandb_inference.testing.pytest_plugin"


@pytest.fixture
def passes(pytester, monkeypatch):
    """Runs a test file that uses the plugin, and demands that so many of its tests pass."""
    monkeypatch.setenv("WANDB_API_KEY", "the-real-one")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def run(count, source):
        pytester.makepyfile(source)
        result = pytester.runpytest_inprocess("-p", PLUGIN)
        result.assert_outcomes(passed=count)

    return run


CALL = """
import asyncio, os, socket
import httpx, pytest

def post(client):
    headers = {"authorization": "Bearer " + os.environ["WANDB_API_KEY"], "openai-project": os.environ["WANDB_PROJECT"]}
    body = {"model": "Llama-3.1-8B-Instruct", "messages": [{"role": "user", "content": "Hello"}]}
    return client.post(os.environ["WANDB_API_BASE"] + "/chat/completions", headers=headers, json=body)
"""


def test_unchanged_code_reaches_the_emulator(passes):
    """Code that is built on httpx reaches the emulator through the environment alone."""
    passes(
        2,
        CALL
        + """
def test_blocking(wandb_emulator):
    wandb_emulator.reply("In short: yes.")
    with httpx.Client() as client:
        assert "In short: yes." in post(client).text
    assert wandb_emulator.requests[0].headers["authorization"] == "Bearer emulator"

def test_async(wandb_emulator):
    async def run():
        async with httpx.AsyncClient() as client:
            return await post(client)

    wandb_emulator.reply("In short: no.")
    assert "In short: no." in asyncio.run(run()).text
""",
    )


def test_the_real_network_is_refused(passes):
    """Nothing leaves the machine: neither through httpx nor past it, and the error says who was meant."""
    passes(
        5,
        CALL
        + """
refused = pytest.raises(RuntimeError, match="connect to (example.com|192.0.2.1|2001:db8::1); .*wandb_allow_network")

def test_httpx(wandb_emulator):
    with refused, httpx.Client() as client:
        client.get("https://example.com")

def test_async_httpx(wandb_emulator):
    async def run():
        async with httpx.AsyncClient() as client:
            await client.get("https://example.com")

    with refused:
        asyncio.run(run())

def test_names(wandb_emulator):
    with refused:
        socket.create_connection(("example.com", 443))
    with refused:
        socket.getaddrinfo(b"example.com", 443)

@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
def test_addresses(wandb_emulator, connect):
    for family, host in [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]:
        try:
            connection = socket.socket(family)
        except OSError:
            continue
        with refused, connection:
            getattr(connection, connect)((host, 443))
""",
    )


def test_this_machine_is_allowed(passes):
    """Servers on this machine can be reached, by name and by address, and so can sockets of files."""
    passes(
        3,
        CALL
        + """
@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]

def test_sockets(wandb_emulator, port):
    socket.create_connection(("localhost", port)).close()
    with socket.socket() as connection:
        assert connection.connect_ex(("127.0.0.1", port)) == 0
    with socket.socket(socket.AF_UNIX) as connection, pytest.raises(OSError):
        connection.connect("nothing")
    assert socket.getaddrinfo(None, 80)

def test_httpx(wandb_emulator):
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get("http://127.0.0.1:1/")

def test_async_httpx(wandb_emulator):
    async def run():
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get("http://127.0.0.1:1/")

    with pytest.raises(httpx.ConnectError):
        asyncio.run(run())
""",
    )


def test_the_network_can_be_allowed(passes):
    """A test that asks for it may use the network; here a stand-in for it."""
    passes(
        3,
        CALL
        + """
@pytest.fixture(autouse=True)
def network(monkeypatch):
    answer = lambda self, request: httpx.Response(200, text="the world")
    async def async_answer(self, request):
        return answer(self, request)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", async_answer)

def test_httpx(network, wandb_emulator, wandb_allow_network):
    with httpx.Client() as client:
        assert client.get("https://example.com").text == "the world"
        assert post(client).status_code == 200

def test_async_httpx(network, wandb_emulator, wandb_allow_network):
    async def run():
        async with httpx.AsyncClient() as client:
            return await client.get("https://example.com")

    assert asyncio.run(run()).text == "the world"

def test_sockets(wandb_emulator, wandb_allow_network):
    assert socket.getaddrinfo.__module__ == "socket"
""",
    )


def test_all_is_as_before_afterwards(passes):
    """Without the fixture nothing is changed."""
    passes(
        2,
        CALL
        + """
def test_with(wandb_emulator):
    assert os.environ["WANDB_API_KEY"] == "emulator"

def test_without():
    assert os.environ["WANDB_API_KEY"] == "the-real-one"
    assert httpx.HTTPTransport.handle_request.__module__.startswith("httpx")
    assert socket.getaddrinfo.__module__ == "socket"
""",
    )


def test_loading_the_plugin_costs_nothing():
    """A pytest run that doesn't use the plugin doesn't pay for it."""
    code = (
        "import sys, pytest; before = set(sys.modules); import wandb_inference.testing.pytest_plugin; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    root = Path(wandb_inference.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)

    assert result.stdout.split() == ["wandb_inference"]
