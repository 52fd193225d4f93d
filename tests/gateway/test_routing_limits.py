"""What may be used: by a deployment, a key, a worker; reserved before, settled after, refunded when not used."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from routing_cases import (
    DOWN,
    LATE,
    config,
    deployment,
    error_of,
    matched,
    pick,
    plan,
    router,
    served,
    several,
    status,
)

from wandb_inference.gateway.config import Duration, KeyRule, Price, ServerSettings
from wandb_inference.gateway.errors import BudgetError, GatewayError, LimitError
from wandb_inference.gateway.routing import Caller, Queue, Router, Ticket, Usage, share_of
from wandb_inference.gateway.routing._counting import Budget, LocalLedger, Minute, next_reset

DOLLARS = Price(Decimal("0.01"), Decimal("0.1"))


def rule(**fields: Any) -> KeyRule:
    """A key's rule."""
    return KeyRule("k", "0" * 64, **fields)


def admitted(router: Router, now: float = 0.0, *, tokens: int = 0, model: str = "m", **fields: Any) -> Ticket:
    """A ticket for a key with this rule."""
    return router.admit(Caller("k", rule(**fields)), matched(router, model), tokens=tokens, now=now)


def refused(router: Router, now: float = 0.0, **fields: Any) -> GatewayError:
    """The error for a key with this rule."""
    with pytest.raises(GatewayError) as caught:
        admitted(router, now, **fields)
    return caught.value


