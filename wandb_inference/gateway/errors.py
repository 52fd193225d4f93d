"""What clients are told when the gateway can't answer: a function for each case.

No message names other models, keys or addresses, and none repeats a key.
"""

from __future__ import annotations

from collections.abc import Iterable

from ._gateway_error import BudgetError, GatewayError, LimitError, LimitKind, Scope, budget_reserved, seconds

__all__ = ["BudgetError", "GatewayError", "LimitError", "LimitKind", "Scope", "budget_reserved"]

# Who asks


def no_key() -> GatewayError:
    """No key came with the request."""
    message = "There is no API key: send one as Authorization: Bearer <key>"
    return GatewayError(401, "invalid_api_key", message)


def wrong_key() -> GatewayError:
    """A key that nobody knows; it is not repeated."""
    return GatewayError(401, "invalid_api_key", "The API key is not one of this gateway's: check it for typing errors")


def expired_key() -> GatewayError:
    """A key whose time is over."""
    return GatewayError(401, "expired_key", "The API key has expired: ask for another one", type="expired_key")


def blocked_key() -> GatewayError:
    """A key that was taken out of use."""
    return GatewayError(401, "blocked_key", "The API key is blocked: ask those who gave it to you", type="auth_error")


def model_not_allowed(name: str, param: str = "model") -> GatewayError:
    """A model that this key may not use."""
    message = f"This key may not use the model {shown(name)}: GET /v1/models lists what it may use"
    return GatewayError(403, "key_model_access_denied", message, type="key_model_access_denied", param=param)


def admin_only() -> GatewayError:
    """A path that takes the master key."""
    return GatewayError(403, "master_key_required", "This path takes the master key alone")


# What is asked for


def unknown_model(name: str, suggestions: Iterable[str] = (), param: str = "model") -> GatewayError:
    """A model that is not there; `suggestions` are names that the key may use."""
    near = " or ".join(shown(each) for each in suggestions)
    what_now = f"did you mean {near}?" if near else "GET /v1/models lists the models"
    return GatewayError(404, "model_not_found", f"There is no model {shown(name)}: {what_now}", param=param)


def no_model() -> GatewayError:
    """A request without a model."""
    return GatewayError(400, "missing_model", "There is no model: name one in the field model", param="model")


def model_not_text(value: object) -> GatewayError:
    """A model that is no text."""
    message = f"model is {kind_of(value)}, not a text: GET /v1/models lists the names"
    return GatewayError(400, "invalid_model", message, param="model")


def several_models() -> GatewayError:
    """LiteLLM's "a,b", which asks two models at once."""
    message = "model names several models: ask for each in a request of its own"
    return GatewayError(400, "several_models", message, param="model")


def bad_field(path: str, wanted: str, value: object) -> GatewayError:
    """A field that has not the form of a request."""
    message = f"{path} is {kind_of(value)}, not {wanted}"
    return GatewayError(422, "invalid_field", message, param=path)


def missing_field(path: str, wanted: str) -> GatewayError:
    """A field that each request has."""
    return GatewayError(422, "missing_field", f"{path} is missing: {wanted}", param=path)


def refused_field(
    name: str, why: str = "the gateway decides where a request goes, and on whose account"
) -> GatewayError:
    """A field or header that is not the client's to set."""
    return GatewayError(400, "field_not_allowed", f"{name} is not allowed in a request: {why}", param=name)


def repeated_header(name: str) -> GatewayError:
    """A header that there is one of, or there is no telling which one counts."""
    return GatewayError(400, "repeated_header", f"The header {name} is there twice: send it once", param=name)


def bad_json(problem: str, line: int, column: int, position: int) -> GatewayError:
    """A body that can't be read."""
    message = f"The body is no JSON: {problem} at line {line} column {column} (character {position})"
    return GatewayError(400, "invalid_json", message, param="request_body")


def number_too_large() -> GatewayError:
    """A number that can't be sent on: it has become infinite."""
    return GatewayError(400, "invalid_json", "A number in the body is beyond 1e308", param="request_body")


def not_utf8(position: int) -> GatewayError:
    """A body that is no text."""
    message = f"The body is no UTF-8 at byte {position}: send JSON in UTF-8"
    return GatewayError(400, "invalid_json", message, param="request_body")


def empty_body() -> GatewayError:
    """No body at all."""
    message = "The body is empty: send a JSON object with model and messages"
    return GatewayError(400, "invalid_json", message, param="request_body")


def not_an_object(value: object) -> GatewayError:
    """A body that is JSON, and nothing to work with."""
    message = f"The body is {kind_of(value)}, not an object with model and messages"
    return GatewayError(400, "invalid_json", message, param="request_body")


def too_large(limit: int) -> GatewayError:
    """More bytes than are taken."""
    message = f"The request is larger than {limit} bytes, the most that this gateway takes"
    return GatewayError(413, "request_too_large", message)


