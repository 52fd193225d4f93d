"""What commands print on: colours on a terminal, plain text in a pipe."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody looks at it; `None` stands for a stream that was closed before we started."""
    return stream is not None and stream.isatty()


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output, or on the standard error.

    Rich asks `NO_COLOR`, `FORCE_COLOR`, `TERM` and the stream itself whether to use colours.
    """
    from rich.console import Console  # 50 ms, which `emulator` and `--help` do without

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=not is_terminal(stream))


def complain(message: str) -> None:
    """Says on the standard error what went wrong."""
    print(f"wandb-inference: {message}", file=sys.stderr)


def note(message: str) -> None:
    """Says on the standard error what one should know, out of the way of the output."""
    print(message, file=sys.stderr)
