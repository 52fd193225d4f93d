"""Answers and failures to exceptions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

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
from .retry import retry_after
from .wire import Context, Failure, Reply, Request

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
_STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "bad_request": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "authenticationerror": 401,
    "insufficient_quota": 402,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "unprocessable_entity": 422,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "ratelimiterror": 429,
    "server_error": 500,
    "api_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
    "overloaded_error": 529,
    "overloaded": 529,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "serviceunavailableerror": 503,
    "timeout": 504,
    "timeout_error": 504,
}


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
        parsed: object = json.loads(text) if text[:1] in ("{", "[", '"') else text
    except (ValueError, RecursionError):
        parsed = text
    if isinstance(parsed, str):
        return ErrorBody(_readable(parsed, content_type), parsed=text)
    return read_object(parsed)


def read_object(parsed: object) -> ErrorBody:
    """What an error object says.

    Shapes in use: `{"error": {...}}`, `{"error": "..."}`, `{"detail": ...}`, `{"message": ...}`, and a list with one of
    these.
    """
    found = _find(parsed)
    return ErrorBody(
        message=_message(found) or _short(json.dumps(parsed, ensure_ascii=False)),
        code=_text(found.get("code")),
        type=_text(found.get("type")),
        param=_text(found.get("param")),
        parsed=parsed,
    )


def _find(value: object) -> Mapping[str, object]:
    """The mapping that holds message and code, however deep it is wrapped."""
    for _ in range(4):
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


def _message(found: Mapping[str, object]) -> str:
    for name in ("message", "detail", "error_description", "msg", "title"):
        value = found.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, list) and value:
            return "; ".join(_detail(entry) for entry in cast("list[object]", value))
        if isinstance(value, dict) and value:
            return _message(cast("dict[str, object]", value)) or _short(json.dumps(value, ensure_ascii=False))
    return ""


def _detail(entry: object) -> str:
    """One of FastAPI's validation errors, as `body.temperature: Input should be a valid number`."""
    if not isinstance(entry, dict):
        return str(entry)
    found = cast("dict[str, object]", entry)
    where = found.get("loc")
    path = ".".join(str(part) for part in cast("list[object]", where)) if isinstance(where, list) else ""
    what = str(found.get("msg") or found.get("message") or found)
    return f"{path}: {what}" if path else what


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and value != "" else None


def _readable(text: str, content_type: str) -> str:
    if "html" in content_type or text[:1] == "<":
        title = re.search(r"<title[^>]{0,200}>([^<]{1,300})", text, re.IGNORECASE)
        text = f"an HTML page, {title[1].strip()!r}" if title else "an HTML page"
    return _short(" ".join(text.split()))


def _short(text: str, limit: int = 500) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def status_error(reply: Reply, request: Request) -> APIStatusError:
    """The exception for an answer with an error status."""
    body = read_body(reply.body, reply.headers.get("content-type", ""))
    if not body.message:
        body = body._replace(message=_reason_of(reply))
    return _build(
        reply.status,
        body,
        request.context,
        headers=dict(reply.headers),
        request_id=reply.request_id,
        wait=retry_after(reply.headers, reply.now),
        size=len(request.body or b""),
    )


def _reason_of(reply: Reply) -> str:
    if 300 <= reply.status < 400:
        return f"redirected to {reply.headers.get('location', 'nowhere')}"
    return "no message"


def stream_error(
    error: object, context: Context, *, headers: Mapping[str, str], request_id: str | None
) -> APIStatusError:
    """The exception for an error object inside a stream: the class that its code or type has as an HTTP status.

    Where neither tells, it is an `InternalServerError`: the server gave up on an answer it had accepted.
    """
    body = read_body(error.encode("utf-8", "replace")) if isinstance(error, str) else read_object(error)
    if not body.message:
        body = body._replace(message="an error event without a message")
    return _build(_status_of(body), body, context, headers=dict(headers), request_id=request_id)


def _status_of(body: ErrorBody) -> int:
    found = _find(body.parsed)
    for value in (found.get("status"), found.get("status_code"), body.code, body.type):
        name = str(value or "").lower()
        if name.isascii() and name.isdigit() and 400 <= int(name[:6]) < 600:
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
        and hints.is_about_model(body.message, body.code, body.parsed, context)
    ):
        cls = ModelNotFoundError
        details["suggestions"] = suggest(context.model)
        details["successor"] = successor_of(context.model)
    details["hint"] = hints.for_status(cls, body, context, headers, size)
    return cls(body.message, **details)


def means_quota(body: ErrorBody) -> bool:
    """Whether a 429 is about credits. The service's older form of its 402 has this message under 429."""
    text = f"{body.message} {body.code} {body.type}".lower()
    return any(word in text for word in ("insufficient_quota", "current quota", "billing", "out of credits"))


def connection_error(failure: Failure, request: Request) -> APIError:
    """The exception for no answer."""
    error: APIError
    if failure.clock is not None:
        seconds = getattr(request.timeouts, "read" if failure.clock == "write" else failure.clock)
        error = APITimeoutError(
            hints.TIMED_OUT[failure.clock].format(seconds=seconds, address=request.address),
            clock=failure.clock,
            hint=hints.for_clock(failure.clock),
        )
    else:
        error = APIConnectionError(
            f"{request.address}: {failure.reason}", hint=hints.for_failure(failure.reason, request.context)
        )
    error.__cause__ = failure.cause
    return error
