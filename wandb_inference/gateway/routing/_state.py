"""A deployment as it is now: what runs there, what it may still do, and how its requests went."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ..._core.adaptive import Ticket, Verdict, Window
from ..config import Deployment
from ._breaker import Breaker, Fails, Record
from ._counting import Ledger, Meter, Purse
from ._latency import Latency
from ._line import Pass, Place
from ._price import Rate, rate_of
from ._values import Usage

MOST: Final = 100_000
"""Requests at a time where nothing limits them."""

GUESS: Final = 256
"""Tokens of an answer, as long as no answer was seen."""

_WEIGHT: Final = 0.1
"""Of the latest answer, in the mean length of answers."""


class Lane:
    """What the service limits: requests at the same time for one model and project.

    As long as it refuses nothing, there is no limit. The first refusal starts the SDK's search for the limit
    (`_core.adaptive`) at what was in flight.
    """

    __slots__ = ("__weakref__", "in_flight", "window")

    def __init__(self) -> None:
        self.in_flight = 0
        self.window: Window | None = None

    def enter(self) -> Ticket | None:
        """Takes a place."""
        self.in_flight += 1
        if self.window is None:
            return Ticket(0, self.in_flight, MOST)
        ticket = self.window.enter()
        self.window.in_flight = self.in_flight
        return ticket

    def leave(self, ticket: Ticket | None, verdict: Verdict, seconds: float | None) -> float | None:
        """Gives it back; the seconds after which a refused request may come back free of charge."""
        self.in_flight -= 1
        window = self.window
        if window is None:
            if verdict != "refused" or ticket is None:
                return None
            window = self.window = Window(MOST, ticket.in_flight)
            window.in_flight = ticket.in_flight - 1
            pause = window.leave(window.enter() or ticket, "refused")
            window.in_flight = self.in_flight
            return pause
        if ticket is None or ticket.number == 0:  # it left before there was a window, and knows nothing of it
            window.in_flight = self.in_flight
            return 0.1 if verdict == "refused" else None
        return window.leave(ticket, verdict, seconds)


class Seat(Place):
    """A place at a deployment, for one model id."""

    __slots__ = ("id", "lane", "rate", "state")

    def __init__(self, state: DeploymentState, id: str, lane: Lane, rate: Rate | None) -> None:
        super().__init__()
        self.id = id
        """The model's, as the deployment is asked for it."""
        self.state = state
        self.lane = lane
        self.rate = rate
        """What its tokens cost."""

    def is_free(self, now: float) -> bool:
        """Whether one more request may go there now."""
        state = self.state
        if state.in_flight >= state.most:
            return False
        if state.is_sick() and any(breaker.until and breaker.is_tested(now) for breaker in state.breakers):
            return False
        window = self.lane.window
        return window is None or self.lane.in_flight < window.limit

    def cost(self, usage: Usage) -> Decimal | None:
        """Dollars for what was used; `None` where no price is known."""
        prompt, completion, cached, cost = usage
        rate = self.rate
        return cost if cost is not None or rate is None else rate.cost(prompt, completion, cached)

    def most(self) -> int:
        """How many can be there at a time."""
        window = self.lane.window
        return self.state.most if window is None else min(window.limit, self.state.most)

    def enter(self, now: float) -> Pass:
        """Takes a place."""
        taken = Pass()
        state = self.state
        state.in_flight += 1
        taken.ticket = self.lane.enter()
        if state.is_sick():
            taken.probed = tuple(breaker for breaker in state.breakers if breaker.until)
            for breaker in taken.probed:
                breaker.test(now)
        return taken

    def leave(self, taken: Pass, verdict: Verdict = "unknown", seconds: float | None = None) -> float | None:
        """Gives it back; the seconds after which a refused request may come back free of charge."""
        self.state.in_flight -= 1
        for breaker in taken.probed:
            breaker.probes -= 1
        return self.lane.leave(taken.ticket, verdict, seconds)


