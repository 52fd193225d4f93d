"""The models to show: from the service, from the feed, from the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from ...catalogue import MODELS, ModelInfo

if TYPE_CHECKING:
    from ..._client import Client
    from ...types.model import Model

DEADLINE = 30.0
"""Seconds to wait for the service."""


class Entry(NamedTuple):
    """A model, and who knows of it."""

    info: ModelInfo
    sources: tuple[str, ...]
    """Of `live`, `feed` and `table`."""
    status: str = "not asked"
    """`served`, `unlisted` or `retired`, as of a `Model`; or that the service was not asked."""

    @property
    def price(self) -> Decimal | None:
        """Dollars for a million tokens of input and a million of output; `None` where one is not known."""
        if self.info.input_price is None or self.info.output_price is None:
            return None
        return self.info.input_price + self.info.output_price


class Wanted(NamedTuple):
    """Which models to show."""

    words: tuple[str, ...] = ()
    """Each must be in the id or the name, whatever its case."""
    vision: bool = False
    reasoning: bool = False
    tools: bool = False
    max_price: Decimal | None = None
    min_context: int | None = None
    lifecycle: str = "living"
    """`living`, `retired` or `all`."""

    def takes(self, entry: Entry) -> bool:
        """Whether a model is one of them. What is not known of it does not count in its favour."""
        info = entry.info
        text = f"{info.id} {info.label or ''}".lower()
        return (
            all(word.lower() in text for word in self.words)
            and (info.vision or not self.vision)
            and (info.reasoning != "none" or not self.reasoning)
            and (info.tools is True or not self.tools)
            and (self.max_price is None or (entry.price is not None and entry.price <= self.max_price))
            and (self.min_context is None or (info.context or 0) >= self.min_context)
            and (self.lifecycle == "all" or (info.lifecycle == "retired") is (self.lifecycle == "retired"))
        )


def from_table() -> list[Entry]:
    """The models of the table alone."""
    return [Entry(info, ("table",)) for info in MODELS.values()]


def from_service(client: Client, *, feed: bool) -> list[Entry]:
    """What the service lists, with what the table knows of it, and the table's retired models.

    Args:
        client: Whom to ask.
        feed: Whether to ask the public feed as well.

    Raises:
        APIError: There was no list.
    """
    found = client.models.list(feed=feed, deadline=DEADLINE)
    entries = [_entry(model) for model in found]
    listed = {entry.info.id for entry in entries}
    retired = [info for info in MODELS.values() if info.lifecycle == "retired" and info.id not in listed]
    return [*entries, *(Entry(info, ("table",), "retired") for info in retired)]


def _entry(model: Model) -> Entry:
    info = model.info or ModelInfo(model.id)
    return Entry(info._replace(id=model.id, context=model.context), model.sources, model.status)


SORTS: dict[str, Callable[[Entry], Any]] = {
    "price": lambda entry: (entry.price is None, entry.price or 0, entry.info.id.lower()),
    "context": lambda entry: (-(entry.info.context or 0), entry.info.id.lower()),
    "name": lambda entry: entry.info.id.lower(),
}
"""What to sort by: the cheapest first, the largest window first, by id. What is not known comes last."""


def chosen(entries: Iterable[Entry], wanted: Wanted, sort: str) -> list[Entry]:
    """The wanted ones, in their order."""
    return sorted(filter(wanted.takes, entries), key=SORTS[sort])


def as_data(entry: Entry) -> dict[str, Any]:
    """A model for a program. Prices are numbers, US dollars for a million tokens; `None` is what is not known."""
    info = entry.info
    return {
        "id": info.id,
        "label": info.label,
        "context": info.context,
        "max_output": info.max_output,
        "input_price": _number(info.input_price),
        "output_price": _number(info.output_price),
        "cached_price": _number(info.cached_price),
        "reasoning": info.reasoning,
        "vision": info.vision,
        "tools": info.tools,
        "lora": info.lora,
        "lifecycle": info.lifecycle,
        "deprecated_on": info.deprecated_on,
        "retired_on": info.retired_on,
        "successor": info.successor,
        "status": entry.status,
        "sources": list(entry.sources),
    }


def _number(price: Decimal | None) -> float | None:
    # Shown as it stands in the table: prices have few digits, and JSON writes the shortest that tells a float apart.
    return None if price is None else float(price)
