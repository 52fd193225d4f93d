"""Chat requests through the server: answers, streams, and what becomes of what goes wrong upstream."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    LAST,
    MASTER,
    MODEL,
    ONE,
    STREAM,
    USAGE,
    USED,
    chat_bytes,
    chunk,
    completion,
    configured,
    events,
    free_port,
    said,
    serving,
    until,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, head, sending, streaming, whole
from wandb_inference.testing import Emulator, Fault

TWO = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}}}
  - model_name: spare
    litellm_params: {{model: wandb/openai/gpt-oss-20b}}
router_settings: {{num_retries: 0, fallbacks: [{{fast: [spare]}}]}}
"""
NO_RETRY = ONE + "router_settings: {num_retries: 0}\n"


@pytest.fixture
def emulator():
    """The service."""
    with Emulator(api_key=ENVIRON["WANDB_API_KEY"], project=ENVIRON["WANDB_PROJECT"]) as emulator:
        emulator.start()
        yield emulator


async def test_an_answer(tmp_path, emulator):
    """An answer comes back under the client's name for the model, with what it cost and took."""
    emulator.reply("Hello there")
    async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
        answer = await served.chat(headers={"x-request-id": "mine", "traceparent": "00-1-2-01"})

    (request,) = emulator.requests
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there"
    assert answer.json()["model"] == "fast"
    assert answer.headers["x-request-id"] == answer.headers["x-litellm-call-id"] == "mine"
    assert answer.headers["x-litellm-model-group"] == "fast"
    assert float(answer.headers["x-litellm-response-cost"]) > 0
    assert float(answer.headers["x-gateway-overhead-ms"]) >= 0
    assert request.body["model"] == MODEL
    assert request.headers["openai-project"] == "team/project"
    assert request.headers["traceparent"] == "00-1-2-01"
    assert request.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", BODY),
        ("/v1/chat/completions/", BODY),
        ("/chat/completions", BODY),
        ("/openai/v1/chat/completions", BODY),
        ("/v1/chat/completions?model=fast", {"messages": BODY["messages"]}),
        ("/v1/chat/completions?a=model=", BODY),
        ("/engines/fast/chat/completions", {"messages": BODY["messages"]}),
        ("/openai/deployments/fast/chat/completions?api-version=1", {"messages": BODY["messages"]}),
    ],
)
async def test_paths(tmp_path, emulator, path, body):
    """All paths that LiteLLM's clients call lead to the same."""
    async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
        answer = await served.chat(body, path)

    assert answer.status_code == 200
    assert answer.json()["model"] == "fast"


async def test_a_stream(tmp_path, emulator):
    """A stream comes chunk by chunk, with its end, and without the usage that nobody asked for."""
    emulator.reply("Hello there you")
    async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
        answer = await served.chat(STREAM)
        page = served.page()

    found = events(answer.text)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
    assert said(found) == "Hello there you"
    assert found[-1] == "[DONE]"
    assert not any(each.get("usage") for each in found[:-1])
    assert 'tokens_total{model="fast",key="anyone",kind="completion"}' in page


async def test_a_stream_with_usage(tmp_path, emulator):
    """Who asks for usage gets it, with what it cost."""
    async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
        answer = await served.chat({**STREAM, "stream_options": {"include_usage": True}})

    assert events(answer.text)[-2]["usage"]["cost"] > 0


async def test_no_key_of_the_client_is_sent_on(tmp_path, emulator):
    """The service sees the deployment's key, and none of the client's, nor its cookies and project."""
    text = ONE + "general_settings: {forward_client_headers_to_llm_api: true}\n"
    headers = {
        "authorization": "Bearer mine",
        "x-api-key": "mine",
        "cookie": "mine",
        "openai-project": "mine",
        "x-custom": "yes",
        "x-stainless-lang": "mine",
    }
    async with serving(configured(tmp_path, text, emulator.base_url)) as served:
        answer = await served.chat(headers=headers)

    (request,) = emulator.requests
    assert answer.status_code == 200
    assert "mine" not in request.headers.values()
    assert request.headers["x-custom"] == "yes"


