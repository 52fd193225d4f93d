"""Places: how many there are, who gets them, and who waits how long."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from routing_cases import (
    config,
    deployment,
    error_of,
    matched,
    pause_of,
    pick,
    plan,
    queued,
    router,
    served,
    several,
    status,
)

from wandb_inference.gateway.config import KeyRule, ServerSettings
from wandb_inference.gateway.errors import LimitError
from wandb_inference.gateway.routing import Caller, Finished, Pick, Plan, Queue, Router, Usage, Waiter

CROWDED = status(429, "too many concurrent requests", crowded=True)


def ended(one: Plan, chosen: Pick, now: float = 0.0) -> None:
    """Ends a request well."""
    one.succeeded(chosen, now, seconds=1.0, usage=Usage())


def of(here: Router, name: str, now: float = 0.0, **fields: Any) -> Plan:
    """A plan for a caller of this name."""
    rule = KeyRule(name, "0" * 64, **fields) if fields else None
    return plan(here, now, ticket=here.admit(Caller(name, rule), matched(here), tokens=0, now=now))


def test_max_parallel_requests_queues() -> None:
    """At the limit requests wait, in their order, and the callback says who is next."""
    woken: list[Waiter] = []
    here = router(several("a", max_parallel_requests=2), on_ready=woken.append)
    plans = [plan(here) for _ in range(5)]
    picks = [pick(each) for each in plans[:2]]
    waits = [queued(each).waiter for each in plans[2:]]
    for one, chosen in zip(plans, picks, strict=False):
        ended(one, chosen)

    assert woken == waits[:2]
    assert [wait.ready for wait in waits] == [True, True, False]
    assert queued(plans[4]).waiter is waits[2]
    assert here.states["a"].in_flight == 2


def test_a_full_deployment_is_passed_over() -> None:
    """The next deployment is taken as long as it has a place."""
    here = router(
        [deployment("a", max_parallel_requests=1, weight=1), deployment("b", max_parallel_requests=1, weight=9)]
    )
    found = [pick(plan(here)).deployment.id for _ in range(2)]

    assert sorted(found) == ["a", "b"]
    assert isinstance(plan(here).next(0.0), Queue)


def test_newcomers_do_not_overtake() -> None:
    """A place that is given back is the next waiter's before anyone sees it."""
    here = router(several("a", max_parallel_requests=1))
    one, two, three = (plan(here) for _ in range(3))
    first = pick(one)
    queued(two)
    ended(one, first)

    assert isinstance(three.next(0.0), Queue)
    second = pick(two)
    ended(two, second)
    assert pick(three).deployment.id == "a"


def test_callers_take_turns() -> None:
    """One caller with twenty requests in the line does not keep another's waiting until all of them are done."""
    here = router(several("a", max_parallel_requests=1))
    holder = of(here, "x")
    chosen = pick(holder)
    many = [("x", of(here, "x")) for _ in range(20)]
    few = [("y", of(here, "y")) for _ in range(3)]
    waiting = {queued(one).waiter: (name, one) for name, one in many + few}
    order: list[str] = []
    while waiting:
        ended(holder, chosen)
        ((waiter, (name, holder)),) = [item for item in waiting.items() if item[0].ready]
        del waiting[waiter]
        order.append(name)
        chosen = pick(holder)

    assert order[:7] == ["x", "y", "x", "y", "x", "y", "x"]
    assert Counter(order) == {"x": 20, "y": 3}


def test_one_callers_requests_keep_their_order() -> None:
    """Of the same caller, who came first goes first."""
    here = router(several("a", max_parallel_requests=1))
    holder = plan(here)
    chosen = pick(holder)
    plans = [plan(here) for _ in range(10)]
    waits = [queued(each).waiter for each in plans]
    order: list[int] = []
    for _ in plans:
        ended(holder, chosen)
        number = next(n for n, wait in enumerate(waits) if wait.ready and n not in order)
        order.append(number)
        holder = plans[number]
        chosen = pick(holder)

    assert order == list(range(10))