def at(text: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


# A minute


def test_a_minute_slides() -> None:
    """What was used counts for 60 seconds, whenever that was."""
    minute = Minute(3)
    for now in (0.0, 30.0, 59.0):
        assert minute.fits(1, now)
        minute.take(1, now)

    assert not minute.fits(1, 59.9)
    assert minute.wait(1, 59.0) == 1.0
    assert minute.wait(2, 59.0) == 31.0
    assert minute.wait(99, 59.0) == 60.0
    assert minute.fits(1, 60.0)
    assert minute.used(119.0) == 0


def test_more_than_the_limit_waits_for_an_empty_minute() -> None:
    """A request that alone is larger than the limit passes when nothing else counts: it would never pass otherwise."""
    minute = Minute(100)

    assert minute.fits(5000, 0.0)
    minute.take(5000, 0.0)
    assert not minute.fits(1, 1.0)
    assert minute.wait(1, 1.0) == 59.0


def test_a_minute_stays_small() -> None:
    """However many reservations there are, no more than two a second are remembered, and none is forgotten early."""
    minute = Minute(10**6)
    for number in range(10_000):
        minute.take(1, number * 0.006)

    assert len(minute._entries) <= 121
    assert minute.used(60.0) == 10_000 - 0  # the first half second lasts as long as its latest
    assert 0 < minute.used(100.0) < 10_000


def test_settling_changes_what_was_reserved() -> None:
    """Less is given back; more is added; what came on top of a forgotten reservation counts from now."""
    minute = Minute(1000)
    less, more = minute.take(100, 0.0), minute.take(100, 1.0)
    minute.settle(less, 100, 10, 2.0)
    minute.settle(more, 100, 300, 2.0)
    used = minute.used(2.0)
    assert minute.used(61.0) == 0
    minute.settle(more, 300, 200, 61.0)
    minute.settle(more, 100, 150, 61.0)

    assert used == 310
    assert minute.used(61.0) == 50


# Deployments


def test_the_first_request_of_rpm_1_passes() -> None:
    """rpm: 1 lets one request pass each 60 seconds."""
    here = router(several("a", rpm=1))
    first = served(here, 0.0)
    error = error_of(plan(here, 20.0), 20.0)

    assert first == "a"
    assert isinstance(error, LimitError)
    assert (error.status, error.kind, error.limit, error.scope, error.retry_after) == (429, "rpm", 1, "model", 40.0)
    assert error.headers()["retry-after"] == "40"
    assert served(here, 60.0) == "a"


@pytest.mark.parametrize("limit", [1, 7, 49, 50])
def test_a_burst_of_50_does_not_pass_the_limit(limit: int) -> None:
    """Requests are counted before they are sent: of 50 at once, as many go as may."""
    here = router(several("a", rpm=limit))
    steps = [plan(here).next(0.0) for _ in range(50)]

    assert Counter(type(step).__name__ for step in steps)["Pick"] == limit


def test_a_burst_is_held_to_tokens() -> None:
    """Tokens are reserved as far as they can be known: the prompt's and those that the request allows."""
    here = router(several("a", tpm=1000))
    steps = [plan(here, prompt_tokens=100, max_tokens=100).next(0.0) for _ in range(50)]

    assert Counter(type(step).__name__ for step in steps)["Pick"] == 5


@pytest.mark.parametrize(("kind", "picks"), [("itpm", 10), ("otpm", 2), ("tpm", 1)])
def test_tokens_of_either_kind(kind: str, picks: int) -> None:
    """itpm counts prompts, otpm answers, tpm both."""
    here = router(several("a", **{kind: 1000}))
    steps = [plan(here, prompt_tokens=100, max_tokens=500).next(0.0) for _ in range(50)]
    error = error_of(plan(here, prompt_tokens=100, max_tokens=500))

    assert Counter(type(step).__name__ for step in steps)["Pick"] == picks
    assert isinstance(error, LimitError)
    assert error.kind == kind


def test_answers_are_guessed_by_those_before() -> None:
    """Where a request sets no max_tokens, the mean of earlier answers is reserved."""
    here = router(several("a", otpm=1000))
    before = pick(plan(here))
    for _ in range(100):
        here.states["a"].learn(10)
    reserved = here.states["a"].meters[0][1].used(0.0)
    served(here, usage=Usage(1, 10))

    assert before.deployment.id == "a"
    assert reserved == 256
    assert here.states["a"].meters[0][1].used(0.0) == 266


def test_at_a_limit_the_next_deployment_is_taken() -> None:
    """A limit is no failure: the others serve until none has room, and the error tells the one that has first."""
    here = router([deployment("a", rpm=1, order=1), deployment("b", rpm=2, order=2)])
    found = [served(here, now) for now in (0.0, 10.0, 20.0)]
    error = error_of(plan(here, 30.0), 30.0)

    assert found == ["a", "b", "b"]
    assert error.retry_after == 30.0


@pytest.mark.parametrize(
    ("failure", "left"),
    [(DOWN, 0), (status(429), 0), (status(400), 0), (LATE, 1)],
    ids=["connection", "429", "400", "timeout"],
)
def test_what_was_not_used_is_refunded(failure: Any, left: int) -> None:
    """A request that the service refused, or that never reached it, counts for nothing; one that timed out counts."""
    here = router(several("a", rpm=5, tpm=10**6), num_retries=0)
    one = plan(here, prompt_tokens=10)
    one.failed(pick(one), failure, 0.0)

    assert here.states["a"].meters[0][1].used(0.0) == left
    assert (here.states["a"].meters[1][1].used(0.0) > 0) == bool(left)


def test_usage_takes_the_place_of_what_was_reserved() -> None:
    """What was really used counts afterwards; what nobody knows stays as it was reserved."""
    here = router(several("a", tpm=10**6))
    served(here, prompt_tokens=1000, max_tokens=1000, usage=Usage(10, 5))
    known = here.states["a"].meters[0][1].used(0.0)
    served(here, prompt_tokens=1000, max_tokens=1000, usage=None)

    assert known == 15
    assert here.states["a"].meters[0][1].used(0.0) == 2015


def test_a_client_that_leaves_is_booked() -> None:
    """What was used until then counts, and its place is free."""
    here = router(several("a", tpm=10**6, rpm=9, max_parallel_requests=1))
    one, two = plan(here), plan(here, prompt_tokens=500, max_tokens=500)
    one.left(pick(one), 0.0, Usage(7, 3))
    chosen = pick(two)
    two.left(chosen, 0.0)

    assert here.states["a"].in_flight == 0
    assert dict(here.states["a"].meters)["tpm"].used(0.0) == 1010


@pytest.mark.parametrize(("usage", "left"), [(Usage(10, 5), 985), (None, 734)], ids=["told", "unknown"])
def test_a_stream_that_breaks_is_booked(usage: Usage | None, left: int) -> None:
    """What had been used when a stream broke off counts for the deployment and for the key."""
    here = router(several("a", tpm=1000))
    ticket = here.admit(Caller("k", rule(tpm=1000)), matched(here), tokens=10, now=0.0)
    one = plan(here, ticket=ticket, prompt_tokens=10, stream=True)
    chosen = pick(one)
    one.begun(chosen, 0.5)
    one.failed(chosen, DOWN, 1.0, usage)

    assert error_of(one).code == "stream_interrupted"
    assert ticket.remaining(1.0)[0][1][1] == left
    assert here.states["a"].meters[0][1].used(1.0) == 1000 - left


def test_keys_have_limits_of_their_own_at_a_deployment() -> None:
    """default_api_key_rpm_limit and default_api_key_tpm_limit hold for each key by itself."""
    here = router(several("a", key_rpm=1, key_tpm=10**6))
    tickets = [here.admit(Caller(name), matched(here), tokens=0, now=0.0) for name in "xxy"]
    steps = [plan(here, ticket=ticket).next(0.0) for ticket in tickets]
    error = error_of(plan(here, 1.0, ticket=here.admit(Caller("x"), matched(here), tokens=0, now=1.0)), 1.0)

    assert [type(step).__name__ for step in steps] == ["Pick", "Finished", "Pick"]
    assert isinstance(error, LimitError)
    assert (error.kind, error.scope, error.retry_after) == ("rpm", "key", 59.0)


def test_keys_have_tokens_of_their_own_at_a_deployment() -> None:
    """One key's tokens don't count for another's."""
    here = router(several("a", key_tpm=100))
    steps = []
    for name in "xxy":
        ticket = here.admit(Caller(name), matched(here), tokens=100, now=0.0)
        steps.append(plan(here, ticket=ticket, prompt_tokens=100, max_tokens=0).next(0.0))

    assert [type(step).__name__ for step in steps] == ["Pick", "Finished", "Pick"]


def test_a_deployments_budget_takes_it_out() -> None:
    """max_budget spends down; the next deployment serves; then it is a 402 that says when it is renewed."""
    priced = {"price": DOLLARS, "max_budget": Decimal(2), "budget_duration": Duration(1, "h")}
    here = router(
        [deployment("a", order=1, **priced), deployment("b", order=2, **priced)], epoch=at("2026-01-01T10:30")
    )
    found = [served(here, usage=Usage(0, 20)) for _ in range(2)]
    error = error_of(plan(here))
    later = served(here, 1800.0, usage=Usage(0, 0))

    assert found == ["a", "b"]
    assert isinstance(error, BudgetError)
    assert (error.status, error.code, error.retry_after) == (402, "budget_exceeded", 1800.0)
    assert later == "a"


def test_a_budget_without_an_end() -> None:
    """Without budget_duration a budget is never renewed, and one with other limits tells the longer wait."""
    here = router(several("a", price=DOLLARS, max_budget=Decimal(1), rpm=1))
    served(here, usage=Usage(0, 20))
    error = error_of(plan(here))

    assert (error.status, error.retry_after, error.headers()) == (402, None, {"x-should-retry": "false"})
    assert "not renewed" in error.message


def test_a_limit_that_lasts_longer_than_a_budget_is_told() -> None:
    """Of what leaves no room, the one that lasts longest is what the client has to wait for."""
    here = router(
        several("a", price=DOLLARS, max_budget=Decimal(1), budget_duration=Duration(30, "s"), rpm=1), epoch=0.0
    )
    served(here, usage=Usage(0, 20))
    error = error_of(plan(here))

    assert isinstance(error, LimitError)
    assert error.retry_after == 60.0


def test_a_budget_is_held_before_it_is_spent() -> None:
    """Of a burst, no more goes than the budget pays for by the request's own figures, and one at most beyond."""
    here = router(several("a", price=DOLLARS, max_budget=Decimal(10)))
    steps = [plan(here, max_tokens=30).next(0.0) for _ in range(50)]  # three dollars each

    assert Counter(type(step).__name__ for step in steps)["Pick"] == 4


def test_the_price_is_the_services_own_word_if_it_has_one() -> None:
    """A cost that comes with the usage beats the configured price; without either there is none."""
    here = router({"m": several("a", price=DOLLARS), "n": several("b")})
    lease, other = pick(plan(here)).lease, pick(plan(here, model="n")).lease

    assert lease.cost(Usage(10, 10, 4)) == Decimal("1.10")
    assert lease.cost(Usage(10, 10, 4, Decimal(7))) == 7
    assert other.cost(Usage(1, 1)) is None


@pytest.mark.parametrize(
    ("price", "model", "cost"),
    [
        (Price(Decimal(1), None, None), "org/x", "10"),
        (Price(None, Decimal(1), None), "org/x", "5"),
        (Price(Decimal(1), Decimal(1), Decimal(0)), "org/x", "11"),
        (Price(None, Decimal(1), None), "openai/gpt-oss-20b", None),
        (Price(Decimal(1), None, None), "openai/gpt-oss-20b", None),
        (None, "openai/gpt-oss-20b", None),
    ],
)
def test_prices_come_from_the_file_then_from_the_table(price: Price | None, model: str, cost: str | None) -> None:
    """What the file leaves out is the table's; what neither knows is nothing, or unknown where neither knows any."""
    lease = pick(plan(router(several("a", price=price, model=model)))).lease
    found = lease.cost(Usage(10, 5, 4))

    assert found is not None
    assert found > 0
    assert cost is None or found == Decimal(cost)


# Spans of budgets


@pytest.mark.parametrize(
    ("duration", "now", "resets"),
    [
        (Duration(1, "d"), "2026-03-05T13:00", "2026-03-06T00:00"),
        (Duration(2, "h"), "2026-03-05T13:30", "2026-03-05T14:00"),
        (Duration(30, "m"), "2026-03-05T13:31", "2026-03-05T14:00"),
        (Duration(30, "s"), "2026-03-05T13:31:10", "2026-03-05T13:31:30"),
        (Duration(7, "d"), "2026-03-05T13:00", "2026-03-12T13:00"),
        (Duration(1, "w"), "2026-03-05T13:00", "2026-03-12T13:00"),
        (Duration(1, "mo"), "2026-12-31T13:00", "2027-01-01T00:00"),
        (Duration(3, "mo"), "2026-03-05T13:00", "2026-06-01T00:00"),
    ],
    ids=str,
)
def test_when_budgets_are_renewed(duration: Duration, now: str, resets: str) -> None:
    """A day's at midnight, hours and minutes by the clock, months on the first, other days from now."""
    assert next_reset(duration, at(now)) == at(resets)


def test_a_budget_changes_and_keeps_what_was_spent() -> None:
    """After a reload the spending counts against the new budget; a new span begins anew."""
    ledger = LocalLedger()
    purse = ledger.purse("x", Decimal(5), Duration(1, "d"))
    assert purse.fits(Decimal(1), 0.0)
    purse.hold(Decimal(1))
    purse.settle(Decimal(1), Decimal(4), 0.0)
    again = ledger.purse("x", Decimal(4), Duration(1, "h"))

    assert again is purse
    assert not again.fits(Decimal(0), 0.0)
    assert again.wait(0.0) == 3600.0
    assert Budget(Decimal(0), None).fits(Decimal(0), 0.0) is False


# Keys


def test_a_keys_requests_a_minute() -> None:
    """The first passes; then a 429 with the limit, whose it is and the seconds; nothing is counted for it."""
    here = router(several("a"))
    ticket = admitted(here, rpm=1)
    error = refused(here, 45.0, rpm=1)
    again = refused(here, 59.0, rpm=1)

    assert isinstance(error, LimitError)
    assert (error.kind, error.scope, error.limit, error.retry_after) == ("rpm", "key", 1, 15.0)
    assert again.retry_after == 1.0
    assert ticket.remaining(30.0) == [("rpm", (1, 0, 30.0))]
    assert admitted(here, 60.0, rpm=1).remaining(60.0)[0][1][1] == 0


def test_a_burst_of_50_does_not_pass_a_keys_limit() -> None:
    """Of 50 at once, as many are let in as may be."""
    here = router(several("a"))
    tickets = [admitted(here, rpm=7) for _ in range(7)]

    assert len(tickets) == 7
    assert all(refused(here, rpm=7).status == 429 for _ in range(43))


def test_a_keys_tokens_a_minute() -> None:
    """Tokens are reserved before and settled after."""
    here = router(several("a"))
    ticket = here.admit(Caller("k", rule(tpm=1000)), matched(here), tokens=600, now=0.0, max_tokens=300)
    error = refused(here, tpm=1000, tokens=600)
    one = plan(here, ticket=ticket)
    one.succeeded(pick(one), 1.0, seconds=1.0, usage=Usage(50, 50))

    assert isinstance(error, LimitError)
    assert (error.kind, error.retry_after) == ("tpm", 60.0)
    assert ticket.remaining(1.0) == [("tpm", (1000, 900, 59.0))]
    assert Ticket is type(admitted(here, tpm=1000, tokens=10))


def test_nothing_left_is_told_for_unused_limits() -> None:
    """A limit of which all is left needs no time."""
    here = router(several("a"))
    ticket = here.admit(Caller("k", rule(tpm=1000)), matched(here), tokens=0, now=0.0, max_tokens=0)

    assert ticket.remaining(0.0) == [("tpm", (1000, 1000, 0.0))]


def test_a_request_that_was_not_served_costs_a_key_nothing() -> None:
    """What the gateway itself rejects is refunded; what went upstream and failed counts as a request without tokens."""
    here = router(several("a", rpm=1), num_retries=0)
    tickets = [here.admit(Caller("k", rule(rpm=5, tpm=9000)), matched(here), tokens=10, now=0.0) for _ in range(2)]
    one, two = (plan(here, ticket=ticket) for ticket in tickets)
    chosen = pick(one)
    error = error_of(two)
    counted = [left for _, (_, left, _) in tickets[0].remaining(0.0)]
    one.failed(chosen, status(500), 0.0)

    assert error.status == 429
    assert counted == [4, 9000 - 266]
    assert [left for _, (_, left, _) in tickets[0].remaining(0.0)] == [4, 9000]


def test_a_ticket_that_is_closed_without_use_is_refunded() -> None:
    """A request that ended before its plan was made costs nothing, and its end counts once."""
    here = router(several("a"))
    ticket = admitted(here, rpm=1)
    ticket.close(0.0, 0.0, used=False)
    ticket.close(0.0, 0.0, usage=Usage(1, 1))

    assert admitted(here, rpm=1).remaining(0.0)[0][1][1] == 0


def test_a_keys_budget() -> None:
    """402 with the amount and the time of renewal, not a 429 that clients would retry."""
    here = router(several("a", price=DOLLARS), epoch=at("2026-01-01T23:00"))
    budget = {"max_budget": Decimal(2), "budget_duration": Duration(1, "d")}
    ticket = admitted(here, **budget)
    one = plan(here, ticket=ticket)
    one.succeeded(pick(one), 0.0, seconds=1.0, usage=Usage(0, 30))
    error = refused(here, **budget)

    assert isinstance(error, BudgetError)
    assert (error.status, error.scope, error.budget, error.retry_after) == (402, "key", 2, 3600.0)
    assert "$2" in error.message
    assert admitted(here, 3600.0, **budget).caller.name == "k"


def test_a_burst_does_not_pass_a_budget() -> None:
    """What requests are likely to cost is held until they are over: the budget is passed by one request at most."""
    here = router(several("ab", price=DOLLARS))
    tickets: list[Ticket] = []
    with pytest.raises(GatewayError, match=r"\$10, is reserved by requests under way: try again in 1 s") as caught:
        for _ in range(50):
            tickets.append(
                here.admit(Caller("k", rule(max_budget=Decimal(10))), matched(here), tokens=0, now=0.0, max_tokens=30)
            )

    assert len(tickets) == 3
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "budget_reserved", 1.0)


