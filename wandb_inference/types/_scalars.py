"""Field types that take what a caller means and nothing that only looks like it.

Their errors say what was expected, to be put after "expected".
"""

from __future__ import annotations

from operator import index
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, StrictStr


def _number(value: Any) -> float:
    # pydantic's lax mode reads "0.7" and True as numbers, its strict mode refuses numpy's: neither is what is meant.
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise ValueError("a number")
    try:
        return float(value)
    except (TypeError, OverflowError):  # an array, an integer beyond all floats
        raise ValueError("a number") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("a whole number")
    try:
        return index(value)
    except TypeError:
        raise ValueError("a whole number") from None


Text = StrictStr
Flag = StrictBool
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_whole)]
