"""JSON values of unknown shape, narrowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, cast

MAX_DEPTH: Final = 200
"""Levels down to which a value can be walked by functions that call themselves."""


def as_dict(value: object) -> dict[str, object]:
    """The value if it is an object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The value if it is an array, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_int(value: object, default: int) -> int:
    """The value if it is an integer (`True` is none), else the default."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def as_str(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def dumps(value: object) -> bytes:
    """Compact JSON in UTF-8, non-ASCII text as it is."""
    # A lone surrogate has no UTF-8 form; its backslash form happens to be JSON's own escape.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def parse(data: bytes, parse_constant: Callable[[str], object] | None = None) -> object:
    """The value.

    Args:
        data: JSON.
        parse_constant: What becomes of `NaN` and the infinities, as for `json.loads`.

    Raises:
        ValueError: The bytes are no JSON, or nested deeper than anything that models and programs say.
    """
    try:
        value: object = json.loads(data, parse_constant=parse_constant)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _members(value)]
        if not level:
            return value
    raise ValueError(f"nested more than {MAX_DEPTH} levels deep")


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def loads(data: bytes) -> object:
    """The value, or `None` where the bytes are no JSON."""
    try:
        return cast("object", json.loads(data))
    except (ValueError, RecursionError):
        return None
