"""Whether a failed request is tried again, where, and when."""

from __future__ import annotations

from typing import Final, Literal

from ..._core.adaptive import OVERLOADED, Verdict
from ..._core.retry import RETRIED_STATUSES
from ..config import Deployment, RouterSettings
from ._values import Failure, Wishes

LONGEST: Final = 60.0
"""Seconds. A service that asks for more is not waited for: other models are asked, or the client is told. LiteLLM's
number."""

_BACKOFF: Final = (0.5, 8.0)
"""Seconds before the first retry of a deployment, doubled each time, and at most."""

_SECOND: Final = 10.0
"""Retries a second that are always allowed, however few requests there are; Finagle's number."""
_BURST: Final = 100.0
"""Retries that requests can save up."""

Where = Literal["anywhere", "elsewhere", "nowhere"]


def class_of(failure: Failure) -> str:
    """LiteLLM's name for a kind of failure, as policies use it; `""` for one that no policy names."""
    if failure.kind == "timeout" or failure.status in (408, 504):
        return "TimeoutError"
    if failure.kind != "status" or failure.status >= 500:
        return "InternalServerError"
    if is_content_policy(failure):
        return "ContentPolicyViolationError"
    if failure.status in (401, 403):
        return "AuthenticationError"
    if failure.status == 429:
        return "RateLimitError"
    return "BadRequestError" if failure.status in (400, 422) else ""


def where(failure: Failure) -> Where:
    """Where another attempt makes sense.

    Credentials, credit and models that are not there are a deployment's own: another may have them. What is wrong with
    the request is wrong everywhere.
    """
    if failure.kind != "status":
        return "anywhere"
    if failure.quota or failure.status in (401, 402, 403, 404):
        return "elsewhere"
    return "anywhere" if failure.status in RETRIED_STATUSES or failure.status >= 500 else "nowhere"


def is_context(failure: Failure) -> bool:
    """Whether the prompt was too long."""
    if failure.code == "context_length_exceeded" or failure.type == "context_length_exceeded":
        return True
    text = failure.message.lower()
    return failure.status in (400, 413, 422) and (
        "maximum context length" in text or "context window" in text or "context length" in text
    )


def is_content_policy(failure: Failure) -> bool:
    """Whether the service refused what the prompt is about."""
    names = ("content_policy_violation", "content_filter", "content_policy")
    return failure.status in (400, 403, 422) and (failure.code in names or failure.type in names)


def retries_of(
    failure: Failure, wishes: Wishes, deployment: Deployment, group: str, settings: RouterSettings
) -> tuple[int, bool]:
    """How many retries a request may have after this failure, and whether a policy says so.

    The request's own number comes first, then the deployment's, the group's policy, the policy, the router's number.
    """
    if wishes.num_retries is not None:
        return wishes.num_retries, False
    if deployment.num_retries is not None:
        return deployment.num_retries, False
    name = f"{class_of(failure)}Retries"
    for policy in (settings.group_retry_policy.get(group), settings.retry_policy):
        if policy is not None and name in policy:
            return policy[name], True
    return settings.num_retries, False


def pause(failure: Failure, retry: int, settings: RouterSettings, jitter: float) -> float | None:
    """Seconds before the same deployment is tried again; `None`: the service asks for too many.

    Args:
        failure: What to recover from.
        retry: Retries before this one.
        settings: With the least wait.
        jitter: A number in [0, 1), by which up to a half is taken off what the service did not ask for.
    """
    if failure.retry_after is not None:
        return None if failure.retry_after > LONGEST else max(failure.retry_after, settings.retry_after)
    first, most = _BACKOFF
    curve = min(most, first * 2.0 ** min(retry, 8))
    return max(settings.retry_after, curve * (1.0 - jitter / 2.0))


def verdict(failure: Failure) -> Verdict:
    """What a failure says of how many requests the service takes at a time."""
    if failure.crowded:
        return "refused"
    if failure.status in OVERLOADED or (failure.status == 429 and not failure.quota):
        return "overloaded"
    return "unknown"


class RetryBudget:
    """Retries as a share of requests, so that retries don't finish off a service that is down already.

    Args:
        share: Retries for each request, from 0 to 1 as a rule; 0: no retries at all.
    """

    __slots__ = ("_always", "_at", "_saved", "requests", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self._saved = 0.0
        self._always = _SECOND
        self._at = 0.0
        self.requests = 0
        """Requests since the last retry."""

    def take(self, now: float) -> bool:
        """Whether one more retry may be."""
        if self.share <= 0.0:
            return False
        self._saved = min(_BURST, self._saved + self.requests * self.share)
        self.requests = 0
        self._always = min(_SECOND, self._always + (now - self._at) * _SECOND)
        self._at = now
        if self._always >= 1.0:
            self._always -= 1.0
            return True
        if self._saved > 0.999:
            self._saved = max(0.0, self._saved - 1.0)
            return True
        return False
