"""A request's body, checked and written down before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from operator import index
from typing import Any, Final, cast, get_origin

from pydantic import BaseModel, ValidationError

from .._checks import without_data
from ..exceptions import InvalidRequestError, RequestProblem
from ..types.chat_request import ChatRequest

_EXPECTED = {
    "string_type": "text",
    "bool_type": "True or False",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "mapping_type": "a mapping",
    "missing": "to be there",
    "finite_number": "a finite number",
    "string_too_short": "text that is not empty",
    "too_short": "at least one",
}

# The order is for arrays: each has the methods of a number, but only one without dimensions is one.
_CONVERSIONS: tuple[Callable[[Any], object], ...] = (list, index, float)

_EXAMPLE = '[{"role": "user", "content": "..."}]'


def invalid(path: str, value: object, expected: str, hint: str | None = None) -> InvalidRequestError:
    """The error for one wrong value."""
    return _error([RequestProblem(path, value, expected)], hint)


def message_list(messages: Any) -> list[Any]:
    """The messages as a list of mappings: from mappings or models, in any iterable.

    Raises:
        InvalidRequestError: Not an iterable of such.
    """
    # A list, as nearly all are, is known at once; the abstract classes look for a while.
    if not isinstance(messages, list) and (
        isinstance(messages, (str, bytes, Mapping, BaseModel)) or not isinstance(messages, Iterable)
    ):
        raise invalid("messages", cast("Any", messages), "a list of messages", f"Write messages={_EXAMPLE}.")
    return [_message(message) for message in cast("Iterable[object]", messages)]


def lasting(value: object) -> object:
    """A parameter that several requests are made of: a list where it could be read only once."""
    return list(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value


def _message(message: object) -> object:
    if type(message) is dict:
        return cast("dict[str, object]", message).copy()
    if isinstance(message, BaseModel):
        # What a server left out as null is not worth sending back, but for the content.
        return {"content": None, **message.model_dump(exclude_none=True)}
    return dict(cast("Mapping[str, object]", message)) if isinstance(message, Mapping) else message


def is_type(form: object) -> bool:
    """Whether a `response_format` is a type: a class, `list[...]`, a union, a `TypeAdapter`."""
    # An adapter is known by its method: pydantic loads the class itself only where it is used.
    return isinstance(form, type) or get_origin(form) is not None or hasattr(form, "validate_json")


def check_form(form: Any) -> None:
    """Return unless a `response_format` is a type, which only `parse()` and `stream()` take.

    Raises:
        InvalidRequestError: It is one: a class, `list[...]`, a union, a `TypeAdapter`.
    """
    if is_type(form):
        raise invalid(
            "response_format",
            form,
            "a mapping, such as {'type': 'json_object'}",
            "For an answer of a type use client.chat.completions.parse(response_format=...), and read .parsed.",
        )


def check_request(body: dict[str, Any]) -> None:
    """Return if the body is a request as far as we know.

    Raises:
        InvalidRequestError: It is not; with each problem's path and value, and what was expected.
    """
    try:
        ChatRequest.__pydantic_validator__.validate_python(body)
    except ValidationError as error:
        problems = [_problem(body, details) for details in error.errors(include_url=False)]
        hint = None
        if any(problem.path.endswith("arguments") for problem in problems):
            hint = "Tool arguments are JSON text: json.dumps(arguments)."
        elif not body["messages"]:
            hint = f"Write messages={_EXAMPLE}."
        raise _error(problems, hint) from None


def _problem(body: object, details: Any) -> RequestProblem:
    kind: str = details["type"]
    # Steps in angle brackets name a branch of a union, `str` the key of a mapping that was wrong.
    steps = [step for step in details["loc"] if not str(step).startswith("<")]
    value = details["input"]
    expected = _EXPECTED.get(kind)
    if kind == "role" and isinstance(value, dict):
        steps.append("role")
        value = cast("dict[str, object]", value).get("role")
    elif kind == "role":
        expected = "a mapping with role and content"
    elif kind == "value_error":
        expected = str(details["ctx"]["error"])
    elif kind == "greater_than_equal":
        expected = f"at least {details['ctx']['ge']:g}"
    elif kind == "less_than_equal":
        expected = f"at most {details['ctx']['le']:g}"
    if kind == "missing":
        value = None
    return RequestProblem(_path(steps), value, expected or details["msg"])


def _path(steps: list[int | str]) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _error(problems: list[RequestProblem], hint: str | None) -> InvalidRequestError:
    said = "; ".join(f"{path} is {_shown(value)}, expected {expected}" for path, value, expected in problems[:5])
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    kept = [problem._replace(value=_kept(problem.value)) for problem in problems]
    return InvalidRequestError(f"The request can't be sent: {said}{more}", hint=hint, errors=kept)


def _kept(value: object) -> object:
    """The value if it is plain data all through, so that the error can be pickled; else its text. No pictures."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return _shown(value)
    shorter = without_data(text)
    return value if shorter == text else json.loads(shorter)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    try:
        text = without_data(repr(value))
    except Exception:  # nested without end, or a class whose own `__repr__` fails
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else f"{text[:60]}..."


def to_json(body: Mapping[str, Any]) -> bytes:
    """The body as JSON in UTF-8.

    Raises:
        InvalidRequestError: It holds a number that JSON has not, half a surrogate pair, itself, or an object that means
            nothing in JSON.
    """
    try:
        return _ENCODER.encode(body).encode()
    except UnicodeEncodeError as error:
        before = error.object[max(0, error.start - 20) : error.start]
        raise _error(
            [RequestProblem("body", f"...{before}\N{REPLACEMENT CHARACTER}", "text that is valid Unicode")],
            'It holds half of a surrogate pair: clean it by text.encode("utf-8", "replace").decode().',
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The request can't be written as JSON: {error}") from None


def _plain(value: object) -> object:
    """What an object of another kind means in JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(cast("set[Any]", value))
    if isinstance(value, (bytes, bytearray)):
        raise TypeError(f"{type(value).__name__} means nothing in JSON; decode it first")
    for convert in _CONVERSIONS:
        try:
            return convert(value)
        except TypeError:
            continue
    raise TypeError(f"{type(value).__name__} means nothing in JSON")


# Made once: `json.dumps` would make one for each request.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
