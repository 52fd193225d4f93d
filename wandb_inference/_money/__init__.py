"""What calls cost, what was spent, and how much may be. Light: what needs `decimal` is loaded when it is asked for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .limits import Limits
    from .price import Price, Prices

PRICE_FIELDS: Final = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")
"""What a price is made of, in LiteLLM's words; also what a call takes."""

ACTIVE: Final[ContextVar[tuple[Limits, ...]]] = ContextVar("wandb_inference_budgets", default=())
"""The limits of the budgets that hold where code runs, the outermost first."""


class Pricing(NamedTuple):
    """What a call is priced by."""

    model: str
    """The model's id, as it was sent."""
    price: Price | None = None
    """The call's own price."""
    prices: Prices | None = None
    """Its client's."""
