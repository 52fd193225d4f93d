"""How models are shown: many as a table, one with all that is known of it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from ...catalogue import SOURCES, TABLE_DATE
from .._console import one_line
from .._money import per_million
from .._table import Column, aligned, fitting
from ._entries import Entry

COLUMNS: Final = (
    Column("model", 10),
    Column("context", 7, is_number=True),
    Column("output", 3, is_number=True),
    Column("$in", 9, is_number=True),
    Column("$out", 8, is_number=True),
    Column("$cached", 4, is_number=True),
    Column("reasoning", 6),
    Column("vision", 5),
    Column("tools", 2),
    Column("lifecycle", 1),
    Column("source", 0),
)
_SHORT: Final = {"general-availability": "available"}
_STATUS: Final = {
    "served": "served: the server lists it",
    "unlisted": "not in the server's list, so it may not answer",
    "retired": "retired: calls are refused",
}
_REASONING: Final = {
    "none": "no",
    "on": "on, unless a request turns it off (thinking=False)",
    "off": "off, unless a request turns it on (thinking=True)",
    "adaptive": "as the model thinks fit",
    "always": "always",
}


def table(entries: Sequence[Entry], width: int | None) -> tuple[list[str], list[str]]:
    """The table's lines, and the titles of the columns that the terminal is too narrow for.

    Args:
        entries: The models.
        width: Columns of the terminal, where counts are shortened; `None` for a pipe, which gets all.
    """
    rows = [_cells(entry, is_short=width is not None) for entry in entries]
    kept = fitting(COLUMNS, rows, width)
    return aligned(COLUMNS, rows, kept), [column.title for place, column in enumerate(COLUMNS) if place not in kept]


def _cells(entry: Entry, *, is_short: bool) -> list[str]:
    info = entry.info
    return [
        one_line(info.id),
        count(info.context, is_short=is_short),
        count(info.max_output, is_short=is_short),
        "?" if info.input_price is None else per_million(info.input_price),
        "?" if info.output_price is None else per_million(info.output_price),
        per_million(info.cached_price),
        "-" if info.reasoning == "none" else info.reasoning,
        _flag(info.vision),
        _flag(info.tools),
        _SHORT.get(info.lifecycle, info.lifecycle),
        ",".join(entry.sources),
    ]


def count(tokens: int | None, *, is_short: bool) -> str:
    """A number of tokens: `131072`, or short as the service's pages have it, `131k`."""
    if tokens is None:
        return "?"
    if not is_short or tokens < 1000:
        return str(tokens)
    return f"{tokens / 1e6:.2f}M" if tokens >= 1_000_000 else f"{tokens / 1e3:.0f}k"


def _flag(value: bool | None) -> str:
    return "?" if value is None else "yes" if value else "-"


def footer(entries: Sequence[Entry], left_out: Sequence[str]) -> str:
    """What a reader of the table should know."""
    sources = sorted({source for entry in entries for source in entry.sources})
    shown = [f"the table of {TABLE_DATE}" if source == "table" else f"the {source} list" for source in sources]
    text = f"{len(entries)} models, by {' and '.join(shown)}; $ for a million tokens."
    return f"{text} Too narrow for: {', '.join(left_out)}." if left_out else text


def details(entry: Entry) -> list[tuple[str, str]]:
    """All that is known of a model, each with its name."""
    info = entry.info
    is_gone = info.lifecycle == "retired"  # of these the table has little: a `False` stands for what nobody wrote down
    found = [
        ("model", one_line(info.id)),
        ("label", info.label and one_line(info.label)),
        ("context", _tokens(info.context)),
        ("output", f"{_tokens(info.max_output)} at most" if info.max_output else "not known"),
        ("price", _price(entry)),
        ("reasoning", "not known" if is_gone and info.reasoning == "none" else _REASONING[info.reasoning]),
        ("vision", _word(info.vision or (None if is_gone else False))),
        ("tools", _word(info.tools)),
        ("LoRA", _word(info.lora)),
        ("lifecycle", info.lifecycle),
        ("deprecated", info.deprecated_on),
        ("retired", info.retired_on),
        ("successor", info.successor or ("none was named" if is_gone else None)),
        ("status", _STATUS.get(entry.status)),
        ("sources", _sources(entry)),
    ]
    return [(name, text) for name, text in found if text is not None]


def detail_lines(entry: Entry, width: int | None) -> list[str]:
    """The same as lines, wrapped on a terminal."""
    indent = " " * 12
    lines: list[str] = []
    for name, text in details(entry):
        texts = [text] if width is None else textwrap.wrap(text, max(width - len(indent), 20), break_on_hyphens=False)
        lines += [f"{name:<{len(indent)}}{texts[0]}", *(indent + more for more in texts[1:])]
    return lines


def _tokens(number: int | None) -> str:
    return "not known" if number is None else f"{number:,} tokens"


def _price(entry: Entry) -> str:
    info = entry.info
    if info.input_price is None or info.output_price is None:
        return "not known"
    cached = "" if info.cached_price is None else f", ${per_million(info.cached_price)} for cached input"
    when = ", the last there was" if info.lifecycle == "retired" else ""
    prices = f"${per_million(info.input_price)} in, ${per_million(info.output_price)} out{cached}"
    return f"{prices} (a million tokens{when})"


def _word(value: bool | None) -> str:
    return "not known" if value is None else "yes" if value else "no"


def _sources(entry: Entry) -> str:
    shown = [f"{source} list" for source in entry.sources if source != "table"]
    if "table" in entry.sources:
        named = [SOURCES.get(name, name) for name in entry.info.sources]
        said = f" ({'; '.join(named)})" if named else ""
        shown.append(f"table of {TABLE_DATE}{said}")
    return "; ".join(shown)
