"""What is to be measured, how many calls that takes, and what they can cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from ...catalogue import TABLE_DATE
from .._money import TEMPLATE_TOKENS, dollars, info_of

ASK_ABOVE: Final = Decimal("0.10")
"""Dollars above which a person is asked first."""


class Rates(NamedTuple):
    """Dollars per million tokens."""

    input: Decimal
    output: Decimal

    def cost(self, prompt: int, completion: int) -> Decimal:
        """Dollars for so many tokens. Cached ones count in full: it is a bound."""
        return (self.input * prompt + self.output * completion) / 1_000_000


class Plan(NamedTuple):
    """A run."""

    model: str
    levels: tuple[int, ...]
    """Calls in flight, for each part of the run."""
    requests: int
    """Calls for each level, where `duration` is `None`."""
    duration: float | None
    """Seconds for each level."""
    prompt: str
    max_tokens: int
    warmup: int
    """Calls before the first level, which are not measured."""
    fresh: bool
    """Whether no prompt may come from the service's cache."""
    max_cost: Decimal | None
    """Dollars at most."""
    rates: Rates | None
    """The model's prices; `None` where they are not known."""

    @property
    def calls(self) -> int | None:
        """Paid calls in all; `None` where a duration decides."""
        return None if self.duration is not None else self.warmup + len(self.levels) * self.requests

    @property
    def call_bound(self) -> Decimal | None:
        """Dollars that one call can cost at most; `None` where no price is known.

        A token has at least one byte of the prompt, and thinking counts against `max_tokens`.
        """
        if self.rates is None:
            return None
        return self.rates.cost(len(self.prompt.encode()) + TEMPLATE_TOKENS, self.max_tokens)

    @property
    def bound(self) -> Decimal | None:
        """Dollars that the run can cost at most; `None` where nothing bounds it."""
        calls, each = self.calls, self.call_bound
        by_calls = None if calls is None or each is None else calls * each
        bounds = [bound for bound in (by_calls, self.max_cost) if bound is not None]
        return min(bounds, default=None)

    def announcement(self) -> str:
        """What a person should know before it starts."""
        each = f"{self.duration:g} s" if self.duration is not None else counted(self.requests, "call")
        at = ", ".join(map(str, self.levels))
        total = "as many paid calls as fit" if self.calls is None else counted(self.calls, "paid call")
        if self.bound is not None:
            cost = f"{dollars(self.bound)} at most, by the prices of {TABLE_DATE}"
        elif self.rates is None:
            cost = "at a price that is not known"
        else:
            cost = "without a bound: --max-cost sets one"
        return f"{self.model}, {each} with {at} in flight: {total}, {cost}."


class Purse:
    """What may still be spent: reserved before a call, settled after it.

    Args:
        limit: Dollars; `None` for any amount.
        each: Dollars that one call can cost at most.
    """

    def __init__(self, limit: Decimal | None, each: Decimal | None) -> None:
        self.spent = Decimal(0)
        """Dollars that calls have cost; one that failed counts in full, since it may have been billed."""
        self._limit, self._each, self._reserved = limit, each or Decimal(0), Decimal(0)

    def reserve(self) -> bool:
        """Whether another call may start."""
        if self._limit is not None and self.spent + self._reserved + self._each > self._limit:
            return False
        self._reserved += self._each
        return True

    def settle(self, cost: Decimal | None) -> None:
        """A call has ended, and cost so much; `None` where that is not known."""
        self._reserved -= self._each
        self.spent += self._each if cost is None else cost


def rates_of(model: str) -> Rates | None:
    """The table's prices of a model."""
    info = info_of(model)
    if info is None or info.input_price is None or info.output_price is None:
        return None
    return Rates(info.input_price, info.output_price)


def read_levels(text: str) -> tuple[int, ...]:
    """`1,4,16` as numbers.

    Raises:
        ValueError: It is no list of numbers from 1 to 10,000.
    """
    levels = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    if not all(1 <= level <= 10_000 for level in levels):
        raise ValueError(text)
    return levels


def must_ask(plan: Plan) -> bool:
    """Whether a run is dear enough for a question."""
    return plan.bound is None or plan.bound > ASK_ABOVE


def too_dear(plan: Plan) -> str | None:
    """Why `--max-cost` lets not even one call through; `None` where it does."""
    if plan.max_cost is None:
        return None
    if plan.call_bound is None:
        return f"--max-cost needs a price, and the table of {TABLE_DATE} has none for {plan.model}"
    if plan.call_bound > plan.max_cost:
        return f"one call can cost {dollars(plan.call_bound)}, more than --max-cost {dollars(plan.max_cost)}"
    return None


def counted(number: int, noun: str) -> str:
    """A number of things, for people."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
