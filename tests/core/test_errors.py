from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference import exceptions
from wandb_inference._core.errors import (
    MAX_ERROR_BODY,
    connection_error,
    is_error_object,
    read_body,
    status_error,
    stream_error,
)
from wandb_inference._core.wire import Context, Failure, Reply, Request, Timeouts
from wandb_inference.exceptions import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConcurrencyLimitError,
    ConflictError,
    InternalServerError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
    UnprocessableEntityError,
)

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
BASE_URL = "https://api.inference.wandb.ai/v1"
DEFAULTS = Timeouts()
NOW = 1_800_000_000.0
JSON = {"content-type": "application/json"}


def request(base_url=BASE_URL, model=LLAMA, body=b"{}", timeouts=DEFAULTS):
    context = Context(base_url, model, "team/project", "WANDB_API_KEY")
    return Request("POST", f"{base_url}/chat/completions", {}, body, timeouts, context)


def reply(status, body=b"", headers=JSON):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, headers, data, None, seconds=0.5, to_headers=0.5, elapsed=0.6, now=NOW)


def error_of(status, body=b"", headers=JSON, **asked):
    return status_error(reply(status, body, headers), request(**asked))


def failure(reason="connection refused", clock=None, cause=None):
    return Failure(cause, reason, "not_sent", clock, permanent=False, seconds=0.1, elapsed=0.1)


DOCUMENTED = [
    (
        401,
        {"error": {"code": "invalid_api_key", "message": "Missing bearer authentication in header", "type": "x"}},
        AuthenticationError,
        "Missing bearer authentication in header",
        "invalid_api_key",
        "wandb.ai/settings",
    ),
    (
        401,
        {"error": {"message": "Authentication failed"}},
        AuthenticationError,
        "Authentication failed",
        None,
        '"team/project"',
    ),
    (
        402,
        {"error": {"message": "You exceeded your current quota, please check your plan and billing details"}},
        QuotaExceededError,
        "You exceeded your current quota, please check your plan and billing details",
        None,
        "forge.coreweave.com, Billing",
    ),
    (
        429,
        {"error": {"message": "You exceeded your current quota, please check your plan and billing details"}},
        QuotaExceededError,
        "You exceeded your current quota, please check your plan and billing details",
        None,
        "never retried",
    ),
    (
        403,
        {"error": {"code": 403, "message": "Country, region, or territory not supported"}},
        PermissionDeniedError,
        "Country, region, or territory not supported",
        "403",
        "not offered where this request came from",
    ),
    (
        403,
        {"error": {"message": "The inference gateway is not enabled for your organization"}},
        PermissionDeniedError,
        "The inference gateway is not enabled for your organization",
        None,
        "to enable inference",
    ),
    (403, b"error code: 1010", PermissionDeniedError, "error code: 1010", None, "User-Agent"),
    (403, {"message": "no"}, PermissionDeniedError, "no", None, "may use inference"),
    (
        404,
        {"error": {"message": "The requested resource was not found"}},
        ModelNotFoundError,
        "The requested resource was not found",
        None,
        "Did you mean",
    ),
    (
        422,
        {"detail": [{"loc": ["body", "logprobs"], "msg": "Extra inputs are not permitted", "type": "extra"}]},
        UnprocessableEntityError,
        "body.logprobs: Extra inputs are not permitted",
        None,
        f"Change or leave out what {LLAMA} does not take",
    ),
    (
        429,
        {"error": {"message": "Concurrency limit reached for requests"}},
        ConcurrencyLimitError,
        "Concurrency limit reached for requests",
        None,
        "fewer requests at the same time",
    ),
    (
        429,
        {"error": {"code": "rate_limit_exceeded", "message": "concurrency limit reached for requests: m-project"}},
        ConcurrencyLimitError,
        "concurrency limit reached for requests: m-project",
        "rate_limit_exceeded",
        "per model and project",
    ),
    (
        429,
        {"error": {"message": "W&B Inference isn't available for personal accounts. Please switch"}},
        RateLimitError,
        "W&B Inference isn't available for personal accounts. Please switch",
        None,
        "Create a team",
    ),
    (429, {"error": {"message": "Too many requests"}}, RateLimitError, "Too many requests", None, None),
    (
        500,
        {"error": {"message": "The server had an error while processing your request"}},
        InternalServerError,
        "The server had an error while processing your request",
        None,
        "forge-support@coreweave.com",
    ),
    (500, b"ext_proc failed: no more", InternalServerError, "ext_proc failed: no more", None, "1600 pixels"),
    (
        503,
        {"error": {"message": "The engine is currently overloaded, please try again later"}},
        ServiceUnavailableError,
        "The engine is currently overloaded, please try again later",
        None,
        "try again in a minute",
    ),
    (
        524,
        b"<html><title>A timeout occurred</title>",
        InternalServerError,
        "an HTML page, 'A timeout occurred'",
        None,
        "",
    ),
    (400, {"error": {"message": "Invalid Authentication"}}, BadRequestError, "Invalid Authentication", None, None),
    (409, {"error": {"message": "busy"}}, ConflictError, "busy", None, None),
    (418, {"error": {"message": "short and stout"}}, APIStatusError, "short and stout", None, None),
    (599, b"", InternalServerError, "no message", None, "the service's fault".capitalize()),
]


