"""What the gateway checks of a request, what it reads from it for itself, and what a deployment gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateway.routing_cases import deployment
from wandb_inference.gateway.asked import Asked
from wandb_inference.gateway.config import ServerSettings
from wandb_inference.gateway.errors import GatewayError
from wandb_inference.gateway.requests import body_for, read_request

MESSAGES = [{"role": "user", "content": "hello"}]
PLAIN = {"model": "fast", "messages": MESSAGES}
SERVER = ServerSettings()


def read(
    body: object = PLAIN, headers: dict[bytes, bytes] | None = None, server: ServerSettings = SERVER, **options: Any
):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_request(raw, headers or {}, server, **options)


def refused(body: object = PLAIN, *args: Any, **options: Any) -> tuple[int, str | None, str | None, str]:
    with pytest.raises(GatewayError) as caught:
        read(body, *args, **options)
    error = caught.value
    return error.status, error.code, error.param, error.message


@pytest.mark.parametrize(
    ("body", "status", "code", "param", "words"),
    [
        (b"", 400, "invalid_json", "request_body", "The body is empty"),
        (b" \n", 400, "invalid_json", "request_body", "The body is empty"),
        (b"[1]", 400, "invalid_json", "request_body", "The body is a list"),
        (b"7", 400, "invalid_json", "request_body", "The body is a number"),
        (b'{"model": "ok", ', 400, "invalid_json", "request_body", "at line 1 column 16 (character 15)"),
        (b'{\n"model": ok}', 400, "invalid_json", "request_body", "at line 2 column 10 (character 11)"),
        (b'{"a": NaN}', 400, "invalid_json", "request_body", "at line 1"),
        (b'{"model": "\xff"}', 400, "invalid_json", "request_body", "no UTF-8 at byte 11"),
        (b'{"a": "\\ud800"}', 400, "invalid_json", "request_body", "at line 1"),
        (b"[" * 1000, 400, "invalid_json", "request_body", "recursion limit"),
        ({"messages": MESSAGES}, 400, "missing_model", "model", "There is no model"),
        ({**PLAIN, "model": ""}, 400, "missing_model", "model", "There is no model"),
        ({**PLAIN, "model": 7}, 400, "invalid_model", "model", "model is a number"),
        ({"model": "fast"}, 422, "missing_field", "messages", "messages is missing"),
        ({**PLAIN, "messages": None}, 422, "invalid_field", "messages", "messages is null"),
        ({**PLAIN, "messages": "hi"}, 422, "invalid_field", "messages", "messages is a text"),
        ({**PLAIN, "messages": []}, 422, "missing_field", "messages[0]", "the list of messages is empty"),
        ({**PLAIN, "messages": [{}, 7]}, 422, "invalid_field", "messages[1]", "messages[1] is a number"),
        ({**PLAIN, "stream": "yes"}, 422, "invalid_field", "stream", "stream is a text"),
        ({**PLAIN, "project": "evil/p"}, 400, "field_not_allowed", "project", "project is not allowed"),
        ({**PLAIN, "api_key": "k"}, 400, "field_not_allowed", "api_key", "api_key is not allowed"),
        ({**PLAIN, "api_base": "http://x"}, 400, "field_not_allowed", "api_base", "api_base is not allowed"),
        ({**PLAIN, "extra_headers": {}}, 400, "field_not_allowed", "extra_headers", "extra_headers is not allowed"),
        ({**PLAIN, "extra_body": {"api_key": "k"}}, 400, "field_not_allowed", "api_key", "api_key is not allowed"),
        (
            {**PLAIN, "extra_body": {"model": "x"}},
            400,
            "field_not_allowed",
            "extra_body.model",
            "into the request itself",
        ),
        ({**PLAIN, "extra_body": 7}, 422, "invalid_field", "extra_body", "extra_body is a number"),
        ({**PLAIN, "mock_response": "x"}, 400, "field_not_allowed", "mock_response", "makes no answers up"),
        ({**PLAIN, "guardrails": []}, 400, "field_not_allowed", "guardrails", "has none"),
        ({**PLAIN, "caching": True}, 400, "field_not_allowed", "caching", "keeps no answers"),
        ({**PLAIN, "cache": {"ttl": 5}}, 400, "field_not_allowed", "cache.ttl", "keeps no answers"),
        ({**PLAIN, "cache": True}, 422, "invalid_field", "cache", "cache is true or false"),
        ({**PLAIN, "metadata": "x"}, 422, "invalid_field", "metadata", "metadata is a text"),
        ({**PLAIN, "metadata": {"tags": "x"}}, 422, "invalid_field", "metadata.tags", "not a list"),
        ({**PLAIN, "tags": [1]}, 422, "invalid_field", "tags[0]", "not a text"),
        ({**PLAIN, "user": 7}, 422, "invalid_field", "user", "not a text"),
        ({**PLAIN, "num_retries": -1}, 422, "invalid_field", "num_retries", "a whole number from 0 to 100"),
        ({**PLAIN, "num_retries": 1.5}, 422, "invalid_field", "num_retries", "a whole number from 0 to 100"),
        ({**PLAIN, "timeout": 0}, 422, "invalid_field", "timeout", "a number of seconds"),
        ({**PLAIN, "timeout": True}, 422, "invalid_field", "timeout", "a number of seconds"),
        ({**PLAIN, "timeout": 10**400}, 422, "invalid_field", "timeout", "a number of seconds"),
        ({**PLAIN, "fallbacks": "x"}, 422, "invalid_field", "fallbacks", "not a list"),
        ({**PLAIN, "fallbacks": ["x"] * 101}, 422, "invalid_field", "fallbacks", "more than 100 names"),
        ({**PLAIN, "disable_fallbacks": 1}, 422, "invalid_field", "disable_fallbacks", "not true or false"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else repr(value)[:30],
)
def test_what_is_refused(body, status, code, param, words):
    """Each mistake has its status, its code, the field that it is in, and what to do."""
    found = refused(body)

    assert found[:3] == (status, code, param)
    assert words in found[3]


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"x-litellm-timeout", b"soon", 422),
        (b"x-litellm-timeout", b"nan", 422),
        (b"x-litellm-num-retries", b"many", 422),
        (b"x-litellm-num-retries", b"9" * 5000, 422),
        (b"x-litellm-keepalive-seconds", b"-1", 422),
        (b"x-litellm-api-base", b"http://x", 400),
    ],
)
def test_headers_that_are_refused(name, value, status):
    """A header of LiteLLM's that makes no sense, or that is not known here, is refused by its name."""
    found = refused(PLAIN, {name: value})

    assert found[0] == status
    assert found[2] == name.decode()


