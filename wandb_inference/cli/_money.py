"""What calls may cost, and dollars as people read them."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..catalogue import ModelInfo

TEMPLATE_TOKENS: Final = 300
"""Tokens that a model's chat template may add to a prompt; gpt-oss adds some 70."""


def info_of(model: str) -> ModelInfo | None:
    """What the table knows of a model, called by its id or by its name without the provider."""
    from ..catalogue import known, resolve_name

    return known(resolve_name(model) or model)


def dollars(amount: Decimal, rounding: str = ROUND_UP) -> str:
    """`$1.25`, and small amounts with two significant digits, `$0.000022`.

    Args:
        amount: Dollars.
        rounding: How to round, as `decimal` names it; a bound is rounded up.
    """
    digits = 2 if amount == 0 else max(2, 1 - amount.adjusted())
    rounded = amount.quantize(Decimal(1).scaleb(-digits), rounding=rounding)
    return f"${per_million(rounded)}"


def per_million(price: Decimal | None) -> str:
    """A price with at least two decimals, and as many as it has: `0.22`, `0.044`; `-` where it is not known."""
    if price is None:
        return "-"
    exact = price.normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return f"{exact:,.{places}f}"