@pytest.mark.parametrize(("status", "body", "cls", "message", "code", "hint"), DOCUMENTED)
def test_documented_errors(status, body, cls, message, code, hint):
    """Each documented answer has its class, the server's own words, its code and what to do."""
    error = error_of(status, body, model="meta-llama/Llama-3.1-8B" if status == 404 else LLAMA)

    assert type(error) is cls
    assert (error.status_code, error.message, error.code) == (status, message, code)
    assert error.hint is None if hint is None else hint in (error.hint or "")


SHAPES = [
    ({"error": {"message": "m", "code": "c", "type": "t", "param": "p"}}, ("m", "c", "t", "p")),
    ({"error": {"message": "m", "code": 40301}}, ("m", "40301", None, None)),
    ({"error": {"message": "m", "code": "", "type": None, "param": ["p"]}}, ("m", None, None, None)),
    ({"error": "m"}, ("m", None, None, None)),
    ({"error": "Bad Request", "message": "m", "status": 400}, ("m", None, None, None)),
    ({"error": "m", "code": 7}, ("m", "7", None, None)),
    ({"error": {"error": {"message": "m", "code": "c"}}}, ("m", "c", None, None)),
    ({"error": {"message": {"message": "m"}}}, ("m", None, None, None)),
    ({"error": {"message": {"why": "m"}}}, ('{"why": "m"}', None, None, None)),
    ({"error": [{"message": "m", "code": 1}]}, ("m", "1", None, None)),
    ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], ("m", "400", None, None)),
    (
        {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
        ("m", "400", "BadRequestError", None),
    ),
    ({"detail": "m"}, ("m", None, None, None)),
    ({"detail": {"message": "m"}}, ("m", None, None, None)),
    (
        {"detail": ["a", {"msg": "b"}, {"loc": ["body", 0, None], "message": "c"}]},
        ("a; b; body.0: c", None, None, None),
    ),
    ({"detail": [{"loc": "body"}, 7]}, ('{"loc": "body"}; 7', None, None, None)),
    ({"message": "m"}, ("m", None, None, None)),
    ({"message": "  ", "detail": "m"}, ("m", None, None, None)),
    ({"msg": "m"}, ("m", None, None, None)),
    ({"error": "invalid_token", "error_description": "m"}, ("invalid_token", None, None, None)),
    ({"title": "m", "type": "about:blank"}, ("m", None, "about:blank", None)),
    ({"fault": 7}, ('{"fault": 7}', None, None, None)),
    ({"error": {}}, ('{"error": {}}', None, None, None)),
    ([], ("[]", None, None, None)),
    ([[[[[{"message": "too deep"}]]]]], ('[[[[[{"message": "too deep"}]]]]]', None, None, None)),
    ([7], ("[7]", None, None, None)),
    ("m", ("m", None, None, None)),
    (b"  plain \n text ", ("plain text", None, None, None)),
    (b'\xef\xbb\xbf{"error": "m"}', ("m", None, None, None)),
    (b'{"error": "m', ('{"error": "m', None, None, None)),
    (b"caf\xe9", ("caf\ufffd", None, None, None)),
    (b'{"error": "caf\xe9"}', ("caf\ufffd", None, None, None)),
    (
        b"<!doctype html><TITLE class=a>\n 502  Bad\tGateway </TITLE>",
        ("an HTML page, '502 Bad Gateway'", None, None, None),
    ),
    (b"<html><title> </title>", ("an HTML page", None, None, None)),
    (b"", ("", None, None, None)),
]