def test_the_budget_of_all() -> None:
    """litellm_settings.max_budget is everybody's, with a rule or without; what nobody knows is booked as held."""
    here = router(several("a", price=DOLLARS), server=ServerSettings(max_budget=Decimal(1)))
    ticket = here.admit(Caller("anyone"), matched(here), tokens=0, now=0.0, max_tokens=20)
    one = plan(here, ticket=ticket)
    one.succeeded(pick(one), 0.0, seconds=1.0, usage=None)

    with pytest.raises(BudgetError) as caught:
        here.admit(Caller("other"), matched(here), tokens=0, now=0.0)
    assert caught.value.scope == "gateway"
    assert refused(here).status == 402


def test_an_unknown_price_holds_nothing() -> None:
    """Without a price a budget can't be held, and costs are booked only where the service tells them."""
    here = router(several("a"))
    ticket = admitted(here, max_budget=Decimal(1))
    one = plan(here, ticket=ticket)
    one.succeeded(pick(one), 0.0, seconds=1.0, usage=Usage(1, 1))
    other = plan(here, ticket=admitted(here, max_budget=Decimal(1)))
    other.succeeded(pick(other), 0.0, seconds=1.0, usage=Usage(1, 1, 0, Decimal(3)))

    assert refused(here, max_budget=Decimal(1)).status == 402


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [({"expires": 99.0}, 401, "expired_key"), ({"models": ("other",)}, 403, "key_model_access_denied")],
    ids=["expired", "model"],
)
def test_a_key_that_may_not(fields: dict[str, Any], status: int, code: str) -> None:
    """A key past its day is a 401, a model that it may not use a 403; before and otherwise it passes."""
    error = refused(router(several("a"), epoch=99.0), **fields)

    assert (error.status, error.code) == (status, code)
    assert admitted(router(several("a"), epoch=0.0), expires=99.0, models=("m",)).held == []


