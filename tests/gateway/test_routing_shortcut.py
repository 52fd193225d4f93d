"""The short way through the router: the same decisions and the same books as by the long way, or no such way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies
from routing_cases import DOWN, LATE, deployment, matched, router, several, status

from wandb_inference.gateway.config import Alias, Fallbacks, KeyRule, Price, ServerSettings
from wandb_inference.gateway.errors import GatewayError
from wandb_inference.gateway.routing import Caller, Failure, Finished, Pick, Plan, Ride, Router, Sleep, Usage, Wishes
from wandb_inference.gateway.routing import _router as routers

KEY = Caller("k", KeyRule("k", "0" * 64, rpm=1000, tpm=60_000, max_parallel_requests=4))
MASTER = Caller("master")
FAILURES = [
    DOWN,
    LATE,
    Failure("invalid"),
    *(status(code) for code in (400, 401, 403, 429, 500)),
    status(429, crowded=True),
]


def ride(here: Router, caller: Caller = KEY, model: str = "m", now: float = 0.0, **wishes: Any) -> Ride | None:
    """The short way for a request."""
    return here.ride(caller, model, wishes.get("tokens", 10), wishes.get("max_tokens"), now)


def taken(here: Router, *args: Any, **options: Any) -> Ride:
    """The short way, which is there."""
    found = ride(here, *args, **options)
    assert found is not None
    return found


class Sent(NamedTuple):
    """A request under way, by both routers."""

    ride: Ride | None
    plan: Plan | None
    pick: Pick | None
    other: Plan
    other_pick: Pick


def books(here: Router, now: float) -> Any:
    """All that a router remembers."""
    states = [
        (
            state.in_flight,
            state.record.total,
            state.record.failed,
            round(state.answer, 6),
            [(breaker.until, breaker.probes, breaker.cause) for breaker in state.breakers],
            [
                (seat.waiting, seat.lane.in_flight, seat.lane.window and seat.lane.window.limit)
                for seat in state.seats.values()
            ],
        )
        for state in here.states.values()
    ]
    meters = {key: (meter.used(now), meter.reading(now)) for key, meter in here.ledger._meters.items()}  # type: ignore[attr-defined]
    gates = {scope: gate.in_flight for scope, gate in here.admission._gates.items()}
    budget = here.budget
    return states, {key: each for key, each in meters.items() if each[0]}, gates, budget.requests, budget._saved


class Pair:
    """Two routers that see the same: one goes the short way wherever there is one, the other never."""

    def __init__(self) -> None:
        self.now = 0.0
        self.short, self.long = (
            router(
                {"m": [deployment("a", weight=1), deployment("b", weight=3), deployment("c", order=1, weight=1)]},
                server=ServerSettings(max_parallel_requests=6),
                cooldown_time=3.0,
                num_retries=1,
                seed=11,
            )
            for _ in range(2)
        )
        self.under_way: list[Sent] = []
        self.rides = 0

    def begin(self, caller: Caller, tokens: int, most: int | None) -> None:
        """A request comes in; where both wait or refuse, it is gone again."""
        plan, step = self._long(self.long, caller, tokens, most)
        found = self.short.ride(caller, "m", tokens, most, self.now)
        if found is not None:
            self.rides += 1
            assert isinstance(step, Pick)
            assert found.seat.state.deployment is not None
            assert found.seat.state.deployment.id == step.deployment.id
            assert plan is not None
            self.under_way.append(Sent(found, None, None, plan, step))
            return
        own, own_step = self._long(self.short, caller, tokens, most)
        if isinstance(step, Pick) and plan is not None:
            assert own is not None
            assert isinstance(own_step, Pick)
            self.under_way.append(Sent(None, own, own_step, plan, step))
            return
        assert type(own_step) is type(step)
        for each in (own, plan):
            if each is not None:
                each.close(self.now)

    def _long(self, here: Router, caller: Caller, tokens: int, most: int | None) -> tuple[Plan | None, Any]:
        match = matched(here)
        try:
            ticket = here.admit(caller, match, tokens=tokens, now=self.now, max_tokens=most)
        except GatewayError as error:
            return None, error
        plan = here.plan(match, Wishes(tokens, most), self.now, ticket)
        return plan, plan.next(self.now)

    def end(self, which: int, how: str, failure: Failure) -> None:
        """A request ends: answered, failed for good, or left."""
        if not self.under_way:
            return
        sent = self.under_way.pop(which % len(self.under_way))
        usage = None if which % 3 == 0 else Usage(which % 50, which % 70)
        if sent.ride is not None and how == "answered":
            sent.ride.way.over(sent.ride, self.now, seconds=0.5, usage=usage)
            sent.other.succeeded(sent.other_pick, self.now, seconds=0.5, usage=usage)
            sent.other.close(self.now)
            return
        plan, pick = sent.plan, sent.pick
        if sent.ride is not None:
            plan, pick, _ = sent.ride.way.plan(sent.ride, Wishes(10, None))
        assert plan is not None
        assert pick is not None
        for each, chosen in ((plan, pick), (sent.other, sent.other_pick)):
            if how == "answered":
                each.succeeded(chosen, self.now, seconds=0.5, usage=usage)
            elif how == "failed":
                each.failed(chosen, failure, self.now)
        if how == "failed":
            one, other = plan.next(self.now), sent.other.next(self.now)
            assert type(one) is type(other)
            if isinstance(one, Finished):
                assert isinstance(other, Finished)
                assert one.error.body() == other.error.body()
            if isinstance(one, Sleep):
                assert isinstance(other, Sleep)
                assert one.seconds == other.seconds
        plan.close(self.now)
        sent.other.close(self.now)


STEPS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["begin", "begin", "begin", "answered", "answered", "failed", "left", "wait"]),
        strategies.integers(0, 200),
        strategies.sampled_from(FAILURES),
        strategies.sampled_from([KEY, MASTER]),
        strategies.sampled_from([None, 10, 20_000]),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_same_books(steps: list[tuple[str, int, Failure, Caller, int | None]]) -> None:
    """Whatever happens in whatever order: both ways choose the same deployments, and leave the same behind."""
    pair = Pair()
    for what, number, failure, caller, most in steps:
        if what == "begin":
            pair.begin(caller, number, most)
        elif what == "wait":
            pair.now += (0.3, 4.0, 61.0)[number % 3]
        else:
            pair.end(number, what, failure)
        assert books(pair.short, pair.now) == books(pair.long, pair.now)
    while pair.under_way:
        pair.end(0, "left", DOWN)
    assert books(pair.short, pair.now) == books(pair.long, pair.now)
    assert not any(state.in_flight for state in pair.short.states.values())


def test_most_requests_go_it() -> None:
    """While all is well, each request does."""
    pair = Pair()
    for number in range(50):
        pair.begin(MASTER, number, None)
        pair.end(1, "answered", DOWN)

    assert pair.rides == 50


# Where there is none


@pytest.mark.parametrize(
    ("members", "options"),
    [
        ([deployment("a", rpm=5)], {}),
        ([deployment("a", max_budget=Decimal(1))], {}),
        ([deployment("a", key_rpm=5)], {}),
        ([deployment("a", blocked=True)], {}),
        ([deployment("a")], {"tag_filtering": True}),
        ([deployment("a")], {"pre_call_checks": True}),
        ([deployment("a")], {"server": ServerSettings(max_budget=Decimal(1))}),
    ],
    ids=["rpm", "budget", "a key's rpm", "nobody", "tags", "checks", "the gateway's budget"],
)
def test_what_has_to_be_counted_or_looked_at(members: Any, options: Any) -> None:
    """Limits of deployments, budgets and rules for choosing are for the long way."""
    assert ride(router(members, **options)) is None


def test_who_may_not() -> None:
    """A model that is not there, one that the key may not use, a key that has expired and one at a limit."""
    here = router(several("a"), epoch=1000.0)
    other = Caller("k", KeyRule("k", "0" * 64, models=("other",)))
    expired = Caller("x", KeyRule("x", "0" * 64, expires=1005.0))
    once = Caller("o", KeyRule("o", "0" * 64, rpm=1))
    small = Caller("s", KeyRule("s", "0" * 64, tpm=300))

    assert ride(here, model="nothing") is None
    assert ride(here, other) is None
    assert ride(here, expired, now=4.9) is not None
    assert ride(here, expired, now=5.0) is None
    assert ride(here, once) is not None
    assert ride(here, once) is None
    assert ride(here, small, tokens=200, max_tokens=100) is not None
    assert ride(here, small, tokens=1, max_tokens=0) is None


def test_a_place_that_is_taken() -> None:
    """At a limit of requests at a time, of the key or of a deployment, somebody has to wait: the long way."""
    here = router([deployment("a", max_parallel_requests=1)])
    first = taken(here)
    assert ride(here) is None
    first.way.over(first, 0.1, seconds=0.1, usage=None)
    assert ride(here) is not None

    alone = Caller("k", KeyRule("k", "0" * 64, max_parallel_requests=1))
    here = router(several("a"))
    assert ride(here, alone) is not None
    assert ride(here, alone) is None


def test_who_waits_is_served() -> None:
    """A place that the short way gives back goes to the first in the line."""
    here = router([deployment("a", max_parallel_requests=1)])
    first = taken(here)
    plan = here.plan(matched(here), Wishes(), 0.0)
    waiting: Any = plan.next(0.0)
    assert not waiting.waiter.ready
    first.way.over(first, 1.0, seconds=1.0, usage=Usage(1, 2))

    assert waiting.waiter.ready
    assert isinstance(plan.next(1.0), Pick)
    assert ride(here) is None  # it has the place


def test_limits_that_are_found_meanwhile() -> None:
    """A request that went before the service refused one leaves the window as it found it."""
    here = router(several("a"))
    first, second = taken(here), taken(here)
    plan, pick, _ = second.way.plan(second, Wishes())
    plan.failed(pick, status(429, crowded=True), 0.5)
    (state,) = here.states.values()
    (seat,) = state.seats.values()
    assert seat.lane.window is not None
    assert ride(here) is None
    first.way.over(first, 1.0, seconds=1.0, usage=None)
    plan.close(1.0)

    assert seat.lane.in_flight == seat.lane.window.in_flight == 0


def test_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked up holds for one configuration; a request under way ends by the one that it began with."""
    here = router({"m": several("ab"), "n": several("n")}, fallbacks=Fallbacks({"m": ("n",)}))
    under_way = taken(here)
    old = under_way.seat.state.deployment.id
    here.configure(router({"n": several("n")}).config)
    assert ride(here) is None
    plan, pick, _ = under_way.way.plan(under_way, Wishes())
    plan.failed(pick, DOWN, 1.0)
    following = plan.next(1.0)

    assert isinstance(following, Pick)
    assert following.deployment.id not in (old, "n")  # the other one of its own group comes before the fallback
    plan.close(1.0)