def test_what_headers_say():
    """Headers for the gateway are read, and those of the body count more."""
    headers = {
        b"x-litellm-timeout": b"5",
        b"x-litellm-stream-timeout": b"2.5",
        b"x-litellm-num-retries": b"3",
        b"x-litellm-tags": b"a, b,",
        b"x-litellm-end-user-id": b"u",
        b"x-litellm-trace-id": b"t",
        b"x-litellm-session-id": b"s",
        b"x-litellm-keepalive-seconds": b"0.5",
        b"x-litellm-call-id": b"c",
        b"user-agent": b"x",
    }

    asked = read(PLAIN, headers).asked
    other = read({**PLAIN, "timeout": 7, "tags": ["c"]}, headers).asked

    assert asked == Asked(None, 3, 5.0, 2.5, ("a", "b"), "u", "s", {}, False, 1.0)
    assert (other.timeout, other.tags) == (7.0, ("a", "b", "c"))
    assert read(PLAIN, {b"x-litellm-session-id": b"s", b"x-litellm-trace-id": b"t"}).asked.session == "s"
    assert read(PLAIN, {b"x-litellm-customer-id": b"u"}).asked.user == "u"


def test_what_fields_say():
    """Fields for the gateway are read and not sent on."""
    request = read(
        {
            **PLAIN,
            "metadata": {"tags": ["a"], "session_id": "s"},
            "tags": ["b"],
            "user": "u",
            "num_retries": 2,
            "timeout": 3,
            "fallbacks": ["other"],
            "cache": {"no-cache": True, "ttl": None},
            "caching": False,
            "no-log": True,
            "drop_params": True,
            "extra_body": {"top_k": 5},
        }
    )

    assert request.asked == Asked(
        ("other",), 2, 3.0, None, ("a", "b"), "u", "s", {"tags": ["a"], "session_id": "s"}, True, None
    )
    assert request.fields == {**PLAIN, "top_k": 5}
    assert not request.is_whole
    assert read({**PLAIN, "litellm_trace_id": "t", "litellm_session_id": "s"}).asked.session == "s"
    assert read({**PLAIN, "disable_fallbacks": True, "cache": None}).asked.fallbacks == ()


