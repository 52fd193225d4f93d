"""What commands print on: colours on a terminal, plain text in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output, or on the standard error.

    Rich asks `NO_COLOR`, `FORCE_COLOR`, `TERM` and the stream itself whether to use colours.
    """
    from rich.console import Console  # 50 ms, which `emulator` and `--help` do without

    return Console(stderr=stderr, highlight=False, soft_wrap=not (sys.stderr if stderr else sys.stdout).isatty())


def complain(message: str) -> None:
    """Says on the standard error what went wrong."""
    print(f"wandb-inference: {printable(message)}", file=sys.stderr)
