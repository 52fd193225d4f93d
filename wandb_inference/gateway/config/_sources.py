"""Where each value of a configuration came from."""

from __future__ import annotations

from typing import TypeVar

from ._tree import Item

T = TypeVar("T")
U = TypeVar("U")


class Sources:
    """Collects them, by the paths of `GatewayConfig`."""

    def __init__(self) -> None:
        self.all: dict[str, str] = {}
        """What has been noted."""

    def note(self, path: str, source: str | Item | None) -> None:
        """Says where the value at a path came from; `None` for a default, which has no source."""
        if isinstance(source, str):
            self.all[path] = source
        elif source is not None and source.place.line:  # line 0: there is no file
            self.all[path] = source.source

    def pick(self, path: str, default: U, *options: tuple[T | None, Item | None]) -> T | U:
        """The first value that is given, with its source noted; else the default."""
        for value, item in options:
            if value is not None and item is not None:
                self.note(path, item)
                return value
        return default
