from __future__ import annotations

import json

import pytest

from wandb_inference._core.flow import (
    MAX_REDIRECTS,
    Broken,
    Journal,
    Quirks,
    redirect_target,
    request_flow,
    stream_flow,
)
from wandb_inference._core.retry import RetryPolicy
from wandb_inference._core.wire import Attempt, Context, Failure, Reply, Request, Timeouts, origin
from wandb_inference.exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AttemptRecord,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    QuotaExceededError,
    StreamInterruptedError,
    UnprocessableEntityError,
)

BASE_URL = "https://api.inference.wandb.ai/v1"
URL = f"{BASE_URL}/chat/completions"


def request(deadline=None, body=b"{}"):
    return Request("POST", URL, {}, body, Timeouts(deadline=deadline), Context(BASE_URL, "m"))


def journal(retries=2):
    return Journal(RetryPolicy(retries), jitter=lambda: 0.0)


def reply(status=200, headers=None, message="m", elapsed=1.0):
    body = json.dumps({"error": {"message": message}}).encode()
    return Reply(status, headers or {}, body, None, seconds=0.25, to_headers=0.5, elapsed=elapsed, now=0.0)


def failure(sent="not_sent", permanent=False, clock=None, elapsed=1.0):
    return Failure(OSError("no"), "connection refused", sent, clock, permanent, seconds=0.25, elapsed=elapsed)


def drive(flow, *outcomes):
    """The attempts that the outcomes lead to, and what the flow ends with."""
    attempts = [next(flow)]
    for outcome in outcomes:
        try:
            attempts.append(flow.send(outcome))
        except StopIteration as finished:
            return attempts, finished.value
        except APIError as error:
            return attempts, error
    return attempts, None


def test_an_answer_at_once():
    """A good answer to the first attempt is the result, and the only one recorded."""
    calls = journal()
    good = reply(headers={"x-request-id": "r"})

    attempts, result = drive(request_flow(request(), calls), good)

    assert attempts == [Attempt(request(), 0.0)]
    assert result is good
    assert calls.records == [AttemptRecord(200, None, "answered", 0.0, 0.25, "r")]


def test_waits_as_long_as_the_server_asks():
    """Retry-After beats the backoff curve."""
    flow = request_flow(request(), journal(retries=1))

    assert next(flow).wait == 0
    assert flow.send(reply(429, {"retry-after": "7"})).wait == 7.0


def test_the_last_error_lists_the_attempts():
    """When attempts run out, the last error is raised, and every attempt is on it with its wait and outcome."""
    flow = request_flow(request(), journal())

    attempts, error = drive(flow, failure(), reply(503, message="busy"), failure(sent="unknown", clock="read"))

    assert [attempt.wait for attempt in attempts] == [0.0, 0.5, 1.0]
    assert isinstance(error, APITimeoutError)
    assert [(record.status, record.outcome, record.waited) for record in error.attempts] == [
        (None, "not_sent", 0.0),
        (503, "answered", 0.5),
        (None, "unknown", 1.0),
    ]
    assert [record.error for record in error.attempts][:2] == [
        "api.inference.wandb.ai:443: connection refused",
        "busy",
    ]
    assert "[3 attempts]" in str(error)


def test_success_after_failures():
    """An answer after failures is the result, and the journal has them all."""
    calls = journal()

    _, result = drive(request_flow(request(), calls), reply(500), reply())

    assert result.status == 200
    assert [record.error for record in calls.records] == ["m", None]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (reply(400), BadRequestError),
        (reply(402), QuotaExceededError),
        (reply(429, message="insufficient_quota"), QuotaExceededError),
        (reply(503, {"retry-after": "121"}), InternalServerError),
        (failure(permanent=True), APIConnectionError),
        (failure(clock="deadline"), APITimeoutError),
    ],
)
def test_final(outcome, kind):
    """What another attempt can't mend is raised at once."""
    attempts, error = drive(request_flow(request(), journal()), outcome)

    assert len(attempts) == 1
    assert isinstance(error, kind)
    assert len(error.attempts) == 1


