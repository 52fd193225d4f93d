"""Cool-downs: what opens them, how long they last, how they end, and that they never empty a group."""

from __future__ import annotations

from typing import Any

import pytest
from routing_cases import (
    DOWN,
    LATE,
    config,
    counts,
    deployment,
    error_of,
    matched,
    pick,
    plan,
    queued,
    router,
    served,
    several,
    status,
)

from wandb_inference.gateway.config import KeyRule, Secret
from wandb_inference.gateway.errors import GatewayError
from wandb_inference.gateway.routing import Caller, Failure, Finished, Queue, Router, Usage, Wishes
from wandb_inference.gateway.routing._breaker import Fails, Record

ONCE: dict[str, Any] = {"num_retries": 0, "max_fallbacks": 0}


def fails(here: Router, id: str, failure: Failure, now: float = 0.0, *, model: str = "m", times: int = 1) -> None:
    """Lets a deployment fail: requests go through the router until it is the one that is asked."""
    for _ in range(times):
        while True:
            one = plan(here, now, model=model)
            chosen = pick(one, now)
            if chosen.deployment.id == id:
                one.failed(chosen, failure, now)
                break
            one.close(now)


def state(here: Router, id: str, now: float = 0.0) -> str:
    """How a deployment is."""
    return next(each.state for each in here.status(now) if each.deployment.id == id)


def test_a_rate_limit_cools_at_once_where_there_are_others() -> None:
    """429 takes a deployment out for cooldown_time; the others serve."""
    here = router(several("ab"), cooldown_time=5.0, **ONCE)
    fails(here, "a", status(429))

    assert state(here, "a", 4.9) == "cooling"
    assert set(counts(here, 30, 4.9)) == {"b"}
    assert state(here, "a", 5.0) == "testing"


@pytest.mark.parametrize(
    ("retry_after", "own", "lasts"),
    [
        (None, None, 5.0),
        (20.0, None, 20.0),
        (2.0, None, 5.0),
        (None, 60.0, 60.0),
        (90.0, 60.0, 90.0),
        (1e9, None, 600.0),
    ],
)
def test_how_long_it_lasts(retry_after: float | None, own: float | None, lasts: float) -> None:
    """The deployment's cooldown_time, else the router's, but at least the service's Retry-After, up to ten minutes."""
    here = router([deployment("a", cooldown_time=own), deployment("b")], **ONCE)
    fails(here, "a", status(429, retry_after=retry_after))

    (first, _) = here.status(0.0)
    assert (first.state, first.cools_for) == ("cooling", lasts)
    assert state(here, "a", lasts) == "testing"


@pytest.mark.parametrize("options", [{"disable_cooldowns": True}, {"cooldown_time": 0.0}], ids=str)
def test_cooldowns_can_be_switched_off(options: dict[str, Any]) -> None:
    """disable_cooldowns and a cooldown_time of 0 leave all deployments in."""
    here = router(several("ab"), **options, **ONCE)
    fails(here, "a", status(429), times=10)

    assert set(counts(here, 50)) == {"a", "b"}


@pytest.mark.parametrize(
    "failure", [DOWN, LATE, Failure("invalid"), Failure("stream"), status(500), status(503), status(408)], ids=str
)
def test_half_of_five_failures_cool(failure: Failure) -> None:
    """More than half of at least five requests in a minute: fewer say nothing."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", failure, times=4)
    before = state(here, "a")
    fails(here, "a", failure)

    assert (before, state(here, "a")) == ("up", "cooling")


def test_successes_count_against_failures() -> None:
    """Half is not more than half, and what is older than a minute is forgotten."""
    record = Record()
    for number in range(10):
        record.add(float(number), failed=number % 2 == 0)
    even = record.mostly_fails()
    record.add(62.0, failed=True)

    assert not even
    assert (record.total, record.failed) == (8, 4)
    record.add(62.5, failed=True)
    assert record.mostly_fails()


@pytest.mark.parametrize("code", [400, 413, 422])
def test_the_clients_mistakes_cool_nothing(code: int) -> None:
    """What is wrong with the request says nothing of the deployment."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", status(code), times=20)

    assert state(here, "a") == "up"


