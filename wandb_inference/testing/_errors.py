"""The service's documented error answers."""

from __future__ import annotations

from collections.abc import Mapping

from ._plan import Plan, json_answer, whole

# Status: code, type, message. Codes and types are strings where the service was seen to send them; its documented 403
# has an integer code and no type.
_DOCUMENTED: dict[int, tuple[str | int, str | None, str]] = {
    400: ("invalid_request", "invalid_request_error", "The request is invalid"),
    401: ("invalid_api_key", "invalid_request_error", "Invalid Authentication"),
    402: (
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details",
    ),
    403: (403, None, "Country, region, or territory not supported"),
    404: ("not_found", "invalid_request_error", "The requested resource was not found"),
    405: ("method_not_allowed", "invalid_request_error", "Method Not Allowed"),
    429: ("rate_limit_exceeded", "rate_limit_error", "Concurrency limit reached for requests"),
    500: ("internal_server_error", "server_error", "The server had an error while processing your request"),
    503: ("service_unavailable", "server_error", "The engine is currently overloaded, please try again later"),
}


def error_body(
    status: int, message: str | None = None, *, code: str | int | None = None, type: str | None = None
) -> dict[str, object]:
    """The body that goes with a status; what isn't given is as documented."""
    own_code, own_type, own_message = _DOCUMENTED.get(status, (str(status), "server_error", f"Error {status}"))
    error: dict[str, object] = {"code": own_code if code is None else code, "message": message or own_message}
    if own_type or type:
        error["type"] = type or own_type
    return {"error": error}


def error(
    status: int,
    message: str | None = None,
    *,
    code: str | int | None = None,
    type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Plan:
    """The answer that goes with a status; what isn't given is as documented."""
    return json_answer(status, error_body(status, message, code=code, type=type), headers)


def plain_error(status: int, text: str) -> Plan:
    """An error of the edge or the gateway in front of the service, which don't speak JSON."""
    return whole(status, text.encode(), "text/plain; charset=utf-8")


def unprocessable(path: tuple[str | int, ...], message: str) -> Plan:
    """422 with FastAPI's `detail`, the path of the wrong value first."""
    return json_answer(422, {"detail": [{"type": "value_error", "loc": ["body", *path], "msg": message}]})
