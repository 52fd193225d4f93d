"""Everything that can go wrong, as plain data.

```text
APIError                            every failure
├─ ConfigurationError               no key, no project, a bad base URL (also ValueError)
├─ InvalidRequestError              a request that can't be sent as it is (also ValueError)
├─ APIConnectionError               no complete response
│  ├─ APITimeoutError               a clock ran out (also TimeoutError)
│  └─ StreamInterruptedError        a stream that was cut, ended early, or can't be read
├─ APIStatusError                   the server answered with an error
│  ├─ BadRequestError               400
│  ├─ AuthenticationError           401
│  ├─ QuotaExceededError            402, and a 429 that means quota
│  ├─ PermissionDeniedError         403
│  ├─ NotFoundError                 404
│  │  └─ ModelNotFoundError         404 about the model
│  ├─ ConflictError                 409
│  ├─ UnprocessableEntityError      422
│  ├─ RateLimitError                429
│  │  └─ ConcurrencyLimitError      429: too many requests at the same time
│  └─ InternalServerError           500 and above
│     └─ ServiceUnavailableError    503
├─ APIResponseValidationError       a success that is no answer: HTML, `{"error"}`, no choices
├─ ParseError                       an answer that does not fit the type asked for
│  ├─ LengthFinishReasonError       it was cut at `max_tokens`
│  └─ ContentFilterFinishReasonError  it was cut by a content filter
├─ ToolRoundsExceededError          a run with tools that found no end
└─ BudgetExceededError              a call that a budget has too little left for; nothing was sent
```

No error holds a connection, an API key or an object of the HTTP library (that one is its `__cause__`), so each can be
logged, pickled, and built in a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ._budget_errors import BudgetExceededError
from ._failure import APIError, AttemptRecord, RequestProblem
from ._failure import Clock as Clock
from ._failure import Outcome as Outcome
from ._parse_errors import ContentFilterFinishReasonError, LengthFinishReasonError, ParseError
from ._tool_errors import ToolRoundsExceededError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AttemptRecord",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "ConcurrencyLimitError",
    "ConfigurationError",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "InternalServerError",
    "InvalidRequestError",
    "LengthFinishReasonError",
    "ModelNotFoundError",
    "NotFoundError",
    "ParseError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "RequestProblem",
    "ServiceUnavailableError",
    "StreamInterruptedError",
    "ToolRoundsExceededError",
    "UnprocessableEntityError",
]


class ConfigurationError(APIError, ValueError):
    """No key, no project, or a setting that can't work. Nothing was sent."""


class InvalidRequestError(APIError, ValueError):
    """A request that can't be sent as it is. Nothing was sent.

    Args:
        message: What is wrong.
        hint: How to mend it.
        errors: Each single problem.
    """

    errors: tuple[RequestProblem, ...]
    """Each single problem: path, value, what was expected."""

    def __init__(self, message: str, *, hint: str | None = None, errors: Iterable[RequestProblem] = ()) -> None:
        super().__init__(message, hint=hint)
        self.errors = tuple(errors)


class APIConnectionError(APIError):
    """No complete response came back. `__cause__` is the HTTP library's own error."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """A clock ran out.

    Args:
        message: What took too long.
        hint: What to do about it.
        clock: Which clock it was.
    """

    clock: Clock
    """`connect`, `read`, `write`: the steps of `timeout`. `stall`: no data on a stream. `deadline`: all together."""

    def __init__(self, message: str, *, hint: str | None = None, clock: Clock = "read") -> None:
        super().__init__(message, hint=hint)
        self.clock = clock


class StreamInterruptedError(APIConnectionError):
    """A stream that was cut, ended early, or can't be read; `.partial`, `.text` and `.usage` hold what had come."""


