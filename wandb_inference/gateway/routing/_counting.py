"""How much was used: of requests and tokens in the last minute, and of dollars in a budget's span.

What is used is reserved before and settled after. `Meter` and `Purse` are what the router needs; another `Ledger` may
keep them where several processes see them.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from ..config import Duration

SPAN: Final = 60.0
"""Seconds that limits "a minute" look back."""

_FINE: Final = 128
"""Up to this limit each reservation is remembered by itself; beyond, those of half a second count as one that lasts as
long as the latest of them. So a minute never takes more than 128 entries, and no limit is passed."""
_STEP: Final = 0.5


class Entry:
    """A reservation, or several of nearly the same time."""

    __slots__ = ("amount", "first", "live", "until")

    def __init__(self, amount: int, now: float) -> None:
        self.amount = amount
        self.first = now
        self.until = now + SPAN
        self.live = True


Reading: TypeAlias = tuple[int, int, float]
"""A limit, what is left of it, and the seconds until all of it is free again, at the latest."""


class Meter(Protocol):
    """Counts something that may happen so and so often in a minute."""

    limit: int

    def fits(self, amount: int, now: float) -> bool:
        """Whether so much more is within the limit. More than the limit itself fits when nothing else is used."""
        ...

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so much more fits; 0: it does now."""
        ...

    def reading(self, now: float) -> Reading:
        """How the limit stands."""
        ...

    def take(self, amount: int, now: float) -> object:
        """Reserves so much, whether it fits or not; what comes back is for `settle`."""
        ...

    def settle(self, taken: object, reserved: int, used: int, now: float) -> None:
        """Sets what was really used in place of what was reserved."""
        ...

    def used(self, now: float) -> int:
        """How much of the last minute is used."""
        ...


class Purse(Protocol):
    """Counts dollars against a budget."""

    limit: Decimal
    spent: Decimal
    """Since it was renewed."""

    def fits(self, amount: Decimal, wall: float) -> bool:
        """Whether so much more is within the budget. What the last one costs beyond is not known before it is over."""
        ...

    def wait(self, wall: float) -> float | None:
        """Seconds until it is renewed; `None`: it never is."""
        ...

    def hold(self, amount: Decimal) -> None:
        """Reserves so much."""
        ...

    def settle(self, held: Decimal, spent: Decimal, wall: float) -> None:
        """Sets what was really spent in place of what was held."""
        ...


class Ledger(Protocol):
    """Where meters and purses are kept. The same scope and kind are the same one, whoever asks."""

    def meter(self, scope: str, kind: str, limit: int) -> Meter:
        """The meter for it, with this limit from now on."""
        ...

    def purse(self, scope: str, limit: Decimal, duration: Duration | None) -> Purse:
        """The purse for it, with this budget from now on."""
        ...


class Minute:
    """A meter of the last 60 seconds that slides, so that no burst passes where two minutes meet."""

    __slots__ = ("_entries", "_total", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: deque[Entry] = deque()
        self._total = 0

    def fits(self, amount: int, now: float) -> bool:
        """Whether so much more is within the limit."""
        entries, limit = self._entries, self.limit
        if not entries:
            return True
        used = self._total if entries[0].until > now else self.used(now)
        return used + (amount if amount < limit else limit) <= limit

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so much more fits."""
        excess = self.used(now) + min(amount, self.limit) - self.limit
        wait = 0.0
        for entry in self._entries:
            if excess <= 0:
                break
            excess -= entry.amount
            wait = entry.until - now
        return wait

    def reading(self, now: float) -> Reading:
        """How the limit stands."""
        entries, limit = self._entries, self.limit
        used = self._total if entries and entries[0].until > now else self.used(now)
        return limit, limit - used if used < limit else 0, entries[-1].until - now if used > 0 else 0.0

    def take(self, amount: int, now: float) -> Entry:
        """Reserves so much."""
        self._total += amount
        entries = self._entries
        if entries and self.limit > _FINE:
            last = entries[-1]
            if now - last.first < _STEP:
                last.amount += amount
                last.until = now + SPAN
                return last
        entry = Entry(amount, now)
        entries.append(entry)
        return entry

    def settle(self, taken: object, reserved: int, used: int, now: float) -> None:
        """Sets what was really used in place of what was reserved; what came on top of a forgotten one counts now."""
        assert isinstance(taken, Entry)
        more = used - reserved
        if taken.live:
            taken.amount += more
            self._total += more
        elif more > 0:
            self.take(more, now)

    def used(self, now: float) -> int:
        """How much of the last minute is used."""
        entries = self._entries
        while entries and entries[0].until <= now:
            entry = entries.popleft()
            entry.live = False
            self._total -= entry.amount
        return self._total


class Budget:
    """A purse that is renewed as LiteLLM's budgets are.

    A day's at midnight (UTC), hours and minutes by the clock, months on the first, other spans of days from their first
    use.
    """

    __slots__ = ("_duration", "_held", "_resets", "limit", "spent")

    def __init__(self, limit: Decimal, duration: Duration | None) -> None:
        self.limit = limit
        self._duration = duration
        self.spent = Decimal(0)
        self._held = Decimal(0)
        self._resets: float | None = None

    def change(self, limit: Decimal, duration: Duration | None) -> None:
        """Goes on with another budget; what was spent stays spent."""
        self.limit = limit
        if duration != self._duration:
            self._duration, self._resets = duration, None

    def fits(self, amount: Decimal, wall: float) -> bool:
        """Whether so much more is within the budget; one that alone is more passes while nothing else is held."""
        self._renew(wall)
        if self.spent >= self.limit:
            return False
        return not self._held or self.spent + self._held + amount <= self.limit

    def wait(self, wall: float) -> float | None:
        """Seconds until it is renewed; `None`: it never is."""
        self._renew(wall)
        return None if self._resets is None else self._resets - wall

    def hold(self, amount: Decimal) -> None:
        """Reserves so much."""
        self._held += amount

    def settle(self, held: Decimal, spent: Decimal, wall: float) -> None:
        """Sets what was really spent in place of what was held."""
        self._renew(wall)
        self._held -= held
        self.spent += spent

    def _renew(self, wall: float) -> None:
        if self._duration is None:
            return
        if self._resets is not None and wall >= self._resets:
            self.spent = Decimal(0)
            self._resets = None
        if self._resets is None:
            self._resets = next_reset(self._duration, wall)


def next_reset(duration: Duration, wall: float) -> float:
    """When a budget that counts from now is renewed, in seconds since 1970."""
    if duration.unit == "mo":
        first = datetime.fromtimestamp(wall, timezone.utc).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for _ in range(min(duration.amount, 1200)):
            first = (first + timedelta(days=32)).replace(day=1)
        return first.timestamp()
    if duration.unit in ("d", "w") and duration.seconds != 86_400:
        return wall + duration.seconds
    return (wall // duration.seconds + 1) * duration.seconds


class LocalLedger:
    """A ledger of this process alone."""

    def __init__(self) -> None:
        self._meters: dict[tuple[str, str], Minute] = {}
        self._purses: dict[str, Budget] = {}

    def meter(self, scope: str, kind: str, limit: int) -> Minute:
        """The meter for it, with this limit from now on."""
        meter = self._meters.get((scope, kind))
        if meter is None:
            meter = self._meters[scope, kind] = Minute(limit)
        meter.limit = limit
        return meter

    def purse(self, scope: str, limit: Decimal, duration: Duration | None) -> Budget:
        """The purse for it, with this budget from now on."""
        purse = self._purses.get(scope)
        if purse is None:
            purse = self._purses[scope] = Budget(limit, duration)
        purse.change(limit, duration)
        return purse