class DeploymentState:
    """A deployment as it is now."""

    __slots__ = (
        "_callers",
        "answer",
        "breaker",
        "breakers",
        "deployment",
        "fails",
        "group",
        "in_flight",
        "latency",
        "ledger",
        "limits",
        "meters",
        "most",
        "order",
        "purse",
        "record",
        "seats",
        "share",
        "tokens",
    )

    def __init__(self, group: str, deployment: Deployment, ledger: Ledger, *, counts: bool) -> None:
        self.group = group
        self.in_flight = 0
        self.breaker = Breaker()
        self.breakers = (self.breaker, Breaker(), Breaker())
        """Its own, its key's, and the one of its key with its project; others may share the last two."""
        self.fails: dict[str, Fails] = {}
        """Failures by the kinds that policies name; `""`: all of them."""
        self._callers: dict[str, tuple[tuple[str, Meter], ...]] = {}
        self.record = Record()
        self.latency = Latency()
        self.answer = float(GUESS)
        """Mean tokens of its answers."""
        self.share = 1.0
        """Its share under simple-shuffle."""
        self.seats: dict[str, Seat] = {}
        """Its places by model id."""
        self.ledger = ledger
        self.set(deployment, counts=counts)

    def set(self, deployment: Deployment, *, counts: bool) -> None:
        """Goes on by this configuration; what was counted stays.

        Args:
            deployment: The configuration.
            counts: Whether tokens are counted where nothing limits them, as the strategy by usage needs it.
        """
        self.deployment = deployment
        self._callers.clear()
        self.most = deployment.max_parallel_requests or MOST
        self.order = deployment.order or 0
        scope = f"deployment:{deployment.id}"
        self.meters: tuple[tuple[str, Meter], ...] = tuple(
            (kind, self.ledger.meter(scope, kind, limit))
            for kind, limit in (
                ("rpm", deployment.rpm),
                ("tpm", deployment.tpm),
                ("itpm", deployment.itpm),
                ("otpm", deployment.otpm),
            )
            if limit is not None
        )
        budget = deployment.max_budget
        self.purse: Purse | None = (
            None if budget is None else self.ledger.purse(scope, budget, deployment.budget_duration)
        )
        self.tokens: Meter = self.ledger.meter(scope, "tokens", 10**15)
        if counts:
            self.meters = (*self.meters, ("tpm", self.tokens))
        self.limits = bool(self.meters or self.purse or deployment.key_rpm or deployment.key_tpm)
        """Whether it has any."""
        for id, seat in self.seats.items():
            seat.rate = rate_of(deployment, id)

    def meters_of(self, caller: str) -> tuple[tuple[str, Meter], ...]:
        """The meters of what one key may use here."""
        deployment = self.deployment
        if deployment.key_rpm is None and deployment.key_tpm is None:
            return ()
        meters = self._callers.get(caller)
        if meters is None:
            scope = f"deployment:{deployment.id}:key:{caller}"
            meters = self._callers[caller] = tuple(
                (kind, self.ledger.meter(scope, kind, limit))
                for kind, limit in (("rpm", deployment.key_rpm), ("tpm", deployment.key_tpm))
                if limit is not None
            )
        return meters

    def is_sick(self) -> bool:
        """Whether it may only be tested, or not even that."""
        own, key, account = self.breakers  # without a loop: this is asked of each deployment for each request
        return bool(own.until or key.until or account.until)

    def is_cooling(self, now: float) -> bool:
        """Whether it is not even to be tested yet."""
        return self.is_sick() and self.cools_until() > now

    def cause(self) -> str | None:
        """The error that it cools for: in the service's words where it is the deployment's own."""
        return next((breaker.cause for breaker in self.breakers if breaker.until), None)

    def cools_until(self) -> float:
        """When it may be tested; 0: it is not cooling."""
        return max([breaker.until for breaker in self.breakers])

    def longest(self) -> int:
        """Tokens of an answer that nobody limits: what the deployment's own fields say, else what answers have."""
        fields = {**self.deployment.defaults, **self.deployment.extra_body}
        given = fields.get("max_tokens") or fields.get("max_completion_tokens")
        return given if isinstance(given, int) and given > 0 else max(GUESS, int(self.answer))

    def learn(self, tokens: int) -> None:
        """Takes the length of an answer."""
        self.answer += _WEIGHT * (tokens - self.answer)

    def spent(self, wall: float) -> bool:
        """Whether its budget has no room."""
        return self.purse is not None and not self.purse.fits(Decimal(0), wall)
