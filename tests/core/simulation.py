"""Servers and clients in virtual time: what adaptive concurrency comes to, without a clock and without waiting."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from wandb_inference._core.adaptive import Ticket
from wandb_inference._core.retry import RetryPolicy
from wandb_inference._transport.lanes import Lane, Waiter
from wandb_inference.exceptions import ConcurrencyLimitError

REFUSAL = ConcurrencyLimitError("concurrency limit reached", status_code=429)
REFUSAL_SECONDS = 0.02


@dataclass
class Call:
    """One call on its way, and the bell that rings when its turn has come."""

    number: int
    world: World
    waiter: Waiter[Call] | None = None
    refusals: int = 0
    retries: int = 0

    def set(self) -> None:
        """The turn has come."""
        assert self.waiter is not None
        ticket = self.waiter.ticket
        assert ticket is not None
        self.world.send(self, ticket)


@dataclass
class World:
    """A server and the calls of one client.

    Args:
        calls: How many calls there are, all at once.
        capacity: How many the server runs at a time, at this second; it refuses the others.
        latency: Seconds of an answer, from chance and from the number of calls that the server runs with it.
    """

    calls: int
    capacity: Callable[[float], float]
    latency: Callable[[Random, int], float]
    seed: int = 0
    most: int = 1000
    now: float = 0.0
    answered: list[tuple[float, int]] = field(default_factory=list)
    """When each call was answered, and the limit then."""
    first_sent: list[int] = field(default_factory=list)
    """The calls in the order in which they were first sent."""
    failed: int = 0

    def run(self) -> World:
        """Everything that happens, until all calls have ended."""
        self._chance = Random(self.seed)
        self._lane: Lane[Call] = Lane(self.most)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._busy = 0
        for number in range(self.calls):
            self._come(Call(number, self))
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        assert self._lane.window.in_flight == self._lane.waiting == self._busy == 0
        return self

    @property
    def refused(self) -> int:
        """Attempts that were one too many."""
        return self._lane.window.refused

    def limit_at(self, second: float) -> int:
        """The limit at a moment."""
        return [limit for when, limit in self.answered if when <= second][-1]

    def send(self, call: Call, ticket: Ticket) -> None:
        """The call leaves for the server."""
        if not call.refusals and not call.retries:
            self.first_sent.append(call.number)
        if self._busy >= self.capacity(self.now):
            self._later(REFUSAL_SECONDS, lambda: self._refuse(call, ticket))
            return
        self._busy += 1
        seconds = self.latency(self._chance, self._busy)
        self._later(seconds, lambda: self._answer(ticket, seconds))

    def _come(self, call: Call) -> None:
        ticket = self._lane.enter()
        if ticket is None:
            call.waiter = self._lane.wait(call, again=bool(call.refusals or call.retries))
        else:
            self.send(call, ticket)

    def _answer(self, ticket: Ticket, seconds: float) -> None:
        self._busy -= 1
        self._lane.leave(ticket, "answered", seconds)
        self.answered.append((self.now, self._lane.window.limit))

    def _refuse(self, call: Call, ticket: Ticket) -> None:
        pause = self._lane.leave(ticket, "refused", None)
        policy = RetryPolicy()
        if pause is not None:
            wait = policy.comeback(pause, call.refusals, REFUSAL, self._chance.random())
            call.refusals += 1
        else:
            wait = policy.delay(call.retries, REFUSAL, self._chance.random())
            call.retries += 1
        if wait is None:
            self.failed += 1
        else:
            self._later(wait, lambda: self._come(call))

    def _later(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), happen))