@pytest.mark.parametrize(("body", "expected"), SHAPES)
def test_shapes(body, expected):
    """Message, code, type and param are found in every shape that servers use."""
    found = read_body(body if isinstance(body, bytes) else json.dumps(body).encode())

    assert (found.message, found.code, found.type, found.param) == expected


def test_html_by_its_content_type():
    """A page is named as one, whatever it begins with."""
    assert read_body(b"Sorry. <title>Down</title>", "text/html; charset=utf-8").message == "an HTML page, 'Down'"


def test_long_bodies_are_cut():
    """At most 64 KiB of a body are read and 500 characters of it shown."""
    found = read_body(b"x" * (MAX_ERROR_BODY + 1))

    assert len(found.parsed) == MAX_ERROR_BODY
    assert found.message == "x" * 500 + "..."


@pytest.mark.parametrize("depth", [900, 100_000])
def test_bodies_nested_without_end(depth):
    """An object nested beyond the recursion limit is an error like any other."""
    nested = b'{"error":{"why":' + b"[" * depth + b"]" * depth + b"}}"

    assert error_of(400, nested).message.startswith('{"')


def test_messages_nested_without_end():
    """A message within messages is looked for to a bounded depth, and is else shown as JSON."""
    value: object = "deep"
    for _ in range(20):
        value = {"message": value}

    assert read_body(json.dumps(value).encode()).message.startswith('{"message": ')


def test_values_too_deep_to_write(monkeypatch):
    """What was read but can't be written any more is described."""

    def dumps(*args, **options):
        raise RecursionError

    monkeypatch.setattr("wandb_inference._core.errors.json.dumps", dumps)

    assert read_body(b'{"fault": 7}').message == "JSON nested too deep to show"


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "message", "detail", "msg", "code", "type", "param", "loc", "status"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from([400, 401, 404, 422, 429, 500]),
)
def test_any_json_is_an_error_that_can_be_shown(value, status):
    """Whatever JSON an error's body is, an exception of the tree comes of it, and its text is not empty."""
    assert str(error_of(status, value)).startswith(f"{status}: ")
    assert str(stream_error(value, request().context, headers={}, request_id=None))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_an_error_that_can_be_shown(data):
    """The same for bytes that are anything."""
    assert str(error_of(500, data)).startswith("500: ")


def test_text_of_an_error():
    """The text is the status, the server's words and the request id, then the hint."""
    error = error_of(402, {"error": {"message": "No credits left"}}, {**JSON, "x-request-id": "req_7f3a"})

    assert str(error) == f"402: No credits left (req_7f3a). {error.hint}"


def test_what_an_error_carries():
    """Headers, parsed body, request id and the wait that was asked for are plain attributes."""
    body = {"error": {"message": "slow down", "type": "t", "param": "p"}}
    headers = {**JSON, "retry-after": "7", "request-id": "", "cf-ray": "ray"}

    error = error_of(429, body, headers)

    assert (error.body, error.headers, error.request_id, error.retry_after) == (body, headers, "ray", 7.0)
    assert (error.type, error.param) == ("t", "p")


@pytest.mark.parametrize(
    "error",
    [
        {"code": "insufficient_quota", "message": "no"},
        {"type": "insufficient_quota", "message": "no"},
        {"code": "billing_hard_limit_reached", "message": "no"},
        {"message": "Your team is out of credits"},
        {"message": "Check your billing details"},
    ],
)
def test_429_that_means_quota(error):
    """A 429 about credits is a quota error."""
    assert type(error_of(429, {"error": error})) is QuotaExceededError


def test_429_that_only_names_the_billing_page():
    """An address of a billing page in a message about the rate does not make it one about credits."""
    message = "Rate limit reached. Visit https://platform.openai.com/account/billing to add a payment method."

    assert type(error_of(429, {"error": {"message": message}})) is RateLimitError


