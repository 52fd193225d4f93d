"""What was queued for requests to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ._replies import When
from ._requests import RecordedRequest

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    what: T
    when: When
    left: int | None  # how often it is still due; `None`: for ever


class Queue(Generic[T]):
    """Things to be used in order, each for the requests it fits and as often as it was queued for."""

    def __init__(self) -> None:
        self._entries: list[_Entry[T]] = []

    def add(self, what: T, when: When, times: int | None) -> None:
        """Queue something for `times` requests; `None`: for all that come.

        Raises:
            ValueError: `times` is below 1.
        """
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1 or None, not {times}")
        self._entries.append(_Entry(what, when, times))

    def take(self, request: RecordedRequest) -> T | None:
        """The first thing that is due for a request, used once more; `None` where nothing is."""
        for entry in self._entries:
            if entry.when(request):
                if entry.left is not None:
                    entry.left -= 1
                    if entry.left == 0:
                        self._entries.remove(entry)
                return entry.what
        return None

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