def test_a_wait_ends() -> None:
    """After queue_seconds it is a 429 that names the limit, and after a second is the time to try again."""
    here = router(several("ab", max_parallel_requests=1), queue_seconds=10.0)
    for _ in range(2):
        pick(plan(here))
    late = plan(here)
    queued(late)
    still = late.next(9.9)
    error = error_of(late, 10.0)

    assert isinstance(still, Queue)
    assert isinstance(error, LimitError)
    assert (error.kind, error.limit, error.scope, error.retry_after) == ("max_parallel_requests", 2, "model", 1.0)
    assert here.line.waiting == 0


def test_a_request_waits_no_longer_than_it_has_time() -> None:
    """A deadline ends the wait with a 504."""
    here = router(several("a", max_parallel_requests=1))
    pick(plan(here))
    late = plan(here, deadline=2.0)
    wait = queued(late)
    error = error_of(late, 2.0)

    assert wait.waiter.deadline == 2.0
    assert (error.status, error.code) == (504, "deadline_exceeded")
    assert here.line.waiting == 0


@pytest.mark.parametrize(
    "options", [{"queue_length": 2}, {"server": ServerSettings(max_queued=2)}], ids=["own", "file"]
)
def test_the_line_is_bounded(options: dict[str, Any]) -> None:
    """More than so many do not wait: they get a 429 at once."""
    here = router(several("a", max_parallel_requests=1), **options)
    pick(plan(here))
    steps = [plan(here).next(0.0) for _ in range(4)]
    full = [step.error for step in steps if isinstance(step, Finished)]

    assert [type(step) for step in steps] == [Queue, Queue, Finished, Finished]
    assert {(error.status, error.code) for error in full} == {(429, "queue_full")}


def test_who_leaves_the_line_gives_way() -> None:
    """Closing a plan that waits takes it out; closing one that was given a place passes the place on."""
    here = router(several("a", max_parallel_requests=1))
    one, two, three, four = (plan(here) for _ in range(4))
    first = pick(one)
    waits = [queued(each).waiter for each in (two, three, four)]
    two.close(0.0)
    ended(one, first)
    assert [wait.ready for wait in waits] == [False, True, False]
    three.close(0.0)
    three.close(0.0)

    assert waits[2].ready
    assert pick(four).deployment.id == "a"
    assert here.line.waiting == 0


def test_a_place_of_no_use_any_more_is_passed_on() -> None:
    """Who gets a place at a deployment that reached its limit meanwhile goes on to another one, or ends."""
    here = router(several("a", max_parallel_requests=1, rpm=2))
    one, two, three = (plan(here) for _ in range(3))
    first = pick(one)
    queued(two)
    queued(three)
    here.states["a"].meters[0][1].take(1, 0.0)
    ended(one, first)

    assert error_of(two).status == 429
    assert error_of(three).status == 429
    assert here.states["a"].in_flight == 0


def test_a_reload_that_allows_more_lets_waiters_in() -> None:
    """With new limits, those who wait are served when the next request ends, one place each."""
    here = router(several("ab", max_parallel_requests=1))
    one, two, three, four = (plan(here) for _ in range(4))
    first = pick(one)
    pick(two)
    waits = [queued(each).waiter for each in (three, four)]
    here.configure(config(several("ab", max_parallel_requests=2)))
    ended(one, first)

    assert [wait.ready for wait in waits] == [True, True]
    assert {pick(three).deployment.id, pick(four).deployment.id} <= {"a", "b"}
    assert sum(state.in_flight for state in here.states.values()) == 3


def test_a_wildcards_models_share_its_places() -> None:
    """max_parallel_requests of a wildcard holds for all models that it stands for."""
    here = router({"*": several("a", model="*", max_parallel_requests=1)})
    one, two = plan(here, model="org/x"), plan(here, model="org/y")
    first = pick(one)
    queued(two)
    ended(one, first)

    assert first.model == "org/x"
    assert pick(two).model == "org/y"


def test_made_up_models_are_forgotten() -> None:
    """A deployment keeps places for so many model ids, however many clients make up."""
    here = router({"*": several("a", model="*")})
    running = plan(here, model="org/running")
    pick(running)
    for number in range(2500):
        served(here, model=f"org/{number}")

    assert len(here.states["a"].seats) <= 1000
    assert len(here._lanes) <= 1000
    assert "org/running" in here.states["a"].seats


