"""What servers say about their rate limits."""

from __future__ import annotations

import pickle

import pytest

from wandb_inference.types import Meta, RateLimit
from wandb_inference.types.rate_limit import duration, read_rate_limit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m30s", 90.0),
        ("6ms", 0.006),
        ("1h2m3.5s", 3723.5),
        ("2d", 172800.0),
        ("20us", 2e-5),
        ("8ns", 8e-9),
        (" 12 ", 12.0),
        ("0.5", 0.5),
        ("0s", 0.0),
        ("", None),
        ("soon", None),
        ("1m30", None),
        ("-1s", None),
        ("1s!", None),
        ("2026-01-01T00:00:00Z", None),
        ("9" * 5000, None),
    ],
)
def test_duration(text: str, seconds: float | None) -> None:
    """Go's durations and plain seconds are read; anything else is not known."""
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6m0s",
}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"content-type": "application/json"}, None),
        (OPENAI, RateLimit(60, 59, 1.0, 150000, 149984, 360.0)),
        ({"x-ratelimit-remaining-tokens": "0"}, RateLimit(remaining_tokens=0)),
        (
            {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "0", "ratelimit-reset": "5"},
            RateLimit(100, 0, 5.0),
        ),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, RateLimit(100, 50, 5.0)),
        ({"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60'}, RateLimit(100, 50, 30.0)),
        ({**OPENAI, "ratelimit-limit": "7"}, RateLimit(60, 59, 1.0, 150000, 149984, 360.0)),
        ({"x-ratelimit-limit-requests": "many", "ratelimit-limit": "7"}, RateLimit(7)),
        ({"x-ratelimit-limit-requests": "1.5"}, None),
        ({"x-ratelimit-reset-tokens": "soon"}, None),
        ({"x-ratelimit-limit-requests": "9" * 5000}, None),
    ],
)
def test_headers(headers: dict[str, str], expected: RateLimit | None) -> None:
    """OpenAI's headers, then the IETF's; what can't be understood counts as not said."""
    assert read_rate_limit(headers) == expected


def test_meta() -> None:
    """The record of a call knows its rate limits, also after it was pickled."""
    meta = Meta("r", 200, OPENAI, (), 1.0, None, 2.0)

    assert (
        meta.rate_limit == pickle.loads(pickle.dumps(meta)).rate_limit == RateLimit(60, 59, 1.0, 150000, 149984, 360.0)
    )
    assert Meta("r", 200, {}, (), 1.0, None, 2.0).rate_limit is None
