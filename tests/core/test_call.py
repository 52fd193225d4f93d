from __future__ import annotations

import json
import pickle

import pytest

from wandb_inference._core.call import Call, ChatCall
from wandb_inference._core.deferred import DeferredLogprobs
from wandb_inference._core.flow import Broken, Journal, Quirks
from wandb_inference._core.retry import RetryPolicy
from wandb_inference._core.wire import Context, Reply, Request, Timeouts
from wandb_inference.exceptions import APIResponseValidationError, AttemptRecord, StreamInterruptedError
from wandb_inference.types import ChoiceLogprobs
from wandb_inference.types.model import ModelList

BASE_URL = "https://api.inference.wandb.ai/v1"
ASKING = Request("POST", f"{BASE_URL}/chat/completions", {}, b"asking", Timeouts(), Context(BASE_URL, "m"))
PLAIN = ASKING._replace(body=b"plain")
RECORD = AttemptRecord(200, None, "answered", 0.0, 0.5, "r")


def journal():
    return Journal(RetryPolicy(), jitter=lambda: 0.0)


def chat_call(plain: Request | None = None, answers=1):
    return ChatCall(ASKING, journal(), "key", plain, Quirks(), keep_usage=False, answers=answers)


def reply(value, kind="application/json"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = {"content-type": kind, "x-request-id": "r"}
    return Reply(200, headers, body, None, seconds=0.5, to_headers=1.5, elapsed=3.5, now=0.0)


def answered(call, value):
    call.journal.records.append(RECORD)
    return call.completion(reply(value))


def refused(value, kind="application/json"):
    call = chat_call()
    call.journal.records.append(RECORD)
    with pytest.raises(APIResponseValidationError) as caught:
        call.completion(reply(value, kind))
    return caught.value


class TestFlow:
    """Which conversation a call is."""

    def test_plain_request(self):
        """A call without a second request is sent as it is."""
        assert next(chat_call().flow()).request is ASKING
        assert next(Call(ASKING, journal(), None).flow()).request is ASKING

    def test_two_requests(self):
        """One with two goes by what is known of the server."""
        call = chat_call(PLAIN)

        assert next(call.flow()).request is ASKING
        call.quirks.no_stream_options = True
        assert next(call.flow()).request is PLAIN

    def test_broken(self):
        """A broken stream's flow begins with a wait."""
        for plain in (None, PLAIN):
            call = chat_call(plain)
            call.journal.records.append(RECORD)

            attempt = next(call.flow(Broken(StreamInterruptedError("cut"), 1.0)))

            assert (attempt.request, attempt.wait) == (ASKING, 0.5)

    def test_parser(self):
        """The parser knows how many answers were asked for."""
        data = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
        for answers, done in [(1, True), (2, False)]:
            parser = chat_call(answers=answers).parser(reply(b"", "text/event-stream"))
            list(parser.feed(data))
            list(parser.feed(b""))
            assert parser.done is done


class TestCompletion:
    """An answer as a completion."""

    def test_good(self):
        """It knows how the call went."""
        completion = answered(
            chat_call(), {"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": 4}}
        )

        meta = completion.meta
        assert completion.text == "a"
        assert meta is not None
        assert (meta.request_id, meta.status, meta.attempts) == ("r", 200, (RECORD,))
        assert (meta.to_headers, meta.to_first_token, meta.total) == (1.5, None, 3.5)
        assert meta.headers["content-type"] == "application/json"
        assert meta.tokens_per_second == 4 / 2.5

    def test_many_logprobs(self):
        """Those of a large answer are built when they are looked at; the answer pickles, before and after."""
        tokens = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}] * 2000
        completion = answered(
            chat_call(), {"choices": [{"message": {"content": "a"}, "logprobs": {"content": tokens}}]}
        )
        logprobs = completion.choices[0].logprobs

        assert completion.text == "a"
        assert type(logprobs) is DeferredLogprobs
        for _ in range(2):
            again = pickle.loads(pickle.dumps(completion))
            assert again == completion
            assert again.meta == completion.meta
        assert type(logprobs) is ChoiceLogprobs
        assert logprobs.content is not None
        assert (len(logprobs.content), logprobs.content[-1].logprob) == (2000, -0.5)

    def test_few_logprobs(self):
        """Those of an answer below 64 KB are there at once."""
        completion = answered(chat_call(), {"choices": [{"message": {}, "logprobs": {"content": [{"token": "a"}]}}]})

        assert type(completion.choices[0].logprobs) is ChoiceLogprobs

    def test_without_usage(self):
        """Without usage there is no speed."""
        completion = answered(chat_call(), {"choices": [{"message": {}}]})

        assert completion.usage is None
        assert completion.meta is not None
        assert completion.meta.tokens_per_second is None

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"error": {"message": "out of memory"}}, "but with an error (out of memory) instead of a completion"),
            ({"detail": "out of memory"}, "but with an error (out of memory) instead of a completion"),
            ({"message": "out of memory"}, "but with an error (out of memory) instead of a completion"),
            ({"error": "out of memory", "choices": []}, "but with an error (out of memory) instead of a completion"),
            ({"error": "out of memory", "choices": None}, "but with an error (out of memory) instead of a completion"),
            ({"choices": []}, "application/json: no choices instead of"),
            ({"choices": None}, "application/json: choices: Field required instead of"),
            ({"choices": [{}]}, "application/json: choices.0.message: Field required instead of"),
            ({}, "choices: Field required"),
            ([], "the whole: "),
            (b"", "but with nothing instead of"),
            (b'{"choices": [', "no JSON: "),
            (b"ok", "no JSON: "),
        ],
    )
    def test_bad(self, value, words):
        """A success that is no completion is an error that says why and has the attempts and the body's beginning."""
        error = refused(value)

        assert words in error.message
        assert error.message.startswith("api.inference.wandb.ai:443 answered 200, ")
        assert error.attempts == (RECORD._replace(error=error.message),)
        assert error.meta is not None
        assert (error.meta.attempts, error.meta.total) == (error.attempts, 3.5)
        assert (error.request_id, error.status_code) == ("r", 200)
        assert error.body == (value if isinstance(value, bytes) else json.dumps(value).encode()).decode()

    @pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, {"reasoning": "so"}])
    def test_an_error_beside_an_empty_choice(self, message):
        """A choice that says nothing beside an error is no answer."""
        error = refused({"error": {"message": "out of memory", "code": 502}, "choices": [{"message": message}]})

        assert "application/json: an error (out of memory) instead of a completion" in error.message
        assert error.attempts == (RECORD._replace(error=error.message),)

    @pytest.mark.parametrize("message", [{"content": "a"}, {"tool_calls": [{"function": {"name": "f"}}]}])
    def test_an_error_beside_an_answer(self, message):
        """A choice that says something is an answer, whatever stands beside it."""
        completion = answered(chat_call(), {"error": "odd", "choices": [{"message": message}]})

        assert completion.model_dump()["error"] == "odd"

    def test_html(self):
        """A page leads to the base URL."""
        error = refused(b"<!doctype html><title>Sign in</title>", "text/html")

        assert "with an HTML page instead of a completion" in error.message
        assert BASE_URL in (error.hint or "")


def test_other_models():
    """A call can read any model, and fails in the same way."""
    call = Call(ASKING, journal(), None)
    call.journal.records.append(RECORD)

    assert [model.id for model in call.read(ModelList, reply({"data": [{"id": "a"}]}), "a list of models")] == ["a"]
    with pytest.raises(APIResponseValidationError, match="instead of a list of models"):
        call.read(ModelList, reply({"data": None}), "a list of models")
