"""No argument can slip a line into a request: it is refused before a connection is made, or is harmless on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, done
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from raw_server import Peer, RawServer

from wandb_inference import APIError, AsyncClient, Client, ConfigurationError, InvalidRequestError

from .cases import Good

LISTED = b'{"object": "list", "data": []}'


def answers(peer: Peer) -> None:
    """Answers calls and lists."""
    while request := peer.request():
        good = Good.of(request)
        peer.send(good.whole(body=LISTED if request.startswith(b"GET") else None))


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """One server for all examples."""
    with RawServer(answers) as server:
        yield server


Make = Callable[..., Any]


async def chat(client: Any, **options: Any) -> None:
    """A call, its client closed."""
    await done(client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES, **options}))


async def listed(client: Any, **options: Any) -> None:
    """The models."""
    await done(client.models.list(**options))


async def key(make: Make, text: str) -> None:
    await chat(make(api_key=text))


async def called_key(make: Make, text: str) -> None:
    await chat(make(api_key=lambda: text))


async def other_key(make: Make, text: str) -> None:
    await chat(make().with_options(api_key=text))


async def project(make: Make, text: str) -> None:
    await chat(make(project=text))


async def calls_project(make: Make, text: str) -> None:
    await chat(make(), project=text)


async def default_value(make: Make, text: str) -> None:
    await chat(make(default_headers={"x-a": text}))


async def default_name(make: Make, text: str) -> None:
    await chat(make(default_headers={text: "b"}))


async def other_default(make: Make, text: str) -> None:
    await chat(make().with_options(default_headers={"x-a": text}))


async def extra_value(make: Make, text: str) -> None:
    await chat(make(), extra_headers={"x-a": text})


async def extra_name(make: Make, text: str) -> None:
    await listed(make(), extra_headers={text: "b"})


async def key_header(make: Make, text: str) -> None:
    await chat(make(), extra_headers={"Authorization": text})


async def query_value(make: Make, text: str) -> None:
    await chat(make(), extra_query={"a": text})


async def query_values(make: Make, text: str) -> None:
    await chat(make(), extra_query={"a": [text, text]})


async def query_name(make: Make, text: str) -> None:
    await listed(make(), extra_query={text: "b"})


async def path(make: Make, text: str) -> None:
    client = make()
    await chat(client.with_options(base_url=f"{client.base_url}/{text}"))


async def host(make: Make, text: str) -> None:
    client = make()
    await chat(client.with_options(base_url=client.base_url.replace("/v1", f"{text}/v1")))


async def model(make: Make, text: str) -> None:
    await done(make().models.retrieve(text))


async def chat_model(make: Make, text: str) -> None:
    await chat(make(), model=text)


async def message(make: Make, text: str) -> None:
    await chat(make(), messages=[{"role": "user", "content": text}])


async def body(make: Make, text: str) -> None:
    await chat(make(), extra_body={text: text})


HEADERS = (
    *(key, called_key, other_key, project, calls_project),
    *(default_value, default_name, other_default, extra_value, extra_name, key_header),
)
URLS = (query_value, query_values, query_name, path, host, model)
BODIES = (chat_model, message, body)

BREAKING = st.sampled_from(
    ["\r\n", "\n", "\r", "\0", "\r\nX-Injected: 1", "\r\n\r\nPOST / HTTP/1.1\r\n", "\x0b", "\x85"]
)
TEXTS = st.builds(
    lambda before, breaking, after: before + breaking + after,
    st.text(st.sampled_from("ab/:?#%@ é\u2028"), max_size=4),
    BREAKING,
    st.text(st.sampled_from("ab/:?#%@ é\u2028"), max_size=4),
)


class Seen(NamedTuple):
    """What came of an argument."""

    refused: bool
    requests: list[bytes]
    connected: int


def seen(kind: Any, server: RawServer, use: Any, text: str) -> Seen:
    """Uses the text, and looks at what the server sees."""
    requests, connections = len(server.requests), server.connections
    clients: list[Any] = []

    def make(**given: Any) -> Any:
        client = kind(**{"api_key": KEY, "project": PROJECT, "base_url": server.base_url, "max_retries": 0, **given})
        clients.append(client)
        return client

    async def main() -> bool:
        try:
            await use(make, text)
        except (ConfigurationError, InvalidRequestError):
            return True
        except APIError:
            return False
        finally:
            for client in clients:
                await done(client.close())
        return False

    refused = asyncio.run(main())
    return Seen(refused, server.requests[requests:], server.connections - connections)


def names(request: bytes) -> list[bytes]:
    """The names of a request's headers."""
    return [line.partition(b":")[0].lower() for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]


ORDINARY = {b"host", b"accept", b"accept-encoding", b"user-agent", b"content-type", b"content-length", b"x-a", b"a"} | {
    *(b"openai-project", b"authorization"),
}


def is_whole(request: bytes) -> bool:
    """Whether a request has one line of three words, the headers of a call, each once, and no other line end."""
    head, _, _ = request.partition(b"\r\n\r\n")
    found = names(request)
    return (
        len(head.split(b"\r\n")[0].split(b" ")) == 3
        and not set(head.replace(b"\r\n", b"")) & set(b"\r\n\0")
        and len(set(found)) == len(found)
        and set(found) <= ORDINARY
    )


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("use", HEADERS, ids=lambda use: use.__name__)
@given(text=TEXTS)
@example(text="a\r\nX-Injected: 1")
@example(text="a b\0c")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_headers(kind: Any, use: Any, server: RawServer, text: str) -> None:
    """What would break a header's line is refused before a connection is made; around a value it is taken off."""
    got = seen(kind, server, use, text)

    if not got.refused:
        assert not set(text.strip()) & set("\r\n\0")
    else:
        assert got.connected == 0
    assert all(is_whole(request) for request in got.requests)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("use", [*URLS, *BODIES], ids=lambda use: use.__name__)
@given(text=TEXTS)
@example(text="a\r\nX-Injected: 1")
@example(text="a HTTP/1.1\r\nX-Injected: 1\r\n\r\n")
@example(text=" ")
@example(text="é")
@example(text="../../secret")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_addresses_and_bodies(kind: Any, use: Any, server: RawServer, text: str) -> None:
    """What would break the request's line is refused before a connection is made, or written so that it does not."""
    got = seen(kind, server, use, text)

    if got.refused:
        assert got.connected == 0
    assert all(is_whole(request) for request in got.requests)


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_API_BASE"])
@pytest.mark.parametrize("text", ["a\r\nX-Injected: 1", "a/b\nX-Injected: 1"])
def test_environment(kind: Any, server: RawServer, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is no better than an argument."""
    connections = server.connections
    given = {"WANDB_API_KEY": KEY, "WANDB_PROJECT": "name", "WANDB_ENTITY": "team", "WANDB_API_BASE": server.base_url}
    for variable, value in {**given, name: text}.items():
        monkeypatch.setenv(variable, value)

    async def main() -> None:
        await chat(kind())

    with pytest.raises(ConfigurationError):
        asyncio.run(main())
    assert server.connections == connections


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION"])
def test_framing(kind: Any, server: RawServer, name: str) -> None:
    """Headers that say how a request is framed are the client's own."""
    for use in (default_name, extra_name):
        got = seen(kind, server, use, name)
        assert got == Seen(refused=True, requests=[], connected=0)
