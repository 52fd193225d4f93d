"""The server's JSON to models: strictly and fast first, then with a second look at what did not fit.

Servers in the wild send `id: 7`, `created: 1.5`, content as a list of parts, tool arguments as an object, a BOM, broken
UTF-8 and half surrogates. None of that keeps a person from reading the answer, so none of it fails here. What is
missing where it is needed does.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

_HALF_PAIR = re.compile("[\ud800-\udfff]")  # JSON reads whole pairs as the character they stand for

_ROUNDS = 8  # one mend can uncover the next; no answer met in the wild takes more than three


class UnreadableError(ValueError):
    """JSON that is none, or that lacks what the model needs. The message says what, and where."""


def read_model(model: type[M], data: bytes) -> M:
    """An instance of `model` from JSON.

    Raises:
        UnreadableError: It is no JSON, or what it lacks can't be left out.
    """
    try:
        return cast("M", model.__pydantic_validator__.validate_json(data))
    except ValidationError:
        return mend(model, read_json(data))


def read_json(data: bytes) -> object:
    """The value of a JSON text, broken UTF-8 and half surrogates replaced by U+FFFD.

    Raises:
        UnreadableError: It is no JSON.
    """
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    try:
        value: object = json.loads(text)
        return without_surrogates(value) if "\\u" in text else value
    except RecursionError:
        raise UnreadableError("JSON nested too deep to read") from None
    except ValueError as error:
        raise UnreadableError(f"no JSON: {error}") from None


def mend(model: type[M], value: object) -> M:
    """An instance of `model`, what does not fit turned into what it means, or else left out.

    Raises:
        UnreadableError: What is missing can't be left out.
    """
    errors: list[ErrorDetails] = []
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            # From the last to the first, so that taking out an element of a list moves none that is still to come.
            mended = [_mend(value, problem) for problem in reversed(errors)]
            if not any(mended):
                break
    first = errors[0]
    raise UnreadableError(f"{_path(first)}: {first['msg']}")


def _path(problem: ErrorDetails) -> str:
    return ".".join(str(step) for step in problem["loc"]) or "the whole"


def _mend(value: object, problem: ErrorDetails) -> bool:
    """Whether `value` was changed where the problem lies."""
    if problem["type"] == "missing":
        return False
    holder: Any = None
    key: Any = None
    here: Any = value
    # The location can end with the name of a union's branch, which is no key: the input tells where the place is.
    for step in problem["loc"]:
        if here is problem["input"]:
            break
        try:
            holder, key, here = here, step, here[step]
        except (KeyError, IndexError, TypeError):
            return False  # mended already, for another branch of the same union
    if holder is None or here is not problem["input"]:
        return False
    better = _meant(key, here, problem["type"])
    if better is not None and better != here:
        holder[key] = better
    elif isinstance(holder, list) and isinstance(here, (list, dict)) and "logprobs" not in problem["loc"]:
        return False
    else:
        del holder[key]
    return True


def _meant(key: object, value: object, problem: str) -> object:
    """What the server meant by a value of the wrong type; `None` where nothing can be made of it."""
    if problem.startswith("string"):
        if key == "content" and isinstance(value, (list, dict)):
            parts = cast("list[object]", value) if isinstance(value, list) else [cast("object", value)]
            return "".join(_part_text(part) for part in parts)
        if key == "arguments" and isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, (bool, int, float)):
            return json.dumps(value)
    if problem.startswith("int") and isinstance(value, (float, str)):
        try:
            number = float(value)
        except ValueError:
            return None
        return int(number) if math.isfinite(number) else None
    return None


def _part_text(part: object) -> str:
    if isinstance(part, dict):
        text = cast("dict[str, object]", part).get("text")
        return text if isinstance(text, str) else ""
    return part if isinstance(part, str) else ""


def without_surrogates(value: object) -> object:
    """Plain data with each half of a surrogate pair, which no request can hold, replaced."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {cast("str", without_surrogates(name)): without_surrogates(item) for name, item in items}
    return value