class Test404:
    """Whether a 404 is about the model or about the path, and what each says."""

    NOT_FOUND = {"error": {"message": "The requested resource was not found"}}

    def test_retired_model(self):
        """A retired model leads to its successor."""
        error = error_of(404, self.NOT_FOUND, model="Qwen/Qwen3.6-27B")

        assert isinstance(error, ModelNotFoundError)
        assert error.successor == "Qwen/Qwen3.8-27B"
        assert error.hint == "Qwen/Qwen3.6-27B is retired; use Qwen/Qwen3.8-27B."

    def test_misspelt_model(self):
        """A misspelt model leads to the nearest living ids, best first."""
        error = error_of(404, self.NOT_FOUND, model="meta-llama/Llama-3.1-8B-Instrct")

        assert isinstance(error, ModelNotFoundError)
        assert error.suggestions[0] == LLAMA
        assert error.successor is None

    def test_no_path(self):
        """An answer of a web framework without this path is no answer about a model."""
        error = error_of(404, {"detail": "Not Found"}, base_url="http://localhost:8000")

        assert type(error) is NotFoundError
        assert "try 'http://localhost:8000/v1'" in (error.hint or "")

    @pytest.mark.parametrize(("model", "base_url"), [(LLAMA, BASE_URL), ("no/such", f"{BASE_URL}/v1")])
    def test_a_living_model_or_a_path_too_many(self, model, base_url):
        """The service's one message for both is about the path where the model is there, or the path can't be right."""
        body = {"error": {"message": "The requested resource was not found"}}
        error = error_of(404, body, model=model, base_url=base_url)

        assert type(error) is NotFoundError
        assert base_url in (error.hint or "")

    @pytest.mark.parametrize("body", [b"<html>", b"404 page not found", {"detail": "Not Found"}])
    def test_no_path_below_v1(self, body):
        """Neither are a page, plain text and that framework's answer below /v1."""
        error = error_of(404, body)

        assert type(error) is NotFoundError
        assert error.hint == f"Check the base URL {BASE_URL!r}."

    @pytest.mark.parametrize(
        "body",
        [
            {"detail": f"The model `{LLAMA}` does not exist"},
            {"error": {"message": "no such thing", "code": "model_not_found"}},
            {"detail": f"{LLAMA} is unknown here"},
        ],
    )
    def test_model_named(self, body):
        """An answer that names the model or speaks of one is about it, on any base URL."""
        assert type(error_of(404, body, base_url="http://localhost:8000")) is ModelNotFoundError

    def test_without_a_model(self):
        """A call that names no model can't have missed one."""
        assert type(error_of(404, {"error": {"message": "no model list"}}, model=None)) is NotFoundError


class TestRedirects:
    """A redirect that was not followed."""

    def test_shown(self):
        """The address is in the message, and what to do with it in the hint."""
        error = error_of(301, b"<html>", {"location": "https://elsewhere.example/v1"})

        assert type(error) is APIStatusError
        assert error.message == "redirected to https://elsewhere.example/v1"
        assert "as base_url" in (error.hint or "")

    def test_to_nowhere(self):
        """Without an address there is none to give."""
        error = error_of(302)

        assert (error.message, error.hint) == ("redirected to nowhere", None)

    def test_not_modified(self):
        """The answer to a condition that was not set leads nowhere."""
        error = error_of(304)

        assert (error.message, error.hint) == ("Not Modified was not asked for", None)


