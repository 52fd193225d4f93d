"""`wandb-inference models`: what there is, what it can do, and what it costs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from .. import _options
from .._amounts import dollars, tokens
from .._console import complain, console, is_terminal, note

if TYPE_CHECKING:
    from ._entries import Entry, Wanted


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [word for word in ("show",) if word.startswith(incomplete)] + _options.model_ids(ctx, param, incomplete)


EXAMPLES = """\b
Examples:
  wandb-inference models
  wandb-inference models --vision --tools --max-price 1
  wandb-inference models llama
  wandb-inference models show openai/gpt-oss-20b
  wandb-inference models --json | jq -r '.[] | select(.context > 200000) | .id'
"""


@click.command("models", epilog=EXAMPLES)
@click.argument("words", metavar="[show ID | WORD...]", nargs=-1, shell_complete=_complete)
@_options.connection
@click.option("--vision", is_flag=True, help="Only those that take pictures")
@click.option("--reasoning", is_flag=True, help="Only those that can think first")
@click.option("--tools", is_flag=True, help="Only those known to call tools")
@click.option("--max-price", type=dollars, metavar="USD", help="At most this, input and output price together")
@click.option("--min-context", type=tokens, metavar="TOKENS", help="At least this window: 128000, 128k, 1M")
@click.option("--all", "lifecycle", flag_value="all", help="Retired ones as well")
@click.option("--retired", "lifecycle", flag_value="retired", help="Only retired ones")
@click.option("--sort", type=click.Choice(["price", "context", "name"]), default="price", show_default=True)
@click.option("--offline", is_flag=True, help="By the table in this package, without asking the service")
@click.option("--feed", is_flag=True, help="Ask W&B's public feed of models as well")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; prices are US dollars for a million tokens")
def command(
    words: tuple[str, ...],
    base_url: str | None,
    project: str | None,
    vision: bool,
    reasoning: bool,
    tools: bool,
    max_price: Decimal | None,
    min_context: int | None,
    lifecycle: str | None,
    sort: str,
    offline: bool,
    feed: bool,
    as_json: bool,
) -> int:
    """Show the models, the cheapest first: what they can do and cost. Words search ids; an id alone shows all of it.

    The service's own list is merged with the table in this package; without a key the table alone is shown. Prices are
    US dollars for a million tokens. On a narrow terminal some columns are left out; a pipe gets all of them.
    """
    from ._entries import Wanted

    if offline and feed:
        raise click.UsageError("--offline asks nobody, and --feed the feed: give one of them.")
    is_show = words[:1] == ("show",)
    if is_show and len(words) != 2:
        raise click.UsageError("`models show` takes one id.")
    connection = _options.Connection(base_url, project)
    wanted = Wanted(words, vision, reasoning, tools, max_price, min_context, lifecycle or "living")
    entries = _gathered(connection, offline=offline, feed=feed)
    if is_show or len(words) == 1:
        entry = _named(words[-1], entries)
        if entry is not None or is_show:
            return _print_one(words[-1], entry, as_json)
    return _print_all(entries, wanted, sort, as_json)


def _gathered(connection: _options.Connection, *, offline: bool, feed: bool) -> list[Entry]:
    from ..._client import Client
    from ..._config import resolve
    from ...exceptions import APIError
    from ._entries import from_service, from_table

    if offline:
        return from_table()
    config = resolve(project=connection.project, base_url=connection.base_url)
    if config.api_key is None:
        note("There is no API key, so this is the table in the package; `wandb-inference doctor` says more.")
        return from_table()
    # The list is the same for every project, and the service takes the question without one.
    try:
        with Client(base_url=connection.base_url, project=config.project or "") as client:
            return from_service(client, feed=feed)
    except APIError:
        note("With --offline the table in the package is shown, without asking the service.")
        raise


def _named(name: str, entries: Sequence[Entry]) -> Entry | None:
    """The model of this id, whatever its case, or of this name without the provider."""
    from ...catalogue import resolve_name

    asked = name.removeprefix("wandb/")
    ids = [asked.lower(), (resolve_name(asked) or "").lower()]
    found = {entry.info.id.lower(): entry for entry in reversed(entries)}
    return next((found[id] for id in ids if id in found), None)


def _print_one(name: str, entry: Entry | None, as_json: bool) -> int:
    from ._entries import as_data
    from ._show import detail_lines

    if entry is None:
        complain(f"there is no model {name!r}.{_meant(name)}")
        return 1
    if as_json:
        print(json.dumps(as_data(entry), indent=2))
        return 0
    screen = console()
    for number, line in enumerate(detail_lines(entry, screen.width if is_terminal(screen.file) else None)):
        screen.print(line, style="bold" if number == 0 else None, soft_wrap=True)
    return 0


def _print_all(entries: Sequence[Entry], wanted: Wanted, sort: str, as_json: bool) -> int:
    from ._entries import as_data, chosen
    from ._show import footer, table

    shown = chosen(entries, wanted, sort)
    if as_json:
        print(json.dumps([as_data(entry) for entry in shown], indent=2))
        return 0
    if not shown:
        note(f"No model is like that.{_meant(' '.join(wanted.words))}")
        return 0
    screen = console()
    width = screen.width if is_terminal(screen.file) else None
    lines, left_out = table(shown, width)
    screen.print(lines[0], style="bold", soft_wrap=True)
    for line, entry in zip(lines[1:], shown, strict=True):
        screen.print(line, style="dim" if entry.info.lifecycle == "retired" else None, soft_wrap=True)
    if width is not None:
        for line in textwrap.wrap(footer(shown, left_out), width):
            screen.print(line, style="dim", soft_wrap=True)
    return 0


def _meant(name: str) -> str:
    """The nearest living ids, as a question; empty where none is near."""
    from ...catalogue import suggest

    near = suggest(name)
    return f" Did you mean {' or '.join(near)}?" if near else ""