def test_a_crowd_cools_nothing() -> None:
    """A refusal of one request too many at the same time is for the window to learn from."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", status(429, crowded=True), times=3)

    assert state(here, "a") == "up"


def test_a_missing_model_cools_its_deployment() -> None:
    """404 cools at once where there are others; where the client made up the model's id, it cools nothing."""
    here = router({"m": several("ab"), "w/*": several("cd", model="org/*")}, **ONCE)
    fails(here, "a", status(404))
    fails(here, "c", status(404), model="w/made-up", times=6)

    assert (state(here, "a"), state(here, "c")) == ("cooling", "up")


@pytest.mark.parametrize("where", ["deployment", "router"])
def test_allowed_fails(where: str) -> None:
    """allowed_fails failures within cooldown_time are allowed; the next one cools."""
    own = {"allowed_fails": 2} if where == "deployment" else {}
    here = router(
        [deployment("a", **own), deployment("b")], allowed_fails=2 if not own else 9, cooldown_time=5.0, **ONCE
    )
    for now in (0.0, 1.0, 6.0, 7.0):
        fails(here, "a", status(429), now)
    before = state(here, "a", 7.0)
    fails(here, "a", status(500), 8.0)

    assert (before, state(here, "a", 8.0)) == ("up", "cooling")


@pytest.mark.parametrize("where", ["deployment", "router"])
def test_allowed_fails_by_kind(where: str) -> None:
    """A policy names kinds of failure; other kinds go by allowed_fails or the rates."""
    policy = {"TimeoutErrorAllowedFails": 1}
    own = {"allowed_fails_policy": policy} if where == "deployment" else {}
    here = router([deployment("a", **own), deployment("b")], allowed_fails_policy={} if own else policy, **ONCE)
    fails(here, "a", LATE)
    first = state(here, "a")
    fails(here, "a", LATE)

    assert (first, state(here, "a")) == ("up", "cooling")


def test_fails_are_forgotten() -> None:
    """Failures count within their span, and no more are remembered than matter."""
    seen = Fails()
    found = [seen.add(now, 5.0, 1) for now in (0.0, 6.0, 7.0, 8.0, 20.0)]

    assert found == [False, False, True, True, False]
    assert not Fails().add(9.0, 0.0, 0)


SHARED = Secret("a-shared-key")


@pytest.mark.parametrize(
    ("failure", "cooled"),
    [
        (status(401), "abc"),
        (status(402), "ab"),
        (status(403), "ab"),
        (status(429, quota=True), "ab"),
        (status(429), "a"),
    ],
    ids=["401", "402", "403", "quota", "429"],
)
def test_a_credential_cools_as_a_whole(failure: Failure, cooled: str) -> None:
    """401 cools all deployments with that key, 402 and 403 those with its project too, in whatever group they are."""
    here = router(
        {
            "m": [
                deployment("a", api_key=SHARED, project="team/p"),
                deployment("c", api_key=SHARED, project="team/q"),
                deployment("d"),
            ],
            "n": [deployment("b", api_key=SHARED, project="team/p"), deployment("e")],
        },
        **ONCE,
    )
    fails(here, "a", failure)

    assert {id for id in "abcde" if state(here, id) == "cooling"} == set(cooled)
    assert set(counts(here, 20)) <= set("cd") - set(cooled)


