"""Whether to try again, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ..exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    QuotaExceededError,
)

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 524, 529})
"""Statuses that another attempt can mend: DESIGN section 4. 524 is Cloudflare's timeout, 529 an overloaded server's."""

MAX_RETRY_AFTER = 120.0
"""Seconds. A server that asks for more is told to the caller at once, who knows better what to do meanwhile."""


class RetryPolicy(NamedTuple):
    """How often to try again, and how long to wait before.

    With the defaults the first wait falls between 0.25 and 0.5 seconds, the second between 0.5 and 1, and so on up to
    between 4 and 8.
    """

    max_retries: int = 2
    backoff_initial: float = 0.5
    backoff_max: float = 8.0

    def delay(self, attempt: int, error: APIError, jitter: float) -> float | None:
        """Seconds to wait before the next attempt; `None` means give up.

        Args:
            attempt: Attempts made before the one that just failed, counting from 0.
            error: How the last attempt ended.
            jitter: A number in [0, 1). Passed in so that the policy stays a pure function.

        A `Retry-After` header wins over the curve (RFC 9110, 10.2.3). Otherwise the wait doubles from `backoff_initial`
        up to `backoff_max`, less up to a half so that clients drift apart.
        """
        if attempt >= self.max_retries or not is_transient(error):
            return None
        return self._wait(self.backoff_initial, attempt, error, jitter)

    def comeback(self, pause: float, refusal: int, error: APIError, jitter: float) -> float | None:
        """Seconds to wait after a refusal that is no retry: adaptive concurrency had sent too many. `None`: give up.

        Args:
            pause: Seconds before the first comeback; they double with each refusal of the same call.
            refusal: Such refusals before this one, counting from 0.
            error: The refusal.
            jitter: A number in [0, 1).
        """
        return self._wait(pause, refusal, error, jitter) if is_transient(error) else None

    def _wait(self, initial: float, attempt: int, error: APIError, jitter: float) -> float | None:
        asked = error.retry_after if isinstance(error, APIStatusError) else None
        if asked is not None:
            return None if asked > MAX_RETRY_AFTER else asked
        # 2.0**attempt overflows for an absurd max_retries; the cap is reached long before.
        curve = min(self.backoff_max, initial * 2.0 ** min(attempt, 16))
        return curve * (1.0 - jitter / 2.0)


def is_transient(error: APIError) -> bool:
    """Whether another attempt may succeed."""
    if isinstance(error, APIStatusError):
        # Quota before the header: no header makes credits, and each further attempt only adds to the log.
        if isinstance(error, QuotaExceededError) or means_personal_account(error.message):
            return False
        decided = error.headers.get("x-should-retry", "").lower()
        if decided in ("true", "false"):
            return decided == "true"
        return error.status_code in RETRIED_STATUSES
    if isinstance(error, APITimeoutError):
        return error.clock != "deadline"
    return isinstance(error, APIConnectionError)


def means_personal_account(message: str) -> bool:
    """Whether an error says that personal accounts are not served, which no wait can change."""
    return "personal account" in message.lower()


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the server asks to wait; `None` where it asks for nothing that can be understood.

    Args:
        headers: Response headers, names in lower case.
        now: Seconds since 1970, for a date without a `Date` header beside it.

    `retry-after-ms` is OpenAI's, in milliseconds. A date counts from the response's own `Date`, so that a client's
    wrong clock does no harm.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return seconds / unit
    until = _date(headers.get("retry-after", ""))
    if until is None:
        return None
    started = _date(headers.get("date", ""))
    return max(0.0, until - (now if started is None else started))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # `nan`, `inf` and negative numbers parse, and mean nothing.
    return number if 0.0 <= number < float("inf") else None


def _date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    # RFC 9110 dates are in GMT; one without a zone would be read as local time.
    return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