def test_no_retries():
    """With no retries the first failure is the last."""
    _, error = drive(request_flow(request(), journal(retries=0)), reply(503))

    assert isinstance(error, InternalServerError)


@pytest.mark.parametrize(("deadline", "retried"), [(None, True), (1.6, True), (1.5, False)])
def test_deadline(deadline, retried):
    """There is no waiting for an attempt that could only begin after the deadline."""
    attempts, error = drive(request_flow(request(deadline), journal()), reply(503, elapsed=1.0))

    assert (len(attempts) == 2) is retried
    assert (error is None) is retried


class TestRedirects:
    """307 and 308, which keep method and body."""

    @pytest.mark.parametrize("status", [307, 308])
    @pytest.mark.parametrize(
        ("location", "target"),
        [
            ("/v2/chat/completions", "https://api.inference.wandb.ai/v2/chat/completions"),
            ("completions/", f"{BASE_URL}/chat/completions/"),
            (f"{URL}/", f"{URL}/"),
            ("https://API.inference.wandb.ai:443/x", "https://API.inference.wandb.ai:443/x"),
        ],
    )
    def test_followed_within_the_origin(self, status, location, target):
        """The same request goes to the new address at once, and counts as no retry."""
        calls = journal(retries=0)

        attempts, result = drive(request_flow(request(), calls), reply(status, {"location": location}), reply())

        assert attempts[1] == Attempt(request()._replace(url=target), 0.0)
        assert result.status == 200
        assert len(calls.records) == 1

    @pytest.mark.parametrize(
        "location",
        [
            "https://elsewhere.example/v1",
            "http://api.inference.wandb.ai/v1",
            "https://api.inference.wandb.ai:8443/v1",
            "//elsewhere.example/v1",
            "https://api.inference.wandb.ai@elsewhere.example/",
            "https://api.inference.wandb.ai.elsewhere.example/",
            "https://[half",
            "https://api.inference.wandb.ai:port/",
            "",
        ],
    )
    def test_to_another_origin(self, location):
        """No redirect leads to another origin: the key would go there."""
        attempts, error = drive(request_flow(request(), journal()), reply(307, {"location": location}))

        assert len(attempts) == 1
        assert isinstance(error, APIStatusError)
        assert error.status_code == 307

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 304])
    def test_other_statuses(self, status):
        """The redirects that may turn a POST into a GET are not followed."""
        assert redirect_target(URL, reply(status, {"location": "/v2"})) is None

    def test_at_most_five(self):
        """A loop ends after five."""
        loop = [reply(307, {"location": URL})] * (MAX_REDIRECTS + 1)

        attempts, error = drive(request_flow(request(), journal()), *loop)

        assert len(attempts) == MAX_REDIRECTS + 1
        assert error.message == f"redirected more than 5 times, now to {URL}"
        assert "leads in a circle" in error.hint

    def test_retry_goes_to_the_new_address(self):
        """What fails behind a redirect is tried again there."""
        attempts, _ = drive(request_flow(request(), journal()), reply(307, {"location": "/v2"}), reply(503))

        assert [attempt.wait for attempt in attempts] == [0.0, 0.0, 0.5]
        assert attempts[2].request.url == "https://api.inference.wandb.ai/v2"


class TestBroken:
    """A stream that broke before its first chunk was handed over comes back."""

    def test_retried(self):
        """It is tried again after a wait, its record mended: its headers had been good."""
        calls = journal()
        drive(request_flow(request(), calls), reply())

        attempts, result = drive(
            request_flow(request(), calls, Broken(StreamInterruptedError("cut"), elapsed=2.0)), reply()
        )

        assert [attempt.wait for attempt in attempts] == [0.5]
        assert result.status == 200
        assert [(record.error, record.outcome) for record in calls.records] == [("cut", "unknown"), (None, "answered")]

    def test_counts_as_an_attempt(self):
        """Streams that break again and again use up the retries."""
        calls = journal(retries=1)
        cut = StreamInterruptedError("cut")
        drive(request_flow(request(), calls), reply())
        drive(request_flow(request(), calls, Broken(cut, elapsed=2.0)), reply())

        with pytest.raises(StreamInterruptedError) as caught:
            next(request_flow(request(), calls, Broken(cut, elapsed=3.0)))

        assert [record.error for record in caught.value.attempts] == ["cut", "cut"]

    def test_no_time_left(self):
        """After the deadline there is no other attempt."""
        calls = journal()
        drive(request_flow(request(2.0), calls), reply())

        with pytest.raises(StreamInterruptedError):
            next(request_flow(request(2.0), calls, Broken(StreamInterruptedError("cut"), elapsed=1.9)))


