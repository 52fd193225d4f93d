"""`wandb-inference doctor`: which of key, project, network and service is wrong, and how to mend it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .. import _options
from .._console import console, is_terminal
from ._finding import Finding, as_data, conclusion, failed

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}


EXAMPLES = """\b
Examples:
  wandb-inference doctor
  wandb-inference doctor --call
  wandb-inference doctor --call openai/gpt-oss-20b --project team/other
  wandb-inference doctor --json | jq '.checks[] | select(.status == "fail")'
"""


@click.command("doctor", epilog=EXAMPLES)
@_options.connection
@click.option(
    "--call",
    metavar="[MODEL]",
    is_flag=False,
    flag_value="",
    help="Also try one call for one token, which is paid for  [default: the cheapest model]",
    shell_complete=_options.model_ids,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def command(base_url: str | None, project: str | None, call: str | None, as_json: bool) -> int:
    """Check key, project, network and service: which one is wrong, and how to mend it.

    Nothing is paid for without --call, and no part of the key is shown. The exit code is 1 if a check failed, and 0
    with warnings. It takes a minute at most.
    """
    from ._examine import examine

    findings: list[Finding] = []
    screen = None if as_json else console()
    for finding in examine(_options.Connection(base_url, project), call):
        findings.append(finding)
        if screen is not None:
            show(screen, finding)
    if screen is None:
        print(json.dumps(as_data(findings), indent=2))
    else:
        screen.print(f"\n{conclusion(findings)}", style="bold")
    return 1 if failed(findings) else 0


def show(screen: Console, finding: Finding) -> None:
    """Prints a finding."""
    from rich.text import Text

    status, lines = finding.lines(screen.width if is_terminal(screen.file) else None)
    screen.print(Text.assemble((status, _STYLES[finding.status]), "\n".join(lines)))
