"""What the emulator refuses, as the service does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference.testing import Emulator

from .asking import HEADERS, PLAIN, SEEING, ask, http, request

NOT_FOUND = {
    "error": {
        "code": "not_found",
        "message": "The requested resource was not found",
        "type": "invalid_request_error",
    }
}

WORDS = (
    "model", "messages", "role", "content", "type", "text", "image_url", "url", "tools", "function", "name",
    "parameters", "tool_choice", "tool_calls", "stream", "response_format", "json_schema", "schema",
    "stream_options", "include_usage", "temperature", "n", "stop", "seed", "logprobs", "top_logprobs",
    "chat_template_kwargs", "reasoning_effort", "return_token_ids", "cache_salt", "min_tokens",
    "parallel_tool_calls",
)  # fmt: skip


def post(emulator, headers, path="/chat/completions"):
    with http(emulator, headers=headers) as client:
        return client.post(path, json=request())


def message(answer):
    return answer.json()["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "Bearer", "Basic key"])
def test_no_key(either, key):
    """Without a bearer the answer is the service's 401, word for word."""
    headers = {"openai-project": "team/project"} | ({} if key is None else {"authorization": key})
    answer = post(either, headers)

    assert answer.status_code == 401
    assert answer.json() == {
        "error": {
            "code": "invalid_api_key",
            "message": "Missing bearer authentication in header",
            "type": "invalid_request_error",
        }
    }


def test_a_wrong_key():
    """Only the key that was said is accepted."""
    emulator = Emulator(api_key="right")

    assert post(emulator, HEADERS | {"authorization": "Bearer right"}).status_code == 200
    wrong = post(emulator, HEADERS | {"authorization": "Bearer wrong"})
    assert (wrong.status_code, message(wrong)) == (401, "Invalid Authentication")


@pytest.mark.parametrize("project", ["team", "team/", "/project", "team/project/more", ""])
def test_a_project_that_is_none(emulator, project):
    """A project without its team is refused with a 401, as a wrong one is."""
    answer = post(emulator, HEADERS | {"openai-project": project})

    assert (answer.status_code, message(answer)) == (401, "Invalid Authentication")


def test_a_wrong_project():
    """Only the project that was said is accepted."""
    emulator = Emulator(project="right/project")

    assert post(emulator, HEADERS | {"openai-project": "right/project"}).status_code == 200
    assert post(emulator, HEADERS).status_code == 401


def test_no_project():
    """A chat completion needs a project, the list of models doesn't; nor does either where it is told not to."""
    headers = {"authorization": "Bearer key"}
    strict, lenient = Emulator(), Emulator(require_project=False)

    refused = post(strict, headers)
    assert (refused.status_code, message(refused)) == (401, "Authentication failed")
    assert post(strict, headers, "/models").status_code == 200
    assert post(lenient, headers).status_code == 200


def test_pythons_own_user_agent(emulator):
    """The edge blocks Python's default client, in plain text."""
    answer = post(emulator, HEADERS | {"user-agent": "Python-urllib/3.11"})

    assert (answer.status_code, answer.text) == (403, "error code: 1010")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "model",
    ["nobody/knows", "Qwen/Qwen3-235B-A22B-Instruct-2507", PLAIN.lower(), f"wandb/{PLAIN}", "wandb-artifact:///t/p"],
    ids=["unknown", "retired", "mis-cased", "prefixed", "incomplete"],
)
def test_no_such_model(emulator, model):
    """An id that isn't served to the letter is a 404."""
    answer = ask(emulator, model=model)

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("path", ["/responses", "/embeddings", "/chat", "/modelsx", "/../chat/completions"])
def test_no_such_path(emulator, path):
    """Whatever the service doesn't serve is a 404."""
    answer = post(emulator, HEADERS, path)

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/chat/completions"), ("DELETE", "/models"), ("POST", f"/models/{PLAIN}")],
)
def test_wrong_method(emulator, method, path):
    """A path that is served another way is a 405."""
    with http(emulator) as client:
        assert client.request(method, path).status_code == 405


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"[" * 100_000, b"\xff", b'{"model": "x"}', b'{"messages": []}'],
    ids=["nothing", "half", "array", "string", "deep", "binary", "no messages", "no model"],
)
def test_no_request(either, body):
    """A body that is no request is a 400 that says why."""
    with http(either) as client:
        answer = client.post("/chat/completions", content=body)

    assert answer.status_code == 400
    assert message(answer)