class TestStreamOptions:
    """Usage is asked for, and done without where a server refuses to be asked."""

    ASKING = request(body=b'{"stream_options":{"include_usage":true}}')
    PLAIN = request(body=b"{}")

    def flow(self, calls, quirks, broken=None):
        return stream_flow(self.ASKING, self.PLAIN, calls, quirks, broken)

    def test_taken(self):
        """A server that takes `stream_options` is asked once."""
        quirks = Quirks()

        attempts, result = drive(self.flow(journal(), quirks), reply())

        assert [attempt.request for attempt in attempts] == [self.ASKING]
        assert result.status == 200
        assert not quirks.no_stream_options

    @pytest.mark.parametrize("status", [400, 422])
    def test_refused(self, status):
        """One that refuses gets the request again without, at once, and that is remembered."""
        quirks, calls = Quirks(), journal(retries=0)
        refusal = reply(status, message="Unknown field: stream_options")

        attempts, result = drive(self.flow(calls, quirks), refusal, reply())

        assert attempts == [Attempt(self.ASKING, 0.0), Attempt(self.PLAIN, 0.0)]
        assert result.status == 200
        assert quirks.no_stream_options
        assert [record.status for record in calls.records] == [status, 200]
        assert [attempt.request for attempt in drive(self.flow(journal(), quirks), reply())[0]] == [self.PLAIN]

    def test_named_as_the_parameter(self):
        """The refusal can be in `param` alone."""
        body = json.dumps({"error": {"message": "no", "param": "stream_options"}}).encode()

        attempts, _ = drive(self.flow(journal(), Quirks()), reply(400)._replace(body=body), reply())

        assert attempts[1].request is self.PLAIN

    def test_refused_for_another_reason(self):
        """A 422 that only quotes the request is about something else."""
        quirks = Quirks()
        quoting = json.dumps({"detail": "temperature is too high", "body": {"stream_options": {}}}).encode()

        attempts, error = drive(self.flow(journal(), quirks), reply(422)._replace(body=quoting))

        assert len(attempts) == 1
        assert isinstance(error, UnprocessableEntityError)
        assert not quirks.no_stream_options

    def test_refused_without_as_well(self):
        """If the request fails without `stream_options`, that was not the quirk: nothing is remembered."""
        quirks = Quirks()
        refusal = reply(400, message="stream_options and everything else")

        _, error = drive(self.flow(journal(), quirks), refusal, reply(404))

        assert isinstance(error, NotFoundError)
        assert not quirks.no_stream_options
        assert [record.status for record in error.attempts] == [400, 404]

    def test_broken(self):
        """A broken stream is tried again as it was asked for."""
        broken = Broken(StreamInterruptedError("cut"), elapsed=2.0)
        for known, sent in [(False, self.ASKING), (True, self.PLAIN)]:
            quirks, calls = Quirks(), journal()
            quirks.no_stream_options = known
            drive(self.flow(calls, quirks), reply())

            assert next(self.flow(calls, quirks, broken)) == Attempt(sent, 0.5)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/x", ("https", "host", 443)),
        ("http://HOST/x", ("http", "host", 80)),
        ("http://[::1]:8000", ("http", "::1", 8000)),
        ("nothing", ("", "", 80)),
    ],
)
def test_origins(url, expected):
    """An origin is scheme, host and port, the scheme's own port where none is given."""
    assert origin(url) == expected


def test_jitter_is_random_by_default():
    """Without being told otherwise, clients drift apart."""
    assert 0.0 <= Journal(RetryPolicy()).jitter() < 1.0