def no_such_path(path: str) -> GatewayError:
    """A path that leads nowhere."""
    message = f"There is nothing at {shown(path)}: POST /v1/chat/completions and GET /v1/models are what there is"
    return GatewayError(404, "path_not_found", message)


def wrong_method(method: str, allowed: Iterable[str]) -> GatewayError:
    """A path that takes other methods."""
    taken = ", ".join(allowed)
    message = f"{shown(method)} is not for this path: it takes {taken}"
    return GatewayError(405, "method_not_allowed", message, allowed=taken)


def shown(text: str) -> str:
    """A client's own word for a message: on one line, and not long."""
    line = repr(text)
    return line if len(line) <= 80 else f"{line[:77]}..."


def kind_of(value: object) -> str:
    """What a value of JSON is, without telling it."""
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


# What became of it upstream


def upstream_failed(
    status: int,
    message: str,
    *,
    code: str | None = None,
    type: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> GatewayError:
    """The service's own error, with its status, type and code.

    401, 402 and 403 are about the gateway's credential and not the client's, so their code is `upstream_auth`; what the
    service says of the credential is left out.
    """
    if status in (401, 402, 403):
        message = f"The service answered {status} to the gateway's own credential: tell those who run the gateway"
        return GatewayError(status, "upstream_auth", message, type=type, should_retry=False)
    return GatewayError(status, code, message, type=type, param=param, retry_after=retry_after)


def context_too_long(tokens: int, window: int) -> GatewayError:
    """A prompt that fits none of the model's deployments."""
    message = f"The prompt has about {tokens} tokens, and this model takes {window}: shorten it"
    return GatewayError(400, "context_length_exceeded", message, param="messages")


def connection_failed() -> GatewayError:
    """The service refused the connection, or broke it off before it answered."""
    return GatewayError(502, "upstream_unreachable", "The service behind this model can't be reached: try again later")


def invalid_answer() -> GatewayError:
    """The service answered with what is no answer: HTML, broken JSON, an error under 200."""
    return GatewayError(502, "upstream_invalid_answer", "The service behind this model sent what is no answer")


def upstream_timeout(waited: float | None = None) -> GatewayError:
    """The service took longer than the model's timeout."""
    how_long = "" if waited is None else f" within {seconds(waited)}"
    return GatewayError(504, "upstream_timeout", f"The service behind this model did not answer{how_long}")


def deadline_passed(allowed: float) -> GatewayError:
    """The request's own time is over."""
    message = f"The request was not answered within its {seconds(allowed)}: give it more time, or ask for less"
    return GatewayError(504, "deadline_exceeded", message)


def all_down(retry_after: float, cause: str | None) -> GatewayError:
    """Nothing that could serve the model is in a state to be asked."""
    last = f"; the last error was: {cause}" if cause else ""
    message = f"This model is not available now: try again in {seconds(retry_after)}{last}"
    return GatewayError(503, "model_unavailable", message, retry_after=retry_after)


def no_deployment() -> GatewayError:
    """All that could serve the model was taken out of use."""
    return GatewayError(503, "model_unavailable", "This model was taken out of use: tell those who run the gateway")


def no_deployment_for_tags() -> GatewayError:
    """The tags of the request fit none of the model's deployments."""
    message = "Nothing that serves this model has the tags of the request"
    return GatewayError(400, "no_deployment_for_tags", message, param="tags")


def stream_interrupted(what: str = "the service ended the stream before the answer was complete") -> GatewayError:
    """A stream that had begun: the last event of the client's own stream."""
    return GatewayError(502, "stream_interrupted", f"The answer is not complete: {what}")


# The gateway itself


def queue_full(retry_after: float = 1.0) -> GatewayError:
    """More requests wait than may."""
    message = f"Too many requests wait for this model: try again in {seconds(retry_after)}"
    return GatewayError(429, "queue_full", message, retry_after=retry_after)


def overloaded(retry_after: float = 1.0) -> GatewayError:
    """The gateway has as much to do as it may."""
    message = f"The gateway has too much to do: try again in {seconds(retry_after)}"
    return GatewayError(503, "overloaded", message, retry_after=retry_after)


def answer_too_large(limit: int) -> GatewayError:
    """The service said more than the gateway passes on."""
    return GatewayError(502, "answer_too_large", f"The answer is larger than {limit} bytes")


def draining() -> GatewayError:
    """The gateway is about to stop."""
    message = "The gateway is stopping and takes no new work: try again in 1 s"
    return GatewayError(503, "draining", message, retry_after=1.0)


def internal_error() -> GatewayError:
    """A mistake of the gateway's own; what it was stands in its log."""
    return GatewayError(500, "internal_error", "The gateway made a mistake: its log tells more")
