"""What strangers put on the wire: requests in requests, headers in values, heads without end, and slow ones."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from tests.gateway.server_cases import (
    BODY,
    ENVIRON,
    KEYED,
    MASTER,
    MODEL,
    ONE,
    STREAM,
    chat_bytes,
    chunk,
    completion,
    configured,
    serving,
    until,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, whole

RAW = json.dumps(BODY).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
LENGTH = b"content-length: %d\r\n" % len(RAW)
PIECES = b"transfer-encoding: chunked\r\n"
NEXT = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
LAST_ONE = NEXT[:-2] + b"connection: close\r\n\r\n"
SIZE = b"%x" % len(RAW)
PLAIN = LENGTH + b"\r\n" + RAW
UPGRADE = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


async def sent(served: Any, *pieces: bytes, pause: float = 0.0) -> bytes:
    """All that comes back on a connection whose last request ends it."""
    reader, writer = await served.raw(b"")
    for piece in (*pieces, LAST_ONE):
        writer.write(piece)
        await asyncio.sleep(pause)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def statuses(answer: bytes) -> list[int]:
    """The statuses of the answers on a connection."""
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(POST + LENGTH + PIECES + b"\r\n0\r\n\r\n", id="a length and pieces"),
        pytest.param(POST + PIECES + LENGTH + b"\r\n0\r\n\r\n", id="pieces and a length"),
        pytest.param(POST + LENGTH + PLAIN, id="the length twice"),
        pytest.param(POST + b"content-length: 5\r\n" + PLAIN, id="two lengths"),
        pytest.param(POST + b"content-length: 5, 5\r\n\r\nhello", id="a list of lengths"),
        pytest.param(POST + b"content-length: +5\r\n\r\nhello", id="a length with a sign"),
        pytest.param(POST + b"content-length: -5\r\n\r\nhello", id="a length below zero"),
        pytest.param(POST + b"content-length: 0x5\r\n\r\nhello", id="a length in hex"),
        pytest.param(POST + b"content-length:\r\n\r\nhello", id="no length"),
        pytest.param(POST + b"content-length: 5 5\r\n\r\nhello", id="a length with a space"),
        pytest.param(POST + b"content-length : 5\r\n\r\nhello", id="a space before the colon"),
        pytest.param(POST + b"content-length: %d\r\n\r\n" % 2**66, id="a length beyond all numbers"),
        pytest.param((POST + LENGTH).replace(b"\r\n", b"\n") + b"\n" + RAW, id="bare LF"),
        pytest.param(POST + b"a: b\nc: d\r\n" + PLAIN, id="a bare LF in a value"),
        pytest.param(POST + b"a: b\rc: d\r\n" + PLAIN, id="a bare CR in a value"),
        pytest.param(POST + LENGTH + b"\n" + RAW, id="a bare LF at the end"),
        pytest.param(POST + b"a: b\x00c\r\n" + PLAIN, id="a NUL in a value"),
        pytest.param(POST + b"a b: c\r\n" + PLAIN, id="a space in a name"),
        pytest.param(POST + b"a: b\r\n c\r\n" + PLAIN, id="a folded value"),
        pytest.param(POST + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n", id="a folded encoding"),
        pytest.param(POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", id="an encoding nearly right"),
        pytest.param(POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", id="an encoding with a VT"),
        pytest.param(POST + b"transfer-encoding: identity\r\n" + PLAIN, id="no encoding"),
        pytest.param(POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="pieces not last"),
        pytest.param(POST + PIECES + PIECES + b"\r\n0\r\n\r\n", id="pieces twice"),
        pytest.param(POST + PIECES + b"\r\n" + SIZE + b"\n" + RAW + b"\n0\n\n", id="pieces with bare LF"),
        pytest.param(POST + PIECES + b"\r\n" + SIZE + b";a\nb\r\n" + RAW, id="a bare LF in an extension"),
        pytest.param(POST + PIECES + b"\r\n" + SIZE + b" \r\n" + RAW, id="a space after a size"),
        pytest.param(POST + PIECES + b"\r\n0x" + SIZE + b"\r\n" + RAW, id="a size with 0x"),
        pytest.param(POST + PIECES + b"\r\n-1\r\n", id="a size below zero"),
        pytest.param(POST + PIECES + b"\r\n" + b"f" * 17 + b"\r\n", id="a size beyond all numbers"),
        pytest.param(POST + PIECES + b"\r\n" + SIZE + b"\r\n" + RAW + b"XX0\r\n\r\n", id="a piece too long"),
        pytest.param(b"CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n", id="CONNECT"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET / HTTP/1.2\r\nhost: x\r\n\r\n", id="HTTP/1.2"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n", id="a path that is no ASCII"),
        pytest.param(POST + b"host: y\r\n" + PLAIN, id="two hosts"),
        pytest.param(POST + b"x-api-key: a\r\nx-api-key: b\r\n" + PLAIN, id="two keys"),
    ],
)
async def test_requests_that_two_servers_could_read_differently(tmp_path, data, caplog):
    """They are refused and nothing of them is sent on; of a request behind them no answer tells."""
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await sent(served, data)

    assert statuses(answer)[:1] == [400]
    assert not upstream.requests
    assert b"alive" not in answer or b"repeated_header" in answer
    assert not caplog.records


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(POST + PLAIN, id="as it should be"),
        pytest.param(b"\r\n\r\n" + POST + PLAIN, id="empty lines before"),
        pytest.param(POST + PIECES + b"\r\n" + SIZE + b";a=b\r\n" + RAW + b"\r\n0\r\n\r\n", id="an extension"),
        pytest.param(POST.replace(b" /", b" http://evil.example/") + PLAIN, id="a whole address"),
        pytest.param(POST + UPGRADE + PLAIN, id="HTTP/2 offered"),
        pytest.param(
            POST + UPGRADE + PIECES + b"\r\n" + SIZE + b"\r\n" + RAW + b"\r\n0\r\n\r\n", id="offered, in pieces"
        ),
        pytest.param(POST + b"connection: upgrade\r\nupgrade: websocket\r\n" + PLAIN, id="a WebSocket offered"),
    ],
)
@pytest.mark.parametrize("cut", [None, 40, 130, -20])
async def test_requests_that_are_unusual_and_clear(tmp_path, data, cut):
    """They are served, in whatever pieces they come, and so is the next on the same connection."""
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(data[:cut])
            await asyncio.sleep(0.01)
            writer.write((b"" if cut is None else data[cut:]) + NEXT)
            answer = await asyncio.wait_for(reader.readuntil(b"alive"), 5)
            writer.close()

    assert statuses(answer) == [200, 200]
    assert json.loads(upstream.requests[0].partition(b"\r\n\r\n")[2]) == {**BODY, "model": MODEL}
    assert b"evil" not in upstream.requests[0]
    assert b"pgrade" not in upstream.requests[0]


async def test_offers_one_after_the_other(tmp_path):
    """Offers of another protocol are read again once for each read: a flood of them is refused."""
    async with serving(configured(tmp_path)) as served:
        answer = await sent(served, (b"GET / HTTP/1.1\r\nhost: x\r\n" + UPGRADE + b"\r\n") * 1000)

    assert statuses(answer) == [400]


async def test_what_follows_a_body_is_no_header(tmp_path):
    """Trailers can't put a key, an address or an id in the place of the head's."""
    trailers = f"x-request-id: evil\r\nauthorization: Bearer {MASTER}\r\n".encode()
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, KEYED, upstream.base_url)) as served:
            pieces = SIZE + b"\r\n" + RAW + b"\r\n0\r\n" + trailers + b"\r\n"
            answer = await sent(served, POST + PIECES + b"\r\n" + pieces)

    assert statuses(answer) == [401, 200]
    assert b"evil" not in answer
    assert not upstream.requests


@pytest.mark.parametrize(
    "rest",
    [b"1;" + b"x" * 60_000, b"0\r\nx: " + b"y" * 60_000, b"".join(b"1;%b\r\n{\r\n" % (b"x" * 100) for _ in range(600))],
    ids=["an extension", "a trailer", "short pieces"],
)
async def test_what_is_no_body_has_a_bound(tmp_path, rest):
    """Within a body in pieces only so much may be none of it: memory is not filled beside it."""
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(POST + PIECES + b"\r\n")
        for number in range(12):
            writer.write(rest if b"{" in rest or not number else b"z" * 60_000)
            await asyncio.sleep(0.005)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()


async def test_a_body_in_short_pieces(tmp_path):
    """A body that comes byte by byte is one all the same, however large."""
    body = {**BODY, "messages": [{"role": "user", "content": "x" * 60_000}]}
    pieces = b"".join(b"1\r\n%c\r\n" % each for each in json.dumps(body).encode())
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await sent(served, POST + PIECES + b"\r\n", pieces + b"0\r\n\r\n", pause=0.01)

    assert statuses(answer)[0] == 200


@pytest.mark.parametrize(
    "filler",
    [b"a: b\r\n" * 300, b"a: %b\r\n" % (b"x" * 70_000)],
    ids=["too many", "too long"],
)
async def test_a_whole_head_that_is_too_large(tmp_path, filler):
    """A head is refused for its size also where it comes in one read, and is complete."""
    async with serving(configured(tmp_path)) as served:
        answer = await sent(served, b"GET / HTTP/1.1\r\nhost: x\r\n" + filler + b"\r\n")

    assert statuses(answer) == [431]


async def test_a_small_head_before_a_large_body(tmp_path):
    """A body in the same read does not count as a part of the head."""
    body = {**BODY, "messages": [{"role": "user", "content": "x" * 100_000}]}
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            assert statuses(await sent(served, chat_bytes(body)))[0] == 200


async def test_garbage_behind_a_stream(tmp_path):
    """What is wrong with a next request is not told within the answer to this one."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(chunk("a"), end=False))
        peer.wait_for_end()

    with RawServer(script) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            reader, writer = await served.raw(chat_bytes(STREAM))
            await reader.readuntil(b"data: ")
            writer.write(b"nonsense\r\n\r\n")
            rest = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            await until(lambda: not served.gateway.calls)

    assert b"HTTP/1.1" not in rest


