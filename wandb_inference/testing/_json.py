"""JSON values of unknown shape, narrowed."""

from __future__ import annotations

import json
from typing import cast


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


def loads(data: bytes) -> object:
    """The value, or `None` where the bytes are no JSON."""
    try:
        return cast("object", json.loads(data))
    except (ValueError, RecursionError):
        return None
