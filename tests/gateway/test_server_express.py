"""Chat requests that do without a task: the same answers as from one, and a task as soon as anything else comes."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    LAST,
    MODEL,
    ONE,
    STREAM,
    Served,
    chat_bytes,
    chunk,
    completion,
    configured,
    events,
    serving,
    until,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, whole
from wandb_inference.gateway import express, protocol
from wandb_inference.gateway.app import Gateway
from wandb_inference.gateway.attempt import Attempt
from wandb_inference.gateway.express import Express, Handed
from wandb_inference.gateway.routing import Router

DATA = Path(__file__).parent.parent / "data"
KEY = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}
PLAIN = whole(completion())
ONCE = ONE + "router_settings: {num_retries: 0}\n"
QUICK = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, timeout: 0.2}}
router_settings: {{num_retries: 0}}
"""


@pytest.fixture(params=["short", "long"], autouse=True)
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test goes both ways through the router."""
    if request.param == "long":
        monkeypatch.setattr(Router, "ride", lambda *_: None)
    return str(request.param)


def then(*pieces: bytes, pause: float = 0.0, ends: bool = False) -> Callable[[Peer], None]:
    """A service that answers plainly once, and then each request with these pieces."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(PLAIN)
        while peer.request():
            peer.send(*pieces, pause=pause)
            if ends:
                return

    return script


class Held:
    """A service that answers plainly once, and keeps the second request waiting."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.asked = threading.Event()
        self.go = threading.Event()
        self.gone = threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.request()
        peer.send(PLAIN)
        peer.request()
        peer.send(*self.pieces)
        self.asked.set()
        if self.go.wait(0.0 if self.pieces else 0.3):
            peer.send(PLAIN)
        if peer.wait_for_end():
            self.gone.set()


async def warm(served: Served, **options: Any) -> httpx.Response:
    """A first answer, after which a connection to the service is there."""
    answer = await served.chat(**options)
    assert answer.status_code == 200, answer.text
    return answer


async def test_the_same_answer(tmp_path):
    """With its body and its headers, those of the key's limits included, and the same in the metrics."""
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            first = await warm(served, headers=KEY)
            before = served.page()
            second = await served.chat(headers=KEY)
            after = served.page()

    assert second.content == first.content
    assert list(second.headers) == list(first.headers)
    same = ("x-gateway-attempts", "x-gateway-model-id", "x-gateway-cost", "x-litellm-model-group", "date")
    assert [second.headers[name] for name in same] == [first.headers[name] for name in same]
    assert Decimal(second.headers["x-litellm-key-spend"]) == 2 * Decimal(first.headers["x-gateway-cost"])
    assert second.headers["x-ratelimit-remaining-requests"] == "98"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert upstream.connections == 1
    names = [{line.rpartition(" ")[0] for line in page.splitlines()} for page in (before, after)]
    assert names[0] == names[1]
    for line in ('attempts_total{model="fast"', 'requests_total{model="fast",key="a",status="200"}'):
        assert any(line in each and each.endswith(" 2") for each in after.splitlines())


async def test_there_is_no_task(tmp_path):
    """While the service is waited for, nothing runs; the request is one that is under way all the same."""
    held = Held()
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            waiting = asyncio.ensure_future(served.chat())
            await until(held.asked.is_set)
            assert not served.state.tasks
            assert len(served.gateway.calls) == 1
            held.go.set()
            answer = await waiting

    assert answer.json()["model"] == "fast"


async def test_what_goes_upstream(tmp_path):
    """The client's id and trace, the allowed headers, the deployment's model and key, and nothing of the client's."""
    sent = {**KEY, "x-request-id": "mine", "traceparent": "00-1-2-01", "x-mine": "yes", "x-other": "no"}
    with RawServer(answering(PLAIN)) as upstream:
        config = configured(tmp_path, KEYED, upstream.base_url)
        object.__setattr__(config.server, "forward_headers", ("x-mine", "x-request-id", "authorization"))
        async with serving(config) as served:
            await warm(served, headers=sent)
            answer = await served.chat(headers=sent)

    one, two = upstream.requests
    assert one == two
    assert answer.headers["x-request-id"] == "mine"
    assert b"x-request-id: mine\r\n" in two
    assert b"traceparent: 00-1-2-01\r\n" in two
    assert b"x-mine: yes\r\n" in two
    assert two.count(b"x-request-id") == two.count(b"authorization") == 1
    assert b"x-other" not in two
    assert ENVIRON["KEY_A"].encode() not in two