# Keys and the gateway itself


@pytest.mark.parametrize(
    ("fields", "server", "scope"),
    [
        ({"max_parallel_requests": 1}, ServerSettings(), "key"),
        ({"rpm": 99}, ServerSettings(key_max_parallel_requests=1), "key"),
        ({}, ServerSettings(max_parallel_requests=1), "gateway"),
    ],
    ids=["key", "every key", "all"],
)
def test_parallel_requests_of_callers_queue(fields: dict[str, Any], server: ServerSettings, scope: str) -> None:
    """The next one waits queue_timeout seconds for a place, and then gets a 429."""
    here = router(several("a"), server=server)
    one, two, three = (of(here, "k", **fields) for _ in range(3))
    first = pick(one)
    queued(two)
    wait = queued(three)
    ended(one, first)
    second = pick(two)
    error = error_of(three, 1.0)
    ended(two, second)

    assert wait.waiter.deadline == 1.0
    assert isinstance(error, LimitError)
    assert (error.kind, error.scope, error.limit, error.retry_after) == ("max_parallel_requests", scope, 1, 1.0)
    assert pick(of(here, "k", **fields)).deployment.id == "a"


def test_other_keys_have_places_of_their_own() -> None:
    """A key at its limit is in nobody's way."""
    here = router(several("a"), server=ServerSettings(max_parallel_requests=9))
    pick(of(here, "k", max_parallel_requests=1))

    assert isinstance(of(here, "k", max_parallel_requests=1).next(0.0), Queue)
    assert pick(of(here, "other", max_parallel_requests=1)).deployment.id == "a"


def test_a_worker_takes_on_so_many() -> None:
    """max_in_flight_requests_per_worker: more wait up to max_queued, and then it is a 503."""
    server = ServerSettings(max_in_flight=1, max_queued=1, queue_timeout=3.0)
    here = router(several("a"), server=server)
    pick(of(here, "k"))
    wait = of(here, "k")
    held = queued(wait)
    error, late = error_of(of(here, "k")), error_of(wait, 3.0)

    assert held.waiter.deadline == 3.0
    assert {(each.status, each.code, each.retry_after) for each in (error, late)} == {(503, "overloaded", 1.0)}


def test_a_gate_is_waited_for_no_longer_than_there_is_time() -> None:
    """A request's own deadline counts at the gate too."""
    here = router(several("a"), server=ServerSettings(max_in_flight=1, queue_timeout=9.0))
    pick(of(here, "k"))
    ticket = here.admit(Caller("k"), matched(here), tokens=0, now=0.0)
    late = plan(here, ticket=ticket, deadline=2.0)

    assert queued(late).waiter.deadline == 2.0


def test_a_reload_changes_gates() -> None:
    """A new limit holds for those who are inside too."""
    here = router(several("a"), server=ServerSettings(max_in_flight=1))
    one = of(here, "k")
    pick(one)
    here.configure(config(several("a"), server=ServerSettings(max_in_flight=2)))

    assert pick(of(here, "k")).deployment.id == "a"
    assert isinstance(of(here, "k").next(0.0), Queue)


# What the service allows at the same time


def test_nothing_limits_until_the_service_refuses() -> None:
    """A thousand requests go at once."""
    here = router(several("a"))

    assert all(isinstance(plan(here).next(0.0), Pick) for _ in range(1000))


def test_a_refusal_makes_a_window() -> None:
    """Of thirty at once the service refuses those beyond eight: they come back without cost, and wait for places."""
    here = router(several("a"), num_retries=0, max_fallbacks=0)
    running: list[tuple[Plan, Pick]] = []
    refused: list[Plan] = []
    for _ in range(30):
        one = plan(here)
        running.append((one, pick(one)))
    for one, chosen in running[8:]:
        one.failed(chosen, CROWDED, 0.1)
        refused.append(one)
    assert here.states["a"].in_flight == 8
    pauses = [pause_of(one, 0.1) for one in refused]
    waits = [one.next(9.0) for one in refused]
    for one, chosen in running[:8]:
        ended(one, chosen, 9.0)

    assert all(0 < pause < 0.2 for pause in pauses)
    assert Counter(type(step).__name__ for step in waits) == {"Queue": 22}
    assert 1 <= sum(step.waiter.ready for step in waits if isinstance(step, Queue)) <= 8
    assert all(one.retries == 0 for one in refused)


