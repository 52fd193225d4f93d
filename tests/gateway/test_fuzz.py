"""Anything that clients may send: no mistake of the gateway's own, no word in its log, nothing that stays behind."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gateway.server_cases import DONE, ENVIRON, LAST, MASTER, MODEL, USED, Served, chunk, completion, configured
from tests.gateway.server_cases import serving as serving_in
from tests.raw_server import STREAM_HEAD, Peer, RawServer, chunked, whole
from wandb_inference.gateway.asked import CLIENT_FIELDS
from wandb_inference.gateway.openapi import document

CONFIG = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, rpm: 1000000, tpm: 1000000000, input_cost_per_token: 0.000001}}
  - model_name: "any/*"
    litellm_params: {{model: "wandb/*", max_budget: 1000000, budget_duration: 1d}}
router_settings: {{fallbacks: [{{"any/*": [fast]}}], enable_pre_call_checks: true}}
general_settings: {{master_key: os.environ/MASTER, forward_client_headers_to_llm_api: true}}
litellm_settings: {{callbacks: [prometheus]}}
keys: [{{name: a, key: os.environ/KEY_A, rpm: 1000000, tpm: 1000000000, max_budget: 1000000, budget_duration: 1d}}]
"""
FUZZ = settings(
    max_examples=50,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def answer(peer: Peer) -> None:
    """A service that answers whatever it is asked."""
    while request := peer.request():
        if json.loads(request.partition(b"\r\n\r\n")[2]).get("stream"):
            peer.send(STREAM_HEAD + b"".join(chunked(chunk("a"), LAST, USED, DONE)))
        else:
            peer.send(whole(completion()))


class Live:
    """A gateway in a thread of its own, before a service that answers everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.served: Served
        self.problems: list[dict[str, Any]] = []
        self._up = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Live:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)
        self.loop.close()

    async def _serve(self) -> None:
        self.loop.set_exception_handler(lambda loop, context: self.problems.append(context))
        with RawServer(answer) as upstream:
            async with serving_in(configured(self.folder, CONFIG, upstream.base_url)) as self.served:
                self._up.set()
                await self._end.wait()

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection(self.served.host, self.served.port, timeout=3)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, *pieces: bytes) -> bytes:
        """All that comes back on a connection that says this and no more, and waits a little before it leaves."""
        found = b""
        with socket.create_connection((self.served.host, self.served.port), 10) as connection, suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
            connection.settimeout(0.01)
            while data := connection.recv(65536):
                found += data
        return found

    def held(self) -> tuple[int, int, int]:
        """Tasks, connections and descriptors, once all that was asked is over."""

        async def count() -> tuple[int, int, int]:
            for _ in range(400):
                if not self.served.state.connections and not self.served.gateway.calls:
                    break
                await asyncio.sleep(0.005)
            gc.collect()
            return len(asyncio.all_tasks()), len(self.served.state.connections), len(os.listdir("/proc/self/fd"))

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result(20)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The gateway that all of it is sent to."""
    with Live(tmp_path_factory.mktemp("fuzz")) as found:
        yield found


@pytest.fixture(autouse=True)
def _leaves_nothing(live, caplog):
    """After all that was sent nothing is held, and nothing was worth a line in the log."""
    caplog.set_level(logging.DEBUG, "wandb_inference.gateway")
    live.ask("GET", "/", None, {})
    before = live.held()
    yield
    after = live.held()
    assert not live.problems
    assert not [record for record in caplog.records if record.name != "asyncio" or record.levelno >= logging.WARNING]
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 8


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.sampled_from([10**400, 10**4000, -1, 0, 2**63, 1e308, 5e-324, -0.0])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["fast", "any/x", "\x00", "\r\nx: y", "😀", "a" * 3000, "data:image/png;base64,AA"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
OTHERS = [
    "n",
    "max_tokens",
    "max_completion_tokens",
    "stream_options",
    "temperature",
    "tools",
    "seed",
    "model",
    "stream",
]
NAMES = st.sampled_from([*sorted(CLIENT_FIELDS), *OTHERS]) | st.text(max_size=8)


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of the gateway's document allows."""
    if "$ref" in schema:
        return of_schema(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of_kind(kind, schema) for kind in kinds])


def _of_kind(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "object":
        allowed = {name: each for name, each in schema.get("properties", {}).items() if each is not False}
        given = {name: of_schema(each) for name, each in allowed.items()}
        wanted = {name: given.pop(name) for name in schema.get("required", ())}
        return st.builds(
            lambda known, other: {**other, **known},
            st.fixed_dictionaries(wanted, optional=given),
            st.dictionaries(NAMES, VALUES, max_size=3),
        )
    if kind == "array":
        return st.lists(of_schema(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "string":
        return st.sampled_from(["fast", "any/org/m"]) | st.text(min_size=schema.get("minLength", 0), max_size=30)
    return {"boolean": st.booleans(), "null": st.none()}[kind]


@lru_cache
def operations() -> list[tuple[str, str, Any]]:
    """All that the document lists: method, path, and what bodies may be."""
    found: list[tuple[str, str, Any]] = []
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            found.append((method.upper(), path, content.get("application/json", {}).get("schema")))
    return found


READ = [
    "x-litellm-timeout",
    "x-litellm-num-retries",
    "x-litellm-tags",
    "x-litellm-call-id",
    "x-litellm-session-id",
    "traceparent",
    "origin",
    "x-litellm-keepalive-seconds",
    "x-request-id",
    "x-custom",
    "content-type",
]
HEADERS = st.dictionaries(
    st.sampled_from(READ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
    | st.sampled_from(["1", "1e400", "-1", "nan", "0.0001", "9" * 400]),
    max_size=3,
)


def check(status: int, body: bytes) -> None:
    """What holds for every answer."""
    assert status < 500, (status, body)
    assert b"Traceback" not in body
    if status >= 400:
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


@FUZZ
@given(st.data())
def test_what_the_document_allows(live, data):
    """A request of the gateway's own OpenAPI document, and more fields than it lists, is answered or refused."""
    method, path, schema = data.draw(st.sampled_from(operations()))
    path = path.replace("{model}", quote(data.draw(st.sampled_from(["fast", "any/x"]) | st.text(min_size=1)), safe="/"))
    key = data.draw(st.sampled_from([MASTER, ENVIRON["KEY_A"]]))
    headers = {**data.draw(HEADERS), "authorization": f"Bearer {key}"}
    body = None if schema is None else json.dumps(data.draw(of_schema(schema))).encode()

    check(*live.ask(method, path, body, headers))


@FUZZ
@given(VALUES | st.dictionaries(NAMES, VALUES, max_size=5), HEADERS)
def test_what_it_does_not_allow(live, value, headers):
    """Any JSON at all has an answer."""
    body = {"model": "fast", "messages": [{}], **value} if isinstance(value, dict) else value
    check(
        *live.ask(
            "POST",
            "/v1/chat/completions",
            json.dumps(body).encode(),
            {"authorization": f"Bearer {ENVIRON['KEY_A']}", **headers},
        )
    )


@FUZZ
@given(VALUES, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)), min_size=1, max_size=4))
def test_what_is_nearly_json(live, value, edits):
    """A body with some bytes changed is answered or refused, with its position."""
    body = json.dumps({"model": "fast", "messages": [{"role": "user", "content": value}]}).encode()
    for at, piece in edits:
        at %= len(body)
        body = body[:at] + piece + body[at + len(piece) :]
    check(*live.ask("POST", "/chat/completions", body, {"authorization": f"Bearer {MASTER}"}))


LINES = """
    GET|POST|OPTIONS|/|/v1/models|/v1/chat/completions|?model=x|%|:
    host: x|content-length: 5|content-length: 0|transfer-encoding: chunked|connection: upgrade|upgrade: h2c
    connection: close|expect: 100-continue|PRI * HTTP/2.0|HTTP/1.1|HTTP/1.0|5|hello|0|{"model":"fast","messages":[{}]}
"""
WORDS = st.sampled_from(
    [
        *(word.strip().encode() + end for word in LINES.replace("\n", "|").split("|") for end in (b"", b" ", b"\r\n")),
        *(b"POST /v1/chat/completions HTTP/1.1\r\n", b"\r\n\r\n", b"\n", b"\r", b"\x00", b"\xff"),
        f"authorization: Bearer {MASTER}\r\n".encode(),
    ]
)


@FUZZ
@given(st.lists(WORDS | st.binary(max_size=20), max_size=25), st.integers(0, 400))
def test_what_is_no_http(live, pieces, cut):
    """Bytes of any kind, wherever reads cut them, get answers of HTTP or none."""
    data = b"".join(pieces)
    answer = live.send(data[:cut], data[cut:])

    assert b"Traceback" not in answer
    assert b"HTTP/1.1 5" not in answer
    assert not answer or answer.startswith(b"HTTP/1.1 ")
