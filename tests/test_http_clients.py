"""Whatever looks like httpx will do as `http_client`; and vcrpy records our own clients."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import vcr
from conftest import KEY, PROJECT, ask, done, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, sending, whole

from wandb_inference import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncClient,
    ConfigurationError,
    RateLimitError,
    StreamInterruptedError,
)
from wandb_inference._transport import routes
from wandb_inference.testing import Emulator, Fault

LIBRARIES: list[ModuleType] = [httpx]
if sys.version_info >= (3, 11):  # what httpx2 needs
    import httpx2

    LIBRARIES.append(httpx2)

EVENT = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def given(request: pytest.FixtureRequest, kind: Any) -> Any:
    """A client of a library that looks like httpx, of the kind that our client takes."""
    # 60 seconds: none of the tests' clocks are those of the caller's own client.
    return (request.param.AsyncClient if kind is AsyncClient else request.param.Client)(timeout=60)


@pytest.fixture
def over(kind: Any, given: Any) -> Callable[..., Any]:
    """Makes a client of ours over the given one."""

    def over(base_url: str, **settings: Any) -> Any:
        options = {"api_key": KEY, "project": PROJECT, "base_url": base_url, "max_retries": 0, **settings}
        return kind(http_client=given, **options)

    return over


async def close(given: Any) -> None:
    await done(given.aclose() if hasattr(given, "aclose") else given.close())


async def test_calls_and_streams(over: Callable[..., Any], given: Any, emulator: Emulator) -> None:
    """Calls and streams, and the client of the caller's stays open."""
    client = over(emulator.base_url)
    answer = await ask(client)
    stream = await ask(client, stream=True)
    assert "".join(await texts(stream)) == answer.text
    assert answer.meta.status == stream.meta.status == 200
    assert [model.id for model in await done(client.models.list())]
    await done(client.close())

    assert not given.is_closed
    assert emulator.requests[0].headers["authorization"] == f"Bearer {KEY}"
    await close(given)
    with pytest.raises(ConfigurationError, match="The http_client of this client is closed"):
        await ask(over(emulator.base_url))


async def test_refusals(over: Callable[..., Any], given: Any, emulator: Emulator) -> None:
    """Refusals are ours, and tried again as ever."""
    emulator.fault(Fault.status(429))
    emulator.fault(Fault.status(429))
    with pytest.raises(RateLimitError):
        await ask(over(emulator.base_url))
    assert (await ask(over(emulator.base_url, max_retries=1))).text
    await close(given)


@pytest.mark.parametrize(
    ("script", "says", "outcome"),
    [
        (lambda peer: peer.request(), "without", "unknown"),
        (sending(b"SSH-2.0\r\n\r\n"), "status line", "unknown"),
        (sending(head(200, "Content-Length: 9"), b"half"), "without sending complete message body", "unknown"),
    ],
    ids=["no answer", "no HTTP", "cut body"],
)
async def test_failures(over: Callable[..., Any], given: Any, script: Any, says: str, outcome: str) -> None:
    """Failures on the wire are connection errors, and say whether the request was sent."""
    with RawServer(script) as server, pytest.raises(APIConnectionError, match=says) as caught:
        await ask(over(server.base_url))
    await close(given)

    assert caught.value.attempts[0].outcome == outcome


async def test_refused(over: Callable[..., Any], given: Any) -> None:
    """Nobody listens: nothing was sent."""
    with pytest.raises(APIConnectionError, match="connection refused") as caught:
        await ask(over("http://127.0.0.1:9/v1"))
    await close(given)

    assert caught.value.attempts[0].outcome == "not_sent"


async def test_cut_stream(over: Callable[..., Any], given: Any) -> None:
    """A stream that is cut carries what had arrived."""
    with RawServer(sending(STREAM_HEAD, *chunked(EVENT, end=False))) as server:
        stream = await ask(over(server.base_url), stream=True)
        with pytest.raises(StreamInterruptedError) as caught:
            await texts(stream)
    await close(given)

    assert caught.value.text == "Hi"


@pytest.mark.parametrize(
    ("settings", "clock"),
    [({"timeout": (5, 0.1)}, "read"), ({"deadline": 0.1}, "deadline")],
    ids=["read", "deadline"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_clocks(over: Callable[..., Any], given: Any, settings: dict[str, Any], clock: str, stream: bool) -> None:
    """Our clocks hold, and not those of the caller's client."""

    def script(peer: Peer) -> None:
        peer.request()
        if stream:
            peer.send(STREAM_HEAD, *chunked(EVENT, end=False))
        peer.wait_for_end()

    with RawServer(script) as server:
        began = time.monotonic()
        with pytest.raises(APITimeoutError) as caught:
            answer = await ask(over(server.base_url, **settings), stream=stream)
            await texts(answer)
    await close(given)

    assert caught.value.clock == clock
    assert time.monotonic() - began < 2


async def test_redirect_to_another_host(over: Callable[..., Any], given: Any) -> None:
    """A client that follows redirects is not let take the key elsewhere."""
    given.follow_redirects = True
    with RawServer(answering(whole(b"{}"))) as other:
        elsewhere = head(307, f"Location: {other.base_url}", "Content-Length: 0")
        with RawServer(answering(elsewhere)) as server, pytest.raises(APIStatusError):
            await ask(over(server.base_url))
    await close(given)

    assert not other.requests


if sys.version_info >= (3, 11):

    def test_an_alias_is_no_mock(monkeypatch: pytest.MonkeyPatch) -> None:
        """Where httpx2 stands in for httpx in the whole process, our own way stays open."""
        monkeypatch.setattr(routes, "_verified", {})
        monkeypatch.setitem(sys.modules, "httpx", httpx2)
        monkeypatch.setitem(sys.modules, "httpcore", sys.modules["httpcore2"])
        assert not routes.is_mocked()

        monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", lambda self, request: None)
        assert routes.is_mocked()


# --- vcrpy -----------------------------------------------------------------------------------------------------------


async def test_vcr(make: Any, emulator: Emulator, tmp_path: Path) -> None:
    """vcrpy records our clients, and replays without the server; filtered keys never reach the cassette."""
    cassette = tmp_path / "cassette.yaml"
    recorder = vcr.VCR(filter_headers=["authorization"], record_mode="once", match_on=["method", "uri", "body"])

    async def said(client: Any) -> list[Any]:
        answer = await ask(client)
        stream = await ask(client, stream=True)
        with pytest.raises(APIStatusError) as caught:
            await ask(client, temperature=3)
        return [answer.text, await texts(stream), str(caught.value), caught.value.request_id]

    client = make(max_retries=0)
    with recorder.use_cassette(str(cassette)):
        recorded = await said(client)
    assert len(emulator.requests) == 3
    assert KEY not in cassette.read_text()
    emulator.stop()

    with recorder.use_cassette(str(cassette)) as played:
        assert await said(client) == recorded
    with pytest.raises(APIConnectionError, match="connection refused"):
        await ask(client)
    await done(client.close())

    assert played.all_played