class APIStatusError(APIError):
    """The server answered with an error.

    Args:
        message: The server's own words.
        status_code: HTTP status; inside a stream the one that the error's code or type stands for, else 500.
        code: The server's error code.
        type: The server's error type.
        param: The parameter the server objects to.
        request_id: The server's id of the request.
        headers: Response headers, names in lower case.
        body: The response body: parsed JSON, else text, up to 64 KiB.
        retry_after: Seconds the server asks to wait.
        hint: What to do about it.
    """

    default_status: ClassVar[int] = 500

    status_code: int
    """HTTP status of the answer."""
    code: str | None
    """The server's error code, always as text."""
    type: str | None
    """The server's error type."""
    param: str | None
    """The parameter the server objects to."""
    request_id: str | None
    """The server's id of the request: quote it to support."""
    headers: dict[str, str]
    """Response headers, names in lower case."""
    body: Any
    """The response body: parsed JSON, else text, up to 64 KiB."""
    retry_after: float | None
    """Seconds the server asks to wait, where it says so."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status_code = self.default_status if status_code is None else status_code
        self.code = code
        self.type = type
        self.param = param
        self.request_id = request_id
        self.headers = dict(headers or {})
        self.body = body
        self.retry_after = retry_after

    def _what(self) -> str:
        request_id = f" ({self.request_id})" if self.request_id else ""
        return f"{self.status_code}: {self.message}{request_id}"


class BadRequestError(APIStatusError):
    """400: the service does not take this request."""

    default_status = 400


class AuthenticationError(APIStatusError):
    """401: a bad key, or a team or project that does not exist for it."""

    default_status = 401


class QuotaExceededError(APIStatusError):
    """402, or a 429 that means it: out of credits or at the spending cap. Never retried."""

    default_status = 402


class PermissionDeniedError(APIStatusError):
    """403: not from this place, not for this organisation, or stopped by the edge."""

    default_status = 403


class NotFoundError(APIStatusError):
    """404: no such path."""

    default_status = 404


class ModelNotFoundError(NotFoundError):
    """404: no such model, or no longer. Takes the arguments of `APIStatusError` and two more.

    Where the catalogue's table says so, nothing was sent: then `.attempts` is empty and `.request_id` is `None`.

    Args:
        message: The server's own words, or what the table says.
        suggestions: The nearest living model ids, best first.
        successor: The model that replaced a retired one.
        **details: As for `APIStatusError`.
    """

    suggestions: tuple[str, ...]
    """The nearest living model ids, best first; empty where nothing is near."""
    successor: str | None
    """The model that replaced a retired one."""

    def __init__(
        self, message: str, *, suggestions: Iterable[str] = (), successor: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.suggestions = tuple(suggestions)
        self.successor = successor


class ConflictError(APIStatusError):
    """409: the request conflicts with another."""

    default_status = 409


class UnprocessableEntityError(APIStatusError):
    """422: this model does not take a parameter or value."""

    default_status = 422


class RateLimitError(APIStatusError):
    """429: too much at the moment; `.retry_after` says for how long, where the server does."""

    default_status = 429


class ConcurrencyLimitError(RateLimitError):
    """429: too many requests at the same time for this model and project."""


class InternalServerError(APIStatusError):
    """500 and above: the service failed."""

    default_status = 500


class ServiceUnavailableError(InternalServerError):
    """503: overloaded."""

    default_status = 503


class APIResponseValidationError(APIError):
    """A success whose body is no answer: HTML, `{"error": ...}`, no choices, nothing.

    Args:
        message: What came instead.
        status_code: HTTP status.
        request_id: The server's id of the request.
        headers: Response headers, names in lower case.
        body: The body's first 2 KiB, as text.
        hint: What to do about it.
    """

    status_code: int
    """HTTP status of the answer."""
    request_id: str | None
    """The server's id of the request."""
    headers: dict[str, str]
    """Response headers, names in lower case."""
    body: str
    """The body's first 2 KiB, as text."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 200,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status_code = status_code
        self.request_id = request_id
        self.headers = dict(headers or {})
        self.body = body