@pytest.mark.parametrize("name", ["x-request-id", "x-litellm-call-id", "traceparent", "origin", "x-custom"])
@pytest.mark.parametrize("value", [b"a\xff", b"a\tb", b"a" * 5000], ids=["no ASCII", "a tab", "long"])
async def test_values_that_clients_send(tmp_path, name, value):
    """No odd value of a client comes back or goes on: what is sent was printable, and not long."""
    config = configured(tmp_path)
    text = KEYED.replace("MASTER}", "MASTER, forward_client_headers_to_llm_api: true}")
    with RawServer(answering(whole(completion()))) as upstream:
        config = configured(tmp_path, text, upstream.base_url)
        async with serving(config) as served:
            key = f"authorization: Bearer {MASTER}\r\n".encode()
            answer = await sent(served, POST + key + name.encode() + b": " + value + b"\r\n" + PLAIN)

    assert statuses(answer)[0] == 200
    assert value not in answer
    if len(value) < 5000:
        assert value not in upstream.requests[0]


@pytest.mark.parametrize(
    "lines",
    [
        "x-request-id: a\rx-evil: 1",
        "retry-after: 5\nset-cookie: evil",
        "content-type: text/html\r\n x-evil: 1",
    ],
    ids=["a bare CR", "a bare LF", "folded"],
)
async def test_values_that_the_service_sends(tmp_path, lines):
    """Nothing that a service writes into its head becomes a line of the gateway's."""
    with RawServer(answering(whole(b'{"error": {"message": "no"}}', 429, lines))) as upstream:
        text = ONE + "router_settings: {num_retries: 0}\n"
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answer = await sent(served, POST + PLAIN, pause=0.05)

    assert b"evil" not in answer
    assert statuses(answer)[0] in (429, 502)


