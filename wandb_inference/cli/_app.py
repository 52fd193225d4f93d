"""The commands, each loaded when it is asked for, and what becomes of their errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import cast

import click

from .._version import __version__
from ..exceptions import APIError, ConfigurationError, InvalidRequestError
from ._console import complain

COMMANDS = {
    "chat": "Talk to a model, or ask it one thing.",
    "emulator": "Run a W&B Inference on this machine.",
}
"""The commands, in the order of the help. Each is a module of this package with a click command named `command`."""

EPILOG = """\b
Exit codes:
  0    it worked
  1    the service refused, or could not be reached
  2    the command line or the configuration can't work as it is
  130  ended by Ctrl-C
"""


class Commands(click.Group):
    """A group that imports a command when it is run: `--help` loads none of their libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands' names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; `None` where there is none."""
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", import_module(f".{cmd_name}", __package__).command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False
)
@click.version_option(__version__, prog_name="wandb-inference", message="%(prog)s %(version)s")
def app() -> None:
    """W&B Inference from the command line."""


def run(argv: Sequence[str] | None) -> int:
    """Exit code of a command line; what failed is said on the standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code: object = app.main(arguments or ["--help"], prog_name="wandb-inference", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (ConfigurationError, InvalidRequestError) as error:
        complain(str(error))
        return 2
    except APIError as error:
        complain(str(error))
        return 1
    except BrokenPipeError:
        # Whoever read the output has had enough, as `head` does; Python would complain once more when it ends.
        sys.stdout = None
        return 0
    if not arguments:
        return 2
    return code if isinstance(code, int) else 0
