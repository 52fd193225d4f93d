"""What calls cost, and what was spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .._money.price import Price
    from ..exceptions import AttemptRecord

EXACT: Final = Context(prec=200)
"""Sums and products of prices and counts, never rounded, whatever the caller's own context is."""


def plus(one: Decimal | None, other: Decimal) -> Decimal:
    """The exact sum; `None` is nothing yet."""
    return other if one is None else EXACT.add(one, other)


@dataclass(frozen=True)
class CostDetails:
    """What a call costs, in US dollars, and why. Of several calls, such as the rounds of a run, their sum."""

    total: Decimal | None = None
    """All together; `None` where it is not known, which `reason` explains."""
    input: Decimal | None = None
    """The prompt without its cached part; `None` where only the total is known."""
    cached_input: Decimal | None = None
    """The cached part of the prompt, at the input price where no discount is known."""
    output: Decimal | None = None
    """The answer, thinking included."""
    source: str | None = None
    """Who says so: `server`, the server itself; `call` and `client`, the prices that were given there; `table <date>`,
    the package's table."""
    date: str | None = None
    """Day of the table's prices, as `2026-10-07`; `None` for any other source."""
    reason: str | None = None
    """Why there is no total; else what is odd about the server's counts, and what was made of it."""
    price: Price | None = None
    """The price, where there is one for all tokens."""
    input_tokens: int = 0
    """Tokens of the prompt without its cached part."""
    cached_tokens: int = 0
    """Tokens of the prompt that came from the cache."""
    output_tokens: int = 0
    """Tokens of the answer, thinking included."""
    reasoning_tokens: int = 0
    """Tokens of thinking, a part of `output_tokens`."""
    possible: tuple[AttemptRecord, ...] = ()
    """Failed attempts that may have been billed, too; in none of the sums."""

    def __add__(self, other: CostDetails) -> CostDetails:
        return CostDetails(
            _sum(self.total, other.total),
            _sum(self.input, other.input),
            _sum(self.cached_input, other.cached_input),
            _sum(self.output, other.output),
            _joined(self.source, other.source),
            _joined(self.date, other.date),
            _joined(self.reason, other.reason),
            self.price if self.price == other.price else None,
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.possible + other.possible,
        )


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else EXACT.add(one, other)


def _joined(one: str | None, other: str | None) -> str | None:
    said = dict.fromkeys([*(one or "").split("; "), *(other or "").split("; ")])
    return "; ".join(filter(None, said)) or None


@dataclass(frozen=True)
class Spending:
    """What calls took together: their tokens and, as far as prices are known, US dollars."""

    calls: int = 0
    """Calls that brought an answer, or a part of one."""
    prompt_tokens: int = 0
    """Tokens of the prompts, the cached ones included."""
    cached_tokens: int = 0
    """Tokens of the prompts that came from the cache."""
    completion_tokens: int = 0
    """Tokens of the answers, thinking included."""
    reasoning_tokens: int = 0
    """Tokens of thinking, a part of `completion_tokens`."""
    cost: Decimal = field(default_factory=Decimal)
    """Dollars, of the calls whose cost is known."""
    unpriced: int = 0
    """Calls with tokens and no known price: they are missing in `cost`."""
    uncounted: int = 0
    """Calls whose tokens were not told, such as streams that were left or cut. They are missing in all sums of a
    client; a budget counts them by an estimate."""
    failed: int = 0
    """Calls that failed, and brought nothing."""
    possible: int = 0
    """Failed attempts that may have been billed; in none of the sums."""

    @property
    def total_tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    def __str__(self) -> str:
        return f"{counted(self.calls, 'call')}, {counted(self.total_tokens, 'token')}, {in_dollars(self.cost)}"

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            EXACT.add(self.cost, other.cost),
            self.unpriced + other.unpriced,
            self.uncounted + other.uncounted,
            self.failed + other.failed,
            self.possible + other.possible,
        )


def in_dollars(amount: Decimal) -> str:
    """`$0.04`: all digits, and no zeros after them."""
    return f"${amount.normalize(EXACT):f}"


def counted(count: int, unit: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"


def total_of(spendings: Iterable[Spending]) -> Spending:
    """All of them together."""
    total = Spending()
    for spending in spendings:
        total += spending
    return total


@dataclass(frozen=True)
class UsageSnapshot:
    """What a client's calls had taken at some moment."""

    by_model: Mapping[str, Spending] = field(default_factory=dict[str, Spending])
    """By the model's id, as it was sent."""

    @property
    def total(self) -> Spending:
        """All models together."""
        return total_of(self.by_model.values())
