"""What a server says about its rate limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NUMBER = r"\d{1,15}(?:\.\d{1,15})?"
_STEP = re.compile(rf"({_NUMBER})(ms|us|ns|[dhms])")

# Where the number of requests stands, the likeliest first: a header, and the member in it that has the value.
_LIMIT = (
    ("x-ratelimit-limit-requests", ""),
    ("ratelimit-limit", ""),
    ("ratelimit", "limit"),
    ("ratelimit-policy", "q"),
)
_REMAINING = (
    ("x-ratelimit-remaining-requests", ""),
    ("ratelimit-remaining", ""),
    ("ratelimit", "remaining"),
    ("ratelimit", "r"),
)
_RESET = (("x-ratelimit-reset-requests", ""), ("ratelimit-reset", ""), ("ratelimit", "reset"), ("ratelimit", "t"))


class RateLimit(NamedTuple):
    """What was left when the answer was sent; each field `None` where the server did not say it."""

    limit_requests: int | None = None
    """Requests per period."""
    remaining_requests: int | None = None
    """Requests left in this one."""
    reset_requests: float | None = None
    """Seconds until all are there again."""
    limit_tokens: int | None = None
    """Tokens per period."""
    remaining_tokens: int | None = None
    """Tokens left in this one."""
    reset_tokens: float | None = None
    """Seconds until all are there again."""


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """What the headers say about rate limits; `None` where they say nothing that can be understood.

    OpenAI's headers come first (`x-ratelimit-limit-requests`, `-remaining-`, `-reset-`, and the same for tokens, with
    resets as `1m30s`), then those of the IETF's draft-ietf-httpapi-ratelimit-headers, in each of its forms:
    `ratelimit-limit: 100`, `ratelimit: limit=100, remaining=50, reset=5`, and `ratelimit: "default";r=50;t=5` beside
    `ratelimit-policy: "default";q=100;w=60`.

    Args:
        headers: Response headers, names in lower case.
    """
    # Most answers have none: a look at the names is all that they cost.
    if not any("ratelimit" in name for name in headers):
        return None
    found = RateLimit(
        limit_requests=_count(headers, _LIMIT),
        remaining_requests=_count(headers, _REMAINING),
        reset_requests=_seconds(headers, _RESET),
        limit_tokens=_count(headers, (("x-ratelimit-limit-tokens", ""),)),
        remaining_tokens=_count(headers, (("x-ratelimit-remaining-tokens", ""),)),
        reset_tokens=_seconds(headers, (("x-ratelimit-reset-tokens", ""),)),
    )
    return None if found == RateLimit() else found


def duration(text: str) -> float | None:
    """Seconds of a duration such as `1m30s`, `6ms` or `12`; `None` for any other text."""
    text = text.strip()
    if re.fullmatch(_NUMBER, text):
        return float(text)
    steps = list(_STEP.finditer(text))
    if not steps or "".join(step[0] for step in steps) != text:
        return None
    return sum(float(step[1]) * _UNITS[step[2]] for step in steps)


def _count(headers: Mapping[str, str], places: tuple[tuple[str, str], ...]) -> int | None:
    for text in _texts(headers, places):
        # Older drafts let policies follow the number: `100, 100;w=60`.
        if number := re.match(r"\d{1,15}(?![\d.])", text):
            return int(number[0])
    return None


def _seconds(headers: Mapping[str, str], places: tuple[tuple[str, str], ...]) -> float | None:
    for text in _texts(headers, places):
        if (seconds := duration(text)) is not None:
            return seconds
    return None


def _texts(headers: Mapping[str, str], places: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, member in places:
        text = headers.get(name, "").strip()
        if member:
            found = re.search(rf"(?:^|[;,\s]){member}=([\d.]+)", text)
            text = found[1] if found else ""
        yield text
