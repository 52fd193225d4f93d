"""What happens after a failure: another deployment, a pause, another group, or the end; and that retries are few."""

from __future__ import annotations

from typing import Any

import pytest
from routing_cases import (
    DOWN,
    LATE,
    config,
    deployment,
    error_of,
    matched,
    pause_of,
    pick,
    plan,
    router,
    several,
    status,
)

from wandb_inference.gateway.config import Alias, Fallbacks, KeyRule
from wandb_inference.gateway.errors import GatewayError
from wandb_inference.gateway.routing import Caller, Failure, Finished, Pick, Plan, Sleep, Usage
from wandb_inference.gateway.routing._retrying import RetryBudget, class_of

ONE, THREE = {"InternalServerErrorRetries": 1}, {"InternalServerErrorRetries": 3}
PLENTY: dict[str, Any] = {"retry_budget": 100.0, "disable_cooldowns": True}
CONTEXT = status(400, "too long", code="context_length_exceeded")
CONTENT = status(400, "no", code="content_policy_violation")


def run(one: Plan, failure: Failure, now: float = 0.0) -> tuple[list[str], float, GatewayError]:
    """Lets every attempt fail in the same way: who was asked, how long it slept, and the end."""
    asked: list[str] = []
    slept = 0.0
    while True:
        step = one.next(now)
        if isinstance(step, Pick):
            asked.append(step.deployment.id)
            one.failed(step, failure, now)
        elif isinstance(step, Sleep):
            slept += step.seconds
            now += step.seconds
        else:
            assert isinstance(step, Finished)
            return asked, slept, step.error


# Retries


@pytest.mark.parametrize(
    "failure",
    [DOWN, LATE, Failure("invalid"), *(status(code) for code in (408, 409, 429, 500, 502, 503, 504, 524, 529, 599))],
    ids=str,
)
def test_what_another_attempt_can_mend_is_retried(failure: Failure) -> None:
    """Two retries by default, after pauses, on the only deployment there is."""
    asked, slept, _ = run(plan(router(several("a"), **PLENTY)), failure)

    assert asked == ["a", "a", "a"]
    assert 0.75 <= slept <= 1.5


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 413, 415, 422])
def test_what_it_can_not_is_no(code: int) -> None:
    """The only deployment is not asked again for what it will answer again."""
    asked, slept, error = run(plan(router(several("a"), **PLENTY)), status(code))

    assert (asked, slept, error.status) == (["a"], 0.0, code)


@pytest.mark.parametrize(
    "failure", [status(401), status(402), status(403), status(404), status(429, quota=True)], ids=str
)
def test_another_deployment_may_have_better_credentials(failure: Failure) -> None:
    """What is wrong with a credential, its credit or its model, is tried at each of the others once."""
    asked, slept, error = run(plan(router(several("abc"), **PLENTY)), failure)

    assert (sorted(asked), slept) == (["a", "b", "c"], 0.0)
    assert error.should_retry is False


def test_retries_prefer_those_that_were_not_asked() -> None:
    """A retry goes to another deployment, without a pause; when all were asked, the pauses begin."""
    here = router(several("ab"), num_retries=3, **PLENTY)
    asked, slept, _ = run(plan(here), status(500))

    assert sorted(asked[:2]) == ["a", "b"]
    assert len(asked) == 4
    assert slept > 0


def test_all_deployments_are_asked_before_other_groups() -> None:
    """Weighted failover is always on: without retries, the group's others get one attempt each."""
    here = router({"m": several("abc"), "n": several("d")}, fallbacks=Fallbacks({"m": ("n",)}), num_retries=0, **PLENTY)
    asked, slept, _ = run(plan(here), status(500))

    assert (sorted(asked[:3]), asked[3:], slept) == (["a", "b", "c"], ["d"], 0.0)


def test_failover_is_bounded() -> None:
    """Beyond its retries a request asks max_fallbacks more deployments of a group, not all of fifty."""
    here = router(several("abcdefghij"), num_retries=1, max_fallbacks=3, **PLENTY)

    assert len(run(plan(here), status(500))[0]) == 5


def test_lower_orders_follow() -> None:
    """order 2 is asked when order 1 has failed."""
    here = router([deployment("a", order=1), deployment("b", order=2)], num_retries=0, **PLENTY)

    assert run(plan(here), status(500))[0] == ["a", "b"]


