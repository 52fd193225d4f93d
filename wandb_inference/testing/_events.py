"""The JSON in a stream of events, and its texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from ._json import dumps, parse
from ._pieces import Span


class Document:
    """The JSON value of an event's data."""

    def __init__(self, start: int, end: int, value: object) -> None:
        self._place = (start, end)
        self.value = value
        self.clean: object = None

    @property
    def span(self) -> Span:
        """What stands in its place."""
        return Span(*self._place, dumps(self.clean))


class Leaf:
    """A text in a JSON value, as it was and as it is to be."""

    def __init__(self, text: str, holder: dict[str, object], name: str) -> None:
        self.text = text
        self._holder = holder
        self._name = name

    @property
    def clean(self) -> str:
        return cast("str", self._holder[self._name])

    @clean.setter
    def clean(self, text: str) -> None:
        self._holder[self._name] = text


def document_in(line: bytes, at: int) -> Document | None:
    """The JSON value of a line of data; `None` where it is none."""
    match = re.match(rb"data: ?(?=[\[{])", line)
    if match is None:
        return None
    try:
        value = parse(line[match.end() :])
    except ValueError:
        return None
    return Document(at + match.end(), at + len(line), value)


def leaves_of(value: object, clean: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """The texts of objects, each with its path; members of a list are known by their `index`, where they have one.

    Args:
        value: A JSON value.
        clean: The same without secrets, so that names may be others.
        path: Where it stands.
    """
    if isinstance(value, list):
        pairs = zip(cast("list[object]", value), cast("list[object]", clean), strict=True)
        for number, (item, clean_item) in enumerate(pairs):
            yield from leaves_of(item, clean_item, (*path, _place(item, number)))
    elif isinstance(value, dict):
        given, holder = cast("dict[str, object]", value), cast("dict[str, object]", clean)
        # Two names that were secret may have become one: then nobody knows whose text is whose.
        names = list(holder) if len(holder) == len(given) else []
        for (name, item), clean_name in zip(given.items(), names, strict=False):
            if isinstance(item, str):
                yield (*path, name), Leaf(item, holder, clean_name)
            else:
                yield from leaves_of(item, holder[clean_name], (*path, name))


def _place(item: object, number: int) -> str:
    return str(cast("dict[str, object]", item).get("index", number) if isinstance(item, dict) else number)
