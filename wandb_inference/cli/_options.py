"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class Connection(NamedTuple):
    """Where a command calls, as its options say; `None` is looked up as a client does."""

    base_url: str | None
    project: str | None

    def settings(self) -> dict[str, str]:
        """What to give to `Client`."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Numbers(click.FloatRange):
    """Numbers from a bound on. What is no number, as NaN is, is within no bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; see click."""
        number = float(super().convert(value, param, ctx))
        if not isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


def connection(function: F) -> F:
    """Adds `--base-url` and `--project`.

    There is no option for the key: a command line can be read by everybody on the machine.
    """
    project = click.option("--project", metavar="TEAM/PROJECT", help="Project to bill  [default: WANDB_PROJECT]")
    base_url = click.option("--base-url", metavar="URL", help="Another server  [default: WANDB_API_BASE, else W&B's]")
    return base_url(project(function))


def model(*, required: bool = False, default: str | None = None) -> Callable[[F], F]:
    """Adds `-m`, `--model`."""
    # A default of `None` would be one, to click, and nothing would be missing.
    given: dict[str, Any] = {"required": required} if default is None else {"default": default, "show_default": True}
    return click.option("-m", "--model", metavar="ID", help="Model to ask", shell_complete=model_ids, **given)


def model_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The living ids that begin so, whatever their case, or whose name without the provider does; from the table."""
    from ..catalogue import MODELS

    begun = incomplete.lower()
    living = sorted((model.id for model in MODELS.values() if model.lifecycle != "retired"), key=str.lower)
    return [id for id in living if id.lower().startswith(begun) or id.lower().rpartition("/")[2].startswith(begun)]


def paths(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What makes the shell complete paths itself."""
    return [CompletionItem(incomplete, type="file")]