@pytest.mark.parametrize("messages", [[], "Hello", None, {}])
def test_no_messages(emulator, messages):
    """Messages must be there."""
    assert ask(emulator, messages=messages).status_code == 400


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        ({"role": "robot", "content": "x"}, ["role"]),
        ({"content": "x"}, ["role"]),
        ("Hello", ["role"]),
        ({"role": "user", "content": None}, ["content"]),
        ({"role": "user"}, ["content"]),
        ({"role": "assistant", "content": 7}, ["content"]),
        ({"role": "user", "content": [{"text": "x"}]}, ["content", 0, "type"]),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ["content", 0]),
        ({"role": "tool", "content": "x"}, ["tool_call_id"]),
    ],
)
def test_a_wrong_message(emulator, broken, path):
    """A message that is none is a 422 whose `detail` names the place."""
    answer = ask(emulator, messages=[{"role": "system", "content": "x"}, broken])

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "messages", 1, *path]


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": "hot"},
        {"temperature": 2.1},
        {"temperature": True},
        {"top_p": -1},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"n": 0},
        {"stop": [""]},
        {"stop": 7},
        {"stream": "yes"},
        {"stream_options": {"include_usage": True}},
        {"logit_bias": []},
        {"top_logprobs": 2},
        {"top_logprobs": 21, "logprobs": True},
        {"cache_salt": ""},
        {"reasoning_effort": 1},
        {"tools": {}},
        {"tools": [{"type": "function", "function": {}}]},
        {"tools": [{"type": "retrieval"}]},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "nobody"}}},
        {"response_format": "json"},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": False}}},
    ],
    ids=str,
)
def test_a_wrong_parameter(emulator, parameters):
    """A parameter of a wrong type or value is a 422 whose `detail` names it."""
    answer = ask(emulator, **parameters)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", next(iter(parameters))]


def test_a_tool_that_takes_nothing(emulator):
    """A tool whose parameters have no value is a 422."""
    schema = {"properties": {"x": False}, "required": ["x"]}
    answer = ask(emulator, "use it", tools=[{"type": "function", "function": {"name": "it", "parameters": schema}}])

    assert answer.json()["detail"][0]["loc"] == ["body", "tools"]


def test_parameters_that_pass(emulator):
    """Null is as good as nothing, an empty list of stops as well, and unknown parameters are let through."""
    assert ask(emulator, temperature=None, stop=[], user="me", service_tier="auto", top_k=5).status_code == 200


def test_parameters_that_a_model_does_not_take():
    """An emulator can be told not to take some parameters."""
    answer = ask(Emulator(unsupported=["logprobs"]), logprobs=True)

    assert answer.status_code == 422
    assert "logprobs" in answer.json()["detail"][0]["msg"]


def test_a_picture_that_is_too_large(emulator):
    """The gateway fails over large pictures, in plain text."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}
    answer = ask(emulator, model=SEEING, messages=[{"role": "user", "content": [picture]}])

    assert (answer.status_code, answer.text) == (500, "ext_proc failed")


def test_a_prompt_that_is_too_long(emulator):
    """What doesn't fit into the model's context is a 400 that says by how much."""
    answer = ask(emulator, max_tokens=131_072)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert "131072" in message(answer)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["user", "tool", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)


@given(body=st.dictionaries(st.sampled_from(WORDS), JSON, max_size=6), valid=st.booleans())
@settings(max_examples=80, deadline=None)
def test_anything_is_answered(body, valid):
    """Whatever the body, the answer is one of the service's, whole or streamed, and never an exception."""
    content = json.dumps({**body, **request()} if valid else body)
    with http(Emulator()) as client:
        answer = client.post("/chat/completions", content=content)

    assert answer.status_code in ({200, 422} if valid else {200, 400, 404, 422})


def test_context_window():
    """A window of the emulator's own holds for all models: longer prompts are refused, and the list says so."""
    emulator = Emulator(context_window=20)

    assert ask(emulator, max_tokens=5).status_code == 200
    assert message(ask(emulator, max_tokens=20)).endswith("of completion exceed this model's context of 20 tokens")
    with http(emulator) as client:
        assert client.get(f"/models/{PLAIN}").json()["max_model_len"] == 20
    with pytest.raises(ValueError, match="context_window is a number of tokens above 0 or None, not 0"):
        Emulator(context_window=0)


def test_tools_take_room():
    """Tools are a part of the prompt: a window is full with them that is not without them."""
    emulator = Emulator(context_window=60)
    tools = [{"type": "function", "function": {"name": "look_up", "description": "Looks up a word. " * 20}}]

    assert ask(emulator).status_code == 200
    refused = ask(emulator, tools=tools)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"

    emulator = Emulator()
    prompt = ask(emulator, tools=tools).json()["usage"]["prompt_tokens"]
    assert ask(Emulator(context_window=prompt), tools=tools).status_code == 200
    assert message(ask(Emulator(context_window=prompt - 1), tools=tools)).startswith(f"{prompt} tokens of prompt")


def test_too_many_at_once():
    """Beyond the limit of one model and project the answer is the service's 429, until a place is free."""
    emulator = Emulator(concurrency_limit=1)

    with http(emulator) as client:
        with client.stream("POST", "/chat/completions", json=request(stream=True)):
            refused = ask(emulator)
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            assert message(refused) == f"concurrency limit reached for requests: {PLAIN}-project limit reached"
            assert ask(emulator, model=SEEING).status_code == 200
            assert client.get("/models").status_code == 200
        assert ask(emulator).status_code == 200


def test_refusals_take_no_place():
    """What is refused does not count among what runs: it costs the next one nothing."""
    emulator = Emulator(concurrency_limit=1)
    body = request(stream=True)

    with (
        http(emulator) as client,
        client.stream("POST", "/chat/completions", json=body) as first,
        client.stream("POST", "/chat/completions", json=body) as refused,
    ):
        first.close()
        assert (first.status_code, refused.status_code) == (200, 429)
        assert emulator.in_flight == 1
        assert ask(emulator).status_code == 200
