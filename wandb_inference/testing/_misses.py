"""The error of a request that a cassette has no answer to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from ..exceptions import APIError
from ._differences import differences, is_match
from ._tape import Asked

_SHOWN: Final = 5
"""Differences in a message."""


class CassetteMissError(APIError):
    """A request that the cassette has no answer to. It was not sent, and is not tried again.

    Args:
        message: What was asked, and what is recorded instead.
        hint: What to do about it.
        differences: What differs from the nearest recording.
    """

    differences: tuple[str, ...]
    """What differs from the nearest recording, one line each: `messages[0].content: "a" is "b" in the cassette`. Empty
    where there is none, or where it was played already."""

    def __init__(self, message: str, *, hint: str | None = None, differences: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.differences = tuple(differences)

    def __str__(self) -> str:
        # Behind a list the advice has a line of its own.
        return f"{self.message}\n{self.hint}" if self.differences and self.hint else super().__str__()


CassetteMissError.__module__ = "wandb_inference.testing"  # where tracebacks and pickles are to find it


def miss(asked: Asked, recorded: Sequence[Asked], match_on: Collection[str], name: str, hint: str) -> CassetteMissError:
    """The error of a request.

    Args:
        asked: The request.
        recorded: Those in the cassette, played or not.
        match_on: What they are compared by.
        name: The cassette's.
        hint: What to do about it.
    """
    what = f"{asked.method} {asked.url} is not in the cassette {name!r}"
    if not recorded:
        return CassetteMissError(f"{what}, which is empty", hint=hint)
    found = [list(differences(asked, request, match_on)) for request in recorded]
    equal = [lines for lines in found if not lines]
    if equal:
        times = "once" if len(equal) == 1 else f"{len(equal)} times"
        what = f"{asked.method} {asked.url} is {times} in the cassette {name!r}, and was asked once more"
        return CassetteMissError(what, hint=f"{hint} Or play recordings again: allow_playback_repeats=True.")
    # Another path is farther away than any other body.
    nearest = min(range(len(found)), key=lambda number: (_elsewhere(asked, recorded[number]), len(found[number])))
    lines = found[nearest]
    more = f"\n  and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    shown = "".join(f"\n  {line}" for line in lines[:_SHOWN])
    message = f"{what}. The nearest is number {nearest + 1} of {len(found)}, where{shown}{more}"
    return CassetteMissError(message, hint=hint, differences=lines)


def _elsewhere(asked: Asked, recorded: Asked) -> bool:
    """Whether the two are no requests to the same place."""
    return not is_match(asked, recorded, ("method", "path"))