def test_a_service_with_eight_places_is_kept_full() -> None:
    """A simulation: few refusals, all places used, every request served, none beyond its ten comebacks."""
    here = router(several("a"), num_retries=0, max_fallbacks=0, queue_seconds=1e6, seed=3)
    todo = [plan(here) for _ in range(400)]
    running: list[tuple[float, Plan, Pick]] = []
    asleep: list[tuple[float, Plan]] = []
    waiting: list[Plan] = []
    now, busy, refusals, done = 0.0, 0, 0, 0

    def step(one: Plan) -> None:
        nonlocal busy, refusals
        following = one.next(now)
        if isinstance(following, Pick):
            if busy >= 8:
                refusals += 1
                one.failed(following, CROWDED, now)
                step(one)
            else:
                busy += 1
                running.append((now + 1.0, one, following))
        elif isinstance(following, Queue):
            waiting.append(one)
        else:
            assert not isinstance(following, Finished), following.error.message
            asleep.append((now + following.seconds, one))

    for one in todo:
        step(one)
    while running or asleep or waiting:
        now = min([end for end, *_ in running] + [end for end, _ in asleep])
        for item in [item for item in running if item[0] <= now]:
            running.remove(item)
            busy -= 1
            done += 1
            item[1].succeeded(item[2], now, seconds=1.0, usage=Usage())
        for sleeper in [sleeper for sleeper in asleep if sleeper[0] <= now]:
            asleep.remove(sleeper)
            step(sleeper[1])
        for one in [one for one in waiting if one._waiter and one._waiter.ready]:
            waiting.remove(one)
            step(one)

    assert done == 400
    assert now < 75  # 50 at the very least
    assert refusals < 392 + 60  # the first flight knew nothing


def test_the_last_place_refused_is_an_error() -> None:
    """A service that refuses even one request at a time is not asked for ever."""
    here = router(several("a"), num_retries=0, max_fallbacks=0)
    one = plan(here)
    now, refusals = 0.0, 0
    while isinstance(step := one.next(now), Pick):
        one.failed(step, CROWDED, now)
        refusals += 1
        now += 1.0

    assert isinstance(step, Finished)
    assert step.error.status == 429
    assert refusals == 1


def test_refused_requests_go_elsewhere_at_once() -> None:
    """Another deployment with a place takes a refused request without a pause."""
    here = router([deployment("a", order=1), deployment("b", order=2)], num_retries=0)
    plans = [plan(here) for _ in range(3)]
    picks = [pick(each) for each in plans]
    plans[2].failed(picks[2], CROWDED, 0.0)

    assert pick(plans[2]).deployment.id == "b"


def test_a_comeback_waits_no_longer_than_there_is_time() -> None:
    """A pause ends with the request's deadline, so that its 504 is not late."""
    here = router(several("a"), num_retries=0)
    others = [plan(here) for _ in range(4)]
    for each in others:
        pick(each)
    one = plan(here, deadline=0.01)
    one.failed(pick(one), CROWDED, 0.0)

    assert pause_of(one) == 0.01
    assert error_of(one, 0.01).status == 504


def test_comebacks_end() -> None:
    """After ten refusals a request is tried again as others are."""
    here = router(several("a"), num_retries=0, max_fallbacks=0, queue_seconds=1e6)
    others = [plan(here) for _ in range(3000)]
    for each in others:
        pick(each)
    one = plan(here)
    now, refusals = 0.0, 0
    while not isinstance(step := one.next(now), Finished):
        if isinstance(step, Pick):
            one.failed(step, CROWDED, now)
            refusals += 1
        elif isinstance(step, Queue):
            each = others.pop()
            each.close(now)
        else:
            now += step.seconds

    assert step.error.status == 429
    assert (refusals, one.attempts) == (11, 11)