def test_what_this_gateway_wants():
    """Requests without what the configuration wants in each are refused by the name of it."""
    wants_user = ServerSettings(enforce_user=True)
    wants_more = ServerSettings(enforced_params=("metadata.team", "seed"))

    assert refused(server=wants_user)[:3] == (422, "missing_field", "user")
    assert read({**PLAIN, "user": "u"}, server=wants_user).asked.user == "u"
    assert refused(server=wants_more)[2] == "metadata.team"
    assert refused({**PLAIN, "metadata": {"team": "t"}}, server=wants_more)[2] == "seed"
    assert refused(server=ServerSettings(enforced_params=("model.x",)))[2] == "model.x"
    assert read({**PLAIN, "metadata": {"team": "t"}, "seed": 1}, server=wants_more).model == "fast"


def test_tags_that_are_not_taken():
    """Where clients may set no tags, none of the three ways to do so works."""
    server = ServerSettings(reject_metadata_tags=True)

    assert refused({**PLAIN, "tags": ["a"]}, server=server)[2] == "tags"
    assert refused({**PLAIN, "metadata": {"tags": ["a"]}}, server=server)[2] == "metadata.tags"
    assert refused(PLAIN, {b"x-litellm-tags": b"a"}, server=server)[2] == "x-litellm-tags"


def test_the_end_user_in_a_header():
    """The header that the configuration names says who the end user is."""
    server = ServerSettings(user_header="X-User")

    assert read(PLAIN, {b"x-user": b"u"}, server=server).asked.user == "u"
    assert read(PLAIN, {}, server=server).asked.user is None


def test_the_model_of_a_path():
    """The path may name the model, and then the body needs none, or the same."""
    assert read({"messages": MESSAGES}, model="a/b").model == "a/b"
    assert read(PLAIN, model="fast").model == "fast"
    assert refused(PLAIN, model="other")[1] == "several_models"


def test_a_byte_order_mark():
    """A mark in front of the JSON is no mistake."""
    assert read(b"\xef\xbb\xbf" + json.dumps(PLAIN).encode()).model == "fast"


@pytest.mark.parametrize(
    ("fields", "tokens", "most", "choices"),
    [
        ({}, 18, None, 1),
        ({"max_tokens": 7, "n": 2}, 25, 7, 2),
        ({"max_completion_tokens": 7, "n": "x"}, 27, 7, 1),
        ({"max_tokens": "x", "n": 0}, 26, None, 1),
    ],
)
def test_what_a_request_may_use(fields, tokens, most, choices):
    """Four bytes count as a token; the limit of the answer is the request's own."""
    request = read({**PLAIN, **fields})

    assert abs(request.prompt_tokens - tokens) <= 3
    assert (request.max_tokens, request.choices) == (most, choices)


def test_a_picture_is_not_counted_by_its_bytes():
    """A picture counts as a thousand tokens, whatever its size."""
    url = "data:image/png;base64," + "A" * 100_000
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": url}}]

    tokens = read({**PLAIN, "messages": [{"role": "user", "content": parts, "n": 1}]}).prompt_tokens

    assert 1000 < tokens < 1100