async def test_a_header_that_is_named(tmp_path, emulator):
    """Headers that the configuration names are sent on; one that holds a key never is."""
    config = configured(tmp_path, ONE, emulator.base_url)
    object.__setattr__(config.server, "forward_headers", ("x-one", "x-api-key"))
    async with serving(config) as served:
        await served.chat(headers={"x-one": "yes", "x-two": "no", "x-api-key": "mine"})

    headers = emulator.requests[0].headers
    assert headers["x-one"] == "yes"
    assert "x-two" not in headers
    assert "x-api-key" not in headers


async def test_a_service_of_another_kind(tmp_path):
    """A generic service gets neither key nor project where it has none, and costs nothing that is known."""
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 3}}
    with RawServer(answering(whole(completion(usage=usage)))) as upstream:
        text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: openai/own, api_base: {upstream.base_url}, api_key: ""}}
"""
        config = configured(tmp_path, text.replace(', api_key: ""', ", api_key: x"), upstream.base_url)
        object.__setattr__(config.groups["fast"].deployments[0], "api_key", None)
        async with serving(config) as served:
            answer = await served.chat()
            page = served.page()

    assert answer.status_code == 200
    assert b"authorization" not in upstream.requests[0].lower()
    assert b"openai-project" not in upstream.requests[0].lower()
    assert 'kind="cached"} 3' in page
    assert "cost_dollars_total{" not in page


async def test_an_error_that_is_cut(tmp_path):
    """An error whose words do not come to their end is told by its status."""
    with RawServer(sending(head(500, "Content-Length: 1000"), b'{"error"')) as upstream:
        async with serving(configured(tmp_path, NO_RETRY, upstream.base_url)) as served:
            answer = await served.chat()

    assert answer.status_code == 500


async def test_keys_and_limits(tmp_path, emulator):
    """A key of the file works, sees what is left of its limits, and is refused without an echo."""
    async with serving(configured(tmp_path, KEYED, emulator.base_url)) as served:
        good = await served.chat(headers={"x-api-key": ENVIRON["KEY_A"]})
        bad = await served.chat(headers={"authorization": "Bearer wrong-key"})
        none = await served.chat()
        unknown = await served.client.get("/anything")

    assert good.headers["x-ratelimit-limit-requests"] == "100"
    assert good.headers["x-ratelimit-remaining-requests"] == "99"
    assert (bad.status_code, none.status_code, unknown.status_code) == (401, 401, 401)
    assert bad.headers["www-authenticate"] == "Bearer"
    assert "wrong-key" not in bad.text


async def test_a_limit(tmp_path, emulator):
    """A key at its limit is told which, and when it is over."""
    async with serving(configured(tmp_path, KEYED.replace("rpm: 100", "rpm: 1"), emulator.base_url)) as served:
        first = await served.chat(headers={"x-api-key": ENVIRON["KEY_A"]})
        second = await served.chat(headers={"x-api-key": ENVIRON["KEY_A"]})

    assert (first.status_code, second.status_code) == (200, 429)
    assert 55 <= int(second.headers["retry-after"]) <= 60
    assert "(rpm)" in second.json()["error"]["message"]


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("fastt", 404, "did you mean 'fast'?"),
        ("nothing like it", 404, "GET /v1/models lists the models"),
        ("fast,spare", 400, "several models"),
        ("fast,nope", 404, "There is no model"),
    ],
)
async def test_models_that_are_not_there(tmp_path, model, code, words):
    """A name that leads nowhere is 404, with what may have been meant."""
    async with serving(configured(tmp_path, TWO)) as served:
        answer = await served.chat({**BODY, "model": model})

    assert answer.status_code == code
    assert words in answer.json()["error"]["message"]


async def test_a_fallback_that_is_not_there(tmp_path):
    """A fallback that the request made up is an error of the request, and nothing is held for it."""
    async with serving(configured(tmp_path, KEYED)) as served:
        answer = await served.chat({**BODY, "fallbacks": ["nope"]}, headers={"x-api-key": ENVIRON["KEY_A"]})
        again = await served.client.get("/v1/models", headers={"x-api-key": ENVIRON["KEY_A"]})

    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "fallbacks"
    assert again.status_code == 200


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.status(400, "bad"), 400, None),
        (Fault.status(401), 401, "upstream_auth"),
        (Fault.status(403), 403, "upstream_auth"),
        (Fault.status(404), 404, None),
        (Fault.status(422), 422, None),
        (Fault.status(429, headers={"retry-after": "7"}), 429, None),
        (Fault.status(500), 500, None),
        (Fault.status(503), 503, None),
        (Fault.html(), 502, "upstream_invalid_answer"),
        (Fault.html(502), 502, None),
        (Fault.empty(), 502, "upstream_invalid_answer"),
        (Fault.reset(), 502, "upstream_unreachable"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else str(value),
)
async def test_what_goes_wrong_before_an_answer(tmp_path, emulator, fault, status, code, stream):
    """The client gets the service's status and words in OpenAI's shape, and the gateway's own where it has none."""
    emulator.fault(fault, times=None)
    async with serving(configured(tmp_path, NO_RETRY, emulator.base_url)) as served:
        answer = await served.chat(STREAM if stream else BODY)

    error = answer.json()["error"]
    assert answer.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert code is None or error["code"] == code
    assert emulator.base_url not in answer.text
    assert ENVIRON["WANDB_API_KEY"] not in answer.text
    assert "spare" not in answer.text
    if status == 429:
        assert answer.headers["retry-after"] == "7"


