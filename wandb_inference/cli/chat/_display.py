"""Where an answer is shown as it comes: a pipe, or a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TextIO

from .._printable import printable
from ._blocks import Block, Blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from ._live import Lines

_SHARE = 4
"""An unfinished block is drawn again after this many times what the last drawing took, so that it costs a fifth of the
time at most, however long it grows."""


class Display(Protocol):
    """Shows one answer after the other."""

    def begin(self) -> None:
        """An answer has been asked for."""

    def thought(self, piece: str) -> None:
        """The next piece of thinking."""

    def said(self, piece: str) -> None:
        """The next piece of the answer."""

    def end(self) -> None:
        """The answer has come to its end, or to where it was stopped."""


class PlainDisplay:
    """Writes the answer's text as it is, and nothing else.

    Args:
        file: Where to.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._last = "\n"

    def begin(self) -> None:
        """Does nothing."""

    def thought(self, piece: str) -> None:
        """Does nothing: who reads a pipe wants the answer."""

    def said(self, piece: str) -> None:
        """Writes the piece at once."""
        self._file.write(piece)
        self._file.flush()
        self._last = piece[-1:] or self._last

    def end(self) -> None:
        """Ends the last line."""
        if self._last != "\n":
            self.said("\n")


class TerminalDisplay:
    """Shows an answer on a terminal: thinking dim, the answer as Markdown or as it is.

    What is finished is drawn once and scrolls away; the block that is being written is drawn again with each piece.

    Args:
        console: The terminal.
        thoughts: Whether to show the thinking.
        markdown: Whether to show Markdown as what it means.
    """

    def __init__(self, console: Console, *, thoughts: bool = True, markdown: bool = True) -> None:
        from ._live import LastLines

        self._console = console
        self._thoughts = thoughts
        self._markdown = markdown and not (console.is_dumb_terminal or console.legacy_windows)
        self._last = LastLines(console)
        self._blocks = Blocks()
        self._thinking = False
        self._thought = ""
        self._open = ""
        self._drawn = self._took = 0.0

    def begin(self) -> None:
        """Shows that an answer is awaited."""
        self._blocks = Blocks()
        if self._markdown:
            self._last.show(self._rendered("…", dim=True))

    def thought(self, piece: str) -> None:
        """Shows the next piece of thinking, dim."""
        if not (self._thoughts and piece):
            return
        if not self._thinking:
            if not (piece := piece.lstrip()):
                return
            self._finish()
            self._console.print("Thinking:", style="dim")
            self._thinking = True
        if not self._markdown:
            self._write(piece, dim=True)
            return
        # A line is finished once there is another: empty ones at the end are not shown.
        done, newline, rest = (self._thought + printable(piece)).rpartition("\n")
        if newline and rest.strip():
            self._print_lines(self._wrapped(done))
            self._thought = rest
        else:
            self._thought = done + newline + rest
        self._draw(lambda: self._wrapped(self._thought.rstrip()))

    def said(self, piece: str) -> None:
        """Shows the next piece of the answer."""
        if not piece:
            return
        if self._thinking:
            self._end_thought()
            self._console.print()
        if not self._markdown:
            self._write(piece)
            return
        for block in self._blocks.feed(printable(piece)):
            self._print(block)
        self._draw(lambda: self._lines(self._blocks.rest))

    def end(self) -> None:
        """Shows all of the answer for good."""
        if self._thinking:
            self._end_thought()
        self._finish()
        self._end_line()

    def _finish(self) -> None:
        self._last.take_back()
        for block in self._blocks.end():
            self._print(block)
        self._blocks = Blocks()

    def _end_thought(self) -> None:
        self._thinking = False
        if thought := self._thought.rstrip():
            self._print_lines(self._wrapped(thought))
        self._thought = ""
        self._end_line()

    def _draw(self, lines: Callable[[], Lines]) -> None:
        """Shows what is not finished, unless that was done too short a time ago."""
        now = time.monotonic()
        if now - self._drawn >= self._took * _SHARE:
            self._last.show(lines())
            self._drawn = time.monotonic()
            self._took = self._drawn - now

    def _print(self, block: Block) -> None:
        self._print_lines(self._lines(block))

    def _print_lines(self, lines: Lines) -> None:
        from rich.segment import Segment, Segments

        with self._console:
            self._last.take_back()
            for line in lines:
                self._console.print(Segments([*line, Segment("\n")]), end="")

    def _write(self, piece: str, *, dim: bool = False) -> None:
        from rich.text import Text

        text = printable(piece)
        self._open = (text or self._open)[-1:]
        self._console.print(Text(text, "dim" if dim else ""), end="", soft_wrap=True)

    def _end_line(self) -> None:
        if self._open not in ("", "\n"):
            self._console.print()
        self._open = ""

    def _wrapped(self, thought: str) -> Lines:
        """The lines of a thought, dim; words are whole where they can be."""
        from rich.segment import Segment
        from rich.text import Text

        dim = self._console.get_style("dim")
        lines = Text(thought).wrap(self._console, self._console.width)
        return [[Segment(line.plain.rstrip(), dim)] if line.plain.strip() else [] for line in lines]

    def _lines(self, block: Block) -> Lines:
        lines = self._rendered(block.text)
        return [[], *lines] if block.apart and lines else lines

    def _rendered(self, text: str, *, dim: bool = False) -> Lines:
        """The lines of a block, without empty ones around them."""
        from rich.segment import Segment

        from ._markdown import markdown

        lines: Lines = []
        for line in self._console.render_lines(markdown(text, dim=dim), pad=False):
            safe = [Segment(printable(segment.text), segment.style) for segment in line]
            # Rich fills lines up to the margin: who copies them wants the words.
            while safe and not safe[-1].text.rstrip():
                del safe[-1]
            if safe:
                safe[-1] = Segment(safe[-1].text.rstrip(), safe[-1].style)
            lines.append(safe)
        full = [number for number, line in enumerate(lines) if line]
        return lines[full[0] : full[-1] + 1] if full else []
