"""What calls cost, what was spent, and how much may be. Light: what needs `decimal` is loaded when it is asked for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .budget import Budget
    from .price import Price, Prices

ACTIVE: Final[ContextVar[tuple[Budget, ...]]] = ContextVar("wandb_inference_budgets", default=())
"""The budgets that hold where code runs, the outermost first."""


class Pricing(NamedTuple):
    """What a call is priced by."""

    model: str
    """The model's id, as it was sent."""
    price: Price | None = None
    """The call's own price."""
    prices: Prices | None = None
    """Its client's."""
