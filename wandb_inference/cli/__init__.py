"""The command `wandb-inference`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import cast

from .._version import __version__
from . import emulator


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of one command line: 0 for success, 2 for one that can't be run as it is.

    Args:
        argv: The arguments after the program's name; `None`: those of this process.
    """
    parser = argparse.ArgumentParser(prog="wandb-inference", description="W&B Inference from the command line.")
    parser.add_argument("--version", action="version", version=f"wandb-inference {__version__}")
    # Each command is a module that adds its parser and names its function in `run`.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    emulator.add_parser(commands)
    arguments = parser.parse_args(argv)
    run = cast("Callable[[argparse.Namespace], int] | None", getattr(arguments, "run", None))
    if run is None:
        parser.print_help()
        return 2
    return run(arguments)
