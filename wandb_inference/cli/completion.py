"""`wandb-inference completion`: what a shell needs to complete our commands, options and model ids."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from ._app import COMPLETE, NAME, app

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


EXAMPLES = """\b
Install it for bash (4.4 or later):
  wandb-inference completion bash > ~/.local/share/bash-completion/completions/wandb-inference
or, where the package bash-completion is missing:
  echo 'eval "$(wandb-inference completion bash)"' >> ~/.bashrc

\b
For zsh:
  echo 'eval "$(wandb-inference completion zsh)"' >> ~/.zshrc
after the line with `compinit`.

\b
For fish:
  wandb-inference completion fish > ~/.config/fish/completions/wandb-inference.fish
"""


@click.command("completion", epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> None:
    """Print the completion for bash, zsh or fish: of commands, options, and of model ids after --model."""
    print(script(shell))


def script(shell: str) -> str:
    """The shell's script. Made without starting the shell: the script may be for another machine."""
    completion = SHELLS[shell](app, {}, NAME, COMPLETE)
    return completion.source_template % completion.source_vars()
