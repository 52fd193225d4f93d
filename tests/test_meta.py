"""How a call went, as every result and every error tells it."""

from __future__ import annotations

import json
import pickle
import ssl
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, PROJECT, ask, done, each, texts
from raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, sending, streaming, whole

from wandb_inference import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    InternalServerError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from wandb_inference.testing import Emulator

DATA = Path(__file__).parent / "data"
ID = "X-Request-Id: r-1"
ANSWER = whole(b'{"choices": [{"message": {"content": "Hi"}}]}', 200, ID, "X-RateLimit-Remaining-Requests: 7")
SSE = head(200, "Transfer-Encoding: chunked", ID, kind="text/event-stream")
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
FAILED = b'data: {"error": {"message": "out of memory", "code": 503}}\n\n'


def silent(peer: Peer) -> None:
    """Takes the request, and says nothing."""
    peer.request()
    peer.wait_for_end()


def reset(peer: Peer) -> None:
    """Takes the request, and breaks off."""
    peer.request()
    peer.reset()


def stalled(peer: Peer) -> None:
    """Begins a stream, and says nothing more."""
    peer.request()
    peer.send(SSE, *chunked(CHUNK, end=False))
    peer.wait_for_end()


def stream_of(*events: bytes) -> Any:
    """A stream that ends after these events."""
    return sending(SSE, *chunked(*events))


# What the server does, what the call is given, and what comes of it: the error, then of its last attempt status,
# request id and outcome.
FAILURES: dict[str, tuple[Any, dict[str, Any], type[APIError], int | None, str | None, str]] = {
    "silent": (silent, {"timeout": 0.1}, APITimeoutError, None, None, "unknown"),
    "deadline": (silent, {"deadline": 0.1}, APITimeoutError, None, None, "unknown"),
    "reset": (reset, {}, APIConnectionError, None, None, "unknown"),
    "no answer": (lambda peer: peer.request(), {}, APIConnectionError, None, None, "unknown"),
    "no HTTP": (sending(b"SSH-2.0-OpenSSH\r\n\r\n"), {}, APIConnectionError, None, None, "unknown"),
    "cut head": (sending(b"HTTP/1.1 200 OK\r\nX-Req"), {}, APIConnectionError, None, None, "unknown"),
    "cut body": (sending(head(200, "Content-Length: 99", ID), b"{"), {}, APIConnectionError, 200, "r-1", "unknown"),
    "no JSON": (answering(whole(b"<p>", 200, ID)), {}, APIResponseValidationError, 200, "r-1", "answered"),
    "no choices": (
        answering(whole(b'{"choices": []}', 200, ID)),
        {},
        APIResponseValidationError,
        200,
        "r-1",
        "answered",
    ),
    "redirect": (answering(whole(b"", 302, ID, "Location: /x")), {}, APIStatusError, 302, "r-1", "answered"),
    "stream, cut": (stream_of(CHUNK), {"stream": True}, StreamInterruptedError, 200, "r-1", "unknown"),
    "stream, empty": (stream_of(), {"stream": True}, StreamInterruptedError, 200, "r-1", "unknown"),
    "stream, stalled": (stalled, {"stream": True, "stall_timeout": 0.1}, APITimeoutError, 200, "r-1", "unknown"),
    "stream, error": (stream_of(CHUNK, FAILED), {"stream": True}, ServiceUnavailableError, 200, "r-1", "unknown"),
    "stream, error first": (stream_of(FAILED), {"stream": True}, ServiceUnavailableError, 200, "r-1", "unknown"),
    "stream, a page": (
        answering(whole(b"<p>", 200, ID)),
        {"stream": True},
        APIResponseValidationError,
        200,
        "r-1",
        "answered",
    ),
    **{
        str(status): (answering(whole(b"{}", status, ID)), {}, APIStatusError, status, "r-1", "answered")
        for status in (400, 401, 402, 403, 404, 409, 422, 429, 500, 503)
    },
}