async def test_the_service_refuses_connections(tmp_path):
    """A service that is not there is 502 in the gateway's own words."""
    with free_port() as port:
        async with serving(configured(tmp_path, NO_RETRY, f"http://127.0.0.1:{port}/v1")) as served:
            answer = await served.chat()

    assert answer.status_code == 502
    assert str(port) not in answer.text


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
async def test_a_timeout(tmp_path, stream):
    """A service that says nothing is 504 after the deployment's timeout."""
    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, timeout: 0.05, num_retries: 0}}
"""
    with RawServer(lambda peer: peer.wait_for_end() and None) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answer = await served.chat(STREAM if stream else BODY)

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "upstream_timeout"


async def test_a_timeout_of_the_request(tmp_path):
    """A request may bring its own timeout, in a field or a header."""
    with RawServer(lambda peer: peer.wait_for_end() and None) as upstream:
        async with serving(configured(tmp_path, NO_RETRY, upstream.base_url)) as served:
            by_field = await served.chat({**BODY, "timeout": 0.05})
            by_header = await served.chat(headers={"x-litellm-timeout": "0.05"})

    assert (by_field.status_code, by_header.status_code) == (504, 504)


async def test_the_deadline(tmp_path, emulator):
    """A request ends at its deadline, wherever it is then."""
    with RawServer(lambda peer: peer.wait_for_end() and None) as upstream:
        config = configured(tmp_path, NO_RETRY, upstream.base_url)
        object.__setattr__(config.router, "deadline", 0.05)
        async with serving(config) as served:
            answer = await served.chat()

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline_exceeded"


async def test_a_retry(tmp_path, emulator):
    """A failure that passes is not seen by the client; the headers tell of it."""
    emulator.fault(Fault.status(503, headers={"retry-after": "0"}))
    async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
        answer = await served.chat()
        page = served.page()

    assert answer.status_code == 200
    assert answer.headers["x-gateway-attempts"] == "2"
    assert answer.headers["x-litellm-attempted-retries"] == "1"
    assert 'retries_total{model="fast"} 1' in page
    assert 'outcome="503"} 1' in page


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
async def test_a_fallback(tmp_path, emulator, stream):
    """Another model answers, under the name of the one that was asked for; in a stream before its first data."""
    fault = Fault.error_event(after_chunks=0) if stream else Fault.status(500)
    emulator.fault(fault, when=lambda request: request.model == MODEL, times=None)
    async with serving(configured(tmp_path, TWO, emulator.base_url)) as served:
        answer = await served.chat(STREAM if stream else BODY)

    assert answer.status_code == 200
    assert answer.headers["x-litellm-attempted-fallbacks"] == "1"
    assert answer.headers["x-litellm-model-group"] == "spare"
    assert "gpt-oss" not in answer.text
    assert '"model":"fast"' in answer.text


async def test_an_error_as_a_whole_answer(tmp_path):
    """An error under 200 is no answer."""
    bodies = (b'{"error": {"message": "boom"}}', b"[]", b'{"choices"')
    for body in bodies:
        with RawServer(answering(whole(body))) as upstream:
            async with serving(configured(tmp_path, NO_RETRY, upstream.base_url)) as served:
                answer = await served.chat()
        assert answer.status_code == 502


async def test_an_answer_in_pieces_and_without_usage(tmp_path):
    """An answer that comes in chunks, names no price and has fields that nobody knows is passed on as it is."""
    body = completion(usage=None, vendor_field={"a": 1.50})
    pieces = chunked(body[:20], body[20:])
    with RawServer(
        lambda peer: (peer.request(), peer.send(head(200, "Transfer-Encoding: chunked"), *pieces, pause=0.02))
    ) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await served.chat()

    assert answer.content == body.replace(MODEL.encode(), b"fast")
    assert "x-gateway-cost" not in answer.headers


async def test_an_answer_that_is_too_large(tmp_path):
    """An answer above the limit of the configuration is not passed on."""
    text = NO_RETRY + "general_settings: {max_response_size_mb: 0.001}\n"
    body = completion("x" * 5000)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(head(200, f"Content-Length: {len(body)}") + body[:3000], body[3000:], pause=0.03)

    for scripted in (script, answering(whole(body))):
        with RawServer(scripted) as upstream:
            async with serving(configured(tmp_path, text, upstream.base_url)) as served:
                answer = await served.chat()
        assert answer.status_code == 502
        assert answer.json()["error"]["code"] == "answer_too_large"


async def test_reasoning_under_both_names(tmp_path):
    """The switch adds LiteLLM's name of the reasoning to whole answers and to chunks."""
    thinking = [
        {"index": 0, "message": {"role": "assistant", "content": "a", "reasoning": "hm"}, "finish_reason": "stop"}
    ]
    with RawServer(answering(whole(completion(choices=thinking)))) as upstream:
        config = configured(tmp_path, ONE, upstream.base_url)
        object.__setattr__(config.server, "reasoning_content", True)
        async with serving(config) as served:
            answer = await served.chat()

    assert answer.json()["choices"][0]["message"]["reasoning_content"] == "hm"
    assert answer.json()["model"] == "fast"


