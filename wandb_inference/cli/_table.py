"""Tables as plain text: aligned columns, the least important left out where a terminal is too narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GAP = 2
"""Spaces between two columns."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    importance: int
    """The lowest is left out first."""
    is_number: bool = False
    """Numbers stand at the right of their column."""


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Places of the columns that fit, in their order. The most important is always one of them.

    Args:
        columns: All of them.
        rows: A cell for each column.
        width: Columns of the terminal; `None` for a pipe, which takes all.
    """
    kept = list(range(len(columns)))
    while width is not None and len(kept) > 1 and _total(columns, rows, kept) > width:
        kept.remove(min(kept, key=lambda place: columns[place].importance))
    return kept


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]], kept: Sequence[int]) -> list[str]:
    """The table's lines, the titles first, without spaces at their ends."""
    widths = {place: _width(columns, rows, place) for place in kept}
    lines = [[columns[place].title for place in kept], *([row[place] for place in kept] for row in rows)]
    return [
        (" " * GAP)
        .join(
            f"{cell:>{widths[place]}}" if columns[place].is_number else f"{cell:<{widths[place]}}"
            for cell, place in zip(line, kept, strict=True)
        )
        .rstrip()
        for line in lines
    ]


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], place: int) -> int:
    return max([len(columns[place].title), *(len(row[place]) for row in rows)])


def _total(columns: Sequence[Column], rows: Sequence[Sequence[str]], kept: Sequence[int]) -> int:
    return sum(_width(columns, rows, place) for place in kept) + GAP * (len(kept) - 1)
