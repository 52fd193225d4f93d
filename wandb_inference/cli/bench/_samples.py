"""What was measured: of single calls, and of all calls of a level together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

SHARES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}


class Sample(NamedTuple):
    """One call."""

    seconds: float
    """From its start to its end."""
    first: float | None = None
    """Seconds to the first token, thinking included; `None` where none came."""
    gaps: tuple[float, ...] = ()
    """Seconds between two chunks with text."""
    tokens: int = 0
    """Of the answer."""
    cost: Decimal | None = None
    """Dollars, where they are known."""
    error: str | None = None
    """The error's class; `None` for an answer."""
    message: str = ""
    """What the error says."""

    @property
    def speed(self) -> float | None:
        """Tokens a second from the first one on; `None` where there are too few to tell."""
        seconds = sum(self.gaps)
        return (self.tokens - 1) / seconds if seconds > 0 and self.tokens > 1 else None


@dataclass
class Level:
    """The calls with so many in flight."""

    concurrency: int
    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    """From the first call's start to the last one's end."""

    @property
    def answers(self) -> list[Sample]:
        """The calls that were answered."""
        return [sample for sample in self.samples if sample.error is None]

    @property
    def errors(self) -> Counter[str]:
        """How many calls failed, by the class of the error."""
        return Counter(sample.error for sample in self.samples if sample.error is not None)

    @property
    def messages(self) -> dict[str, str]:
        """What the first error of each class says."""
        found: dict[str, str] = {}
        for sample in self.samples:
            if sample.error is not None:
                found.setdefault(sample.error, sample.message)
        return found

    @property
    def tokens(self) -> int:
        """Tokens of all answers."""
        return sum(sample.tokens for sample in self.answers)

    @property
    def speed(self) -> float:
        """Tokens a second, all calls together."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def cost(self) -> Decimal | None:
        """Dollars of all answers; `None` where one's are not known."""
        costs = [sample.cost for sample in self.answers]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))

    def spread(self, name: str) -> dict[str, float] | None:
        """The percentiles of one of `MEASURES`; `None` where nothing was measured.

        Those of a speed count from the fast end: `p99` is what 99 of 100 answers reach.
        """
        values = sorted(_values(name, self.answers), reverse=name == "speed")
        return {title: percentile(values, share) for title, share in SHARES.items()} if values else None


MEASURES = {
    "first": "first token",
    "gaps": "between chunks",
    "speed": "tokens/s, each",
    "seconds": "whole answer",
}
"""What is told of each level's answers."""


def _values(name: str, samples: list[Sample]) -> list[float]:
    if name == "gaps":
        return [gap for sample in samples for gap in sample.gaps]
    values: list[float | None] = [getattr(sample, name) for sample in samples]
    return [value for value in values if value is not None]


def as_data(levels: list[Level]) -> list[dict[str, Any]]:
    """The levels for a program: times in seconds, money in dollars."""
    return [
        {
            "concurrency": level.concurrency,
            "answers": len(level.answers),
            "errors": dict(level.errors),
            "error_rate": sum(level.errors.values()) / len(level.samples) if level.samples else None,
            "seconds": level.seconds,
            "tokens": level.tokens,
            "tokens_per_second": level.speed,
            "cost": None if level.cost is None else float(level.cost),
            "first_token_seconds": level.spread("first"),
            "between_chunks_seconds": level.spread("gaps"),
            "answer_tokens_per_second": level.spread("speed"),
            "answer_seconds": level.spread("seconds"),
        }
        for level in levels
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is at most as large as, between two of them in proportion.

    Args:
        values: At least one, sorted.
        share: From 0 to 1.
    """
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)