@pytest.mark.parametrize(
    ("pieces", "end", "code", "words"),
    [
        ((chunk("a"),), True, "stream_interrupted", "before the answer was complete"),
        ((chunk("a"),), False, "stream_interrupted", "the connection to the service broke"),
        ((chunk("a"), b"data: {nonsense\n\n"), True, "stream_interrupted", "an event that is no JSON"),
        (
            (chunk("a"), b'data: {"error": {"message": "engine overloaded", "code": 503, "type": "overloaded"}}\n\n'),
            True,
            None,
            "engine overloaded",
        ),
    ],
    ids=["clean end", "cut", "no JSON", "error event"],
)
async def test_a_stream_that_breaks(tmp_path, pieces, end, code, words):
    """A stream that does not come to its end closes with one error event, and no made-up end."""
    with RawServer(streaming(*pieces, end=end)) as upstream:
        async with serving(configured(tmp_path, NO_RETRY, upstream.base_url)) as served:
            answer = await served.chat(STREAM)
            page = served.page()

    found = events(answer.text)
    assert answer.status_code == 200
    assert said(found) == "a"
    assert "[DONE]" not in found
    assert words in found[-1]["error"]["message"]
    assert code is None or found[-1]["error"]["code"] == code
    if code is None:
        assert found[-1]["error"]["type"] == "overloaded"
    assert 'outcome="interrupted"} 1' in page


@pytest.mark.parametrize(
    ("pieces", "end"),
    [
        ((chunk("a"), LAST), True),
        ((chunk("a"), LAST), False),
        ((chunk("a") + LAST + USED + DONE,), False),
    ],
    ids=["no DONE", "cut after the reason", "cut after DONE"],
)
async def test_a_stream_that_is_complete_all_the_same(tmp_path, pieces, end):
    """A stream whose choice said why it ended is complete, whatever the connection did then."""
    with RawServer(streaming(*pieces, end=end)) as upstream:
        async with serving(configured(tmp_path, NO_RETRY, upstream.base_url)) as served:
            answer = await served.chat(STREAM)

    assert events(answer.text)[-1] == "[DONE]"
    assert "error" not in answer.text