def sent(body: dict[str, Any], model: str = "org/m", **fields: Any) -> dict[str, Any]:
    return json.loads(body_for(read(body), deployment("a", **fields), model))


def test_the_body_stays_as_it_came():
    """All but the model is passed on byte for byte, unusual numbers and spaces included."""
    raw = b'{ "model" : "fast", "messages":[{"role":"user","content":"\xc3\xa9"}],"x": 1.10e5 }'

    assert body_for(read(raw), deployment("a"), "org/m") == raw.replace(b'"fast"', b'"org/m"')


def test_defaults_are_for_what_is_not_said():
    """A deployment's defaults go in where the request says nothing, and its fields in any case."""
    assert sent({**PLAIN, "top_p": 1}, defaults={"top_p": 0.5, "seed": 3}) == {
        "seed": 3,
        "model": "org/m",
        "messages": MESSAGES,
        "top_p": 1,
    }
    assert sent({**PLAIN, "top_k": 1}, extra_body={"top_k": 20})["top_k"] == 20


def test_fields_that_are_dropped():
    """Fields that a deployment drops do not arrive, a client's own neither."""
    assert "temperature" not in sent({**PLAIN, "temperature": 1}, drop=("temperature",))
    assert "store" not in sent({**PLAIN, "store": True}, drop_unsupported=True)
    assert "store" in sent({**PLAIN, "store": True}, drop_unsupported=True, keep=("store",))
    assert "store" not in sent({**PLAIN, "store": True, "drop_params": True})
    assert "store" in sent({**PLAIN, "store": True})


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False, "x": 1}}, {"include_usage": True, "x": 1}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": 7}, {"include_usage": True}),
    ],
)
def test_usage_is_asked_for_always(fields, options):
    """Each stream ends with its usage, which is booked, whoever asked."""
    assert sent({**PLAIN, "stream": True, **fields})["stream_options"] == options


def test_who_asked_for_usage():
    """Those who asked get it, and all where the configuration says so."""
    asks = {**PLAIN, "stream": True, "stream_options": {"include_usage": True}}

    assert read(asks).wants_usage
    assert not read({**PLAIN, "stream": True}).wants_usage
    assert read({**PLAIN, "stream": True}, server=ServerSettings(include_usage=True)).wants_usage


@pytest.mark.parametrize(
    "raw",
    [
        b'{"mod\\u0065l": "fast", "messages": [{"role": "user", "model": "x"}]}',
        b'{"messages": [{"model": "fast"}], "model": "fast"}',
        b'{"messages": [{"role": "model"}], "model": "fast"}',
    ],
    ids=["spelt otherwise", "another one", "a text"],
)
def test_a_model_that_is_hard_to_find(raw):
    """The id goes where the request's model is, and nowhere else."""
    found = json.loads(body_for(read(raw), deployment("a"), "org/m"))

    assert found["model"] == "org/m"
    assert found["messages"] == json.loads(raw)["messages"]


def test_a_text_that_begins_as_a_picture_does():
    """It counts as a text, and fields that are no text and no picture for what they are."""
    text = "data:" + "A" * 100_000
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]

    tokens = read({**PLAIN, "messages": [{"role": "user", "content": parts}]}).prompt_tokens

    assert tokens > 25_000 + 1000


def test_the_other_name_of_the_length():
    """`max_completion_tokens` counts where `max_tokens` says nothing."""
    assert read({**PLAIN, "max_tokens": None, "max_completion_tokens": 7}).max_tokens == 7


def test_a_number_beyond_all_bounds():
    """It passes as it came where the body does, and is refused where the body has to be written anew."""
    raw = b'{"model": "fast", "messages": [{"role": "user", "content": "Infinity"}], "temperature": 1e400}'
    assert b"1e400" in body_for(read(raw), deployment("a"), "org/m")
    with pytest.raises(GatewayError, match="beyond 1e308") as caught:
        body_for(read(raw), deployment("a", drop=("model",)), "org/m")
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
    assert b"Infinity" in body_for(read(raw.replace(b"1e400", b"1")), deployment("a", drop=("model",)), "org/m")