async def error_of(client: Any, expected: type[APIError] = APIError, **params: Any) -> APIError:
    """The error of a call or of its stream."""
    with pytest.raises(expected) as caught:
        answer = await ask(client, **params)
        if params.get("stream"):
            await texts(answer)
    await done(client.close())
    return caught.value


@pytest.mark.parametrize("name", FAILURES)
async def test_failures(connect: Any, name: str) -> None:
    """Each error says how its call went, and each attempt whether it was sent, perhaps billed, or answered."""
    script, params, expected, status, request_id, outcome = FAILURES[name]
    with RawServer(script) as server:
        error = await error_of(connect(server), expected, **params)

    meta = error.meta
    assert meta is not None
    assert (meta.status, meta.request_id) == (status, request_id)
    assert (meta.to_headers is None) == (status is None) == (not meta.headers)
    assert meta.total is not None
    assert 0.0 < (meta.to_headers or meta.total) <= meta.total < 5.0
    assert meta.reused is (None if status is None else False)
    assert meta.attempts == error.attempts
    (record,) = error.attempts
    assert (record.status, record.request_id, record.outcome) == (status, request_id, outcome)
    assert record.error == error.message
    assert 0.0 < record.seconds <= meta.total
    assert error.as_curl()
    again = pickle.loads(pickle.dumps(error))
    assert vars(again) == vars(error)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"], ids=["refused", "no such name"])
async def test_not_sent(connect: Any, url: str) -> None:
    """Where there was no connection, the server can't have seen the request."""
    error = await error_of(connect(url), APIConnectionError)

    assert error.meta is not None
    assert (error.meta.status, error.meta.request_id, error.meta.headers, error.meta.to_headers) == (
        None,
        None,
        {},
        None,
    )
    assert [(record.outcome, record.status) for record in error.attempts] == [("not_sent", None)]
    assert error.meta.tokens_per_second is None
    assert error.meta.rate_limit is None