async def test_names_of_models_in_heads(tmp_path):
    """A model's name is the client's to choose where a pattern takes all, and never a part of a head."""
    text = """
model_list:
  - model_name: "*"
    litellm_params: {model: "wandb/*"}
"""
    body = {**BODY, "model": "x\r\nset-cookie: evil"}
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answer = await served.chat(body)
            path = await served.client.get("/v1/models/a%0d%0aset-cookie:%20evil")
            none = await served.client.get("/a%0d%0aset-cookie:%20evil")

    assert answer.json()["model"] == body["model"]
    for each in (answer, path, none):
        assert "set-cookie" not in each.headers
        assert "evil" not in str(each.headers)


async def test_addresses_of_requests_are_not_fetched(tmp_path):
    """Neither a field, nor a header, nor an address in a message makes the gateway connect anywhere."""
    with RawServer(answering(whole(completion()))) as trap, RawServer(answering(whole(completion()))) as upstream:
        picture = {"type": "image_url", "image_url": {"url": f"{trap.base_url}/a.png"}}
        message = {"role": "user", "content": [picture], "api_base": trap.base_url}
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            for field in ("api_base", "base_url", "model_list", "user_config", "extra_headers", "headers", "project"):
                answer = await served.chat({**BODY, field: trap.base_url})
                assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
                nested = await served.chat({**BODY, "extra_body": {field: trap.base_url}})
                assert nested.status_code == 400
            header = await served.chat(headers={"x-litellm-api-base": trap.base_url})
            host = await served.chat(headers={"host": f"127.0.0.1:{trap.port}", "x-forwarded-host": trap.base_url})
            inner = await served.chat({**BODY, "messages": [message]})

    assert header.status_code == 400
    assert (host.status_code, inner.status_code) == (200, 200)
    assert trap.connections == 0


