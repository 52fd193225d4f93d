"""Cool-downs: when a deployment, or a credential that several share, is left alone, and how it comes back.

A breaker opens for some seconds. After them one request at a time tests it (half-open): if that one is answered, the
breaker closes; if it fails, it opens again. Where all of a group is cooling, the least bad one is tested at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_TEST: Final = 1.0
"""Seconds after which an answer's being slow keeps others from testing no longer: answers may take minutes."""

MINUTE: Final = 60.0
LEAST: Final = 5
"""Requests in a minute from which a rate of failures says something; LiteLLM's number, as is the half."""


class Breaker:
    """Whether something may be used. Never waits."""

    __slots__ = ("_tested", "cause", "probes", "until")

    def __init__(self) -> None:
        self.until = 0.0
        """When it may be tested; 0: it is closed."""
        self.probes = 0
        """Requests that test it now."""
        self._tested = 0.0
        self.cause = ""
        """The error that opened it, as clients may see it."""

    def open(self, now: float, seconds: float, cause: str) -> None:
        """Opens it for so long, or for longer where it is open for longer already."""
        self.until = max(self.until, now + seconds)
        self.cause = cause

    def test(self, now: float) -> None:
        """Notes the beginning of a test."""
        self.probes += 1
        self._tested = now

    def is_tested(self, now: float) -> bool:
        """Whether a test is under way that has not lasted long yet."""
        return self.probes > 0 and now < self._tested + _TEST

    def close(self) -> None:
        """Closes it: somebody was answered."""
        self.until = 0.0
        self.cause = ""


class Record:
    """How a deployment's requests ended lately: what decides whether its breaker opens.

    Counts the last minute in whole seconds, so that it holds no more than sixty entries.
    """

    __slots__ = ("_last", "_seconds", "failed", "total")

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        self._last: list[int] | None = None
        self.total = 0
        self.failed = 0

    def add(self, now: float, *, failed: bool) -> None:
        """Notes how a request ended."""
        last = self._last
        if last is None or not last[0] <= now < last[0] + 1:
            self.forget(now)
            last = self._last = [int(now), 0, 0]
            self._seconds.append(last)
        last[1] += 1
        self.total += 1
        if failed:
            last[2] += 1
            self.failed += 1

    def mostly_fails(self) -> bool:
        """Whether more than half of enough requests failed."""
        return self.total >= LEAST and 2 * self.failed > self.total

    def clear(self) -> None:
        """Starts anew."""
        self._seconds.clear()
        self._last = None
        self.total = self.failed = 0

    def forget(self, now: float) -> None:
        """Drops what is older than a minute."""
        seconds = self._seconds
        while seconds and seconds[0][0] <= now - MINUTE:
            _, total, failed = seconds.popleft()
            self.total -= total
            self.failed -= failed


class Fails:
    """Failures within a cool-down's length, for `allowed_fails`."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now: float, span: float, allowed: int) -> bool:
        """Notes a failure; whether there are more than allowed within these seconds."""
        times = self._times
        times.append(now)
        while times[0] <= now - span or len(times) > allowed + 1:
            times.popleft()
            if not times:
                return False
        return len(times) > allowed