@pytest.mark.parametrize(
    "pieces",
    [(), (b": ping\n\n",), (DONE,), (b"data: nonsense\n\n",), (b"<html>\n\n",)],
    ids=["nothing", "comment", "only DONE", "no JSON", "HTML"],
)
async def test_a_stream_without_data(tmp_path, pieces):
    """A stream without an answer is an error with its status: the 200 was held back."""
    with RawServer(streaming(*pieces)) as upstream:
        async with serving(configured(tmp_path, NO_RETRY, upstream.base_url)) as served:
            answer = await served.chat(STREAM)

    assert answer.status_code == 502


async def test_a_stream_that_falls_silent(tmp_path):
    """Silence beyond the deployment's clock ends the stream; the service's comments do not feed that clock."""
    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, stream_timeout: 0.1, num_retries: 0}}
"""

    def pings(peer: Peer) -> None:
        for _ in range(50):
            peer.send(next(iter(chunked(b": ping\n\n"))), pause=0.02)

    with RawServer(streaming(chunk("a"), end=False, then=pings)) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answer = await served.chat(STREAM)

    assert "the service fell silent" in events(answer.text)[-1]["error"]["message"]


async def test_the_deadline_within_a_stream(tmp_path):
    """A stream ends at the deadline of its request."""
    with RawServer(streaming(chunk("a"), end=False, then=lambda peer: peer.wait_for_end() and None)) as upstream:
        config = configured(tmp_path, NO_RETRY, upstream.base_url)
        object.__setattr__(config.router, "deadline", 0.1)
        async with serving(config) as served:
            answer = await served.chat(STREAM)

    assert "the time for the request is over" in events(answer.text)[-1]["error"]["message"]


async def test_signs_of_life(tmp_path):
    """A silent stream gets comments, which clients don't see."""

    def late(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM_HEAD, *chunked(chunk("a"), end=False))
        peer.send(*chunked(LAST, DONE), pause=0.15)

    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, keepalive_seconds: 1}}
"""
    with RawServer(late) as upstream:
        config = configured(tmp_path, text, upstream.base_url)
        object.__setattr__(config.groups["fast"].deployments[0], "keepalive", 0.02)
        async with serving(config) as served:
            answer = await served.chat(STREAM)

    assert b": still here\n\n" in answer.content
    assert said(events(answer.text)) == "a"


async def test_a_stream_that_goes_on(tmp_path):
    """Signs of life are for silence alone; a first event that is not for the client sends nothing but the head."""
    pieces = [STREAM_HEAD, *chunked(USED, *[chunk("a")] * 8, LAST, DONE)]
    with RawServer(sending(*pieces, pause=0.02)) as upstream:
        config = configured(tmp_path, ONE, upstream.base_url)
        object.__setattr__(config.groups["fast"].deployments[0], "keepalive", 0.05)
        async with serving(config) as served:
            answer = await served.chat(STREAM)

    assert said(events(answer.text)) == "a" * 8
    assert "usage" not in answer.text


async def test_no_signs_of_life(tmp_path, emulator):
    """Zero seconds between them means none."""
    config = configured(tmp_path, ONE, emulator.base_url)
    object.__setattr__(config.groups["fast"].deployments[0], "keepalive", 0.0)
    async with serving(config) as served:
        answer = await served.chat(STREAM)

    assert answer.status_code == 200


async def test_a_place_in_the_line(tmp_path):
    """Where a deployment takes one request at a time, the next waits for it."""
    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, max_parallel_requests: 1}}
"""

    def slow(peer: Peer) -> None:
        while peer.request():
            peer.send(whole(completion()), pause=0.03)

    with RawServer(slow) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            answers = await asyncio.gather(*(served.chat() for _ in range(4)))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert upstream.connections == 1


