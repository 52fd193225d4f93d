"""What clients see when things break, and what is booked: the table of docs/gateway.md, row by row."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    LAST,
    MODEL,
    STREAM,
    USED,
    chunk,
    completion,
    configured,
    events,
    free_port,
    said,
    serving,
    until,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, chunked, head, whole

PAGE = (Path(__file__).parent.parent.parent / "docs" / "gateway.md").read_text()
HEADERS = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}
CONFIG = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, timeout: 0.3, num_retries: 0}}
    model_info: {{id: one}}
general_settings: {{master_key: os.environ/MASTER}}
keys: [{{name: a, key: os.environ/KEY_A, tpm: 1000000}}]
"""
TWO = CONFIG.replace(
    "general_settings",
    f"  - {{model_name: fast, litellm_params: {{model: wandb/{MODEL}, project: team/two, num_retries: 0}},"
    " model_info: {id: two}}\ngeneral_settings",
)


def reset_at_once(peer: Peer) -> None:
    """Breaks the connection off before an answer."""
    peer.request()
    peer.reset()


def sending(*pieces: bytes, then: Callable[[Peer], object] = Peer.reset) -> Callable[[Peer], None]:
    """Sends these bytes, and then does something."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(*pieces)
            if then is not None:
                time.sleep(0.02)  # a reset throws away what was not read yet
                then(peer)
                return

    return script


def drip(*pieces: bytes, piece: bytes) -> Callable[[Peer], None]:
    """Sends a little again and again, and never what is waited for."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*pieces)
        try:
            for _ in range(100):
                peer.send(piece)
                time.sleep(0.02)
        except OSError:
            return

    return script


def silent(peer: Peer) -> None:
    """Takes a request, and says nothing."""
    peer.request()
    peer.wait_for_end()


def again(answer: bytes) -> Callable[[Peer], None]:
    """Answers each request so."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(answer)

    return script


BEGUN = (STREAM_HEAD, *chunked(chunk("one"), chunk(" two"), end=False))
COMMENT = next(iter(chunked(b": still here\n\n", end=False)))


class Row(NamedTuple):
    """One way to break."""

    name: str
    script: Callable[[Peer], None]
    body: dict[str, Any]
    status: int
    code: str | None
    """Of the error, or of the event that ends the stream."""
    outcome: str
    """Of the attempt, in the metrics."""
    tokens: int = 0
    """Of the answer, as booked."""


HTML = again(whole(b"<html>", kind="text/html"))
SLOW_DOWN = again(whole(b'{"error": {"message": "slow down"}}', 429, "Retry-After: 7"))
OH = again(whole(b'{"error": {"message": "oh", "type": "t", "code": "c"}}', 500))
GONE, LATE, PAGE_OF = "upstream_unreachable", "upstream_timeout", "upstream_invalid_answer"
MIDDLE = (STREAM, 200, "stream_interrupted", "interrupted", 2)

ROWS = (
    Row("resets before the head", reset_at_once, BODY, 502, GONE, "connection"),
    Row("resets before the head", reset_at_once, STREAM, 502, GONE, "connection"),
    Row("resets after the head", sending(head(200, "Content-Length: 99"), b"{"), BODY, 502, GONE, "connection"),
    Row("resets after the head", sending(STREAM_HEAD), STREAM, 502, GONE, "connection"),
    Row("resets in the middle of a stream", sending(*BEGUN), *MIDDLE),
    Row("ends early, and cleanly", sending(STREAM_HEAD, *chunked(chunk("one"), chunk(" two"))), *MIDDLE),
    Row("says nothing", silent, BODY, 504, LATE, "timeout"),
    Row("says nothing", sending(STREAM_HEAD, then=Peer.wait_for_end), STREAM, 504, LATE, "timeout"),
    Row("falls silent in the middle of a stream", sending(*BEGUN, then=Peer.wait_for_end), *MIDDLE),
    Row("drips", drip(head(200, "Content-Length: 999"), piece=b" "), BODY, 504, LATE, "timeout"),
    Row("drips", drip(STREAM_HEAD, piece=COMMENT), STREAM, 504, LATE, "timeout"),
    Row("drips", drip(*BEGUN, piece=COMMENT), *MIDDLE),
    Row("answers with a page", HTML, BODY, 502, PAGE_OF, "invalid"),
    Row("answers with a page", HTML, STREAM, 502, PAGE_OF, "invalid"),
    Row("answers 429 to all", SLOW_DOWN, BODY, 429, None, "429"),
    Row("answers 500", OH, BODY, 500, "c", "500"),
)


def booked(page: str) -> tuple[dict[str, float], float, float]:
    """What the metrics say: attempts by outcome, tokens of answers, dollars."""
    attempts = {
        outcome: float(count)
        for outcome, count in re.findall(r'attempts_total\{.*?outcome="(\w+)"\} (\S+)', page)
        if float(count)
    }
    tokens = sum(float(n) for n in re.findall(r'tokens_total\{.*?kind="completion"\} (\S+)', page))
    dollars = sum(float(n) for n in re.findall(r"cost_dollars_total\{.*?\} (\S+)", page))
    return attempts, tokens, dollars


def reserved(gateway: Any) -> int:
    """Tokens that the key's limit holds as used."""
    caller = gateway.keyring.caller({b"authorization": HEADERS["authorization"].encode()})
    now = monotonic()
    ticket = gateway.router.admit(caller, gateway.config.match("fast"), tokens=0, now=now, max_tokens=0)
    (left,) = ticket.remaining(now)
    ticket.close(now, gateway.router.epoch + now, used=False)
    _, (limit, free, _) = left
    return limit - free


