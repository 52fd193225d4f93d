"""Scripted answers and the history of requests."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from wandb_inference.testing import Emulator, Fault, RecordedRequest, Reply
from wandb_inference.testing._replies import ReplyFields

from .asking import HEADERS, PLAIN, THINKING, ask, choice, chunks, content, http, joined


def test_texts_in_order(either):
    """Each text answers once, in order; then the default behaviour is back."""
    either.reply("One.")
    either.reply("Two.")

    assert [content(either) for _ in range(3)] == ["One.", "Two.", content(Emulator())]


@pytest.mark.parametrize("times", [2, None])
def test_times(emulator, times):
    """A reply answers as often as it was queued for; without a number, for ever."""
    emulator.reply("Again.", times=times)

    answers = [content(emulator) for _ in range(3)]
    assert answers[:2] == ["Again.", "Again."]
    assert (answers[2] == "Again.") is (times is None)


def test_times_below_one(emulator):
    """No times at all is a mistake."""
    with pytest.raises(ValueError, match="at least 1 or None, not 0"):
        emulator.reply("Never.", times=0)


def test_when(emulator):
    """A reply waits for the request it is meant for, others pass it by."""
    emulator.reply("For the thinker.", when=lambda request: request.model == THINKING)
    emulator.reply("For anyone.")

    assert content(emulator) == "For anyone."
    assert content(emulator, model=THINKING) == "For the thinker."


def test_other_paths(emulator):
    """Only `when` makes a reply answer anything else than chat completions."""
    emulator.reply("For chat.")
    emulator.reply(json={"object": "list", "data": []}, when=lambda request: request.path == "/v1/models")

    with http(emulator) as client:
        assert client.get("/models").json()["data"] == []
        assert len(client.get("/models").json()["data"]) > 5
    assert content(emulator) == "For chat."


def test_computed(emulator):
    """A function computes the answer, a text or a reply, from the request."""
    emulator.reply(lambda request: request.messages[-1]["content"].upper(), times=None)
    emulator.reply(lambda request: Reply(status=503), when=lambda request: request.stream)

    assert content(emulator, "hello") == "HELLO"
    emulator.clear()
    emulator.reply(lambda request: Reply(status=503))
    assert ask(emulator).status_code == 503


def test_a_whole_completion(either):
    """Everything about a completion can be scripted; streamed it is the same."""
    reply = Reply(
        "Paris.",
        reasoning="France, so",
        tool_calls=[("look_up", {"city": "Paris"}), ("raw", "{not json")],
        finish_reason="length",
        usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        headers={"x-request-id": "req_mine", "x-extra": "1"},
    )
    either.reply(reply, times=3)
    answer = ask(either)
    streamed = chunks(either, stream_options={"include_usage": True})
    message = answer.json()["choices"][0]["message"]

    assert answer.headers["x-request-id"] == "req_mine"
    assert answer.headers["x-extra"] == "1"
    assert (message["content"], message["reasoning"]) == ("Paris.", "France, so")
    calls = [call["function"] for call in message["tool_calls"]]
    assert calls[0]["name"] == "look_up"
    assert json.loads(calls[0]["arguments"]) == {"city": "Paris"}
    assert calls[1]["arguments"] == "{not json"
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    assert answer.json()["usage"] == reply.usage == streamed[-1]["usage"]
    assert joined(streamed, "content") == "Paris."
    assert joined(streamed, "reasoning") == "France, so"


def test_calls_alone(emulator):
    """A reply of calls ends as one does."""
    emulator.reply(tool_calls=[("clock", {})])

    assert choice(emulator)["finish_reason"] == "tool_calls"


def test_a_refusal(emulator):
    """A refusal has its own field."""
    emulator.reply(refusal="I can't do that.", times=2)

    assert choice(emulator)["message"]["refusal"] == "I can't do that."
    assert joined(chunks(emulator), "refusal") == "I can't do that."


def test_an_empty_text(emulator):
    """An empty text is an empty text, and each of `n` choices has it."""
    emulator.reply("")

    assert [choice["message"]["content"] for choice in ask(emulator, n=2).json()["choices"]] == ["", ""]


def test_a_text_is_sent_as_it_is(emulator):
    """No limit, stop, model or format changes what was scripted."""
    text = "One two three.\n\n  Four ünf 六\t💥"
    emulator.reply(text)

    assert content(emulator, max_tokens=1, stop="two", model="nobody/knows") == text


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({"status": 503}, 503, "overloaded"),
        ({"status": 418}, 418, "Error 418"),
        ({"status": 429, "json": {"message": "slow"}}, 429, '{"message":"slow"}'),
        ({"json": {"error": {"code": 1}}}, 200, '{"error":{"code":1}}'),
        ({"body": b"<html>", "content_type": "text/html"}, 200, "<html>"),
        ({"status": 307, "headers": {"location": "/elsewhere"}}, 307, ""),
        ({"sse": b"data: {}\r\n\r\ndata: x"}, 200, "data: {}\r\n\r\ndata: x"),
    ],
    ids=str,
)
def test_anything_at_all(either, fields, status, body):
    """Status, headers and body can be anything, for streams and others alike."""
    either.reply(**fields, times=2)

    for stream in (False, True):
        answer = ask(either, stream=stream)
        assert answer.status_code == status
        assert body in answer.text
        assert answer.headers["x-request-id"]


def test_headers_and_types(emulator):
    """Extra headers are sent along, and a body has the type it was given."""
    emulator.reply(status=429, headers={"retry-after": "1"})
    emulator.reply(body=b"<html>", content_type="text/html")
    emulator.reply(sse=b"data: {}\n\n")

    assert ask(emulator).headers["retry-after"] == "1"
    assert ask(emulator).headers["content-type"] == "text/html"
    assert ask(emulator).headers["content-type"].startswith("text/event-stream")


def test_chunks(either):
    """The chunks of a stream are sent as they stand, each as an event, with [DONE] after them."""
    scripted = [{"choices": [{"delta": {"content": "a"}}]}, {"anything": 1}]
    either.reply(chunks=scripted, headers={"x-more": "1"}, times=2)

    answer = ask(either, stream=True)

    assert chunks(either) == scripted
    assert answer.headers["x-more"] == "1"
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": "x", "json": {}}, "a completion and json"),
        ({"body": b"", "sse": b""}, "body and sse"),
        ({"sse": b"", "chunks": [{}]}, "sse and chunks"),
        ({"text": "x", "status": 500}, "status 200, not 500"),
    ],
)
def test_contradictions(given, words):
    """A reply that can't be is a ValueError that says why."""
    with pytest.raises(ValueError, match=words):
        Reply(**given)