# Workers


def test_workers_share_limits() -> None:
    """Each of N workers holds its part of every limit and budget, and one request at least."""
    whole = config(
        several("a", rpm=10, tpm=100, max_parallel_requests=1, max_budget=Decimal(8)),
        keys=[rule(rpm=3, max_budget=Decimal(1))],
        server=ServerSettings(max_parallel_requests=9, key_max_parallel_requests=4, max_in_flight=5),
    )
    share = share_of(whole, 4)
    (part,) = share.groups["m"].deployments

    assert share_of(whole, 1) is whole
    assert (part.rpm, part.tpm, part.max_parallel_requests, part.max_budget) == (2, 25, 1, 2)
    assert (share.keys[0].rpm, share.keys[0].max_budget) == (1, Decimal("0.25"))
    assert (share.server.max_parallel_requests, share.server.key_max_parallel_requests) == (2, 1)
    assert share.server.max_in_flight == 5


def test_a_request_from_before_a_reload() -> None:
    """It counts by the limits of its key that hold now, and leaves them as they are."""
    old, new = rule(rpm=100, max_budget=Decimal(9)), rule(rpm=2, max_budget=Decimal(1))
    here = router(several("a"), keys=[old])
    here.configure(config(several("a"), keys=[new]), 0.0)
    tickets = [here.admit(Caller("k", each), matched(here), tokens=0, now=0.0) for each in (old, new)]

    assert [dict(ticket.remaining(0.0))["rpm"][0] for ticket in tickets] == [2, 2]
    for each in (old, new, old):
        with pytest.raises(LimitError):
            here.admit(Caller("k", each), matched(here), tokens=0, now=0.0)
    assert here.ledger.purse("key:k", Decimal(1), None).limit == 1


