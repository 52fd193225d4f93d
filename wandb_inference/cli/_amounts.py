"""Amounts on the command line: of tokens and of dollars."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import click

_UNITS = {"": 1, "k": 1000, "m": 1_000_000}


def tokens(text: str) -> int:
    """A number of tokens: `128000`, `128k` or `1M`.

    Raises:
        click.BadParameter: It is none.
    """
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([km]?)", text.strip().lower().replace(",", ""))
    if match is None:
        raise click.BadParameter(f"{text!r} is no number of tokens, such as 128000, 128k or 1M.")
    return int(Decimal(match[1]) * _UNITS[match[2]])


def dollars(text: str) -> Decimal:
    """An amount of dollars, from 0 up: `0.50`.

    Raises:
        click.BadParameter: It is none.
    """
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise click.BadParameter(f"{text!r} is no amount of dollars, such as 0.50.")
    return amount