@pytest.mark.parametrize(
    ("wishes", "own", "options", "retries"),
    [
        ({"num_retries": 4}, {"num_retries": 1}, {"num_retries": 0}, 4),
        ({"num_retries": 0}, {"num_retries": 1}, {"num_retries": 2}, 0),
        ({}, {"num_retries": 1}, {"retry_policy": {"InternalServerErrorRetries": 3}}, 1),
        ({}, {}, {"group_retry_policy": {"m": THREE}, "retry_policy": ONE}, 3),
        ({}, {}, {"group_retry_policy": {"n": THREE}, "retry_policy": ONE}, 1),
        ({}, {}, {"retry_policy": {"TimeoutErrorRetries": 5}, "num_retries": 1}, 1),
        ({}, {}, {"num_retries": 3}, 3),
        ({}, {}, {}, 2),
    ],
)  # fmt: skip
def test_whose_number_counts(
    wishes: dict[str, Any], own: dict[str, Any], options: dict[str, Any], retries: int
) -> None:
    """The request's, the deployment's, the group's policy, the policy, the router's."""
    here = router([deployment("a", **own)], **options, **PLENTY)
    one = plan(here, **wishes)

    assert len(run(one, status(500))[0]) == retries + 1
    assert (one.attempts, one.retries, one.fallbacks) == (retries + 1, retries, 0)


def test_a_policy_can_retry_what_is_not_retried() -> None:
    """BadRequestErrorRetries: 1 tries a 400 once more, as it says."""
    here = router(several("a"), retry_policy={"BadRequestErrorRetries": 1}, **PLENTY)

    assert len(run(plan(here), status(400))[0]) == 2
    assert len(run(plan(here), status(413))[0]) == 1


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (DOWN, "InternalServerError"),
        (LATE, "TimeoutError"),
        (Failure("invalid"), "InternalServerError"),
        (status(408), "TimeoutError"),
        (status(504), "TimeoutError"),
        (status(500), "InternalServerError"),
        (status(401), "AuthenticationError"),
        (status(403), "AuthenticationError"),
        (status(429), "RateLimitError"),
        (status(400), "BadRequestError"),
        (status(422), "BadRequestError"),
        (CONTENT, "ContentPolicyViolationError"),
        (status(413), ""),
    ],
    ids=str,
)
def test_kinds_of_failures_have_litellms_names(failure: Failure, name: str) -> None:
    """Policies name them."""
    assert class_of(failure) == name


@pytest.mark.parametrize(
    ("fields", "options", "pause"),
    [
        ({"retry_after": 7.0}, {}, 7.0),
        ({"retry_after": 0.0}, {"retry_after": 3.0}, 3.0),
        ({"retry_after": 60.0}, {}, 60.0),
        ({}, {"retry_after": 9.0}, 9.0),
    ],
    ids=str,
)
def test_how_long_a_pause_is(fields: dict[str, Any], options: dict[str, float], pause: float) -> None:
    """As long as the service asks for, and retry_after at least."""
    here = router(several("a"), **options, **PLENTY)
    one = plan(here)
    one.failed(pick(one), status(503, **fields), 0.0)

    assert pause_of(one) == pause
    assert pause_of(one, 1.0) == pause - 1.0
    assert pick(one, pause).deployment.id == "a"


def test_pauses_double() -> None:
    """From half a second, less up to a half by chance, up to eight seconds."""
    here = router(several("a"), num_retries=8, **PLENTY)
    one = plan(here)
    now, pauses = 0.0, []
    for _ in range(8):
        one.failed(pick(one, now), status(500), now)
        pauses.append(pause_of(one, now))
        now += pauses[-1]

    for number, pause in enumerate(pauses):
        full = min(8.0, 0.5 * 2**number)
        assert full / 2 < pause <= full


@pytest.mark.parametrize("fields", [{"retry_after": 61.0}, {"retry_after": 20.0}], ids=str)
def test_too_long_a_pause_is_the_clients_to_make(fields: dict[str, Any]) -> None:
    """More than a minute, or more than the request has, ends it; the client learns how long."""
    here = router(several("a"), **PLENTY)
    asked, _, error = run(plan(here, deadline=10.0), status(429, **fields))

    assert asked == ["a"]
    assert error.retry_after == fields["retry_after"]
    assert error.should_retry is None