@pytest.mark.parametrize("limit", [{"max_budget": Decimal(1)}, {"rpm": 2}], ids=["budget", "rpm"])
def test_limits_hold_while_it_cools(limit: dict[str, Any]) -> None:
    """A deployment at a limit is not asked because all are cooling."""
    price = Price(Decimal(0), Decimal("0.001"))
    here = router(several("a", price=price, **limit), allowed_fails=0, cooldown_time=30.0, num_retries=0)
    one, two = plan(here), plan(here)
    first, second = pick(one), pick(two)
    one.succeeded(first, 1.0, seconds=1.0, usage=Usage(10, 1000))
    two.failed(second, LATE, 2.0)

    assert here.status(2.0)[0].state == "cooling"
    assert error_of(plan(here, 2.1), 2.1).status in (402, 429)


def test_the_one_with_room_is_asked_though_all_cool() -> None:
    """Of deployments that all cool, those at a limit are out of the question, and the others are asked."""
    here = router(
        [deployment("a", rpm=1), deployment("b")], allowed_fails=0, cooldown_time=30.0, num_retries=0, max_fallbacks=0
    )
    plans = [plan(here) for _ in range(2)]
    picks = [pick(each) for each in plans]
    while {each.deployment.id for each in picks} != {"a", "b"}:
        plans.append(plan(here))
        picks.append(pick(plans[-1]))
    for each, chosen in zip(plans, picks, strict=True):
        each.failed(chosen, LATE, 1.0)

    assert pick(plan(here, 1.1), 1.1).deployment.id == "b"
    assert isinstance(plan(here, 1.1).next(1.1), Queue)