def test_fields_beside_a_reply(emulator):
    """Fields beside a finished reply are a mistake."""
    with pytest.raises(TypeError, match="delay: fields go into the Reply"):
        emulator.reply(Reply("x"), delay=1)


def test_the_fields_are_the_replys():
    """`reply()` takes exactly the fields of `Reply`."""
    assert list(ReplyFields.__annotations__) == [field.name for field in fields(Reply)]


def test_replies_do_not_open_doors(emulator):
    """A request without a key is refused, and the reply waits for the next."""
    emulator.reply("For the invited.")

    with http(emulator, headers={}) as client:
        assert client.post("/chat/completions", json={}).status_code == 401
    assert content(emulator) == "For the invited."


def test_history(either):
    """Every request is kept as it came, oldest first, the refused too."""
    ask(either, "First", temperature=0.5)
    ask(either, stream=True, model="nobody/knows")
    with http(either) as client:
        client.get("/models", params={"limit": "5"})
    first, second, third = either.requests

    assert (first.method, first.path, first.query) == ("POST", "/v1/chat/completions", "")
    assert first.body["temperature"] == 0.5
    assert json.loads(first.content) == first.body
    assert first.messages == [{"role": "user", "content": "First"}]
    assert (first.model, first.project, first.stream) == (PLAIN, "team/project", False)
    assert first.headers["authorization"] == "Bearer key"
    assert (second.model, second.stream) == ("nobody/knows", True)
    assert (third.query, third.body, third.messages, third.model) == ("limit=5", None, [], None)
    assert [request.status for request in either.requests] == [200, 404, 200]
    assert [request.outcome for request in either.requests] == ["sent"] * 3
    assert first.time <= second.time <= third.time


def test_the_key_is_not_shown(emulator):
    """Neither a request nor its headers show the key when printed."""
    with http(emulator, headers=[*HEADERS.items(), ("x-many", "1"), ("X-Many", "2")]) as client:
        client.get("/models")
    (request,) = emulator.requests

    assert "Bearer" not in repr(request) + repr(request.headers) + str(request.headers)
    assert "team/project" in repr(request)
    assert request.headers["x-many"] == "1, 2"


def test_the_key_of_the_emulator_is_not_shown():
    """Nothing of an emulator shows the key it accepts."""
    emulator = Emulator(api_key="secret-key")

    assert "secret-key" not in repr(emulator) + repr(emulator._settings)


def test_history_is_bounded():
    """An emulator that runs for months keeps the last 10,000 requests."""
    emulator = Emulator()
    with http(emulator) as client:
        client.get("/models")
    emulator._service.requests.extend(emulator.requests * 10_001)

    assert len(emulator.requests) == 10_000


def test_on_request():
    """Each request is reported once its answer is decided."""
    seen: list[RecordedRequest] = []
    emulator = Emulator(on_request=seen.append)
    ask(emulator, temperature="hot")

    assert seen == emulator.requests
    assert seen[0].status == 422


def test_clear(emulator):
    """Clearing forgets requests, replies and faults."""
    ask(emulator)
    emulator.reply("Never.")
    emulator.fault(Fault.status(500))
    emulator.clear()

    assert emulator.requests == []
    assert content(emulator) == content(Emulator())