async def test_a_wait_in_vain(tmp_path):
    """Who waits too long for a key's place is told that its requests at a time are all it may have."""
    text = KEYED.replace("rpm: 100, tpm: 1000000", "max_parallel_requests: 1") + "  \n"
    with RawServer(lambda peer: peer.wait_for_end() and None) as upstream:
        config = configured(tmp_path, text, upstream.base_url)
        object.__setattr__(config.server, "queue_timeout", 0.05)
        async with serving(config) as served:
            held = asyncio.ensure_future(served.chat(headers={"x-api-key": ENVIRON["KEY_A"]}))
            await until(lambda: len(served.gateway.calls) == 1)
            answer = await served.chat(headers={"x-api-key": ENVIRON["KEY_A"]})
            held.cancel()
            await until(lambda: not served.gateway.calls)

    assert answer.status_code == 429
    assert "(max_parallel_requests)" in answer.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
async def test_through_a_proxy(tmp_path, monkeypatch, stream):
    """A proxy of the environment is used, for calls and streams alike."""
    script = streaming(chunk("a"), LAST, DONE) if stream else answering(whole(completion()))
    with RawServer(script) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with serving(configured(tmp_path, ONE, "http://service.example/v1")) as served:
            answer = await served.chat(STREAM if stream else BODY)

    assert answer.status_code == 200
    assert b"POST http://service.example/v1/chat/completions HTTP/1.1" in proxy.requests[0]
    assert f"Bearer {ENVIRON['WANDB_API_KEY']}".encode() in proxy.requests[0]


async def test_odd_ids_and_headers(tmp_path, emulator):
    """An id that can't stand in a header is replaced, and a header that can't be sent on is left out."""
    async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
        reader, writer = await served.raw(
            chat_bytes(BODY, "x-request-id: " + "x" * 200, "traceparent: caf\xe9".encode("latin-1").decode("latin-1"))
        )
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert b"200 OK" in answer
    assert b"x" * 200 not in answer
    assert "traceparent" not in emulator.requests[0].headers


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["call", "stream"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
async def test_the_key_in_a_header_of_ones_own(tmp_path, emulator, body, first):
    """It stays here, whatever is sent on; a deployment's own header is not sent twice."""
    text = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: wandb/{MODEL}, extra_headers: {{X-Team: gateway}}}}
general_settings:
  master_key: os.environ/MASTER
  litellm_key_header_name: X-My-Key
  forward_client_headers_to_llm_api: true
"""
    async with serving(configured(tmp_path, text, emulator.base_url)) as served:
        headers = {"x-my-key": MASTER, "x-team": "client", "x-other": "yes"}
        for _ in range(1 if first else 2):
            answer = await served.chat(body, headers=headers)

    assert answer.status_code == 200
    sent = emulator.requests[-1].headers
    assert "x-my-key" not in sent
    assert (sent["x-team"], sent["x-other"]) == ("gateway", "yes")


async def test_a_number_that_can_not_be_sent_on(tmp_path, emulator):
    """The client is told, and nothing stays held."""
    text = ONE.replace("{model", "{drop_params: true, rpm: 100, model")
    raw = b'{"model": "fast", "messages": [{"role": "user", "content": "x"}], "temperature": 1e400, "store": true}'
    for config in (text, ONE.replace("{model", "{drop_params: true, model")):
        async with serving(configured(tmp_path, config, emulator.base_url)) as served:
            await served.chat()
            answer = await served.client.post("/v1/chat/completions", content=raw)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
            assert served.gateway.router.status(monotonic())[0].in_flight == 0


async def test_headers_that_no_pattern_sends_on(tmp_path, emulator):
    """`*` is for what is the client's own: not for the account, nor for what says where the request ends."""
    text = ONE + "general_settings: {forward_client_headers_to_llm_api: ['*']}\n"
    headers = {"openai-project": "evil/p", "x-custom": "yes", "accept-encoding": "br", "te": "trailers"}
    async with serving(configured(tmp_path, text, emulator.base_url)) as served:
        for _ in range(2):
            assert (await served.chat(headers=headers)).status_code == 200

    for request in emulator.requests:
        assert request.headers["openai-project"] == "team/project"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["x-custom"] == "yes"
        assert "te" not in request.headers