@pytest.mark.parametrize(
    ("fields", "asked", "holds"),
    [
        ({}, {"max_tokens": 10, "choices": 5}, 50),
        ({"defaults": {"max_tokens": 700}}, {}, 700),
        ({"extra_body": {"max_completion_tokens": 800}}, {"choices": 2}, 1600),
        ({"defaults": {"max_tokens": "x"}}, {}, 256),
        ({}, {}, 256),
    ],
    ids=["n", "default", "fields", "nonsense", "nothing"],
)
def test_what_is_held_of_a_budget(fields: dict[str, Any], asked: dict[str, Any], holds: int) -> None:
    """As much as all answers may cost: as many as are wanted, of the length that the deployment says."""
    here = router(several("a", price=Price(Decimal(0), Decimal(1)), **fields))
    caller = Caller("k", rule(max_budget=Decimal(2 * holds)))
    for _ in range(2):
        here.admit(caller, matched(here), tokens=0, now=0.0, **asked)
    with pytest.raises(GatewayError, match="reserved"):
        here.admit(caller, matched(here), tokens=0, now=0.0, **asked)


def test_a_budget_learns_how_long_answers_are() -> None:
    """Where nothing limits them, those before say how long they are."""
    here = router(several("a", price=Price(Decimal(0), Decimal(1))))
    for _ in range(100):
        one = plan(here)
        one.succeeded(pick(one), 0.0, seconds=1.0, usage=Usage(1, 4000))
    caller = Caller("k", rule(max_budget=Decimal(5000)))
    here.admit(caller, matched(here), tokens=0, now=0.0)
    with pytest.raises(GatewayError, match="reserved"):
        here.admit(caller, matched(here), tokens=0, now=0.0)


def test_several_answers_count_for_tokens() -> None:
    """Of a deployment's tokens as well as of a key's."""
    here = router(several("a", tpm=1000))
    one = plan(here, max_tokens=300, choices=3)
    pick(one)

    assert error_of(plan(here, max_tokens=200)).status == 429
    ticket = here.admit(Caller("k", rule(tpm=1000)), matched(here), tokens=0, now=0.0, max_tokens=300, choices=3)
    assert ticket.remaining(0.0)[0][1][1] == 100
