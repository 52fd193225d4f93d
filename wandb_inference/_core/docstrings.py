"""Docstrings in the styles of Google, NumPy and Sphinx: what a function does, and what each parameter means."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

_PARAMETERS = frozenset(
    {
        "args",
        "arguments",
        "keyword args",
        "keyword arguments",
        "other args",
        "other parameters",
        "parameters",
        "params",
    }
)
_OTHERS = frozenset(
    {
        "attributes",
        "example",
        "examples",
        "note",
        "notes",
        "raises",
        "references",
        "return",
        "returns",
        "see also",
        "todo",
        "warning",
        "warnings",
        "warns",
        "yield",
        "yields",
    }
)

_HEADING = re.compile(r"(\w[\w ]*?)\s*:\s*$")
_RULE = re.compile(r"(-{3,}|={3,})\s*$")
_GOOGLE_ITEM = re.compile(r"\s*\*{0,2}(\w+)(?:\s*\(.*?\))?\s*:(?:\s+|$)(.*)")
_NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_FIELD = re.compile(
    r"[:@](param|parameter|arg|argument|key|keyword|type|return|returns|rtype|raise|raises|except|exception"
    r"|var|ivar|cvar|yield|yields|meta)\b([^:]*):(?:\s+|$)(.*)"
)
_PARAMETER_FIELDS = frozenset({"param", "parameter", "arg", "argument", "key", "keyword"})


class Docstring(NamedTuple):
    """What a docstring says."""

    description: str
    """What comes before the first section, lines as they were broken."""
    parameters: dict[str, str]
    """The meaning of each parameter that is described, on one line."""


def read_docstring(text: str | None) -> Docstring:
    """What a docstring says, whichever of the three styles it has."""
    lines = inspect.cleandoc(text or "").splitlines()
    parameters: dict[str, str] = {}
    first = len(lines)
    for start, end, kind in _sections(lines):
        first = min(first, start)
        items: Iterator[tuple[str, list[str]]] = iter(())
        if kind == "field":
            items = _field_items(lines[start:end])
        elif kind == "google":
            items = _google_items(lines[start + 1 : end])
        elif kind == "numpy":
            items = _numpy_items(lines[start + 2 : end])
        for name, words in items:
            said = " ".join(filter(None, (word.strip() for word in words)))
            if said:
                parameters.setdefault(name, said)
    return Docstring("\n".join(lines[:first]).strip(), parameters)


def _sections(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Where each section begins and ends, and what is in it; `""` for one that describes no parameters."""
    starts = [(index, kind) for index in range(len(lines)) if (kind := _section(lines, index)) is not None]
    for (start, kind), (end, _) in zip(starts, [*starts[1:], (len(lines), "")], strict=False):
        yield start, end, kind


def _section(lines: list[str], index: int) -> str | None:
    """What kind of section begins in a line; `None` where none does."""
    line = lines[index]
    if _FIELD.match(line):
        return "field"
    if index + 1 < len(lines) and _RULE.match(lines[index + 1]) and line.strip():
        return "numpy" if line.strip().lower() in _PARAMETERS else ""
    heading = _HEADING.match(line)
    name = heading[1].lower() if heading else ""
    # "Note:" can also be a sentence's beginning: what belongs to a heading is indented.
    following = next((line for line in lines[index + 1 :] if line.strip()), "")
    if name in _PARAMETERS | _OTHERS and following[:1].isspace():
        return "google" if name in _PARAMETERS else ""
    return None


def _field_items(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    field = _FIELD.match(lines[0])
    if field is None or field[1] not in _PARAMETER_FIELDS or not field[2].strip():
        return  # of something else, or of nobody
    words = [field[3]]
    for line in lines[1:]:
        if line.strip() and not line[0].isspace():
            break
        words.append(line)
    # `:param str city:` names the type first.
    yield field[2].split()[-1].lstrip("*"), words


def _google_items(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    indent = min((_indent(line) for line in lines if line[:1].isspace() and line.strip()), default=0)
    item: tuple[str, list[str]] | None = None
    for line in lines:
        if line.strip() and not line[0].isspace():
            break
        found = _GOOGLE_ITEM.match(line) if _indent(line) == indent else None
        if found:
            if item is not None:
                yield item
            item = found[1], [found[2]]
        elif item is not None:
            item[1].append(line)
    if item is not None:
        yield item


def _numpy_items(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    names: list[str] = []
    words: list[str] = []
    for line in lines:
        if not line.strip() or line[0].isspace():
            words.append(line)
            continue
        yield from ((name, words) for name in names)
        found = _NUMPY_ITEM.match(line)
        names = [name.strip().lstrip("*") for name in found[1].split(",")] if found else []
        words = []
    yield from ((name, words) for name in names)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
