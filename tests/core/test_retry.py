from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference._core.retry import MAX_RETRY_AFTER, RetryPolicy, is_transient, retry_after
from wandb_inference.exceptions import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    StreamInterruptedError,
)

NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


@pytest.mark.parametrize(
    ("status", "retried"),
    [
        *((status, True) for status in (408, 409, 429, 500, 502, 503, 504, 524, 529)),
        *((status, False) for status in (301, 307, 400, 401, 402, 403, 404, 413, 418, 422, 501, 505, 520, 599)),
    ],
)
def test_statuses(status, retried):
    """Statuses that may pass are retried, and no others."""
    assert is_transient(APIStatusError("m", status_code=status)) is retried


@pytest.mark.parametrize(
    ("status", "header", "retried"),
    [(400, "true", True), (400, "TRUE", True), (500, "false", False), (500, "maybe", True), (400, "", False)],
)
def test_the_server_decides(status, header, retried):
    """`x-should-retry` wins over the table, where it says true or false."""
    error = APIStatusError("m", status_code=status, headers={"x-should-retry": header})

    assert is_transient(error) is retried


@pytest.mark.parametrize(
    "error",
    [
        QuotaExceededError("m", status_code=429, headers={"x-should-retry": "true"}),
        RateLimitError("not available for personal accounts", headers={"x-should-retry": "true"}),
        APIResponseValidationError("m"),
        InvalidRequestError("m"),
        APITimeoutError("m", clock="deadline"),
    ],
)
def test_never(error):
    """Quota, personal accounts, nonsense with status 200, wrong requests and the deadline are final."""
    assert not is_transient(error)
    assert RetryPolicy(5).delay(0, error, 0.0) is None


@pytest.mark.parametrize(
    "error",
    [
        APIConnectionError("m"),
        StreamInterruptedError("m"),
        *(APITimeoutError("m", clock=clock) for clock in ("connect", "read", "write", "stall")),
    ],
)
def test_no_answer(error):
    """Failed connections, broken streams and all other clocks are retried."""
    assert is_transient(error)


@pytest.mark.parametrize(
    ("attempt", "most"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (10**6, 8.0)]
)
def test_curve(attempt, most):
    """The wait doubles from half a second up to eight, less up to a half."""
    policy = RetryPolicy(max_retries=10**9)
    error = APIConnectionError("m")

    assert policy.delay(attempt, error, 0.0) == most
    assert policy.delay(attempt, error, 0.999999) == pytest.approx(most / 2, rel=1e-5)


def test_attempts_run_out():
    """After the retries there are no more."""
    policy = RetryPolicy(max_retries=2)
    error = APIConnectionError("m")

    assert [policy.delay(attempt, error, 0.0) for attempt in range(4)] == [0.5, 1.0, None, None]
    assert RetryPolicy(max_retries=0).delay(0, error, 0.0) is None


@pytest.mark.parametrize(
    ("asked", "wait"), [(0.0, 0.0), (7.0, 7.0), (MAX_RETRY_AFTER, MAX_RETRY_AFTER), (MAX_RETRY_AFTER + 0.1, None)]
)
def test_the_servers_wait_wins(asked, wait):
    """A wait of up to 120 seconds that the server asks for is kept; a longer one is the caller's to know at once."""
    assert RetryPolicy().delay(0, RateLimitError("m", retry_after=asked), 0.5) == wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1e3"}, 1000.0),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1, 2"}, None),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:20 GMT"}, 20.0),
        ({"retry-after": "Fri, 15 Jan 2027 09:00:20 +0100"}, 20.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:20"}, 20.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:20 -0000"}, 20.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 99 Jan 2027 08:00:20 GMT"}, None),
        ({"retry-after": "Fri, 15 Jan 99999999999999999999 08:00:20 GMT"}, None),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:20 GMT", "date": "Fri, 15 Jan 2027 08:00:15 GMT"}, 5.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:20 GMT", "date": "today"}, 20.0),
    ],
)
def test_retry_after(headers, seconds):
    """Seconds, milliseconds and dates are understood; nonsense asks for nothing."""
    assert retry_after(headers, NOW) == seconds


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text(max_size=40)))
def test_any_header(headers):
    """No header can do more than ask for a wait from 0 up."""
    seconds = retry_after(headers, NOW)

    assert seconds is None or 0.0 <= seconds < float("inf")


@settings(deadline=None)
@given(st.integers(0, 60), st.floats(0.0, 1.0, exclude_max=True))
def test_any_wait(attempt, jitter):
    """No wait is longer than eight seconds or shorter than a quarter."""
    wait = RetryPolicy(max_retries=100).delay(attempt, APIConnectionError("m"), jitter)

    assert wait is not None
    assert 0.25 <= wait <= 8.0
