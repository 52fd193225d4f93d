"""How long a deployment takes, for the strategy by latency."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

PENALTY: Final = 1000.0
"""Seconds that a timeout counts; LiteLLM's number."""

FADES: Final = 10.0
"""The part of `latency_ttl` in which a figure that nothing renews falls to a half: who was slow once is tried again."""


class Latency:
    """The latest samples: seconds for each token of the answer, and seconds to the first token of streams."""

    __slots__ = ("_first", "_last", "_whole")

    def __init__(self) -> None:
        self._whole: deque[float] = deque()
        self._first: deque[float] = deque()
        self._last = 0.0

    def add(self, now: float, *, whole: float | None, first: float | None, most: int) -> None:
        """Takes a sample of either kind or of both, and keeps so many of each."""
        self._last = now
        for samples, sample in ((self._whole, whole), (self._first, first)):
            if sample is not None:
                samples.append(sample)
                while len(samples) > most:
                    samples.popleft()

    def seconds(self, now: float, ttl: float, *, stream: bool, percentile: float | None) -> float | None:
        """What to expect; `None` where nothing is known, or nothing that is young enough.

        Args:
            now: The time.
            ttl: Seconds that samples count.
            stream: Whether the time to the first token is what counts.
            percentile: The share of first tokens that came earlier, from 0 to 1, or to 100; `None`: the mean counts.
        """
        samples = (self._first or self._whole) if stream else (self._whole or self._first)
        idle = now - self._last
        if not samples or idle > ttl:
            return None
        if percentile is not None and samples is self._first:
            share = percentile / 100 if percentile > 1 else percentile
            figure = sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]
        else:
            figure = sum(samples) / len(samples)
        return figure * 0.5 ** (idle * FADES / ttl) if ttl else figure
