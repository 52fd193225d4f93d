"""The error of budgets: a part of `exceptions`, whose name it bears."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ._failure import APIError

if TYPE_CHECKING:
    from decimal import Decimal

    from .types.cost import Spending


class BudgetExceededError(APIError):
    """A call that a budget has too little left for. Nothing was sent.

    Args:
        message: What the budget has, and what the call was taken to need.
        hint: What to do about it.
        unit: Which limit: `usd`, `tokens` or `calls`. What follows is in this unit.
        limit: The limit.
        spent: What was spent on all models.
        reserved: What is held back for the calls in flight.
        asked: What this call was taken to need.
        by_model: What was spent on what.
    """

    __module__ = "wandb_inference.exceptions"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        unit: Literal["usd", "tokens", "calls"] = "usd",
        limit: Decimal | int = 0,
        spent: Decimal | int = 0,
        reserved: Decimal | int = 0,
        asked: Decimal | int = 0,
        by_model: Mapping[str, Spending] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.unit: Literal["usd", "tokens", "calls"] = unit
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.asked = asked
        self.by_model = dict(by_model or {})