def test_overload_narrows_a_window() -> None:
    """503 and 429 of other kinds make the window smaller where there is one."""
    here = router(several("a"), num_retries=0, max_fallbacks=0, disable_cooldowns=True)
    plans = [plan(here) for _ in range(10)]
    picks = [pick(each) for each in plans]
    plans[9].failed(picks[9], CROWDED, 0.0)
    seat = next(iter(here.states["a"].seats.values()))
    before = seat.most()
    plans[8].failed(picks[8], CROWDED, 0.0)
    for one, chosen in zip(plans[:8], picks[:8], strict=True):
        ended(one, chosen)
    one = plan(here)
    one.failed(pick(one), status(503), 1.0)

    assert before == 9
    assert seat.most() < before
    assert seat.lane.window is not None
    assert seat.lane.window.in_flight == seat.lane.in_flight == 0


def test_one_model_and_project_has_one_window() -> None:
    """Deployments with the same address, project and model share what the service allows."""
    same = {"model": "org/x", "project": "team/p"}
    here = router(
        {"m": [deployment("a", **same)], "n": [deployment("b", **same)], "o": [deployment("c", model="org/x")]}
    )
    for name in "mno":
        served(here, model=name)
    lanes = {id: next(iter(here.states[id].seats.values())).lane for id in "abc"}

    assert lanes["a"] is lanes["b"]
    assert lanes["a"] is not lanes["c"]


def test_who_gives_up_has_had_no_turn() -> None:
    """A caller whose requests leave the line before their turn is not put behind all others for it."""
    here = router(several("a", max_parallel_requests=1))
    holder = of(here, "b")
    chosen = pick(holder)
    others = [of(here, "b") for _ in range(30)]
    for each in others:
        queued(each)
    for number in range(40):
        impatient = of(here, "a", number / 10)
        queued(impatient, number / 10)
        impatient.close(number / 10)
    last = of(here, "a", 5.0)
    waiter = queued(last, 5.0).waiter
    ended(holder, chosen, 5.0)
    (second,) = [each for each in others if each._waiter is not None and each._waiter.ready]
    ended(second, pick(second, 5.0), 5.0)

    assert waiter.ready


def test_a_slow_test_beside_a_full_one() -> None:
    """Who waits for a place or a test looks each second whether there may be another test."""
    here = router(
        [deployment("a", max_parallel_requests=1, order=1), deployment("b", order=2)],
        allowed_fails=0,
        cooldown_time=5.0,
        num_retries=0,
    )
    pick(plan(here))
    failed = plan(here)
    failed.failed(pick(failed), status(500), 0.1)
    tester, third = plan(here, 5.2), plan(here, 5.3)
    assert pick(tester, 5.2).deployment.id == "b"
    assert queued(third, 5.3).waiter.deadline == 6.3
    assert pick(third, 6.3).deployment.id == "b"


def test_a_reload_that_gives_more_places() -> None:
    """Those who wait get them at once: a deployment's, and a key's."""
    woken: list[Waiter] = []
    here = router(several("a", max_parallel_requests=1), on_ready=woken.append)
    pick(plan(here))
    waiting = [plan(here) for _ in range(3)]
    for each in waiting:
        queued(each)
    here.configure(config(several("a", max_parallel_requests=3)), 1.0)
    assert len(woken) == 2
    assert [isinstance(each.next(1.0), Pick) for each in waiting] == [True, True, False]

    woken.clear()
    rules = [KeyRule("k", "0" * 64, max_parallel_requests=number) for number in (1, 2)]
    here = router(several("a"), keys=rules[:1], on_ready=woken.append)
    plans = [of_rule(here, rules[0]) for _ in range(3)]
    pick(plans[0])
    assert all(isinstance(each.next(0.0), Queue) for each in plans[1:])
    here.configure(config(several("a"), keys=rules[1:]), 0.5)
    assert len(woken) == 1
    assert isinstance(plans[1].next(0.5), Pick)


def of_rule(here: Router, rule: KeyRule, now: float = 0.0) -> Plan:
    """A plan for a key."""
    ticket = here.admit(Caller(rule.name, rule), matched(here), tokens=0, now=now)
    return plan(here, now, ticket=ticket)