def test_a_deadline_ends_everything() -> None:
    """Whatever is still to do, at the deadline it is a 504; the router's counts where the request has none."""
    here = router(several("a"), deadline=3.0, **PLENTY)
    one = plan(here)
    one.failed(pick(one), status(500, retry_after=2.0), 0.0)
    error = error_of(one, 3.0)

    assert (one.deadline, error.status, error.code) == (3.0, 504, "deadline_exceeded")
    assert "3 s" in error.message


# The budget


def test_the_retry_budget_is_a_share_and_ten_a_second() -> None:
    """Ten retries a second are always there; beyond them, so many as requests have saved up."""
    budget = RetryBudget(0.2)
    first = sum(budget.take(0.0) for _ in range(50))
    for _ in range(100):
        budget.requests += 1
    second = sum(budget.take(0.0) for _ in range(50))
    third = sum(budget.take(0.5) for _ in range(50))
    for _ in range(10_000):
        budget.requests += 1
    most = sum(budget.take(100.0) for _ in range(500))

    assert (first, second, third, most) == (10, 20, 5, 110)


def test_no_budget_is_no_retries() -> None:
    """retry_budget: 0 ends at the first failure."""
    assert len(run(plan(router(several("ab"), retry_budget=0.0)), status(500))[0]) == 1
    assert len(run(plan(router(several("a"), retry_budget=0.0)), status(500))[0]) == 1


def test_a_storm_is_not_multiplied() -> None:
    """When everything fails, two thousand requests in ten seconds make a tenth more attempts, and ten a second."""
    here = router(several("abc"), num_retries=5, disable_cooldowns=True)
    attempts, sleeping = 0, []
    for number in range(2000):
        now = number / 200
        one = plan(here, now)
        for each in [one, *[each for when, each in sleeping if when <= now]]:
            sleeping = [(when, other) for when, other in sleeping if other is not each]
            while isinstance(step := each.next(now), Pick):
                attempts += 1
                each.failed(step, status(500), now)
            if isinstance(step, Sleep):
                sleeping.append((now + step.seconds, each))

    assert 2000 < attempts <= 2000 + 200 + 110


# Fallbacks

GROUPS = {"m": several("a"), "n": several("b"), "o": several("c"), "p": several("d")}


@pytest.mark.parametrize(
    ("failure", "fallbacks", "asked"),
    [
        (status(500), Fallbacks({"m": ("n", "o")}), "abc"),
        (status(500), Fallbacks({"*": ("n",)}), "ab"),
        (status(500), Fallbacks(default=("o", "n")), "acb"),
        (status(500), Fallbacks({"m": ("n",)}, default=("o",)), "abc"),
        (status(500), Fallbacks({"m": ("n", "o"), "n": ("p",)}), "abcd"),
        (status(500), Fallbacks({"m": ("n",), "n": ("m", "o")}), "abc"),
        (status(500), Fallbacks({"n": ("o",)}), "a"),
        (status(401), Fallbacks({"m": ("n",)}), "ab"),
        (status(429), Fallbacks({"m": ("n",)}), "ab"),
        (status(404), Fallbacks({"m": ("n",)}), "ab"),
        (DOWN, Fallbacks({"m": ("n",)}), "ab"),
        (LATE, Fallbacks({"m": ("n",)}), "ab"),
        (status(400), Fallbacks({"m": ("n",)}), "a"),
        (status(422), Fallbacks({"m": ("n",)}), "a"),
        (CONTEXT, Fallbacks({"m": ("n",)}, {"m": ("o",)}), "ac"),
        (CONTEXT, Fallbacks({"m": ("n",)}), "ab"),
        (status(400, "This model's maximum context length is 10"), Fallbacks({}, {"m": ("o",)}), "ac"),
        (status(500), Fallbacks({"m": ("n",)}, {"m": ("o",)}), "ab"),
        (CONTENT, Fallbacks({"m": ("n",)}, {}, {"m": ("p",)}), "ad"),
        (CONTENT, Fallbacks({"m": ("n",)}), "ab"),
    ],
    ids=str,
)
def test_where_a_failure_leads(failure: Failure, fallbacks: Fallbacks, asked: str) -> None:
    """To the list for its kind, else the general one, else `*`, else the default; each group once."""
    here = router(GROUPS, fallbacks=fallbacks, num_retries=0, **PLENTY)
    one = plan(here)
    found, _, error = run(one, failure)

    assert "".join(found) == asked
    assert one.fallbacks == len(asked) - 1
    assert error.message == error_of(plan_failed(failure)).message


