"""Dollars, as people read them."""

from __future__ import annotations

from decimal import Decimal


def dollars(amount: Decimal) -> str:
    """`$1.25`; small amounts with two significant digits, rounded up as a bound must be: `$0.000022`."""
    if amount and abs(amount) < 1:
        places = max(2, 1 - amount.adjusted())
        rounded = amount.quantize(Decimal(1).scaleb(-places), rounding="ROUND_UP")
        return f"${rounded:f}"
    return f"${amount.quantize(Decimal('0.01'), rounding='ROUND_UP'):,f}"


def per_million(price: Decimal | None) -> str:
    """A price with at least two decimals, and as many as it has: `0.22`, `0.044`; `-` where it is not known."""
    if price is None:
        return "-"
    exact = price.normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return f"{exact:.{places}f}"
