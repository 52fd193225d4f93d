"""What an attempt holds while it runs: its place, and what it may use of its deployment's limits and budget."""

from __future__ import annotations

from decimal import Decimal

from ..._core.adaptive import Verdict
from ._counting import Meter, Purse
from ._line import Pass
from ._state import Seat
from ._values import Failure, Usage

_NOTHING = Decimal(0)


def amount(kind: str, prompt: int, completion: int) -> int:
    """What a request counts for a limit: one request, or tokens of a kind."""
    if kind == "rpm":
        return 1
    if kind == "tpm":
        return prompt + completion
    return prompt if kind == "itpm" else completion


class Booking:
    """What was reserved of limits and budgets. It ends once."""

    __slots__ = ("_held", "_purses", "_taken")

    def __init__(
        self,
        meters: tuple[tuple[str, Meter], ...],
        purses: tuple[Purse, ...],
        *,
        prompt: int,
        completion: int,
        cost: Decimal,
        now: float,
    ) -> None:
        self._taken: list[tuple[str, Meter, object, int]] = []
        for kind, meter in meters:
            number = amount(kind, prompt, completion)
            self._taken.append((kind, meter, meter.take(number, now), number))
        self._purses = purses
        self._held = cost
        for purse in purses:
            purse.hold(cost)

    @classmethod
    def of(cls, taken: list[tuple[str, Meter, object, int]]) -> Booking:
        """What was reserved of limits already.

        Args:
            taken: Of each its kind, the meter, what it gave for it, and how much.
        """
        booking = cls((), (), prompt=0, completion=0, cost=_NOTHING, now=0.0)
        booking._taken = taken
        return booking

    def end(self, usage: Usage | None, cost: Decimal | None, now: float, wall: float) -> None:
        """Sets what was used in place of what was reserved; where nobody knows, that stays."""
        if usage is None:
            self.keep(wall, paid=True)
        else:
            self._end(usage.prompt_tokens, usage.completion_tokens, cost or _NOTHING, now, wall, requests=1)

    def refund(self, now: float, wall: float) -> None:
        """Gives all of it back: nothing was used."""
        self._end(0, 0, _NOTHING, now, wall, requests=0)

    def fail(self, failure: Failure, now: float, wall: float) -> None:
        """Gives back what a failed attempt did not use; one that may have been worked on keeps its counts."""
        if failure.kind in ("connection", "status"):
            self.refund(now, wall)
        else:
            self.keep(wall, paid=False)

    def keep(self, wall: float, *, paid: bool) -> None:
        """Leaves the reserved counts as they are, for nobody knows better; `paid`: so are the dollars."""
        for purse in self._purses:
            purse.settle(self._held, self._held if paid else _NOTHING, wall)

    def _end(self, prompt: int, completion: int, cost: Decimal, now: float, wall: float, *, requests: int) -> None:
        for kind, meter, taken, reserved in self._taken:
            used = requests if kind == "rpm" else amount(kind, prompt, completion)
            if used != reserved:
                meter.settle(taken, reserved, used, now)
        for purse in self._purses:
            purse.settle(self._held, cost, wall)


class Lease:
    """What an attempt holds."""

    __slots__ = ("booking", "first", "place", "started", "taken")

    def __init__(self, place: Seat, taken: Pass, booking: Booking | None, started: float) -> None:
        self.place = place
        self.taken = taken
        self.booking = booking
        self.started = started
        self.first: float | None = None
        """Seconds to the first data event of a stream."""

    def cost(self, usage: Usage) -> Decimal | None:
        """Dollars for what was used; `None` where no price is known."""
        return self.place.cost(usage)

    def leave(self, verdict: Verdict, seconds: float | None = None) -> float | None:
        """Gives the place back; the seconds after which a refused request may come back free of charge."""
        return self.place.leave(self.taken, verdict, seconds)