def plan_failed(failure: Failure) -> Plan:
    """A plan that ended by this failure, without fallbacks."""
    one = plan(router(several("a"), num_retries=0, **PLENTY))
    one.failed(pick(one), failure, 0.0)
    return one


def test_fallbacks_of_an_alias() -> None:
    """A group that was asked for by another name has its own fallbacks all the same."""
    here = router(
        GROUPS,
        fallbacks=Fallbacks({"m": ("gpt",)}),
        aliases={"gpt": Alias("n"), "x": Alias("m")},
        num_retries=0,
        **PLENTY,
    )

    assert run(plan(here, model="x"), status(500))[0] == ["a", "b"]


def test_a_wildcard_can_follow_several_times() -> None:
    """Two names that the same pattern takes are two models."""
    here = router(
        {"m": several("a"), "*": several("b", model="*")},
        fallbacks=Fallbacks({"m": ("x/1", "x/2")}),
        num_retries=0,
        **PLENTY,
    )
    one = plan(here)
    models: list[str] = []
    while isinstance(step := one.next(0.0), Pick):
        models.append(step.model)
        one.failed(step, status(500), 0.0)

    assert models == ["org/a", "x/1", "x/2"]


def test_only_so_many_groups_are_tried() -> None:
    """max_fallbacks bounds them; 0 means none."""
    lists = Fallbacks({"m": ("n", "o", "p")})

    assert run(plan(router(GROUPS, fallbacks=lists, max_fallbacks=2, num_retries=0, **PLENTY)), DOWN)[0] == [
        "a",
        "b",
        "c",
    ]
    assert run(plan(router(GROUPS, fallbacks=lists, max_fallbacks=0, num_retries=0, **PLENTY)), DOWN)[0] == ["a"]


def test_each_group_has_retries_of_its_own() -> None:
    """The first group's retries, then the second one's."""
    here = router(GROUPS, fallbacks=Fallbacks({"m": ("n",)}), num_retries=1, **PLENTY)
    one = plan(here)

    assert run(one, status(500))[0] == ["a", "a", "b", "b"]
    assert (one.attempts, one.retries, one.fallbacks, one.match.name) == (4, 2, 1, "n")


def test_a_rate_limit_goes_on_rather_than_wait() -> None:
    """With another group to go on to, nobody waits for the end of a 429; without one, it is waited for."""
    here = router(GROUPS, fallbacks=Fallbacks({"m": ("n",)}), **PLENTY)
    one, other = plan(here), plan(here, model="o")
    for each in (one, other):
        each.failed(pick(each), status(429, retry_after=5.0), 0.0)

    assert pick(one).deployment.id == "b"
    assert pause_of(other) == 5.0


def test_the_requests_own_list_replaces_the_configured_one() -> None:
    """It counts for every kind of failure that others could mend, and is there once; an empty one means none."""
    here = router(GROUPS, fallbacks=Fallbacks({"m": ("n",), "o": ("n",)}, {"m": ("n",)}), num_retries=0, **PLENTY)

    assert run(plan(here, fallbacks=("o", "p")), status(500))[0] == ["a", "c", "d"]
    assert run(plan(here, fallbacks=("o",)), CONTEXT)[0] == ["a", "c"]
    assert run(plan(here, fallbacks=()), status(500))[0] == ["a"]
    assert run(plan(here, fallbacks=("o",)), status(400))[0] == ["a"]


def test_the_requests_own_list_is_checked() -> None:
    """A name that is not there is a 404, one that the key may not use a 403: never silently left out."""
    here = router(GROUPS)
    ticket = here.admit(Caller("k", KeyRule("k", "0" * 64, models=("m", "n"))), matched(here), tokens=0, now=0.0)

    assert plan(here, ticket=ticket, fallbacks=("n",)).fallbacks == 0
    for name, code in (("nope", "model_not_found"), ("o", "key_model_access_denied")):
        with pytest.raises(GatewayError) as caught:
            plan(here, ticket=ticket, fallbacks=("n", name))
        assert (caught.value.code, caught.value.param) == (code, "fallbacks")
        assert name in caught.value.message


