"""Answers and failures to exceptions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from .._checks import without_data
from ..catalogue import successor_of, suggest
from ..exceptions import (
    APIConnectionError,
    APIError,
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
from . import hints
from .reading import UnreadableError, read_json
from .retry import retry_after
from .wire import Context, Failure, Reply, Request

MAX_BARE_BODY = 16 * 1024 * 1024
"""Bytes of an answer from elsewhere, such as a feed of models; models.dev's whole file has 2 MB."""

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error's body that are read; no server's message is longer, and a misled one may never end."""

_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}

# Codes and types of errors that come inside a stream, where no status tells: the ones in use among OpenAI-compatible
# servers, with the status each has as an HTTP error.
_CODES = {
    400: ("invalid_request_error", "bad_request", "badrequesterror", "context_length_exceeded"),
    401: ("invalid_api_key", "authentication_error", "authenticationerror"),
    402: ("insufficient_quota", "billing_error"),
    403: ("permission_error", "permission_denied"),
    404: ("not_found_error", "notfounderror", "model_not_found"),
    422: ("unprocessable_entity",),
    429: ("rate_limit_exceeded", "rate_limit_error", "ratelimiterror"),
    500: ("server_error", "api_error", "internal_error", "internal_server_error", "internalservererror"),
    503: ("service_unavailable", "service_unavailable_error", "serviceunavailableerror"),
    504: ("timeout", "timeout_error"),
    529: ("overloaded_error", "overloaded"),
}
_STATUS_OF_CODE = {code: status for status, codes in _CODES.items() for code in codes}

_WORDS = ("message", "detail", "msg")
"""Where error objects have their message, the likeliest first."""

_MAX_DEPTH = 4


class ErrorBody(NamedTuple):
    """What an error's body says, whatever its shape."""

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    parsed: Any = None


def read_body(body: bytes, content_type: str = "") -> ErrorBody:
    """What an error's body says. Takes JSON of every shape in use, plain text and HTML; never fails."""
    text = body[:MAX_ERROR_BODY].decode("utf-8", "replace").lstrip("\ufeff").strip()
    try:
        parsed = read_json(text.encode()) if text[:1] in ("{", "[", '"') else text
    except UnreadableError:
        parsed = text
    if isinstance(parsed, str):
        return ErrorBody(_readable(parsed, content_type), parsed=parsed)
    return read_object(parsed)


def read_object(parsed: object) -> ErrorBody:
    """What an error object says.

    Shapes in use: `{"error": {...}}`, `{"error": "..."}`, `{"detail": ...}`, `{"message": ...}`, and a list with one of
    these.
    """
    found = _find(parsed)
    return ErrorBody(
        message=_message(found) or _dumped(parsed),
        code=_text(found.get("code")),
        type=_text(found.get("type")),
        param=_text(found.get("param")),
        parsed=parsed,
    )


def is_error_object(value: object) -> bool:
    """Whether a JSON value says that something failed, in one of the shapes of `read_object`, and answers nothing."""
    if isinstance(value, list) and value:
        value = cast("list[object]", value)[0]
    if not isinstance(value, dict):
        return False
    found = cast("dict[str, object]", value)
    if found.get("choices"):
        return False
    if found.get("object") == "error" or found.get("error") not in (None, False):
        return True
    return any(isinstance(found.get(name), (str, list, dict)) for name in _WORDS)


def _find(value: object) -> Mapping[str, object]:
    """The mapping that holds message and code, however deep it is wrapped."""
    for _ in range(_MAX_DEPTH):
        if isinstance(value, list) and value:
            value = cast("list[object]", value)[0]
        elif isinstance(value, dict):
            mapping = cast("dict[str, object]", value)
            inner = mapping.get("error")
            if isinstance(inner, (dict, list)) and inner:
                value = cast("object", inner)
            elif isinstance(inner, str) and "message" not in mapping:
                return {"message": inner, **mapping}
            else:
                return mapping
        else:
            break
    return {}


def _message(found: Mapping[str, object], depth: int = 0) -> str:
    for name in (*_WORDS, "error_description", "title"):
        value = found.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, list) and value:
            return "; ".join(_detail(entry) for entry in cast("list[object]", value))
        if isinstance(value, dict) and value:
            inner = _message(cast("dict[str, object]", value), depth + 1) if depth < _MAX_DEPTH else ""
            return inner or _dumped(cast("object", value))
    return ""


def _detail(entry: object) -> str:
    """One of FastAPI's validation errors, as `body.temperature: Input should be a valid number`."""
    if not isinstance(entry, dict):
        return entry if isinstance(entry, str) else _dumped(entry)
    found = cast("dict[str, object]", entry)
    where = found.get("loc")
    steps = cast("list[object]", where) if isinstance(where, list) else []
    path = ".".join(str(step) for step in steps if isinstance(step, (str, int)))
    what = found.get("msg") or found.get("message")
    text = what if isinstance(what, str) else _dumped(found)
    return f"{path}: {text}" if path else text


