"""The command `wandb-inference`."""

from __future__ import annotations

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
        from ._console import complain

        complain("this command needs: pip install 'wandb-inference[cli]'")
        return 2
    return run(argv)