STREAMED = [
    ({"error": {"message": "m", "code": 429}}, RateLimitError, 429),
    ({"error": {"message": "m", "code": "503"}}, ServiceUnavailableError, 503),
    ({"error": {"message": "m", "type": "invalid_request_error"}}, BadRequestError, 400),
    ({"error": {"message": "m", "type": "NotFoundError"}}, ModelNotFoundError, 404),
    ({"error": {"message": "m", "type": "overloaded_error"}}, InternalServerError, 529),
    ({"error": {"message": "m", "code": "insufficient_quota"}}, QuotaExceededError, 402),
    ({"error": {"message": "m", "code": "invalid_api_key", "type": "x"}}, AuthenticationError, 401),
    ({"error": {"message": "Concurrency limit", "code": "rate_limit_exceeded"}}, ConcurrencyLimitError, 429),
    ({"error": {"message": "model gone", "code": "model_not_found"}}, ModelNotFoundError, 404),
    ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, BadRequestError, 400),
    ({"message": "m", "status_code": 422}, UnprocessableEntityError, 422),
    ({"error": "Bad Request", "message": "m", "status": 400}, BadRequestError, 400),
    ({"error": {"message": "m", "code": 200}}, InternalServerError, 500),
    ({"error": {"message": "m", "code": "strange"}}, InternalServerError, 500),
    ({"error": "m"}, InternalServerError, 500),
    ("m", InternalServerError, 500),
    ('{"error": {"message": "m", "code": 403}}', PermissionDeniedError, 403),
    ("half \ud83d a pair", InternalServerError, 500),
]


@pytest.mark.parametrize(("value", "cls", "status"), STREAMED)
def test_errors_inside_a_stream(value, cls, status):
    """An error object has the class that its status, code or type has as an HTTP status, else it is the server's."""
    error = stream_error(value, request().context, headers={"x-request-id": "r"}, request_id="r")

    assert type(error) is cls
    assert (error.status_code, error.request_id) == (status, "r")


def test_error_event_without_a_word():
    """An error that says nothing is described."""
    error = stream_error("", request().context, headers={}, request_id=None)

    assert error.message == "an error event without a message"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"error": {"message": "m"}}, True),
        ({"error": "m"}, True),
        ({"error": {}}, True),
        ([{"error": "m"}], True),
        ({"detail": "m"}, True),
        ({"detail": [{"msg": "m"}]}, True),
        ({"message": "m"}, True),
        ({"message": "m", "choices": None}, True),
        ({"error": "m", "choices": [1]}, False),
        ({"object": "error", "code": 400}, True),
        ({"error": None, "choices": []}, False),
        ({"error": False}, False),
        ({"message": 7}, False),
        ({"id": "x"}, False),
        ([], False),
        ("m", False),
        (None, False),
    ],
)
def test_what_counts_as_an_error_object(value, expected):
    """An object that speaks of a failure and has no choices is an error; any other is none."""
    assert is_error_object(value) is expected


class TestNoAnswer:
    """Failures of the connection."""

    @pytest.mark.parametrize(
        ("clock", "message"),
        [
            ("connect", "no connection to api.inference.wandb.ai:443 within 10 seconds"),
            ("read", "api.inference.wandb.ai:443 sent nothing for 0.5 seconds"),
            ("write", "api.inference.wandb.ai:443 took nothing for 0.5 seconds"),
            ("stall", "api.inference.wandb.ai:443 sent no data for 120 seconds"),
            ("deadline", "the deadline of 30 seconds is over"),
        ],
    )
    def test_clocks(self, clock, message):
        """The message has the address and the limit, and the clock is an attribute."""
        error = connection_error(failure(clock=clock), request(timeouts=Timeouts(10.0, 0.5, 120.0, 30.0)))

        assert isinstance(error, APITimeoutError)
        assert (error.message, error.clock) == (message, clock)
        assert error.hint

    def test_the_systems_own_clock(self):
        """A clock that ran out without a limit of ours was the operating system's."""
        error = connection_error(failure(clock="connect"), request(timeouts=Timeouts(connect=None)))

        assert error.message == "no connection to api.inference.wandb.ai:443 within the system's limit"

    def test_refused(self):
        """Address and reason are in the message, and the transport's exception is the cause."""
        cause = OSError("refused")

        error = connection_error(failure(cause=cause), request("http://[::1]:9/v1"))

        assert type(error) is APIConnectionError
        assert error.message == "[::1]:9: connection refused"
        assert error.__cause__ is cause


def test_every_status_class_is_reached():
    """No class for a status is left that no answer makes."""
    made = {row[2] for row in DOCUMENTED} | {NotFoundError}
    public = {getattr(exceptions, name) for name in exceptions.__all__}

    assert {cls for cls in public if isinstance(cls, type) and issubclass(cls, APIStatusError)} == made
