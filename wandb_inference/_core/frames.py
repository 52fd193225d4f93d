"""An object or array of JSON while it is open: what it holds so far, and what may come."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from .shapes import MISSING, Shape

_CLOSING = {"{": "}", "[": "]"}


class Frame:
    """An object or array that is open.

    Args:
        bracket: How it began.
        start: Where, in characters from the beginning of the text.
        shape: What may stand here; `None` where nothing of it can be shown.
        plain: Whether it is shown as plain data, whatever it holds.
    """

    __slots__ = (
        "broken",
        "closing",
        "item",
        "items",
        "key",
        "plain",
        "record",
        "records",
        "seen",
        "shape",
        "start",
        "values",
    )

    def __init__(self, bracket: str, start: int, shape: Shape | None, *, plain: bool) -> None:
        self.closing = _CLOSING[bracket]
        self.start = start
        self.plain = plain
        self.shape = shape
        self.records = shape.records if shape is not None and bracket == "{" else ()
        self.record = self.records[0] if len(self.records) == 1 else None
        self.item = shape.item if shape is not None and bracket == "[" else None
        self.key: str | None = None
        self.values: dict[str, object] = {}
        self.items: list[object] = []
        self.seen: dict[str, str] = {}
        self.broken = False

    @property
    def is_object(self) -> bool:
        """Whether it has keys."""
        return self.closing == "}"

    @property
    def grows(self) -> bool:
        """Whether it can be shown before it is complete."""
        return self.plain or (self.record is not None if self.is_object else self.item is not None)

    def child(self) -> Shape | None:
        """What may stand at the place that comes next."""
        if not self.is_object:
            return self.item
        return None if self.record is None or self.key is None else self.record.shape(self.key)

    def build(self, inside: object) -> object:
        """The value so far; `inside` is the part of it that is still open."""
        if not self.grows:
            return MISSING
        if not self.is_object:
            return [*self.items] if inside is MISSING or self.broken else [*self.items, inside]
        values = dict(self.values)
        field = self.key if self.record is None else self.record.names.get(self.key or "")
        if inside is not MISSING and field is not None:
            values[field] = inside
        return values if self.record is None else self.record.build(values)

    def put(self, value: object, text: Callable[[], str]) -> None:
        """Takes the value that is complete at the place; `text` gives it as it was written."""
        if not self.is_object:
            # A list ends for us at the first item that does not fit: what comes behind would have another index.
            self.broken = self.broken or value is MISSING
            if not self.broken:
                self.items.append(value)
            return
        key, self.key = cast("str", self.key), None
        if self.plain:
            self.values[key] = value
        elif self.record is not None:
            field = self.record.names.get(key)
            if field is not None and value is not MISSING:
                self.values[field] = value
        elif self.records:
            self._narrow(key, text())

    def _narrow(self, key: str, text: str) -> None:
        """Leaves out the types that this field can't belong to, and decides where one is left."""
        self.seen[key] = text
        self.records = tuple(record for record in self.records if record.fits(key, text))
        if len(self.records) == 1:
            self.record = self.records[0]
            for name, seen in self.seen.items():
                shape = self.record.shape(name)
                value = MISSING if shape is None else shape.complete(seen)
                if value is not MISSING:
                    self.values[self.record.names[name]] = value
