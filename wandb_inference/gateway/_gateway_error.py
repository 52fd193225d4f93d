"""The errors that clients of the gateway get, in OpenAI's shape."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Final, Literal

LimitKind = Literal["rpm", "tpm", "itpm", "otpm", "max_parallel_requests"]
Scope = Literal["key", "model", "gateway"]

_TYPES: Final = {
    401: "authentication_error",
    402: "budget_exceeded",
    403: "permission_error",
    429: "rate_limit_error",
}
_SCOPES: Final = {"key": "this key", "model": "this model", "gateway": "the gateway"}
_LIMITS: Final = {
    "rpm": "requests a minute",
    "tpm": "tokens a minute",
    "itpm": "tokens of prompts a minute",
    "otpm": "tokens of answers a minute",
    "max_parallel_requests": "requests at a time",
}


class GatewayError(Exception):
    """An answer that says what went wrong.

    Args:
        status: The HTTP status.
        code: What programs go by.
        message: What people read: what happened, with which value, what to do now.
        type: OpenAI's kind of error; `None`: the status's own.
        param: The field of the request that it is about.
        retry_after: Seconds until another attempt makes sense.
        should_retry: Whether a client of OpenAI's is to try again; `None`: as it likes. What the gateway has tried
            again is not to be tried again by its clients.
        allowed: The methods that the path takes, for the header `Allow` that a 405 must have (RFC 9110, 15.5.6).
    """

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        type: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        allowed: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.type = type or _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
        self.param = param
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        """The headers that go with it, names in lower case."""
        headers: dict[str, str] = {} if self.allowed is None else {"allow": self.allowed}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        if self.should_retry is not None:
            headers["x-should-retry"] = "true" if self.should_retry else "false"
        return headers

    def content(self) -> dict[str, Any]:
        """The body as an object, which is an event's too."""
        about = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": about}

    def body(self) -> bytes:
        """The body as JSON."""
        return json.dumps(self.content(), ensure_ascii=True, separators=(",", ":")).encode()

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross to other processes whole: the default would lose what is not in `args`.
        return _revive, (type(self), self.args, self.__dict__)


def _revive(cls: type[GatewayError], args: tuple[object, ...], state: dict[str, object]) -> GatewayError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class LimitError(GatewayError):
    """429: as much as is allowed.

    Args:
        kind: The limit, as configurations call it.
        limit: How much it allows.
        scope: Whose limit it is.
        retry_after: Seconds until there is room again.
    """

    def __init__(self, kind: LimitKind, limit: int, scope: Scope, retry_after: float) -> None:
        self.kind: LimitKind = kind
        self.limit = limit
        self.scope: Scope = scope
        super().__init__(
            429,
            "rate_limit_exceeded",
            f"{_SCOPES[scope].capitalize()} is at its limit of {limit} {_LIMITS[kind]} ({kind}): "
            f"try again in {seconds(retry_after)}",
            retry_after=retry_after,
        )


class BudgetError(GatewayError):
    """402: as much as may be spent. Not 429, which clients would try again.

    Args:
        budget: Dollars.
        scope: Whose budget it is.
        retry_after: Seconds until it is renewed; `None`: it never is.
    """

    def __init__(self, budget: Decimal, scope: Scope, retry_after: float | None) -> None:
        self.budget = budget
        self.scope: Scope = scope
        when = "and is not renewed" if retry_after is None else f"and is renewed in {seconds(retry_after)}"
        super().__init__(
            402,
            "budget_exceeded",
            f"The budget of {_SCOPES[scope]}, ${budget:f}, is spent {when}",
            retry_after=retry_after,
            should_retry=False,
        )


def budget_reserved(budget: Decimal, scope: Scope) -> GatewayError:
    """429: what is left of a budget is reserved by requests under way, which may need less."""
    left = f"What is left of the budget of {_SCOPES[scope]}, ${budget:f}, is reserved by requests under way"
    return GatewayError(429, "budget_reserved", f"{left}: try again in 1 s", retry_after=1.0)


def seconds(number: float) -> str:
    """Seconds for people: whole ones, and minutes where they are many."""
    whole = max(1, math.ceil(number))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
