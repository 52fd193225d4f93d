"""The router: who serves a request, and what happens when that fails. Never waits; one event loop owns it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Final, Literal, NamedTuple
from weakref import WeakValueDictionary

from ..config import Deployment, GatewayConfig, Match, Secret
from ..errors import model_not_allowed, unknown_model
from ._admission import Admission, Ticket
from ._breaker import Breaker
from ._counting import Ledger, LocalLedger
from ._group import GroupState
from ._health import Health
from ._line import Line, Waiter
from ._plan import Plan
from ._price import rate_of
from ._retrying import RetryBudget
from ._shortcut import Ride, Shortcut
from ._state import GUESS, DeploymentState, Lane, Seat
from ._strategies import shares, strategy_of
from ._values import Caller, Wishes

_MOST_SEATS: Final = 1000
"""Model ids that a deployment keeps places for; with wildcards it is clients who make up ids."""

_MOST_WAYS: Final = 10_000
"""Short ways that are remembered, for each key and each name of a model that it asked for."""

_PROBE: Final = "a probe found that "


def _nobody(waiter: Waiter) -> None:
    """For those who look at `waiter.ready` themselves."""


class Status(NamedTuple):
    """How a deployment is, for metrics and health."""

    group: str
    deployment: Deployment
    state: Literal["up", "testing", "cooling"]
    """`testing` is half-open: one request at a time."""
    in_flight: int
    waiting: int
    cools_for: float
    """Seconds."""
    cause: str | None
    """The error that it cools for."""
    requests: int
    """That ended in the last minute; of these `failed` failed."""
    failed: int


class Router:
    """Chooses deployments for requests.

    Args:
        config: The configuration; `configure()` sets another one.
        random: For all that is left to chance.
        on_ready: Called when a waiter's wait is over, while another call of the router runs: it must not call back.
        epoch: Seconds since 1970 at which `now` was 0, for budgets, expiry and dates.
        ledger: Where limits and budgets are counted; this process alone, unless told otherwise.
        queue_seconds: How long a request waits for a place at most.
        queue_length: How many wait at most; the configuration's `max_queued` comes first.
    """

    def __init__(
        self,
        config: GatewayConfig,
        *,
        random: Random,
        on_ready: Callable[[Waiter], None] = _nobody,
        epoch: float = 0.0,
        ledger: Ledger | None = None,
        queue_seconds: float = 30.0,
        queue_length: int = 1000,
    ) -> None:
        self.random = random
        self.epoch = epoch
        self.queue_seconds = queue_seconds
        self._queue_length = queue_length
        self.ledger: Ledger = ledger or LocalLedger()
        self.line = Line(on_ready, queue_length)
        self.admission = Admission(self.ledger, self.line)
        self.states: dict[str, DeploymentState] = {}
        self.groups: dict[str, GroupState] = {}
        self._lanes: WeakValueDictionary[tuple[str, str | None, str], Lane] = WeakValueDictionary()
        self._credentials: dict[tuple[str, Secret | None, str | None], Breaker] = {}
        self.configure(config)

    def configure(self, config: GatewayConfig, now: float | None = None) -> None:
        """Goes on by this configuration.

        Deployments and keys that stay keep what was counted of them, and requests under way end where they are.

        Args:
            config: The configuration.
            now: The time, from which on those who wait may have places that they had not before; `None`: nobody waits.
        """
        self.config = config
        self.settings = config.router
        self.strategy = strategy_of(config.router)
        self.health = Health(config.router)
        self.budget = RetryBudget(config.router.retry_budget)
        self.line.longest = self._queue_length if config.server.max_queued is None else config.server.max_queued
        self.admission.configure(config)
        self._ways: dict[tuple[str, str], Shortcut] = {}
        old, self.states, self.groups = self.states, {}, {}
        self._known, self._credentials = self._credentials, {}
        for group in config.groups.values():
            states = [self._state(group.name, deployment, old) for deployment in group.deployments]
            for state, share in zip(states, shares(group.deployments), strict=True):
                state.share = share
            self.groups[group.name] = GroupState(group, states)
        if now is not None:
            self.line.serve(now)

    def admit(
        self,
        caller: Caller,
        match: Match,
        *,
        tokens: int,
        now: float,
        max_tokens: int | None = None,
        choices: int = 1,
    ) -> Ticket:
        """A ticket for a request: its caller may make it.

        Args:
            caller: Who asks.
            match: What for.
            tokens: Of the prompt, an estimate.
            now: The time.
            max_tokens: Of an answer at most, where the request says so.
            choices: Answers that are wanted.

        Raises:
            GatewayError: The key has expired, may not use the model, is at a limit, or its budget is spent.
        """
        completion = choices * (GUESS if max_tokens is None else max_tokens)
        group, cost = self.group(match), Decimal(0)
        if self.admission.has_purse(caller):
            for state in group.states:
                rate = self.seat(state, match).rate
                if rate is not None:
                    most = state.longest() if max_tokens is None else max_tokens
                    cost = max(cost, rate.cost(tokens, choices * most))
        return self.admission.admit(
            caller, match, prompt=tokens, completion=completion, cost=cost, now=now, wall=self.epoch + now
        )

    def plan(self, match: Match, asked: Wishes, now: float, ticket: Ticket | None = None) -> Plan:
        """The plan for one request.

        Args:
            match: The model.
            asked: What the request wants.
            now: The time.
            ticket: From `admit()`; the plan's end is its end.

        Raises:
            GatewayError: The request's own fallbacks name a model that is not there, or not for this key.
        """
        own: list[Match] | None = None
        if asked.fallbacks is not None:
            rule = None if ticket is None else ticket.caller.rule
            own = []
            for name in asked.fallbacks:
                found = self.config.match(name)
                if found is None:
                    raise unknown_model(name, param="fallbacks")
                if rule is not None and not rule.allows(found):
                    raise model_not_allowed(name, param="fallbacks")
                own.append(found)
        self.budget.requests += 1
        return Plan(self, match, asked, own, ticket, now)

    def ride(self, caller: Caller, model: str, tokens: int, max_tokens: int | None, now: float) -> Ride | None:
        """The short way for a request that asks nothing of the router; `None`: the long one is to be gone.

        Args:
            caller: Who asks.
            model: What for.
            tokens: Of the prompt, an estimate.
            max_tokens: Of the answer at most, where the request says so.
            now: The time.
        """
        way = self._ways.get((caller.name, model))
        if way is None or way.caller is not caller:
            way = self._way(caller, model)
            if way is None:
                return None
        return way.ride(tokens, max_tokens, now)

    def _way(self, caller: Caller, model: str) -> Shortcut | None:
        match = self.config.match(model)
        if match is None:
            return None
        way = Shortcut.find(self, caller, match, self.admission.account(caller.rule))
        if way is not None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            self._ways[caller.name, model] = way
        return way

    def group(self, match: Match) -> GroupState:
        """The group of a match.

        Raises:
            GatewayError: It is not there any more: the configuration changed.
        """
        group = self.groups.get(match.group.name)
        if group is None:
            raise unknown_model(match.asked)
        return group

    def seat(self, state: DeploymentState, match: Match) -> Seat:
        """The place at a deployment for the model that is asked for."""
        seats, deployment = state.seats, state.deployment
        id = match.upstream_id(deployment) if match.tails else deployment.model
        seat = seats.get(id)
        if seat is None:
            if len(seats) >= _MOST_SEATS:
                _forget(seats)
                self._ways.clear()
            key = (deployment.base_url, deployment.project, id)
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = Lane()
            seat = seats[id] = Seat(state, id, lane, rate_of(deployment, id))
        return seat

    def probed(self, id: str, problem: str | None, now: float, seconds: float) -> None:
        """Takes what a probe said of a deployment.

        Args:
            id: The deployment's.
            problem: What is wrong; `None` closes what a probe has opened, and nothing else: that a list of models comes
                does not mean that chats are answered.
            now: The time.
            seconds: How long it holds.
        """
        state = self.states.get(id)
        if state is None:
            return
        if problem is not None:
            state.breaker.open(now, seconds, f"{_PROBE}{problem}")
        elif state.breaker.cause.startswith(_PROBE):
            state.breaker.close()

    def status(self, now: float) -> list[Status]:
        """How all deployments are, by group."""
        return [self._status(state, now) for group in self.groups.values() for state in group.states]

    def _status(self, state: DeploymentState, now: float) -> Status:
        until = state.cools_until()
        state.record.forget(now)
        return Status(
            state.group,
            state.deployment,
            "up" if not until else "cooling" if until > now else "testing",
            state.in_flight,
            sum(seat.waiting for seat in state.seats.values()),
            max(0.0, until - now) if until else 0.0,
            state.cause(),
            state.record.total,
            state.record.failed,
        )

    def _state(self, group: str, deployment: Deployment, old: dict[str, DeploymentState]) -> DeploymentState:
        state = old.get(deployment.id)
        counts = self.settings.strategy == "usage-based-routing"
        if state is None or not _is_same_place(state.deployment, deployment):
            state = DeploymentState(group, deployment, self.ledger, counts=counts)
        else:
            state.group = group
            state.set(deployment, counts=counts)
        key = (deployment.base_url, deployment.api_key)
        state.breakers = (
            state.breaker,
            self._credential((*key, None)),
            self._credential((*key, deployment.project or "")),
        )
        self.states[deployment.id] = state
        return state

    def _credential(self, key: tuple[str, Secret | None, str | None]) -> Breaker:
        found = self._credentials.get(key)
        if found is None:
            found = self._credentials[key] = self._known.get(key) or Breaker()
        return found


def _forget(seats: dict[str, Seat]) -> None:
    for id in [id for id, seat in seats.items() if not seat.lane.in_flight and not seat.waiting]:
        del seats[id]


def _is_same_place(one: Deployment, other: Deployment) -> bool:
    return (one.model, one.base_url, one.project) == (other.model, other.base_url, other.project)
