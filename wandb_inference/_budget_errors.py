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
        unit: Which limit.
        limit: The limit.
        spent: What was spent, in the same unit.
        by_model: What was spent on what.
        reserved: What is held back for the calls in flight, in the same unit.
        asked: What was to be held back for this call, in the same unit.
        in_flight: Calls in flight.
        model: The model of this call.
    """

    __module__ = "wandb_inference.exceptions"

    def __init__(
        self,
        *,
        unit: Literal["usd", "tokens", "calls"],
        limit: Decimal | int,
        spent: Decimal | int,
        by_model: Mapping[str, Spending],
        reserved: Decimal | int,
        asked: Decimal | int,
        in_flight: int,
        model: str,
    ) -> None:
        self.unit = unit
        """Which limit: `usd`, `tokens` or `calls`."""
        self.limit = limit
        """The limit, in that unit."""
        self.spent = spent
        """What was spent on all models, in that unit."""
        self.by_model = dict(by_model)
        """What was spent on what, by the model's id."""
        self.reserved = reserved
        """What is held back for the calls in flight, in that unit."""
        self.asked = asked
        """What this call was taken to need, in that unit."""
        on = "; ".join(
            f"{id}: {part.calls} calls, {part.total_tokens} tokens, ${part.cost:f}" for id, part in by_model.items()
        )
        held = f", {_shown(unit, reserved)} held back for {in_flight} in flight" if in_flight else ""
        super().__init__(
            f"This call would pass the budget of {_shown(unit, limit)}: {_shown(unit, spent)} spent"
            f"{f' ({on})' if on else ''}{held}, and {model} is taken to need {_shown(unit, asked)} more",
            hint="Nothing was sent. A call with a smaller max_tokens= may fit; else raise the limit.",
        )


def _shown(unit: str, amount: Decimal | int) -> str:
    return f"${amount:f}" if unit == "usd" else f"{amount} {unit}"