def test_limits_of_ours_lead_to_fallbacks_too() -> None:
    """A group at its limit, or without a free place, is passed over; then its own error is told."""
    here = router(
        {"m": several("a", rpm=1), "n": several("b", max_parallel_requests=1), "o": several("c", tags=("x",))},
        fallbacks=Fallbacks({"m": ("n",), "n": ("m",)}),
        queue_length=0,
        num_retries=0,
    )
    picks = [pick(plan(here)).deployment.id for _ in range(2)]
    error = error_of(plan(here))
    other = error_of(plan(here, model="n"))

    assert picks == ["a", "b"]
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert (other.status, other.code) == (429, "queue_full")


def test_prompts_that_fit_nowhere_go_to_larger_models() -> None:
    """enable_pre_call_checks and context_window_fallbacks belong together."""
    here = router(
        {
            "m": several("a", model_info={"max_input_tokens": 10}),
            "n": several("b", model_info={"max_input_tokens": 100}),
        },
        fallbacks=Fallbacks({}, {"m": ("n",)}),
        pre_call_checks=True,
    )

    assert pick(plan(here, prompt_tokens=50)).deployment.id == "b"
    assert error_of(plan(here, prompt_tokens=500)).code == "context_length_exceeded"


def test_tags_that_fit_nothing_end_it() -> None:
    """Another group is not what the request asked for."""
    here = router(
        {"m": several("a", tags=("x",)), "n": several("b")}, fallbacks=Fallbacks({"m": ("n",)}), tag_filtering=True
    )

    assert error_of(plan(here, tags=("y",))).status == 400


def test_nothing_is_tried_again_once_data_was_passed_on() -> None:
    """After the first data event, a failure of any kind is the end of the stream: an event for it, and no more."""
    here = router(GROUPS, fallbacks=Fallbacks({"m": ("n",)}), **PLENTY)
    one, other = plan(here, stream=True), plan(here, stream=True)
    chosen = pick(one)
    one.begun(chosen, 0.5)
    one.failed(chosen, DOWN, 1.0)
    another = pick(other)
    other.failed(another, Failure("stream", message="ended early"), 1.0)

    assert (error_of(one).status, error_of(one).code) == (502, "stream_interrupted")
    assert error_of(other).code == "stream_interrupted"
    assert (one.attempts, other.attempts) == (1, 1)


# Wrong uses


def test_ends_are_told_once() -> None:
    """The next step, or another end, before or after the end of a pick is a mistake of the program."""
    here = router(several("a"))
    one = plan(here)
    chosen = pick(one)
    with pytest.raises(RuntimeError, match="tell how the last pick ended"):
        one.next(0.0)
    one.succeeded(chosen, 0.0, seconds=1.0, usage=Usage())

    for end in (one.failed, one.left):
        with pytest.raises(RuntimeError, match="told already"):
            end(chosen, DOWN if end == one.failed else 0.0, *([0.0] if end == one.failed else []))
    with pytest.raises(RuntimeError, match="told already"):
        one.begun(chosen, 0.0)
    assert isinstance(one.next(0.0), Finished)


def test_closing_ends_everything_once() -> None:
    """close() in any state frees what is held, and is harmless afterwards."""
    here = router(several("a", rpm=5), num_retries=1, **PLENTY)
    running, sleeping, fresh, done = (plan(here) for _ in range(4))
    pick(running)
    sleeping.failed(pick(sleeping), status(500), 0.0)
    done.succeeded(pick(done), 0.0, seconds=1.0, usage=Usage())
    for one in (running, sleeping, fresh, done, running):
        one.close(0.0)

    assert here.states["a"].in_flight == 0
    assert here.states["a"].meters[0][1].used(0.0) == 2
    assert all(isinstance(one.next(0.0), Finished) for one in (running, sleeping, fresh, done))


def test_a_reload_while_a_request_is_under_way() -> None:
    """It goes on to the groups that it would have gone to, as far as they are still there."""
    lists = Fallbacks({"m": ("n", "o")})
    here = router(GROUPS, fallbacks=lists, num_retries=0, **PLENTY)
    one, other = plan(here), plan(here)
    picks = pick(one), pick(other)
    here.configure(config({"o": several("c")}, num_retries=0, **PLENTY))
    one.failed(picks[0], status(500), 0.0)
    chosen = pick(one)
    here.configure(config({"p": several("d")}, num_retries=0, **PLENTY))
    one.failed(chosen, status(503), 0.0)
    other.failed(picks[1], status(501), 0.0)

    assert chosen.deployment.id == "c"
    assert (error_of(one).status, error_of(other).status) == (500, 501)
