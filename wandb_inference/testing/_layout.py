"""JSON laid out so that a person can read it, and a changed line is a changed thing."""

from __future__ import annotations

import json
from typing import Any, Final, cast

_WIDTH: Final = 120
"""Characters up to which a value stands on one line."""


class Rows(list[list[Any]]):
    """A stream, each event of which has a line of its own."""


def layout(value: object, indent: int) -> str:
    """The value as JSON, on one line if it fits."""
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, Rows):
        lines = [(f",{pad} " if row[2:] else ", ").join(map(_line, row)) for row in value]
        return f"[{pad}" + f",{pad}".join(f"[{line}]" for line in lines) + f"{pad[:-1]}]"
    line = _line(value)
    if len(line) + indent <= _WIDTH and not _holds_rows(value):
        return line
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        lines = [f"{_line(name)}: {layout(item, indent + 1)}" for name, item in items]
        return f"{{{pad}" + f",{pad}".join(lines) + f"{pad[:-1]}}}"
    if isinstance(value, list):
        lines = [layout(item, indent + 1) for item in cast("list[object]", value)]
        return f"[{pad}" + f",{pad}".join(lines) + f"{pad[:-1]}]"
    return line


def _holds_rows(value: object) -> bool:
    members = cast("dict[str, object]", value).values() if isinstance(value, dict) else ()
    return any(isinstance(member, Rows) or _holds_rows(member) for member in members)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
