"""The command `wandb-inference`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of one command line: see the help of `wandb-inference`.

    Args:
        argv: The arguments after the program's name; `None`: those of this process.
    """
    try:
        from ._app import run
    except ImportError as error:
        if error.name != "click":
            raise
        print("wandb-inference: this command needs: pip install 'wandb-inference[cli]'", file=sys.stderr)
        return 2
    return run(argv)