def after_another(script: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """The same once a call was answered on the connection, so that the next one finds it there."""

    def warmed(peer: Peer) -> None:
        peer.request()
        peer.send(whole(completion()))
        script(peer)

    return warmed


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row.name}, {'stream' if row.body.get('stream') else 'call'}, {row.status}"
)
async def test_the_service_breaks(tmp_path, row, is_first):
    """The client gets an error with its status, or the text so far and one error event; what was used is booked.

    So it is on a new connection, and on one that served already, where a call does without a task.
    """
    scripts = [row.script] if is_first else [after_another(row.script), row.script]
    with RawServer(*scripts) as upstream:
        async with serving(configured(tmp_path, CONFIG, upstream.base_url)) as served:
            if not is_first:
                assert (await served.chat(headers=HEADERS)).status_code == 200
            _, tokens_before, dollars_before = booked(served.page())
            held_before = reserved(served.gateway)
            answer = await served.chat(row.body, headers=HEADERS)
            await until(lambda: not served.gateway.calls)
            attempts, tokens, dollars = booked(served.page())
            tokens, dollars = tokens - tokens_before, dollars - dollars_before
            held = reserved(served.gateway) - held_before
            (status,) = served.gateway.router.status(monotonic())

    attempts.pop("answered", None)
    assert answer.status_code == row.status
    if row.status == 200:
        *_, last = found = events(answer.text)
        assert said(found) == "one two"
        assert "[DONE]" not in found
        error = last["error"]
    else:
        error = answer.json()["error"]
    assert error["code"] == row.code or (row.code is None and error["message"])
    assert (answer.headers.get("retry-after") == "7") is (row.status == 429)
    assert (attempts, tokens, dollars > 0) == ({row.outcome: 1.0}, row.tokens, row.tokens > 0)
    assert (held > 0) is (row.tokens > 0)
    assert held < 100
    assert status.in_flight == 0
    assert row.name in PAGE


async def test_the_service_is_not_there(tmp_path):
    """A service that refuses connections is 502, and nothing is booked."""
    with free_port() as port:
        async with serving(configured(tmp_path, CONFIG, f"http://127.0.0.1:{port}/v1")) as served:
            answer = await served.chat(headers=HEADERS)
            assert booked(served.page()) == ({"connection": 1.0}, 0, 0)
            assert reserved(served.gateway) == 0
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert "refuses connections" in PAGE


async def test_all_deployments_are_down(tmp_path):
    """Each is asked, and the last error told; while they cool one request at a time tests, and the rest get 503."""
    with RawServer(again(whole(b'{"error": {"message": "down"}}', 503))) as upstream:
        async with serving(configured(tmp_path, TWO, upstream.base_url)) as served:
            first = await served.chat(headers=HEADERS)
            for _ in range(9):
                await served.chat(headers=HEADERS)
            states = {each.state for each in served.gateway.router.status(monotonic())}
            attempts, tokens, dollars = booked(served.page())
            assert reserved(served.gateway) == 0
    assert first.status_code == 503
    assert first.json()["error"]["message"].startswith("down")
    assert states == {"cooling"}
    assert (set(attempts), tokens, dollars) == ({"503"}, 0, 0)
    assert "all deployments are down" in PAGE


async def test_a_storm_of_429(tmp_path):
    """Fifty requests at once are not made two hundred: each client is told when to come again."""
    asked = 0
    lock = threading.Lock()
    refusal = whole(b'{"error": {"message": "too many"}}', 429, "Retry-After: 61")

    def storm(peer: Peer) -> None:
        nonlocal asked
        while peer.request():
            with lock:
                asked += 1
            peer.send(refusal)

    text = CONFIG.replace("num_retries: 0", "num_retries: 3")
    with RawServer(storm) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answers = await asyncio.gather(*(served.chat(headers=HEADERS) for _ in range(50)))
            assert reserved(served.gateway) == 0
            assert booked(served.page())[1:] == (0, 0)
    assert {answer.status_code for answer in answers} <= {429, 503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert asked <= 60


async def test_a_client_leaves_a_call(tmp_path):
    """Of a call that its client leaves nobody knows what it used: what was reserved for it counts."""
    with RawServer(silent) as upstream:
        async with serving(configured(tmp_path, CONFIG.replace("0.3", "60"), upstream.base_url)) as served:
            asking = asyncio.ensure_future(served.chat(headers=HEADERS))
            await until(lambda: upstream.requests)
            asking.cancel()
            await until(lambda: not served.gateway.calls)
            assert reserved(served.gateway) > 200
            assert 'status="499"} 1' in served.page()
            assert booked(served.page())[0] == {"left": 1.0}
    assert "the client leaves" in PAGE


async def test_a_reload_under_load(tmp_path):
    """The configuration is read again, ten times, while fifty requests a moment are under way: none is lost."""
    good = whole(completion())
    stream = STREAM_HEAD + b"".join(chunked(chunk("a"), LAST, USED, DONE))

    def script(peer: Peer) -> None:
        while request := peer.request():
            time.sleep(0.005)
            peer.send(stream if b'"stream":true' in request.replace(b" ", b"") else good)

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, CONFIG.replace("0.3", "20"), upstream.base_url)) as served:
            answers: list[Any] = []

            async def ask(number: int) -> None:
                for _ in range(4):
                    answers.append(await served.chat(STREAM if number % 2 else BODY, headers=HEADERS))

            asking = [asyncio.ensure_future(ask(number)) for number in range(20)]
            for number in range(10):
                await asyncio.sleep(0.01)
                served.gateway.configure(configured(tmp_path, CONFIG.replace("0.3", f"2{number}"), upstream.base_url))
            await asyncio.gather(*asking)
            attempts, tokens, _ = booked(served.page())
    assert {answer.status_code for answer in answers} == {200}
    assert (attempts, tokens) == ({"answered": 80.0}, 160)
    assert "a reload under load" in PAGE