async def test_tls_failures(connect: Any) -> None:
    """Before the handshake is over nothing is sent: neither to a wrong certificate nor to a silent peer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    with RawServer(answering(ANSWER), tls=context) as server:
        wrong = await error_of(connect(server), APIConnectionError)
    with RawServer(lambda peer: peer.wait_for_end() and None) as server:
        mute = await error_of(connect(server.base_url.replace("http:", "https:"), timeout=0.1), APITimeoutError)

    for error in (wrong, mute):
        assert error.meta is not None
        assert [record.outcome for record in error.meta.attempts] == ["not_sent"]


async def test_no_turn(connect: Any) -> None:
    """A call whose turn did not come before the deadline was not sent, and says how long it stood in line."""
    with RawServer(streaming(CHUNK, then=lambda peer: peer.wait_for_end() and None, end=False)) as server:
        client = connect(server, max_connections=1)
        stream = await ask(client, stream=True)
        with pytest.raises(APITimeoutError) as caught:
            await ask(client, deadline=0.1)
        await done(stream.close())
        await done(client.close())

    assert caught.value.meta is not None
    assert caught.value.meta.queued >= 0.05
    assert [record.outcome for record in caught.value.attempts] == ["not_sent"]


async def test_every_attempt(connect: Any) -> None:
    """An error after retries knows each attempt, and is about the last."""
    scripts = [reset, answering(whole(b"{}", 500, ID, "Retry-After: 0"), whole(b"{}", 503, "X-Request-Id: r-2"))]
    with RawServer(*scripts) as server:
        error = await error_of(connect(server, max_retries=2), ServiceUnavailableError)

    assert [(record.status, record.request_id, record.outcome) for record in error.attempts] == [
        (None, None, "unknown"),
        (500, "r-1", "answered"),
        (503, "r-2", "answered"),
    ]
    assert error.meta is not None
    assert (error.meta.request_id, error.meta.reused) == ("r-2", True)
    assert error.meta.attempts == error.attempts


async def test_streams_out_of_attempts(connect: Any) -> None:
    """A stream that broke before its first chunk for the last time knows of each time."""
    with RawServer(stream_of()) as server:
        error = await error_of(connect(server, max_retries=1), StreamInterruptedError, stream=True)

    assert [(record.status, record.outcome) for record in error.attempts] == [(200, "unknown")] * 2
    assert error.meta is not None
    assert (error.meta.status, error.meta.request_id, error.meta.attempts) == (200, "r-1", error.attempts)


async def test_closed_between_attempts(kind: Any) -> None:
    """A client that was closed after an attempt says so, and of that attempt what is known."""
    closing: list[Any] = []

    def key() -> str:
        if closing:
            closing.pop()._transport._closed = True
        return KEY

    with RawServer(answering(whole(b"{}", 503, ID, "Retry-After: 0"))) as server:
        client = kind(
            api_key=key, project=PROJECT, base_url=server.base_url, on_attempt=lambda event: closing.append(client)
        )
        error = await error_of(client, ConfigurationError)

    assert error.meta is not None
    assert (error.meta.status, error.meta.attempts) == (None, error.attempts)
    assert [record.status for record in error.attempts] == [503]
    assert error.as_curl()


async def test_nothing_sent(kind: Any) -> None:
    """Where nothing was sent there is nothing to tell."""
    client = kind(api_key=KEY, project=PROJECT)
    await done(client.close())
    error = await error_of(client, ConfigurationError)

    assert (error.meta, error.attempts, error.as_curl()) == (None, (), None)


async def test_results(connect: Any) -> None:
    """Answers, lists, models and streams know how their call went, and pickle with it."""
    listed = whole(b'{"data": [{"id": "a/b"}]}', 200, ID)
    one = whole(b'{"id": "a/b"}', 200, ID)
    with RawServer(answering(ANSWER, listed, one, whole(b"{}", 404), listed)) as server:
        client = connect(server)
        answer, models = await ask(client), await done(client.models.list())
        model, found = [await done(client.models.retrieve("a/b")) for _ in range(2)]
        await done(client.close())

    assert answer.meta.rate_limit.remaining_requests == 7
    assert models[0].meta is None
    for result in (answer, models, model, found):
        meta = pickle.loads(pickle.dumps(result)).meta
        assert (meta.request_id, meta.status, len(meta.attempts)) == ("r-1", 200, 1)
        assert meta == result.meta
        assert "meta" not in json.dumps(result.model_dump())


async def test_a_stream_on_its_way(connect: Any) -> None:
    """A stream knows how its call goes while it is read, and has a total when it was left."""
    with RawServer(sending(STREAM_HEAD, *chunked(CHUNK, CHUNK, end=False), pause=0.01)) as server:
        client = connect(server)
        stream = await ask(client, stream=True)
        async for _ in each(stream):
            assert stream.meta.status == 200
            assert stream.meta.total is None
            break
        await done(stream.close())
        await done(client.close())

    assert stream.meta.total >= stream.meta.to_first_token >= stream.meta.to_headers


async def test_the_body_of_an_error_may_break(connect: Any) -> None:
    """An error whose body is cut is an answer all the same."""
    with RawServer(sending(head(500, "Content-Length: 99", ID), b"{")) as server:
        error = await error_of(connect(server), InternalServerError)

    assert [(record.status, record.outcome) for record in error.attempts] == [(500, "answered")]


async def test_through_httpx(kind: Any, emulator: Emulator) -> None:
    """Over a client of httpx's the same is known, but for the connection."""
    import httpx

    http = httpx.Client() if kind.__name__ == "Client" else httpx.AsyncClient()
    with RawServer(FAILURES["cut body"][0]) as server:
        client = kind(api_key=KEY, project=PROJECT, base_url=server.base_url, max_retries=0, http_client=http)
        error = await error_of(client, APIConnectionError)
    await done(http.close() if kind.__name__ == "Client" else http.aclose())

    assert error.meta is not None
    assert (error.meta.status, error.meta.request_id, error.meta.reused) == (200, "r-1", None)
