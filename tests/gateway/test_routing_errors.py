"""The errors that clients get, row by row, and what they never tell."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from routing_cases import DOWN, LATE, deployment, error_of, pick, plan, router, status

from wandb_inference.gateway import errors
from wandb_inference.gateway.config import Secret
from wandb_inference.gateway.errors import BudgetError, GatewayError, LimitError
from wandb_inference.gateway.routing import Failure

LIMIT = LimitError("tpm", 100, "key", 150.0)
INVALID, AUTH, SERVER = "invalid_request_error", "authentication_error", "server_error"

ROWS: list[tuple[GatewayError, int, str | None, str, str | None, str]] = [
    (errors.no_key(), 401, "invalid_api_key", AUTH, None, "Authorization: Bearer"),
    (errors.wrong_key(), 401, "invalid_api_key", AUTH, None, "is not one of this gateway's"),
    (errors.expired_key(), 401, "expired_key", "expired_key", None, "has expired"),
    (errors.blocked_key(), 401, "blocked_key", "auth_error", None, "is blocked"),
    (errors.model_not_allowed("m"), 403, "key_model_access_denied", "key_model_access_denied", "model", "'m'"),
    (errors.admin_only(), 403, "master_key_required", "permission_error", None, "master key"),
    (errors.unknown_model("llama", ["llama-8b", "llama-70b"]), 404, "model_not_found", INVALID, "model", "a-8b' or"),
    (errors.unknown_model("llama"), 404, "model_not_found", INVALID, "model", "GET /v1/models"),
    (errors.no_model(), 400, "missing_model", INVALID, "model", "There is no model"),
    (errors.model_not_text(7), 400, "invalid_model", INVALID, "model", "a number"),
    (errors.several_models(), 400, "several_models", INVALID, "model", "several models"),
    (errors.bad_field("messages", "a list", "hi"), 422, "invalid_field", INVALID, "messages", "is a text, not a list"),
    (errors.missing_field("messages", "send at least one"), 422, "missing_field", INVALID, "messages", "is missing"),
    (errors.refused_field("api_base"), 400, "field_not_allowed", INVALID, "api_base", "api_base is not allowed"),
    (errors.bad_json("unexpected end", 1, 17, 16), 400, "invalid_json", INVALID, "request_body", "line 1 column 17"),
    (errors.not_utf8(3), 400, "invalid_json", INVALID, "request_body", "byte 3"),
    (errors.empty_body(), 400, "invalid_json", INVALID, "request_body", "is empty"),
    (errors.not_an_object([]), 400, "invalid_json", INVALID, "request_body", "a list"),
    (errors.too_large(1000), 413, "request_too_large", INVALID, None, "1000 bytes"),
    (errors.no_such_path("/v2"), 404, "path_not_found", INVALID, None, "'/v2'"),
    (errors.wrong_method("PUT", ["GET", "POST"]), 405, "method_not_allowed", INVALID, None, "GET, POST"),
    (errors.upstream_failed(401, "key sk-1"), 401, "upstream_auth", AUTH, None, "gateway's own credential"),
    (errors.upstream_failed(402, "pay"), 402, "upstream_auth", "budget_exceeded", None, "answered 402"),
    (errors.upstream_failed(403, "x", type="t"), 403, "upstream_auth", "t", None, "answered 403"),
    (errors.upstream_failed(404, "gone", code="c"), 404, "c", INVALID, None, "gone"),
    (errors.upstream_failed(422, "bad", param="top_p"), 422, None, INVALID, "top_p", "bad"),
    (errors.upstream_failed(429, "slow", retry_after=3.2), 429, None, "rate_limit_error", None, "slow"),
    (errors.upstream_failed(503, "busy", type="overloaded"), 503, None, "overloaded", None, "busy"),
    (errors.context_too_long(9, 5), 400, "context_length_exceeded", INVALID, "messages", "takes 5"),
    (errors.connection_failed(), 502, "upstream_unreachable", SERVER, None, "can't be reached"),
    (errors.invalid_answer(), 502, "upstream_invalid_answer", SERVER, None, "no answer"),
    (errors.upstream_timeout(), 504, "upstream_timeout", SERVER, None, "did not answer"),
    (errors.upstream_timeout(30.0), 504, "upstream_timeout", SERVER, None, "within 30 s"),
    (errors.deadline_passed(7300.0), 504, "deadline_exceeded", SERVER, None, "within its 2 h"),
    (errors.all_down(4.2, "500: boom"), 503, "model_unavailable", SERVER, None, "in 5 s; the last error was: 500"),
    (errors.all_down(4.2, None), 503, "model_unavailable", SERVER, None, "in 5 s"),
    (errors.no_deployment(), 503, "model_unavailable", SERVER, None, "taken out of use"),
    (errors.no_deployment_for_tags(), 400, "no_deployment_for_tags", INVALID, "tags", "tags"),
    (errors.stream_interrupted(), 502, "stream_interrupted", SERVER, None, "not complete"),
    (errors.queue_full(), 429, "queue_full", "rate_limit_error", None, "Too many requests wait"),
    (errors.overloaded(), 503, "overloaded", SERVER, None, "too much to do"),
    (errors.draining(), 503, "draining", SERVER, None, "is stopping"),
    (errors.internal_error(), 500, "internal_error", SERVER, None, "its log"),
    (LIMIT, 429, "rate_limit_exceeded", "rate_limit_error", None, "100 tokens a minute (tpm): try again in 2 min"),
    (LimitError("rpm", 1, "gateway", 0.0), 429, "rate_limit_exceeded", "rate_limit_error", None, "The gateway is"),
    (BudgetError(Decimal("0.50"), "key", None), 402, "budget_exceeded", "budget_exceeded", None, "$0.50, is spent and"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[f"{number}-{row[1]}-{row[2]}" for number, row in enumerate(ROWS)])
def test_each_case_has_its_error(row: tuple[GatewayError, int, str, str, str | None, str]) -> None:
    """Status, code, type, param and words of each case, in OpenAI's shape."""
    error, number, code, type, param, words = row
    said = json.loads(error.body())["error"]

    assert error.status == number
    assert (said["code"], said["type"], said["param"]) == (code, type, param)
    assert words in said["message"]
    assert str(error) == said["message"]