def test_names_that_clients_make_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With wildcards there are as many ways as names; no more are remembered than fit."""
    monkeypatch.setattr(routers, "_MOST_WAYS", 3)
    monkeypatch.setattr(routers, "_MOST_SEATS", 5)
    here = router({"*": [deployment("a", model="*")]}, aliases={"short": Alias("some/model")})
    for number in range(12):
        found = taken(here, model=f"org/{number}")
        assert found.seat.id == f"org/{number}"
        found.way.over(found, 0.0, seconds=0.1, usage=None)
        assert len(here._ways) <= 3
    assert taken(here, model="short").seat.id == "some/model"


def test_two_keys_of_one_name() -> None:
    """What a key may do is never another's."""
    here = router(several("a"))
    again = Caller("k", KeyRule("k", "0" * 64, models=("other",)))
    assert ride(here) is not None
    assert ride(here, again) is None


def test_what_it_costs() -> None:
    """A usage has the price of the deployment that served it, unless the service said what it cost."""
    here = router([deployment("a", price=Price(Decimal(2), Decimal(3)))])
    seat = taken(here).seat

    assert seat.cost(Usage(10, 1)) == 23
    assert seat.cost(Usage(10, 1, 4)) == 23
    assert seat.cost(Usage(10, 1, cost=Decimal(7))) == 7
    assert taken(router(several("b"))).seat.cost(Usage(1, 1)) is None
