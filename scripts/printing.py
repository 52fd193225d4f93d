"""Plain terminal output in 80 columns: headings, wrapped text, text that arrives in pieces, a line of progress."""

from __future__ import annotations

import os
import re
import sys
import textwrap

WIDTH = 78
"""Columns used; a terminal of 80 shows them all."""
INDENT = "   "


def _colored() -> bool:
    # https://no-color.org and https://force-color.org: set and not empty.
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def styled(text: str, code: int) -> str:
    """The text in an ANSI style (1 bold, 2 dim, 31 red, 32 green), or as it is where colour is not wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if _colored() else text


def bold(text: str) -> str:
    """The text in bold."""
    return styled(text, 1)


def dim(text: str) -> str:
    """The text, less bright."""
    return styled(text, 2)


def heading(text: str) -> None:
    """Begins a section."""
    print(f"\n{bold(text)}", flush=True)


def paragraph(text: str, *, indent: str = INDENT, code: int | None = None) -> None:
    """Prints text, wrapped and indented."""
    for line in textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False):
        print(line if code is None else styled(line, code), flush=True)


def one_line(text: str, width: int) -> str:
    """The text's beginning, on one line of at most `width` columns."""
    return textwrap.shorten(text, width, placeholder=" ...")


class Flowing:
    """Text that is shown as it arrives, and wrapped all the same."""

    def __init__(self) -> None:
        self._column = 0

    def write(self, piece: str) -> None:
        """Shows the next piece at once."""
        for part in re.split(r"(\s+)", piece):
            # Lines break at spaces alone, early enough for most words to end within the width.
            if part.isspace() and ("\n" in part or self._column > WIDTH - 9):
                print(flush=True)
                self._column = 0
            elif part and not (part.isspace() and self._column == 0):
                shown = part if self._column else INDENT + part
                print(shown, end="", flush=True)
                self._column += len(shown)

    def end(self) -> None:
        """Ends the last line."""
        if self._column:
            print(flush=True)
        self._column = 0


class Progress:
    """A line that fills up: redrawn in place on a terminal, printed once it is full elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self.show("")

    def step(self, note: str) -> None:
        """One more is done."""
        self._done += 1
        self.show(note)

    def show(self, note: str) -> None:
        """Draws the line."""
        full = self._done == self._total
        bar = "#" * (30 * self._done // self._total)
        line = f"{INDENT}[{bar:<30}] {self._done} of {self._total}{note}"
        if sys.stdout.isatty():
            print(f"\r{line:<{WIDTH}}", end="\n" if full else "", flush=True)
        elif full:
            print(line, flush=True)