def _dumped(value: object) -> str:
    try:
        return _short(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # read at one depth of the stack, written at another
        return "JSON nested too deep to show"


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and value != "" else None


def _readable(text: str, content_type: str) -> str:
    if "html" in content_type or text[:1] == "<":
        title = re.search(r"<title[^>]{0,200}>\s*([^<\s][^<]{0,300})", text, re.IGNORECASE)
        text = f"an HTML page, {' '.join(title[1].split())!r}" if title else "an HTML page"
    return _short(" ".join(text.split()))


def _short(text: str, limit: int = 500) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def status_error(reply: Reply, request: Request, redirects: int = 0) -> APIStatusError:
    """The exception for an answer with an error status.

    Args:
        reply: The answer.
        request: What it answers.
        redirects: How many had been followed, where that were too many to follow this one.
    """
    body = read_body(reply.body, reply.headers.get("content-type", ""))
    if redirects:
        body = body._replace(
            message=f"redirected more than {redirects} times, now to {_short(reply.headers['location'])}"
        )
    elif reply.status == 304:
        body = body._replace(message="Not Modified was not asked for")
    elif 300 <= reply.status < 400:
        body = body._replace(message=f"redirected to {_short(reply.headers.get('location', 'nowhere'))}")
    elif not body.message:
        body = body._replace(message="no message")
    error = _build(
        reply.status,
        body,
        request.context,
        headers=dict(reply.headers),
        request_id=reply.request_id,
        wait=retry_after(reply.headers, reply.now),
        size=len(request.body or b""),
    )
    if redirects:
        error.hint = f"The server leads in a circle: give another base_url in place of {request.context.base_url!r}."
    return error


def stream_error(
    error: object, context: Context, *, headers: Mapping[str, str], request_id: str | None
) -> APIStatusError:
    """The exception for an error object inside a stream: the class that its code or type has as an HTTP status.

    Where neither tells, it is an `InternalServerError`: the server gave up on an answer it had accepted.
    """
    body = read_body(error.encode("utf-8", "replace")) if isinstance(error, str) else read_object(error)
    if not body.message:
        body = body._replace(message="an error event without a message")
    return _build(_status_of(body), body, context, headers=dict(headers), request_id=request_id, in_stream=True)


def _status_of(body: ErrorBody) -> int:
    found = _find(body.parsed)
    for value in (found.get("status"), found.get("status_code"), body.code, body.type):
        name = str(value or "").lower()
        if re.fullmatch("[45][0-9]{2}", name):
            return int(name)
        if name in _STATUS_OF_CODE:
            return _STATUS_OF_CODE[name]
    return 500


def _build(
    status: int,
    body: ErrorBody,
    context: Context,
    *,
    headers: dict[str, str],
    request_id: str | None,
    wait: float | None = None,
    size: int = 0,
    in_stream: bool = False,
) -> APIStatusError:
    cls = _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    details: dict[str, Any] = {
        "status_code": status,
        "code": body.code,
        "type": body.type,
        "param": body.param,
        "request_id": request_id,
        "headers": headers,
        "body": body.parsed,
        "retry_after": wait,
    }
    if status == 429:
        if means_quota(body):
            cls = QuotaExceededError
        elif "concurren" in f"{body.message} {body.code} {body.type}".lower():
            cls = ConcurrencyLimitError
    elif (
        status == 404
        and context.model is not None
        # A stream's path was right, or there would be no stream.
        and (in_stream or hints.is_about_model(body.message, body.code, body.parsed, context))
    ):
        cls = ModelNotFoundError
        details["suggestions"] = [id for id in suggest(context.model) if id != context.model]
        details["successor"] = successor_of(context.model)
    details["hint"] = hints.for_status(cls, body, context, headers, size)
    return cls(without_data(body.message), **details)


def means_quota(body: ErrorBody) -> bool:
    """Whether a 429 is about credits. The service's older form of its 402 has this message under 429."""
    # "billing" alone would not do: OpenAI's message about the rate of requests ends with the address of that page.
    text = f"{body.message} {body.code} {body.type}".lower()
    words = ("insufficient_quota", "current quota", "billing details", "billing_", "out of credits")
    return any(word in text for word in words)


def connection_error(failure: Failure, request: Request) -> APIError:
    """The exception for no answer."""
    error: APIError
    address = request.address if failure.uds is None else f"the Unix socket {failure.uds!r} (network.uds)"
    if failure.clock is not None:
        seconds = getattr(request.timeouts, "read" if failure.clock == "write" else failure.clock)
        # Without a limit of ours it was the operating system's.
        limit = "the system's limit" if seconds is None else f"{seconds:g} seconds"
        error = APITimeoutError(
            hints.TIMED_OUT[failure.clock].format(limit=limit, address=address),
            clock=failure.clock,
            hint=hints.for_clock(failure.clock),
        )
    else:
        error = APIConnectionError(
            f"{address}: {failure.reason}",
            hint=hints.for_failure(failure.reason, request.context, is_own_proxy=failure.is_own_proxy, uds=failure.uds),
        )
    error.__cause__ = failure.cause
    return error