@pytest.mark.parametrize("row", ROWS, ids=[f"{number}-{row[1]}-{row[2]}" for number, row in enumerate(ROWS)])
def test_errors_cross_to_other_processes(row: tuple[GatewayError, Any]) -> None:
    """Pickling keeps everything."""
    error = row[0]
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (again.content(), again.headers(), again.__dict__) == (error.content(), error.headers(), error.__dict__)


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (59.999, "60"), (None, None)]
)
def test_retry_after_is_whole_seconds(seconds: float | None, header: str | None) -> None:
    """Rounded up, one at least, so that nobody comes too early."""
    assert errors.upstream_failed(429, "x", retry_after=seconds).headers().get("retry-after") == header


def test_should_retry_is_a_header() -> None:
    """What the gateway has tried again is not to be tried again by clients of OpenAI's."""
    assert GatewayError(500, "x", "y", should_retry=False).headers() == {"x-should-retry": "false"}
    assert GatewayError(500, "x", "y", should_retry=True).headers() == {"x-should-retry": "true"}
    assert GatewayError(500, "x", "y").headers() == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "null"), (True, "true or false"), ("x", "a text"), ([], "a list"), ({}, "an object"), (1.5, "a number")],
)
def test_values_are_named_not_told(value: object, words: str) -> None:
    """A wrong value may be a prompt: its kind is told, and nothing of it."""
    assert errors.kind_of(value) == words


def test_clients_words_are_cut() -> None:
    """A client's own name of a model is repeated on one line, and not at length."""
    message = errors.unknown_model("x\n" * 100_000).message

    assert len(message) < 200
    assert "\n" not in message


def ended(failure: Failure, **fields: Any) -> GatewayError:
    """The error for a request whose only attempt failed in this way."""
    one = plan(router([deployment("a", **fields)], num_retries=0))
    one.failed(pick(one), failure, 0.0)
    return error_of(one)


