"""What the table knows of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

Reasoning = Literal["none", "on", "off", "adaptive", "always"]
"""Whether a model thinks first: `on` and `off` are defaults that a request can change, `always` can't be changed,
`adaptive` leaves it to the model."""

Lifecycle = Literal["experimental", "general-availability", "deprecated", "retired"]
"""The service's own words: `deprecated` models still answer and are to be retired, `retired` ones answer 404."""


class ModelInfo(NamedTuple):
    """What is known of one model."""

    id: str
    """The id to send, case included."""
    context: int | None = None
    """Tokens of prompt and answer together; `None` where unknown."""
    max_output: int | None = None
    """Tokens of the longest answer; `None` where unknown."""
    reasoning: Reasoning = "none"
    """Whether it thinks first."""
    vision: bool = False
    """Whether it takes pictures."""
    lifecycle: Lifecycle = "general-availability"
    """How far it is on its way from `experimental` to `retired`."""
    successor: str | None = None
    """The id that replaced a retired model, where one was named."""
    effort: bool = False
    """Whether `reasoning_effort` is how it is told how long to think."""
    prices: tuple[str, str, str | None] | None = None
    """US dollars for a million tokens of input, output and cached input, as decimal text; `None` where unknown. Those
    of a retired model are the last there were."""
    tools: bool | None = None
    """Whether it calls tools; `None` where no source says."""
    lora: bool | None = None
    """Whether LoRA adapters are served on it; `None` where no source says."""
    deprecated_on: str | None = None
    """Day it was deprecated, as ISO text; `None` where unknown."""
    retired_on: str | None = None
    """Day it was retired or will be, as ISO text; `None` where unknown."""
    label: str | None = None
    """Its name for people, where the feed has one."""
    sources: tuple[str, ...] = ()
    """Who says so: keys of `SOURCES`."""

    @property
    def input_price(self) -> Decimal | None:
        """US dollars for a million tokens of input; `None` where unknown."""
        return _decimal(self.prices and self.prices[0])

    @property
    def output_price(self) -> Decimal | None:
        """US dollars for a million tokens of output, thinking included; `None` where unknown."""
        return _decimal(self.prices and self.prices[1])

    @property
    def cached_price(self) -> Decimal | None:
        """US dollars for a million tokens of input found in the cache; `None` where no discount is known."""
        return _decimal(self.prices and self.prices[2])


def _decimal(text: str | None) -> Decimal | None:
    from decimal import Decimal  # costs as much as the whole table, and few look at a price

    return None if text is None else Decimal(text)
