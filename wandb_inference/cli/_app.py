"""The commands, each loaded when it is asked for, and what becomes of their errors."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Final, TextIO, cast

import click
from click.shell_completion import shell_complete

from .._version import __version__
from ..exceptions import APIError, ConfigurationError, InvalidRequestError
from ._console import complain, is_terminal, let_go, note
from ._terms import in_terms_of_commands

NAME: Final = "wandb-inference"
COMPLETE: Final = "_WANDB_INFERENCE_COMPLETE"
"""The variable by which the scripts of `completion` ask for completions."""

COMMANDS = {
    "chat": "Talk to a model, or ask it one thing.",
    "models": "Show the models, what they can do and cost.",
    "doctor": "Check key, project, network and service.",
    "bench": "Measure how fast a model answers.",
    "emulator": "Run a W&B Inference on this machine.",
    "gateway": "Serve models to others, as a LiteLLM config.yaml says.",
    "completion": "Print the completion for bash, zsh or fish.",
}
"""The commands, in the order of the help. Each is a module of this package with a click command named `command`."""

ALIASES = {"proxy": "gateway"}
"""Other names of commands, which the help leaves out."""

EPILOG = """\b
Key and project are those of the library: WANDB_API_KEY and WANDB_PROJECT, else
what `wandb login` left. `wandb-inference doctor` shows what was found.

\b
Examples:
  wandb-inference models --vision --sort price
  wandb-inference doctor
  wandb-inference COMMAND --help

\b
Exit codes:
  0    it worked
  1    the service refused, could not be reached, or has no such thing
  2    the command line or the configuration can't work as it is
  130  ended by Ctrl-C
"""

# What comes with the extra [cli] and not with [emulator], which brings click as well.
_EXTRAS: Final = frozenset({"rich", "prompt_toolkit"})


class Commands(click.Group):
    """A group that imports a command when it is run: `--help` loads none of their libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands' names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; `None` where there is none."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        return cast("click.Command", import_module(f".{name}", __package__).command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with.

        Raises:
            click.UsageError: There is none; the nearest is named.
        """
        if not args[0].startswith("-") and args[0] not in COMMANDS and args[0] not in ALIASES:
            near = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"There is no command {args[0]!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False
)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
def app() -> None:
    """W&B Inference from the command line."""


def run(argv: Sequence[str] | None) -> int:
    """Exit code of a command line; what failed is said on the standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows question marks, not a traceback
    try:
        with warnings.catch_warnings():
            # Here nobody cares for the line of code that a warning is about.
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _warned
            code = _run(arguments or ["--help"])
        _flush(sys.stdout)
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        if is_terminal(sys.stderr):
            print(file=sys.stderr)  # ends the line that shows ^C
        return 130
    except (ConfigurationError, InvalidRequestError) as error:
        complain(in_terms_of_commands(str(error)))
        return 2
    except APIError as error:
        complain(in_terms_of_commands(str(error)))
        return 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRAS:
            raise
        complain("this command needs: pip install 'wandb-inference[cli]'")
        return 2
    except BrokenPipeError:
        let_go(sys.stdout)
        return 0
    except OSError as error:
        what = "the output can't be written" if error.filename is None else str(error.filename)
        complain(f"{what}: {error.strerror or error}")
        let_go(sys.stdout)
        return 1
    return code if arguments else 2


def _run(arguments: list[str]) -> int:
    # Not by `app.main`, which takes a broken pipe for a failure.
    if instruction := os.environ.get(COMPLETE):
        return shell_complete(app, {}, NAME, COMPLETE, instruction)
    try:
        with app.make_context(NAME, list(arguments)) as context:
            code: object = app.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return code if isinstance(code, int) else 0


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    note(in_terms_of_commands(str(message)))


def _show(error: click.ClickException) -> None:
    if sys.stderr is not None:  # click would take the standard output in its place
        try:
            error.show(sys.stderr)
            sys.stderr.flush()
        except OSError:
            let_go(sys.stderr)


def _flush(output: TextIO | None) -> None:
    if output is not None:  # as it is where the descriptor was closed
        output.flush()