def test_a_credential_is_tested_once() -> None:
    """When the cool-down of a credential ends, one request at a time tests it, whichever deployment that goes to."""
    here = router([deployment("a", api_key=SHARED), deployment("b", api_key=SHARED), deployment("c")], **ONCE)
    here.states["a"].breakers[1].open(0.0, 5.0, "401")
    plans = [plan(here, 6.0) for _ in range(60)]
    picks = [pick(each, 6.0) for each in plans]
    tests = [(one, chosen) for one, chosen in zip(plans, picks, strict=True) if chosen.deployment.id != "c"]
    ((one, chosen),) = tests
    one.succeeded(chosen, 6.1, seconds=0.1, usage=Usage())

    assert {state(here, id, 6.1) for id in "abc"} == {"up"}


def test_half_open_takes_one_request() -> None:
    """After the cool-down one request tests; its success lets all back in."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", status(429))
    plans = [plan(here, 5.0) for _ in range(40)]
    picks = [pick(each, 5.0) for each in plans]
    (tested,) = [number for number, chosen in enumerate(picks) if chosen.deployment.id == "a"]
    plans[tested].succeeded(picks[tested], 5.5, seconds=0.5, usage=Usage())

    assert state(here, "a", 5.5) == "up"
    assert counts(here, 60, 5.5)["a"] > 10


def test_a_failed_test_cools_again() -> None:
    """If the test fails, whatever the failure, the cool-down begins anew."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", status(429))
    fails(here, "a", status(500), 6.0)

    assert state(here, "a", 10.9) == "cooling"
    assert state(here, "a", 11.0) == "testing"


