"""What a client's calls have taken together."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from . import Pricing
from .tokens import billed

if TYPE_CHECKING:
    from decimal import Decimal

    from .._core.following import Ending
    from ..types import CompletionUsage
    from ..types.cost import Spending, UsageSnapshot


class Taken(NamedTuple):
    """What one call took."""

    usage: CompletionUsage | None
    """Its tokens; `None` where they were not told."""
    reported: Decimal | None = None
    """What the server says that it cost."""
    answered: str = ""
    """The model that the answer names, where the price depends on it."""
    failed: bool = False
    """Whether it brought nothing."""
    possible: int = 0
    """Attempts that may have been billed."""


class _Sums:
    """Sums of calls that are priced alike. Dollars are made of them when they are asked for."""

    __slots__ = ("cached", "calls", "failed", "input", "output", "possible", "reasoning", "reported", "uncounted")

    def __init__(self) -> None:
        self.calls = self.failed = self.possible = self.uncounted = 0
        self.input = self.cached = self.output = self.reasoning = 0
        self.reported: list[tuple[int, int, int, Decimal]] = []
        """Tokens and dollars of calls whose server said what they cost."""


class Ledger:
    """Adds up calls, from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sums: dict[tuple[Pricing, str], _Sums] = {}

    def add(self, pricing: Pricing, taken: Taken) -> None:
        """A call that is over."""
        usage = taken.usage
        with self._lock:
            key = pricing, taken.answered
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
                return
            tokens = billed(usage)
            if taken.reported is not None:
                counts = tokens.input, tokens.cached, tokens.output
                sums.reported.append((*counts, taken.reported))
            sums.input += tokens.input
            sums.cached += tokens.cached
            sums.output += tokens.output
            sums.reasoning += tokens.reasoning

    def by_model(self, *, reset: bool = False) -> dict[str, Spending]:
        """What was added, by model; and forgotten, if asked to, in the same moment."""
        with self._lock:
            found = [(*key, _copy(sums)) for key, sums in self._sums.items()]
            if reset:
                self._sums.clear()
        spendings: dict[str, Spending] = {}
        for pricing, answered, sums in found:
            spending = _spending(pricing, answered, sums)
            before = spendings.get(pricing.model)
            spendings[pricing.model] = spending if before is None else before + spending
        return spendings


class UsageTotals:
    """Running totals of a client and its clones: what all their calls took, since the first one or the last reset.

    Thread-safe. Calls under way are added when they are over, a stream when it is closed. Calls of processes that were
    forked are theirs.
    """

    def __init__(self) -> None:
        self._ledger = Ledger()

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

    def add(self, pricing: Pricing, taken: Taken) -> None:
        """A call that is over."""
        self._ledger.add(pricing, taken)

    def __repr__(self) -> str:
        total = self.total
        return f"<UsageTotals {total.calls} calls, {total.total_tokens} tokens, ${total.cost:f}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return UsageTotals, ()  # another process counts its own


def taken_of(ending: Ending, pricing: Pricing) -> Taken:
    """What a call took, by how it ended."""
    usage, meta = ending.usage, ending.meta
    possible = 0
    if meta is not None:
        attempts = meta.attempts
        if len(attempts) > 1 or usage is None:  # a call that went well at once has nothing to look for
            last = len(attempts) - 1
            possible = sum(
                record.outcome == "unknown" and (usage is None or place < last) for place, record in enumerate(attempts)
            )
    if usage is None:
        return Taken(None, failed=ending.error is not None and ending.answer is None, possible=possible)
    reported = None
    if usage.__pydantic_extra__ or (meta is not None and "x-litellm-response-cost" in meta.headers):
        from .cost import reported_cost

        reported = reported_cost(usage, {} if meta is None else meta.headers)
    answered = "" if _priced(pricing) or ending.answer is None else ending.answer().model
    return Taken(usage, reported, answered, possible=possible)


def _priced(pricing: Pricing) -> bool:
    """Whether the price is the asked model's, whatever the answer names."""
    from ..catalogue import known

    if pricing.price is not None:
        return True
    if pricing.prices is not None and pricing.prices.get(pricing.model) is not None:
        return True
    info = known(pricing.model)
    return info is not None and info.prices is not None and pricing.prices is None


def _copy(sums: _Sums) -> _Sums:
    copy = _Sums()
    for name in _Sums.__slots__:
        value = getattr(sums, name)
        setattr(copy, name, list(value) if name == "reported" else value)
    return copy


def _spending(pricing: Pricing, answered: str, sums: _Sums) -> Spending:
    """The sums in dollars."""
    from decimal import Decimal
    from functools import reduce

    from ..types.cost import EXACT, Spending
    from .price import find_price

    told = [entry[3] for entry in sums.reported]
    priced = [total - sum(entry[place] for entry in sums.reported) for place, total in enumerate(_tokens(sums))]
    counted = sums.calls - sums.uncounted - len(told)
    found = find_price(pricing, answered) if counted else None
    cost = reduce(EXACT.add, told, Decimal(0))
    if found is not None:
        price = found[0]
        each = (price.input_cost_per_token, price.cached, price.output_cost_per_token)
        for amount, count in zip(each, priced, strict=True):
            cost = EXACT.add(cost, EXACT.multiply(amount, Decimal(count)))
    return Spending(
        calls=sums.calls,
        prompt_tokens=sums.input + sums.cached,
        cached_tokens=sums.cached,
        completion_tokens=sums.output,
        reasoning_tokens=sums.reasoning,
        cost=cost,
        unpriced=counted if found is None else 0,
        uncounted=sums.uncounted,
        failed=sums.failed,
        possible=sums.possible,
    )


def _tokens(sums: _Sums) -> tuple[int, int, int]:
    return sums.input, sums.cached, sums.output
