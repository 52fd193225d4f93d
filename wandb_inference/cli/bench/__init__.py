"""`wandb-inference bench`: how fast a model answers, and how often it does not."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import _options
from .._amounts import dollars, tokens
from .._console import complain, console, is_terminal, note

if TYPE_CHECKING:
    from ..._client import AsyncClient
    from ._plan import Plan
    from ._run import Run
    from ._samples import Level

EXAMPLES = """\b
Examples:
  wandb-inference bench -m openai/gpt-oss-20b
  wandb-inference bench -m openai/gpt-oss-20b -c 1,4,16 -n 50 --svg bench.svg
  wandb-inference bench -m zai-org/GLM-5.2 --duration 30 --max-cost 0.50 --yes
"""


def levels(text: str) -> tuple[int, ...]:
    """Numbers of calls in flight: `1,4,16`.

    Raises:
        click.BadParameter: It is no such list.
    """
    from ._plan import read_levels

    try:
        return read_levels(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers from 1 to 10,000, such as 1,4,16.") from None


@click.command("bench", epilog=EXAMPLES)
@_options.model(required=True)
@_options.connection
@click.option(
    "-c",
    "--concurrency",
    metavar="N,...",
    type=levels,
    default="1,4",
    show_default=True,
    help="Calls in flight",
)
@click.option("-n", "--requests", type=click.IntRange(1), default=20, show_default=True, help="Calls for each of them")
@click.option("--duration", type=_options.Numbers(0, min_open=True), metavar="SECONDS", help="In place of -n")
@click.option("--prompt", default="Tell me a story about a lighthouse.", show_default=True, help="What to ask")
@click.option("--max-tokens", metavar="N", type=tokens, default="128", show_default=True, help="Length of an answer")
@click.option("--warmup", type=click.IntRange(0), default=1, show_default=True, help="Calls before the first is timed")
@click.option("--fresh", is_flag=True, help="Keep the prompt out of the service's cache (cache_salt)")
@click.option(
    "--timeout",
    type=_options.Numbers(0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="For one call",
)
@click.option("--max-cost", type=dollars, metavar="USD", help="Stop before more is spent")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw a picture here, too")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds")
def command(
    model: str,
    base_url: str | None,
    project: str | None,
    concurrency: tuple[int, ...],
    requests: int,
    duration: float | None,
    prompt: str,
    max_tokens: int,
    warmup: int,
    fresh: bool,
    timeout: float,
    max_cost: Decimal | None,
    yes: bool,
    svg: Path | None,
    as_json: bool,
) -> int:
    """Measure how fast a model answers: the wait for its first token, its pace, its errors.

    Each call is streamed and paid for, and none is tried again. How many there are and the most that they can cost is
    said first; above $0.10 you are asked, and without a terminal --yes is needed. Ctrl-C shows what was measured so
    far. Percentiles are of answers: p99 is what 99 of 100 are at least as good as. The exit code is 1 if none came.
    """
    from ._plan import Plan, rates_of

    if max_tokens < 1:
        raise click.BadParameter("an answer has at least one token", param_hint="--max-tokens")
    if svg is not None and not svg.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(svg.parent)!r}", param_hint="--svg")
    model = model.removeprefix("wandb/")
    plan = Plan(model, concurrency, requests, duration, prompt, max_tokens, warmup, fresh, max_cost, rates_of(model))
    client = _client(_options.Connection(base_url, project), timeout, max(concurrency))
    _agree(plan, yes=yes)
    return _measured(plan, client, svg, as_json=as_json)


def _client(connection: _options.Connection, timeout: float, most: int) -> AsyncClient:
    from ..._client import AsyncClient

    settings: dict[str, Any] = connection.settings()
    return AsyncClient(**settings, max_retries=0, deadline=timeout, max_connections=max(most, 1))


def _agree(plan: Plan, *, yes: bool) -> None:
    """Says what is to come, and asks where it is dear.

    Raises:
        click.UsageError: It may be dear, and nobody can be asked; or not one call is within `--max-cost`.
        click.Abort: The answer was no.
    """
    from ._plan import must_ask, too_dear

    if problem := too_dear(plan):
        raise click.UsageError(f"{problem}.")
    note(plan.announcement())
    if yes or not must_ask(plan):
        return
    if not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
        raise click.UsageError("That needs --yes, since there is nobody to ask.")
    click.confirm("Go on?", abort=True, err=True)


def _measured(plan: Plan, client: AsyncClient, svg: Path | None, *, as_json: bool) -> int:
    import asyncio

    from ._progress import Progress
    from ._run import Run

    progress = Progress(plan)
    run, interrupted = Run(plan, client, progress.tell), False
    try:
        asyncio.run(run.go())
    except (KeyboardInterrupt, asyncio.CancelledError):
        interrupted = True
    finally:
        progress.end()
    measured = [level for level in run.levels if level.samples]
    if as_json:
        print(json.dumps(_data(plan, client.base_url, run, measured, interrupted), indent=2))
    else:
        _print(measured)
    if svg is not None and measured:
        _draw(svg, plan, client.base_url, measured)
    return _ended(plan, run, measured, interrupted)


def _ended(plan: Plan, run: Run, levels: list[Level], interrupted: bool) -> int:
    """The exit code; why it ended early is said."""
    if interrupted:
        note(
            "Interrupted: that is what was measured so far." if levels else "Interrupted before anything was measured."
        )
        return 130
    if run.out_of_money:
        note(f"Stopped at --max-cost {plan.max_cost}: the next call might have passed it.")
    if run.failure is not None:
        complain(str(run.failure))
        return 1
    return 0 if any(level.answers for level in levels) else 1


def _print(levels: list[Level]) -> None:
    from ._report import bars, block

    screen = console()
    is_seen = is_terminal(screen.file)
    for number, level in enumerate(levels):
        first, *rest = block(level)
        screen.print(f"\n{first}" if number else first, style="bold", soft_wrap=True)
        for line in rest:
            screen.print(line, style="red" if " x " in line else None, soft_wrap=True)
    for line in bars(levels, min(screen.width, 100) if is_seen else 80, is_plain=not is_seen):
        screen.print(line if line.startswith(" ") else f"\n{line}", style=None if line[0] == " " else "bold")


def _draw(svg: Path, plan: Plan, base_url: str, levels: list[Level]) -> None:
    from datetime import date

    from ..._checks import shown_url
    from ._chart import draw

    at = f"{shown_url(base_url)}, {plan.max_tokens} tokens at most, {date.today().isoformat()}"
    try:
        svg.write_text(draw(plan.model, at, levels), "utf-8")
    except OSError as error:
        raise click.FileError(str(svg), error.strerror) from None
    note(f"Drawn: {svg}")


def _data(plan: Plan, base_url: str, run: Run, levels: list[Level], interrupted: bool) -> dict[str, Any]:
    from ..._checks import shown_url
    from ._samples import as_data

    return {
        "model": plan.model,
        "base_url": shown_url(base_url),
        "max_tokens": plan.max_tokens,
        "interrupted": interrupted,
        "out_of_money": run.out_of_money,
        "failure": None if run.failure is None else str(run.failure),
        "spent_at_most": None if plan.rates is None else float(run.purse.spent),
        "levels": as_data(levels),
    }