@pytest.mark.parametrize("failure", [status(400), status(429, crowded=True)], ids=["400", "crowded"])
def test_any_answer_ends_a_test(failure: Failure) -> None:
    """A deployment that finds fault with the request is alive."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", status(429))
    fails(here, "a", failure, 6.0)

    assert state(here, "a", 6.0) == "up"


def test_a_test_that_nobody_saw_the_end_of() -> None:
    """When the client of a test leaves, the next request tests."""
    here = router(several("a"), **ONCE)
    here.states["a"].breaker.open(0.0, 5.0, "x")
    one, two = plan(here, 6.0), plan(here, 6.0)
    first = pick(one, 6.0)
    waiting = queued(two, 6.0)
    one.left(first, 6.1)

    assert waiting.waiter.ready
    assert pick(two, 6.1).deployment.id == "a"


def test_a_streams_first_data_ends_a_test() -> None:
    """A long stream need not end before others are let in."""
    here = router(several("ab"), **ONCE)
    fails(here, "a", status(429))
    here.states["b"].breaker.open(0.0, 99.0, "x")
    one = plan(here, 6.0, stream=True)
    chosen = pick(one, 6.0)
    one.begun(chosen, 7.0)
    before = state(here, "a", 7.0)
    one.succeeded(chosen, 30.0, seconds=24.0, usage=Usage(1, 1))
    other = plan(here, 31.0, stream=True)
    again = pick(other, 31.0)
    other.begun(again, 31.0)

    assert (chosen.deployment.id, before, chosen.lease.first) == ("a", "up", 1.0)
    assert again.deployment.id == "a"


def test_a_cooldown_never_empties_a_group() -> None:
    """Where all are cooling, the least bad is asked: one with trouble of its own, which ends first."""
    here = router(several("abc"), **ONCE)
    here.states["a"].breakers[1].open(0.0, 1.0, "401")
    here.states["b"].breaker.open(0.0, 9.0, "500")
    here.states["c"].breaker.open(0.0, 5.0, "500")

    assert {served(here), served(router(several("a")))} == {"c", "a"}
    assert state(here, "c") == "up"


def test_the_least_bad_breaks_ties_by_chance() -> None:
    """Of those that are equally bad, each may be the one."""
    found: set[str] = set()
    for seed in range(20):
        here = router(several("ab"), seed=seed, **ONCE)
        for id in "ab":
            here.states[id].breaker.open(0.0, 5.0, "500")
        found.add(served(here))

    assert found == {"a", "b"}


def test_the_only_deployment_comes_back_at_once() -> None:
    """After any number of failures the next request still goes out, and its success is the end of it."""
    here = router(several("a"), **ONCE)
    fails(here, "a", status(500), times=8)
    before = state(here, "a")

    assert (before, served(here, 0.1), state(here, "a", 0.1)) == ("cooling", "a", "up")


def test_while_the_last_one_is_tested_others_wait() -> None:
    """They go when the test succeeds, all of them."""
    here = router(several("a"), **ONCE)
    here.states["a"].breaker.open(0.0, 5.0, "500: broken")
    plans = [plan(here) for _ in range(20)]
    first = pick(plans[0])
    waits = [queued(each) for each in plans[1:]]
    plans[0].succeeded(first, 0.5, seconds=0.5, usage=Usage())

    assert all(wait.waiter.ready for wait in waits)
    assert all(pick(each, 0.5).deployment.id == "a" for each in plans[1:])


def test_when_the_test_fails_the_next_one_tests() -> None:
    """Each who waits tests in turn, and gets the error of its own test."""
    here = router(several("a"), cooldown_time=30.0, **ONCE)
    here.states["a"].breaker.open(0.0, 30.0, "500: broken")
    one, two, three = (plan(here) for _ in range(3))
    first = pick(one)
    queued(two)
    queued(three)
    one.failed(first, status(502, "the first"), 0.5)
    second = pick(two, 0.5)
    still = queued(three, 0.5)
    two.failed(second, status(502, "the second"), 0.6)

    assert not still.waiter.deadline > 1.0
    assert still.waiter.ready
    assert (error_of(one).message, error_of(two).message) == ("the first", "the second")
    assert pick(three, 0.6).deployment.id == "a"


def test_waiting_for_a_test_ends() -> None:
    """After five seconds it is a 503 with Retry-After and the last error of the service as its cause."""
    here = router(several("a"), **ONCE)
    here.states["a"].breaker.open(0.0, 20.0, "engine on fire")
    plans = [plan(here) for _ in range(9)]
    errors = []
    for now in range(7):
        for one in plans:
            if one._lease is None:
                step = one.next(float(now))
                errors += [(now, step.error)] if isinstance(step, Finished) else []
    (when, error), *_ = errors

    assert {now for now, _ in errors} >= {5}
    assert when == 5
    assert (error.status, error.code, error.retry_after) == (503, "model_unavailable", 15.0)
    assert error.message.endswith("the last error was: engine on fire")
    assert sum(one.attempts for one in plans) == 6


def test_a_slow_test_does_not_keep_all_others_out() -> None:
    """Answers may take minutes: each second one more may test, so that a service that is slow and well is found out."""
    here = router(several("a"), **ONCE)
    here.states["a"].breaker.open(0.0, 5.0, "500")
    slow, second, third = plan(here), plan(here), plan(here)
    pick(slow)
    wait = queued(second)
    queued(third, 0.5)

    assert wait.waiter.deadline == 1.0
    assert pick(second, 1.0).deployment.id == "a"
    assert isinstance(third.next(1.5), Queue)


def test_others_that_are_well_but_full_are_waited_for() -> None:
    """A cooling deployment is not asked while others only lack a place."""
    here = router([deployment("a"), deployment("b", max_parallel_requests=1)], **ONCE)
    fails(here, "a", status(429))
    one, two = plan(here), plan(here)
    first = pick(one)
    wait = queued(two)
    one.succeeded(first, 1.0, seconds=1.0, usage=Usage())

    assert wait.waiter.deadline == 30.0
    assert pick(two, 1.0).deployment.id == "b"


def test_a_place_at_a_deployment_that_cooled_meanwhile_is_not_taken() -> None:
    """Who waited for several gets the place of one that is well."""
    here = router(several("ab", max_parallel_requests=1), **ONCE)
    one, two, three = (plan(here) for _ in range(3))
    held = {chosen.deployment.id: (each, chosen) for each in (one, two) for chosen in (pick(each),)}
    wait = queued(three)
    bad, chosen = held["a"]
    bad.failed(chosen, status(429), 1.0)
    again = queued(three, 1.0)
    good, chosen = held["b"]
    good.succeeded(chosen, 1.5, seconds=1.0, usage=Usage())

    assert wait.waiter.ready
    assert again.waiter is not wait.waiter
    assert pick(three, 1.5).deployment.id == "b"


def test_a_limit_is_no_cooldown() -> None:
    """Where the ones that are well are at a limit, the cooling ones are left alone: it is a 429."""
    here = router([deployment("a", rpm=1), deployment("b")], **ONCE)
    here.states["a"].meters[0][1].take(1, 0.0)
    here.states["b"].breaker.open(0.0, 5.0, "x")

    assert error_of(plan(here)).status == 429


def test_a_reload_keeps_what_is_known() -> None:
    """Breakers, counts and places of deployments that stay live on; new ones begin anew; gone ones are gone."""
    here = router([deployment("a", rpm=5), deployment("b")], **ONCE)
    running = plan(here)
    running_pick = pick(running)
    fails(here, "b", status(401))
    old = matched(here)
    here.configure(config([deployment("a", rpm=9), deployment("b", weight=2.0), deployment("n")], **ONCE))
    moved = deployment("b", project="team/other", api_key=Secret("the-key-of-b"))
    states = {id: state(here, id) for id in "abn"}
    here.configure(config({"other": [moved]}, **ONCE))
    running.succeeded(running_pick, 1.0, seconds=1.0, usage=Usage())

    assert states == {"a": "up", "b": "cooling", "n": "up"}
    assert state(here, "b") == "cooling"  # the key is the same
    with pytest.raises(GatewayError, match="There is no model 'm'"):
        here.admit(Caller("k", KeyRule("k", "0" * 64)), old, tokens=0, now=0.0)
    with pytest.raises(GatewayError, match="There is no model 'm'"):
        here.plan(old, Wishes(), 0.0)


def test_status_tells_how_deployments_are() -> None:
    """Requests in flight, those who wait, failures of the last minute and the cause of a cool-down."""
    here = router([deployment("a", max_parallel_requests=1)], **ONCE)
    one, two = plan(here), plan(here)
    pick(one)
    queued(two)
    (found,) = here.status(0.0)
    two.close(0.0)
    one.close(0.0)
    fails(here, "a", status(500, "boom"), times=5)
    (after,) = here.status(1.0)

    assert (found.group, found.state, found.in_flight, found.waiting, found.cause) == ("m", "up", 1, 1, None)
    assert (after.state, after.cools_for, after.cause, after.waiting) == ("cooling", 4.0, "boom", 0)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (status(429, "quota for x/secret is used up", quota=True), "the service answered 429 to this account"),
        (status(401, "no key for x/secret"), "the service answered 401 to this account"),
    ],
)
def test_what_others_are_told_of_a_shared_account(failure: Failure, words: str) -> None:
    """Not the service's words, which are about another group's model."""
    here = router({"m": [deployment("a", api_key=SHARED)], "n": [deployment("b", api_key=SHARED, project="team/a")]})
    fails(here, "a", failure)

    assert {each.cause for each in here.status(0.0)} == {words}
    one, other = plan(here, 99.0, model="n"), plan(here, 99.0, model="n")
    tested = pick(one, 99.0)
    one.failed(tested, LATE, 100.0)
    assert here.states["b"].breakers[2 if failure.status == 429 else 1].cause == (
        "the service does not answer this account"
    )
    assert pick(other, 100.5).deployment.id == "b"


def test_a_minute_without_requests() -> None:
    """An hour later nothing is of the last minute."""
    here = router(several("a"))
    one = plan(here)
    one.succeeded(pick(one), 0.0, seconds=1.0, usage=None)

    assert [here.status(now)[0].requests for now in (1.0, 3600.0)] == [1, 0]
