"""What commands print on: colours on a terminal, plain text in a pipe."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
from typing import IO, TYPE_CHECKING

from ._printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody looks at it; `None` stands for a stream that was closed before we started."""
    return stream is not None and stream.isatty()


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output, or on the standard error.

    Rich asks `NO_COLOR`, `FORCE_COLOR`, `TERM` and the stream itself whether to use colours.
    """
    from ._output import Output  # rich takes 50 ms, which `emulator` and `--help` do without

    stream = sys.stderr if stderr else sys.stdout
    return Output(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=not is_terminal(stream))


def complain(message: str) -> None:
    """Says on the standard error what went wrong."""
    to_stderr(_folded(f"wandb-inference: {printable(message)}"))


def note(message: str) -> None:
    """Says on the standard error what one should know, out of the way of the output."""
    to_stderr(_folded(printable(message)))


def to_stderr(text: str) -> None:
    """Writes a line on the standard error, as it is; one that was closed, or is full, is passed over."""
    if sys.stderr is not None:  # `print` would take the standard output in its place
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            let_go(sys.stderr)


def let_go(stream: IO[str] | None) -> None:
    """Leaves a stream that takes no more, or that nobody reads: Python would complain of what it holds at its end."""
    with contextlib.suppress(OSError, AttributeError):  # there may be none, or what stands in for it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def one_line(text: str) -> str:
    """Text of others on one line, and safe for a terminal."""
    return " ".join(printable(text).split())


def _folded(text: str) -> str:
    """The text as wide as the terminal, where there is one; words stay whole."""
    if not is_terminal(sys.stderr):
        return text
    width = max(shutil.get_terminal_size().columns, 20)
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in text.splitlines()
    )