@pytest.mark.parametrize(
    "pieces",
    [
        (PLAIN[:20], PLAIN[20:]),
        (PLAIN[:-9], PLAIN[-9:]),
        tuple(PLAIN[at : at + 60] for at in range(0, len(PLAIN), 60)),
        (head(200, "Transfer-Encoding: chunked"), *chunked(completion())),
        (head(200, "Transfer-Encoding: chunked") + b"".join(chunked(completion())),),
        (whole(completion(), 200, "Connection: keep-alive"),),
        (whole(completion(), 200, "connection: KEEP-ALIVE"),),
        (whole(gzip.compress(completion()), 200, "Content-Encoding: gzip"),),
        (head(200, f"Content-Length: {len(completion())} ") + completion(),),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,),
        (whole(completion(), 201),),
    ],
    ids=[
        "a head in two",
        "a body in two",
        "many parts",
        "chunked, in parts",
        "chunked",
        "kept alive",
        "loudly",
        "compressed",
        "spaces",
        "early news",
        "another success",
    ],
)
async def test_answers_of_other_shapes(tmp_path, pieces):
    """However an answer comes, it is the same answer, and the connection serves the next one."""
    with RawServer(then(*pieces, pause=0.01)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            first = await warm(served)
            answers = [await served.chat() for _ in range(2)]

    assert [answer.content for answer in answers] == [first.content] * 2
    assert upstream.connections == 1


async def test_answers_that_end_with_the_connection(tmp_path):
    """An answer without a length is whole when the service closes, and one that says close costs its connection."""
    for pieces, ends in (((head(200), completion()), True), ((whole(completion(), 200, "Connection: close"),), False)):
        with RawServer(then(*pieces, ends=ends)) as upstream:
            async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
                first = await warm(served)
                answers = [await served.chat() for _ in range(2)]

        assert [answer.content for answer in answers] == [first.content] * 2
        assert upstream.connections == 2


@pytest.mark.parametrize(
    "pieces",
    [
        (head(200, "Content-Length: 999"), b'{"id"'),
        (head(200, "Transfer-Encoding: chunked"), b"5\r\nhello\r\n5\r\nhel"),
        (head(200, "Transfer-Encoding: chunked"), b"5\r\nhelloXX"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",),
        (b"no answer at all\r\n\r\n",),
    ],
    ids=["half", "half a chunk", "no chunk", "two lengths", "garbage"],
)
async def test_answers_that_break_off(tmp_path, pieces):
    """What is no whole answer is none, and its connection serves nobody else."""
    with RawServer(then(*pieces, pause=0.01, ends=True), answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONCE, upstream.base_url)) as served:
            await warm(served)
            answer = await served.chat()
            again = await served.chat()

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert again.status_code == 200
    assert upstream.connections == 2


async def test_the_deadline(tmp_path):
    """A request that the gateway gives no more time ends then, with the seconds that it had."""
    held = Held()
    with RawServer(held) as upstream:
        config = configured(tmp_path, ONE, upstream.base_url)
        object.__setattr__(config.router, "deadline", 0.1)
        async with serving(config) as served:
            await warm(served)
            answer = await served.chat()

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


async def test_what_nobody_knows(tmp_path):
    """An answer without a usage, and one of a model without a price, are passed on; what is known is counted."""
    bare = whole(completion(usage=None))
    cached = whole(completion(usage={"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}}))
    text = ONE.replace(MODEL, "org/of-no-price")
    with RawServer(answering(PLAIN, bare, PLAIN, cached)) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answers = [await served.chat() for _ in range(4)]
            page = served.page()

    assert [answer.status_code for answer in answers] == [200] * 4
    assert not any("x-gateway-cost" in answer.headers for answer in answers)
    assert 'kind="prompt"} 17' in page
    assert 'kind="cached"} 5' in page
    assert "cost_dollars_total{" not in page


async def test_an_answer_that_is_long(tmp_path, monkeypatch):
    """What is too long to be put together here is read by a task, to its end."""
    monkeypatch.setattr(express, "_MOST", 1000)
    text = "x" * 5000
    body = completion(text)
    pieces = (head(200, f"Content-Length: {len(body)}") + body[:900], body[900:1500], body[1500:])
    with RawServer(then(*pieces, pause=0.02)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            answer = await served.chat()

    assert answer.json()["choices"][0]["message"]["content"] == text


async def test_an_answer_that_is_too_large(tmp_path):
    """The limit holds for those that come at once, and for those that come in parts."""
    body = completion("x" * 5000)
    text = ONCE + "general_settings: {max_response_size_mb: 0.001}\n"
    for pieces in ((whole(body),), (head(200, f"Content-Length: {len(body)}") + body[:3000], body[3000:])):
        with RawServer(then(*pieces, pause=0.02)) as upstream:
            async with serving(configured(tmp_path, text, upstream.base_url)) as served:
                await warm(served)
                answer = await served.chat()
                (status,) = served.gateway.router.status(monotonic())

        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "answer_too_large")
        assert status.in_flight == 0


async def test_a_stream_after_a_call(tmp_path):
    """A stream is a task's from its beginning, on the connection that is there; a call after it is not."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            is_stream = b'"stream"' in request
            peer.send(*(STREAM_HEAD, *chunked(chunk("a"), LAST, DONE)) if is_stream else (PLAIN,))

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            first = await warm(served)
            streamed = await served.chat(STREAM)
            again = await served.chat()

    assert events(streamed.text)[-1] == "[DONE]"
    assert again.content == first.content
    assert upstream.connections == 1


async def test_over_tls(tmp_path, monkeypatch):
    """Answers come in records, and long ones in many; the connection is kept."""
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "localhost.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    text = "x" * 50_000
    with RawServer(answering(PLAIN, PLAIN, whole(completion(text))), tls=context) as upstream:
        base_url = upstream.base_url.replace("127.0.0.1", "localhost")
        async with serving(configured(tmp_path, ONE, base_url)) as served:
            await warm(served)
            answers = [await served.chat() for _ in range(2)]

    assert [each.json()["choices"][0]["message"]["content"] for each in answers] == ["hello", text]
    assert upstream.connections == 1


async def test_a_connection_that_had_died(tmp_path):
    """It is noticed by the request that meets it, which is sent anew, free of charge: one attempt, no retry."""

    def dies(peer: Peer) -> None:
        peer.request()
        peer.send(PLAIN)
        peer.request()

    with RawServer(dies, answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONCE, upstream.base_url)) as served:
            await warm(served)
            answer = await served.chat()

    assert answer.status_code == 200
    assert answer.headers["x-gateway-attempts"] == "1"
    assert upstream.connections == 2


async def test_a_retry(tmp_path):
    """A failure is tried again by a task; the headers count both attempts."""
    with RawServer(answering(PLAIN, whole(b'{"error": {"message": "oh"}}', 500), PLAIN)) as upstream:
        text = ONE + "router_settings: {num_retries: 1, retry_after: 0}\n"
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            await warm(served)
            answer = await served.chat()
            page = served.page()

    assert (answer.status_code, answer.headers["x-gateway-attempts"]) == (200, "2")
    assert 'outcome="500"} 1' in page
    assert 'retries_total{model="fast"} 1' in page


@pytest.mark.parametrize("pieces", [(), (head(200, "Content-Length: 999"), b"{")], ids=["nothing", "a part"])
async def test_time_is_up(tmp_path, pieces):
    """A service that says nothing, or not all, in time is 504; its connection is given up."""
    held = Held(*pieces)
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, QUICK, upstream.base_url)) as served:
            await warm(served)
            began = monotonic()
            answer = await served.chat()
            seconds = monotonic() - began
            await until(held.gone.is_set)

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert 0.2 <= seconds < 1.0


async def test_a_timer_that_was_set_before(tmp_path):
    """A timer of an earlier request does not end a later one."""

    def slow(peer: Peer) -> None:
        while peer.request():
            time.sleep(0.12)
            peer.send(PLAIN)

    with RawServer(slow) as upstream:
        async with serving(configured(tmp_path, QUICK, upstream.base_url)) as served:
            answers = [await served.chat() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert upstream.connections == 1


@pytest.mark.parametrize("pieces", [(), (head(200, "Content-Length: 1000"), b'{"id"')], ids=["before", "within"])
async def test_a_client_that_leaves(tmp_path, pieces):
    """The service's connection is closed within half a second, and the request counted as one that was left."""
    held = Held(*pieces)
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            await warm(served, headers=KEY)
            _, writer = await served.raw(chat_bytes(BODY, f"authorization: {KEY['authorization']}"))
            await until(held.asked.is_set)
            left = monotonic()
            writer.close()
            await until(held.gone.is_set)
            seconds = monotonic() - left
            await until(lambda: not served.gateway.calls)
            page = served.page()
            (status,) = served.gateway.router.status(monotonic())

    assert seconds < 0.5
    assert 'requests_total{model="fast",key="a",status="499"} 1' in page
    assert 'outcome="left"} 1' in page
    assert status.in_flight == 0


async def test_the_gateway_stops(tmp_path):
    """A request that is interrupted is told so, and its connection closed."""
    held = Held()
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            waiting = asyncio.ensure_future(served.chat())
            await until(held.asked.is_set)
            served.gateway.drain()
            served.gateway.interrupt()
            answer = await waiting
            late = await served.chat()
            page = served.page()

    assert [each.json()["error"]["code"] for each in (answer, late)] == ["draining"] * 2
    assert [each.headers["connection"] for each in (answer, late)] == ["close"] * 2
    assert 'status="503"} 1' in page


async def test_an_upload_that_ends_as_the_gateway_stops(tmp_path):
    """It is refused like all that come from then on."""
    async with serving(configured(tmp_path)) as served:
        request = chat_bytes()
        reader, writer = await served.raw(request[:-5])
        await until(lambda: any(each.is_uploading for each in served.state.connections))  # type: ignore[union-attr]
        served.gateway.drain()
        writer.write(request[-5:])
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 503 ")


async def test_a_reload_meanwhile(tmp_path):
    """A request whose model is gone meanwhile ends as it began, whether it is answered or fails."""
    for last, status in ((PLAIN, 200), (whole(b'{"error": {"message": "oh"}}', 400), 400)):
        held = threading.Event()
        asked = threading.Event()

        def script(
            peer: Peer, held: threading.Event = held, asked: threading.Event = asked, last: bytes = last
        ) -> None:
            peer.request()
            peer.send(PLAIN)
            peer.request()
            asked.set()
            held.wait(5)
            peer.send(last)
            peer.wait_for_end()

        with RawServer(script) as upstream:
            async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
                await warm(served)
                waiting = asyncio.ensure_future(served.chat())
                await until(asked.is_set)
                served.gateway.configure(configured(tmp_path, ONE.replace("fast", "quick"), upstream.base_url))
                held.set()
                answer = await waiting
                gone = await served.chat()

        assert (answer.status_code, gone.status_code) == (status, 404)


# The client's side of the connection


async def test_one_behind_the_other(tmp_path):
    """A request that comes before the one in front of it is answered waits, and gets the second answer."""
    answers = (PLAIN, *(whole(completion(str(number))) for number in range(3)))
    with RawServer(answering(*answers)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            reader, writer = await served.raw(chat_bytes() * 3)
            found = []
            for _ in range(3):
                lines = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(lines.split(b"content-length: ")[1].split(b"\r\n")[0])
                found.append(json.loads(await reader.readexactly(length))["choices"][0]["message"]["content"])
            writer.close()

    assert found == ["0", "1", "2"]


async def test_errors_keep_their_turn(tmp_path):
    """A request in front that is handed over has others behind it, and is answered first."""
    with RawServer(answering(PLAIN, whole(b"no", 400), PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            reader, writer = await served.raw(chat_bytes() * 2)
            heads = []
            for _ in range(2):
                lines = (await reader.readuntil(b"\r\n\r\n")).lower()
                heads.append(lines[:12])
                await reader.readexactly(int(lines.split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.close()

    assert heads == [b"http/1.1 400", b"http/1.1 200"]


async def test_a_client_that_wants_the_end(tmp_path):
    """A connection that is not to be kept is closed behind its answer."""
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            reader, writer = await served.raw(chat_bytes(BODY, "connection: close"))
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\nconnection: close\r\n")
    assert answer.endswith(b"}")


@pytest.mark.parametrize(
    "request_bytes",
    [
        chat_bytes(BODY, "connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        chat_bytes(BODY, "expect: 100-continue"),
        chat_bytes(BODY, "x-twice: 1", "x-twice: 2"),
        chat_bytes(BODY).replace(b"/v1/chat/completions", b"/v1/chat/completions?x=1", 1),
    ],
    ids=["HTTP/1.0", "expect", "a header twice", "a query"],
)
async def test_requests_of_other_shapes(tmp_path, request_bytes):
    """What asks for more than an answer is a task's."""
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            reader, writer = await served.raw(request_bytes)
            status = await reader.readuntil(b"\r\n")
            if b" 100 " in status:
                await reader.readuntil(b"\r\n")
                status = await reader.readuntil(b"\r\n")
            writer.close()

    assert status == b"HTTP/1.1 200 OK\r\n"


async def test_a_body_in_parts(tmp_path):
    """A body may come in as many parts as it likes."""
    request = chat_bytes()
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            reader, writer = await served.raw(request[:-40])
            for at in range(-40, 0, 10):
                await asyncio.sleep(0.01)
                writer.write(request[at : at + 10 or None])
            assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
            writer.close()

    assert json.loads(upstream.requests[1].split(b"\r\n\r\n")[1])["model"] == MODEL


async def test_a_reader_that_is_slow(tmp_path):
    """Who takes no answers gets no more work done: the next request waits for a task, which waits for the reader."""
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            reader, writer = await served.raw(b"")
            await until(lambda: len(served.state.connections) == 2)
            (mine,) = [each for each in served.state.connections if not each.cycle]  # type: ignore[union-attr]
            mine.flow.pause_writing()  # type: ignore[union-attr]
            writer.write(chat_bytes())
            await until(lambda: served.state.tasks)
            await asyncio.sleep(0.05)
            assert served.state.tasks
            mine.flow.resume_writing()  # type: ignore[union-attr]
            assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
            writer.close()


async def test_an_idle_connection_is_closed(tmp_path, monkeypatch):
    """Once nothing has come on it for as long as it is kept."""
    monkeypatch.setattr(protocol, "_LOOK", 0.02)
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes())
            await reader.readuntil(b"\r\n")
            (mine,) = served.state.connections
            mine.timeout_keep_alive = 0.1  # type: ignore[union-attr,assignment]
            began = monotonic()
            await asyncio.wait_for(reader.read(), 5)
            writer.close()

    assert 0.05 <= monotonic() - began < 1.0


# Mistakes


@pytest.mark.parametrize("where", ["answer", "end", "time", "plan"])
async def test_mistakes_of_its_own(tmp_path, monkeypatch, caplog, where):
    """Whatever goes wrong here, the client is told, the log has it, and nothing is held."""
    held = Held()
    with RawServer(held) as upstream:
        async with serving(configured(tmp_path, QUICK, upstream.base_url)) as served:
            await warm(served)
            waiting = asyncio.ensure_future(served.chat())
            await until(held.asked.is_set)
            if where == "answer":
                monkeypatch.setattr(express, "read_answer", None)
                held.go.set()
            elif where == "end":
                monkeypatch.setattr(Express, "_reading", None)
                upstream.hang_up()
            elif where == "time":
                monkeypatch.setattr(Express, "_broken", None)
            else:
                monkeypatch.setattr(Attempt, "failed", None)
            answer = await waiting
            (status,) = served.gateway.router.status(monotonic())

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "mistake of the gateway's own" in caplog.text
    assert status.in_flight == 0


async def test_a_mistake_within_the_parser(tmp_path, monkeypatch, caplog):
    """What goes wrong while a request is read is no fault of the client's, and the log says what it was."""
    monkeypatch.setattr(Express, "take", None)
    async with serving(configured(tmp_path)) as served:
        answer = await served.chat()

    assert answer.status_code == 500
    assert "NoneType" not in answer.text
    assert "mistake of the gateway's own" in caplog.text
    assert "'NoneType' object is not callable" in caplog.text


async def test_a_request_that_may_not_come_in(tmp_path):
    """At a key's limit it is refused once, by the task that tells the client; nothing is asked of the service."""
    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}}}
general_settings: {{master_key: os.environ/MASTER}}
keys:
  - {{name: a, key: os.environ/KEY_A, rpm: 1}}
"""
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            await warm(served, headers=KEY)
            answer = await served.chat(headers=KEY)
            page = served.page()

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 'requests_total{model="fast",key="a",status="429"} 1' in page
    assert len(upstream.requests) == 1


async def test_a_mistake_before_it_is_sent(tmp_path, monkeypatch, caplog):
    """It is told, and gives back what was held."""
    with RawServer(answering(PLAIN)) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            await warm(served)
            monkeypatch.setattr(express, "body_for", None)
            answer = await served.chat()
            (status,) = served.gateway.router.status(monotonic())

    assert answer.status_code == 500
    assert "mistake of the gateway's own" in caplog.text
    assert status.in_flight == 0


# Between its end here and the beginning of a task


class Line:
    """A connection of a client that notes what is asked of it."""

    is_gone = False

    def __init__(self) -> None:
        self.left: Callable[[], None] | None = None
        self.handed: list[Handed] = []

    def answer(self, head: bytes, body: bytes) -> bool:
        """Leaves it to ASGI."""
        return False

    def reply(self, head: bytes, body: bytes) -> None:
        """There is no answer here."""
        raise AssertionError

    def hand_over(self, handed: Handed) -> None:
        """Takes a note."""
        self.handed.append(handed)


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
@pytest.mark.parametrize("reason", ["left", "drained"])
async def test_the_client_leaves_before_the_task_begins(tmp_path, stream, reason):
    """The task that was to go on ends at once, and gives back what was held."""
    with RawServer(lambda peer: peer.request() and peer.wait_for_end() and None) as upstream:
        gateway = Gateway(configured(tmp_path, ONE, upstream.base_url))
        await gateway.open()
        line, sent = Line(), []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError

        raw = json.dumps(STREAM if stream else BODY).encode()
        assert Express.take(gateway, line, {b"content-type": b"application/json"}, raw)
        (handed,) = line.handed
        assert line.left is not None
        if reason == "left":
            line.left()
        else:
            gateway.interrupt()
        scope = {"type": "http", "headers": [], "method": "POST", "path": "/", "wandb_inference.handed": handed}
        await asyncio.wait_for(gateway(scope, receive, send), 5)
        page = gateway.metrics
        (status,) = gateway.router.status(monotonic())
        await gateway.close()

    assert not gateway.calls
    assert status.in_flight == 0
    assert [message.get("status") for message in sent[:1]] == ([] if reason == "left" else [503])
    assert page.requests.of("fast", "anyone", "499" if reason == "left" else "503").value == 1