@pytest.mark.parametrize("depth", [100, 150, 5000])
async def test_depth(tmp_path, depth):
    """JSON that is nested too deep is refused with its place; what is passed on can be written again."""
    nested = json.loads("[" * depth + "]" * depth) if depth < 1000 else None
    raw = json.dumps({**BODY, "user": "u", "x": nested}).encode()
    raw = raw.replace(b'"x": null', b'"x": ' + b"[" * depth + b"]" * depth) if nested is None else raw
    with RawServer(answering(whole(completion()))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await served.client.post("/v1/chat/completions", content=raw)

    assert answer.status_code == (200 if depth < 200 else 400)


async def test_a_name_without_end(tmp_path):
    """Nobody looks for what a name of megabytes may have meant."""
    async with serving(configured(tmp_path)) as served:
        answer = await served.chat({**BODY, "model": "fas," * 1_000_000})

    assert answer.status_code == 404
    assert len(answer.content) < 500


async def test_what_the_log_has(tmp_path, caplog):
    """Neither keys nor prompts are in it, whatever goes wrong; a mistake of the gateway's own is there without them."""
    caplog.set_level(logging.DEBUG)
    secret = {**BODY, "messages": [{"role": "user", "content": "a-secret-prompt"}]}
    key = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}
    script = answering(whole(b"<html>", 500), whole(b"x"), whole(completion("a-secret-answer")))
    with RawServer(script) as upstream:
        text = KEYED + "router_settings: {num_retries: 0}\n"
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            for _ in range(4):
                await served.chat(secret, headers=key)
            await served.chat(secret, headers={"authorization": "Bearer a-wrong-key"})
            served.gateway.router.ride = served.gateway.router.admit = None  # type: ignore[assignment,method-assign]
            assert (await served.chat(secret, headers=key)).status_code == 500
            page = served.page()

    assert "mistake of the gateway's own" in caplog.text
    text = "".join(
        record.getMessage() + str(record.exc_text) for record in caplog.records if "httpx" not in record.name
    )
    keys = [value for name, value in ENVIRON.items() if name != "WANDB_PROJECT"]
    for word in ("a-secret", "a-wrong-key", *keys):
        assert word not in text
        assert word not in page


@pytest.mark.parametrize("path", ["/metrics", "/model/info", "/health", "/health/readiness/details", "/routes"])
async def test_pages_of_the_admin(tmp_path, path):
    """Without a key there is nothing to see, and with a key of the file neither metrics, addresses nor projects."""
    async with serving(configured(tmp_path, KEYED)) as served:
        nobody = await served.client.get(path)
        somebody = await served.client.get(path, headers={"authorization": f"Bearer {ENVIRON['KEY_A']}"})
        admin = await served.client.get(path, headers={"authorization": f"Bearer {MASTER}"})

    assert (nobody.status_code, admin.status_code) == (401, 200)
    assert somebody.status_code == (403 if path == "/metrics" else 200)
    assert "127.0.0.1" not in somebody.text
    assert "team/project" not in somebody.text
    assert ENVIRON["WANDB_API_KEY"] not in admin.text


async def test_proxies_that_add_lines(tmp_path):
    """Lines of several proxies are read as one: the last of them does not hide where the client is."""
    text = KEYED.replace(
        "MASTER}",
        "MASTER, allowed_ips: [10.0.0.0/8], use_x_forwarded_for: true, trusted_proxy_ranges: [127.0.0.1, 10.0.0.0/8]}",
    )
    key = f"authorization: Bearer {MASTER}\r\n".encode()
    async with serving(configured(tmp_path, text)) as served:
        head = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + key
        foreign = await sent(served, head + b"x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 10.0.0.1\r\n\r\n")
        own = await sent(served, head + b"x-forwarded-for: 10.9.9.9\r\nx-forwarded-for: 10.0.0.1\r\n\r\n")

    assert (statuses(foreign)[0], statuses(own)[0]) == (403, 200)


async def test_methods_that_are_allowed(tmp_path):
    """An answer of 405 says what the path takes."""
    async with serving(configured(tmp_path)) as served:
        assert (await served.client.get("/v1/chat/completions")).headers["allow"] == "POST"
        assert (await served.client.post("/v1/models")).headers["allow"] == "GET, HEAD"


async def test_a_body_that_is_asked_for(tmp_path):
    """A client that waits for a word before it sends its body gets it, or the refusal in its place."""
    config = configured(tmp_path)
    object.__setattr__(config.server, "max_request_bytes", 1000)
    async with serving(config) as served:
        reader, writer = await served.raw(POST + b"expect: 100-continue\r\n" + LENGTH + b"\r\n")
        word = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
        reader, writer = await served.raw(POST + b"expect: 100-continue\r\ncontent-length: 5000\r\n\r\n")
        refusal = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()

    assert statuses(word) == [100]
    assert statuses(refusal) == [413]
