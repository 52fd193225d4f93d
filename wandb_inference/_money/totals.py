"""What a client's calls have taken together."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from . import Pricing
from .locked import Locked
from .tokens import billed, is_counted, possibly_billed

if TYPE_CHECKING:
    from decimal import Decimal

    from .._core.following import Ending
    from ..types import CompletionUsage
    from ..types.cost import Spending, UsageSnapshot


class Taken(NamedTuple):
    """What one call took."""

    usage: CompletionUsage | None
    """Its tokens; `None` where they were not told."""
    cost: Decimal | None = None
    """Its dollars, by the server or by a given price; `None` leaves them to the table."""
    answered: str = ""
    """The model that the answer names, where the price depends on it."""
    failed: bool = False
    """Whether it brought nothing."""
    possible: int = 0
    """Attempts that may have been billed."""


class _Sums:
    """Sums of calls that are priced alike."""

    __slots__ = ("cached", "calls", "cost", "failed", "input", "output", "possible", "reasoning", "uncounted")

    def __init__(self) -> None:
        self.calls = self.failed = self.possible = self.uncounted = 0
        self.input = self.cached = self.output = self.reasoning = 0
        self.cost: Decimal | None = None


class Ledger(Locked[tuple[str, Taken]]):
    """Adds up calls, from any thread. Dollars by the table are made of the sums, when they are asked for."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[tuple[str, str, bool], _Sums] = {}

    def add(self, model: str, taken: Taken) -> None:
        """A call that is over."""
        self._change((model, taken))

    def _apply(self, change: tuple[str, Taken]) -> None:
        model, taken = change
        usage, cost = taken.usage, taken.cost
        key = model, taken.answered, cost is not None
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = _Sums()
        sums.possible += taken.possible
        if taken.failed:
            sums.failed += 1
            return
        sums.calls += 1
        if usage is None:
            sums.uncounted += 1
        else:
            tokens = billed(usage)
            sums.input += tokens.input
            sums.cached += tokens.cached
            sums.output += tokens.output
            sums.reasoning += tokens.reasoning
        if cost is not None:
            from ..types.cost import plus

            sums.cost = plus(sums.cost, cost)

    def by_model(self, *, reset: bool = False) -> dict[str, Spending]:
        """What was added, by model; and forgotten, if asked to, in the same moment."""
        spendings: dict[str, Spending] = {}
        with self._looking():
            for (model, answered, _), sums in self._sums.items():
                spending = _spending(model, answered, sums)
                before = spendings.get(model)
                spendings[model] = spending if before is None else before + spending
            if reset:
                self._sums.clear()
        return spendings

    def __reduce__(self) -> tuple[type[Ledger], tuple[()]]:
        return Ledger, ()  # another process counts its own


class UsageTotals:
    """Running totals of a client and its clones: what all their calls took, since the first one or the last reset.

    Thread-safe. A call is added when it is over, a stream when it is closed. A process that was forked goes on from
    the totals it began with, a client that was pickled from 0.
    """

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def total(self) -> Spending:
        """All models together."""
        return self.snapshot().total

    @property
    def by_model(self) -> dict[str, Spending]:
        """By the model's id, as it was sent."""
        return self._ledger.by_model()

    def snapshot(self) -> UsageSnapshot:
        """The totals as they are now."""
        from ..types.cost import UsageSnapshot

        return UsageSnapshot(self._ledger.by_model())

    def reset(self) -> UsageSnapshot:
        """The totals as they were until now; they start again at 0, and no call falls in between."""
        from ..types.cost import UsageSnapshot

        return UsageSnapshot(self._ledger.by_model(reset=True))

    def __repr__(self) -> str:
        return f"<UsageTotals {self.total}>"


def taken_of(ending: Ending, pricing: Pricing) -> Taken:
    """What a call took, by how it ended."""
    told, meta, answer = ending.usage, ending.meta, ending.answer
    usage = told if is_counted(told) else None
    possible = 0
    if meta is not None and (told is None or len(meta.attempts) > 1):
        possible = len(possibly_billed(meta.attempts, counted=told is not None))
    if answer is None:
        return Taken(usage, failed=ending.error is not None and told is None, possible=possible)
    answered = "" if _is_priced(pricing) else answer().model
    cost = None
    if (
        pricing.price is not None
        or pricing.prices is not None
        or (told is not None and told.__pydantic_extra__)
        or (meta is not None and "x-litellm-response-cost" in meta.headers)
    ):
        from .cost import details

        cost = details(told, pricing, answered=answered, meta=meta).total
    return Taken(usage, cost, answered, possible=possible)


def _is_priced(pricing: Pricing) -> bool:
    """Whether the price is the asked model's, whatever the answer names."""
    if pricing.price is not None:
        return True
    if pricing.prices is not None:
        return pricing.prices.get(pricing.model) is not None
    return _is_in_table(pricing.model)


@lru_cache(maxsize=256)  # asked after each call
def _is_in_table(model: str) -> bool:
    from ..catalogue import known

    info = known(model)
    return info is not None and info.prices is not None


def _spending(model: str, answered: str, sums: _Sums) -> Spending:
    """The sums in dollars."""
    from decimal import Decimal

    from ..types.cost import Spending
    from .cost import price_tokens
    from .price import find_price
    from .tokens import Tokens

    cost, unpriced = sums.cost, 0
    if cost is None:
        counted = sums.calls - sums.uncounted
        found = find_price(Pricing(model), answered) if counted else None
        if found is None:
            unpriced = counted
        else:
            cost = price_tokens(Tokens(sums.input, sums.cached, sums.output, sums.reasoning), found[0]).total
    return Spending(
        calls=sums.calls,
        prompt_tokens=sums.input + sums.cached,
        cached_tokens=sums.cached,
        completion_tokens=sums.output,
        reasoning_tokens=sums.reasoning,
        cost=Decimal(0) if cost is None else cost,
        unpriced=unpriced,
        uncounted=sums.uncounted,
        failed=sums.failed,
        possible=sums.possible,
    )
