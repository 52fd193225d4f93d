"""Whatever happens in whatever order: places and limits are never passed, never negative, never lost."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from routing_cases import DOWN, LATE, deployment, matched, router, status

from wandb_inference.gateway.config import Fallbacks, KeyRule, Price, ServerSettings
from wandb_inference.gateway.errors import LimitError
from wandb_inference.gateway.routing import Caller, Failure, Finished, Pick, Plan, Queue, Sleep, Usage, Wishes

RPM, PARALLEL, KEY_PARALLEL, ALL, KEY_RPM = 6, 2, 3, 5, 9
FAILURES = [
    DOWN,
    LATE,
    Failure("invalid"),
    Failure("stream"),
    *(status(code) for code in (400, 401, 403, 404, 429, 500, 503)),
    status(429, crowded=True),
]


class Requests(RuleBasedStateMachine):
    """Requests of two keys for two groups that begin, wait, fail, end and leave as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        limits = {"rpm": RPM, "tpm": 2000, "max_parallel_requests": PARALLEL, "price": Price(Decimal(1), Decimal(1))}
        self.router = router(
            {
                "m": [deployment("a", **limits), deployment("b", **limits, max_budget=Decimal(5000))],
                "n": [deployment("c", max_parallel_requests=1)],
            },
            fallbacks=Fallbacks({"m": ("n",), "n": ("m",)}),
            server=ServerSettings(max_parallel_requests=ALL, queue_timeout=2.0),
            queue_length=6,
            queue_seconds=4.0,
            cooldown_time=3.0,
        )
        self.callers = [
            Caller(name, KeyRule(name, "0" * 64, rpm=KEY_RPM, tpm=5000, max_parallel_requests=KEY_PARALLEL))
            for name in ("x", "y")
        ]
        self.running: list[tuple[Plan, Pick]] = []
        self.waiting: list[Plan] = []
        self.sleeping: list[tuple[float, Plan]] = []
        self.sent: dict[str, list[float]] = {id: [] for id in "ab"}

    def step(self, plan: Plan) -> None:
        """Does what the plan says next."""
        following = plan.next(self.now)
        if isinstance(following, Pick):
            self.running.append((plan, following))
        elif isinstance(following, Queue):
            assert following.waiter.deadline > self.now
            self.waiting.append(plan)
        elif isinstance(following, Sleep):
            assert following.seconds > 0
            self.sleeping.append((self.now + following.seconds, plan))
        else:
            assert following.error.status >= 400

    @rule(key=strategies.integers(0, 1), name=strategies.sampled_from("mn"), tokens=strategies.integers(0, 900))
    def begin(self, key: int, name: str, tokens: int) -> None:
        """A request comes in."""
        match = matched(self.router, name)
        try:
            ticket = self.router.admit(self.callers[key], match, tokens=tokens, now=self.now, max_tokens=100)
        except LimitError:
            return
        self.step(self.router.plan(match, Wishes(tokens, 100), self.now, ticket))

    @precondition(lambda self: self.running)
    @rule(which=strategies.integers(0, 99), tokens=strategies.integers(0, 500), known=strategies.booleans())
    def succeed(self, which: int, tokens: int, known: bool) -> None:
        """A request is answered."""
        plan, pick = self.running.pop(which % len(self.running))
        plan.succeeded(pick, self.now, seconds=1.0, usage=Usage(tokens, 50) if known else None)
        assert isinstance(plan.next(self.now), Finished)

    @precondition(lambda self: self.running)
    @rule(which=strategies.integers(0, 99), failure=strategies.sampled_from(FAILURES))
    def fail(self, which: int, failure: Failure) -> None:
        """An attempt fails."""
        plan, pick = self.running.pop(which % len(self.running))
        plan.failed(pick, failure, self.now)
        self.step(plan)

    @precondition(lambda self: self.running)
    @rule(which=strategies.integers(0, 99), told=strategies.booleans())
    def leave(self, which: int, told: bool) -> None:
        """A client goes away while it is served."""
        plan, pick = self.running.pop(which % len(self.running))
        if told:
            plan.left(pick, self.now, Usage(5, 5))
        plan.close(self.now)

    @precondition(lambda self: self.waiting)
    @rule(which=strategies.integers(0, 99))
    def leave_the_line(self, which: int) -> None:
        """A client goes away while it waits."""
        self.waiting.pop(which % len(self.waiting)).close(self.now)

    @rule(seconds=strategies.sampled_from([0.0, 0.1, 1.0, 5.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        """Those who waited or slept long enough look again."""
        self.now += seconds
        due = [plan for when, plan in self.sleeping if when <= self.now]
        self.sleeping = [(when, plan) for when, plan in self.sleeping if when > self.now]
        ready = list(self.waiting)
        self.waiting = []
        for plan in due + ready:
            self.step(plan)

    @invariant()
    def nothing_is_passed(self) -> None:
        """Requests under way are exactly those that hold places, and fit all limits."""
        held: dict[str, int] = dict.fromkeys("abc", 0)
        for _, pick in self.running:
            held[pick.deployment.id] += 1
        granted = sum(1 for plan in self.waiting if plan._waiter and plan._waiter.ready)
        states = self.router.states
        total = sum(state.in_flight for state in states.values())
        assert sum(held.values()) <= total <= sum(held.values()) + granted
        for id, state in states.items():
            assert held[id] <= state.in_flight <= state.most
            assert sum(seat.lane.in_flight for seat in state.seats.values()) == state.in_flight
            assert all(breaker.probes >= 0 for breaker in state.breakers)
            for kind, meter in state.meters:
                assert meter.used(self.now) >= 0
                assert kind != "rpm" or meter.used(self.now) <= RPM
        gates = self.router.admission._gates
        for scope, gate in gates.items():
            assert 0 <= gate.in_flight <= gate.limit, scope
        assert 0 <= self.router.line.waiting <= 6
        assert self.router.line.waiting == sum(1 for plan in self.waiting if plan._waiter and not plan._waiter.is_done)

    def teardown(self) -> None:
        """When all have left, nothing is held."""
        for plan, _ in self.running:
            plan.close(self.now)
        for plan in [*self.waiting, *(plan for _, plan in self.sleeping)]:
            plan.close(self.now)
        assert all(state.in_flight == 0 for state in self.router.states.values())
        assert all(seat.waiting == 0 for state in self.router.states.values() for seat in state.seats.values())
        assert all(breaker.probes == 0 for state in self.router.states.values() for breaker in state.breakers)
        assert all(gate.in_flight == 0 and gate.waiting == 0 for gate in self.router.admission._gates.values())
        assert self.router.line.waiting == 0
        held = [purse._held for purse in self.router.ledger._purses.values()]  # type: ignore[attr-defined]
        assert held == [0] * len(held)


Requests.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestRequests = Requests.TestCase