@pytest.mark.parametrize(
    ("failure", "number", "code"),
    [
        (DOWN, 502, "upstream_unreachable"),
        (LATE, 504, "upstream_timeout"),
        (Failure("invalid"), 502, "upstream_invalid_answer"),
        (Failure("stream"), 502, "stream_interrupted"),
        (status(500, code="engine_error", type="t"), 500, "engine_error"),
        (status(429, code="rate"), 429, "rate"),
        (status(401, code="invalid_api_key"), 401, "upstream_auth"),
        (status(413, "context window exceeded"), 413, "context_length_exceeded"),
        (status(422, "x", type="context_length_exceeded"), 422, "context_length_exceeded"),
    ],
    ids=str,
)
def test_what_became_of_it_upstream(failure: Failure, number: int, code: str) -> None:
    """502 for no answer, 504 for a late one, else the service's own status, type and code."""
    error = ended(failure)

    assert (error.status, error.code) == (number, code)
    assert failure.type is None or error.type == failure.type


def test_no_secret_of_the_gateways_is_told() -> None:
    """Key, address, host and project are taken out of the service's own words."""
    words = "no route to https://10.1.2.3:8443/v1 (10.1.2.3:8443, 10.1.2.3) with sk-top-secret for team/hush, or ab"
    secret = {"base_url": "https://10.1.2.3:8443/v1", "api_key": Secret("sk-top-secret"), "project": "team/hush"}

    error = ended(status(500, words), **secret)

    assert error.message == "no route to *** (***, ***) with *** for ***, or ab"
    assert "ab" in ended(status(500, words), api_key=None, project=None, base_url="x:/ab").message


def test_the_services_words_are_read() -> None:
    """An answer of any shape becomes a failure with what matters."""
    body = b'{"error": {"message": "slow down", "type": "t", "code": "c", "param": "p"}}'
    told = Failure.answered(429, {"content-type": "application/json", "retry-after": "7"}, body, wall=0.0)
    page = Failure.answered(502, {"content-type": "text/html"}, b"<html><title>Bad gateway</title></html>", wall=0.0)
    empty = Failure.answered(500, {}, b"", wall=0.0)

    assert told == Failure("status", 429, "c", "t", "p", "slow down", 7.0)
    assert (page.status, "<" in page.message) == (502, False)
    assert empty.message == "the service answered 500"
    assert Failure.answered(302, {"location": "https://elsewhere"}, b"", wall=0.0).kind == "invalid"


@pytest.mark.parametrize(
    ("number", "message", "quota", "crowded"),
    [
        (429, "You exceeded your current quota, please check your plan and billing details", True, False),
        (402, "pay", True, False),
        (429, "Concurrency limit reached for requests", False, True),
        (429, "Too many requests", False, False),
        (500, "concurrency", False, False),
    ],
)
def test_what_a_refusal_is_about(number: int, message: str, quota: bool, crowded: bool) -> None:
    """Credits, requests at the same time, or something else."""
    body = json.dumps({"error": {"message": message}}).encode()
    found = Failure.answered(number, {}, body, wall=0.0)

    assert (found.quota, found.crowded) == (quota, crowded)


@pytest.mark.parametrize(
    ("error", "number", "quota", "crowded"),
    [
        ({"error": {"message": "boom", "code": 503}}, 503, False, False),
        ({"message": "x", "type": "rate_limit_error"}, 429, False, False),
        ({"error": {"message": "Concurrency limit reached", "code": 429}}, 429, False, True),
        ({"error": {"message": "out of credits", "code": "insufficient_quota"}}, 402, True, False),
        ("broken", 500, False, False),
    ],
    ids=str,
)
def test_errors_inside_streams_have_statuses(error: object, number: int, quota: bool, crowded: bool) -> None:
    """An error event, or an error under 200, is what it would be as an answer."""
    found = Failure.told(error)

    assert (found.kind, found.status, found.quota, found.crowded) == ("status", number, quota, crowded)


def test_tried_again_means_not_to_be_tried_again() -> None:
    """A request with one attempt may be retried by its client; one that the gateway retried may not."""
    one = plan(router([deployment("a")], num_retries=1, retry_after=0.0))
    one.failed(pick(one), status(500), 0.0)
    one.failed(pick(one, 9.0), status(500), 9.0)

    assert error_of(one, 9.0).should_retry is False
    assert ended(status(500)).should_retry is None
