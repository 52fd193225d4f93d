"""How requests are spread: simulations of each strategy, with seeds."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from routing_cases import (
    LATE,
    counts,
    deployment,
    error_of,
    is_even,
    matched,
    pick,
    plan,
    router,
    served,
    several,
    spoil,
    status,
)

from wandb_inference.gateway.config import Price
from wandb_inference.gateway.routing import Usage, Wishes
from wandb_inference.gateway.routing._latency import Latency


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_simple_shuffle_is_even_without_figures(seed: int) -> None:
    """Deployments without weight, rpm and tpm get the same share."""
    found = counts(router(several("abcd"), seed=seed), 4000)

    assert is_even(found, dict.fromkeys("abcd", 1.0))


def test_weights_are_shares() -> None:
    """weight 9 and 1 are nine requests in ten and one."""
    found = counts(router([deployment("a", weight=9), deployment("b", weight=1)]), 5000)

    assert is_even(found, {"a": 9, "b": 1})


def test_rpm_is_a_share_where_no_weight_is() -> None:
    """rpm 6:6:1440 are shares, as in LiteLLM, besides being limits."""
    here = router([deployment("a", rpm=6), deployment("b", rpm=6), deployment("c", rpm=1440)])
    found = Counter(served(here, now=number * 0.1) for number in range(6000))

    assert set(found) == {"a", "b", "c"}
    assert found["c"] > 5700


def test_tpm_is_a_share_where_no_rpm_is() -> None:
    """tpm counts last."""
    here = router([deployment("a", tpm=10**9), deployment("b", tpm=3 * 10**9)])

    assert is_even(counts(here, 4000), {"a": 1, "b": 3})


def test_weight_zero_is_a_reserve() -> None:
    """A deployment without a share is asked when the others are gone."""
    here = router([deployment("a", weight=1), deployment("b", weight=0), deployment("c", weight=0)])
    before = counts(here, 200)
    spoil(here, "a")
    after = counts(here, 400)

    assert set(before) == {"a"}
    assert is_even(after, {"b": 1, "c": 1})


def test_lower_order_first() -> None:
    """order decides before the strategy; the next order serves when none of the first can."""
    here = router([deployment("a", order=1), deployment("b", order=1), deployment("c", order=2)])
    before = counts(here, 300)
    spoil(here, "ab")

    assert is_even(before, {"a": 1, "b": 1})
    assert set(counts(here, 20)) == {"c"}


def test_one_of_the_lowest_order_is_it() -> None:
    """With one deployment of the lowest order there is nothing to choose."""
    here = router([deployment("a", order=2), deployment("b", order=1), deployment("c", order=2)])

    assert set(counts(here, 20)) == {"b"}


def test_least_busy_fills_evenly_and_breaks_ties_by_chance() -> None:
    """An idle group does not send all to the first deployment, and a busy one stays level."""
    here = router(several("abc"), strategy="least-busy")
    firsts = counts(here, 900)
    plans = [plan(here) for _ in range(30)]
    running = Counter(pick(each).deployment.id for each in plans)

    assert is_even(firsts, dict.fromkeys("abc", 1.0))
    assert running == {"a": 10, "b": 10, "c": 10}


def test_usage_based_takes_the_one_with_the_fewest_tokens() -> None:
    """Tokens of the last minute are what counts, reserved ones included, and a minute later they are forgotten."""
    here = router(several("ab"), strategy="usage-based-routing")
    heavy = served(here, usage=Usage(0, 1000))
    light = [served(here, usage=Usage(0, 10)) for _ in range(20)]
    later = counts(here, 100, now=61.0, usage=Usage(0, 0))

    assert set(light) == {"a", "b"} - {heavy}
    assert set(later) == {"a", "b"}


def test_usage_counts_before_the_answer() -> None:
    """A burst is spread by what its requests are likely to use, before any has answered."""
    here = router(several("ab"), strategy="usage-based-routing")
    running = Counter(pick(plan(here, prompt_tokens=100)).deployment.id for _ in range(10))

    assert running == {"a": 5, "b": 5}


def test_cost_based_takes_the_cheapest() -> None:
    """The sum of both prices decides; an unknown price comes last; ties are broken by chance."""
    cheap = Price(Decimal("1e-6"), Decimal("1e-6"))
    here = router(
        [
            deployment("a", price=cheap),
            deployment("b", price=cheap),
            deployment("c", price=Price(Decimal(1))),
            deployment("d"),
        ],
        strategy="cost-based-routing",
    )
    found = counts(here, 500)
    spoil(here, "ab")

    assert is_even(found, {"a": 1, "b": 1})
    assert set(counts(here, 20)) == {"c"}


def test_latency_tries_unknown_ones_first_then_the_fastest() -> None:
    """Each is tried once; then the one with the fewest seconds a token serves."""
    here = router(several("abc"), strategy="latency-based-routing")
    speed = {"a": 1.0, "b": 5.0, "c": 9.0}
    seen: list[str] = []
    for _ in range(20):
        one = plan(here)
        chosen = pick(one)
        seen.append(chosen.deployment.id)
        one.succeeded(chosen, 0.0, seconds=speed[chosen.deployment.id], usage=Usage(1, 10))

    assert set(seen[:3]) == {"a", "b", "c"}
    assert set(seen[3:]) == {"a"}


def test_latency_within_the_buffer_is_the_same() -> None:
    """lowest_latency_buffer widens the choice; of two by chance the less busy one serves."""
    here = router(several("abcd"), strategy="latency-based-routing", latency_buffer=0.5)
    for id, seconds in zip("abcd", (1.0, 1.2, 1.4, 9.0), strict=True):
        here.states[id].latency.add(0.0, whole=seconds, first=None, most=10)
    running = Counter(pick(plan(here)).deployment.id for _ in range(300))

    assert set(running) == {"a", "b", "c"}
    assert max(running.values()) - min(running.values()) <= 4


def test_streams_count_by_their_first_token() -> None:
    """A stream's time to its first token decides for streams, a whole answer's seconds a token for the others."""
    here = router(several("ab"), strategy="latency-based-routing")
    for id, whole, first in (("a", 1.0, 9.0), ("b", 9.0, 1.0)):
        here.states[id].latency.add(0.0, whole=whole, first=first, most=10)

    assert served(here) == "a"
    assert served(here, stream=True) == "b"


def test_a_timeout_counts_as_very_slow_and_is_forgiven() -> None:
    """A timeout sends requests elsewhere; with time its weight fades, so that the deployment is tried again."""
    here = router(several("ab"), strategy="latency-based-routing", num_retries=0, max_fallbacks=0)
    here.states["b"].latency.add(0.0, whole=0.1, first=0.1, most=10)
    one = plan(here)
    chosen = pick(one)
    one.failed(chosen, LATE, 0.0)

    assert chosen.deployment.id == "a"
    assert set(counts(here, 20, now=1.0)) == {"b"}
    here.states["b"].latency.add(3600.0, whole=20.0, first=None, most=10)
    assert served(here, now=3600.0) == "a"


def test_latency_keeps_so_many_samples() -> None:
    """max_latency_list_size samples count, and none that is older than ttl."""
    latency = Latency()
    for sample in (100.0, 2.0, 4.0):
        latency.add(0.0, whole=sample, first=None, most=2)

    assert latency.seconds(0.0, 10.0, stream=False, percentile=None) == 3.0
    assert latency.seconds(0.0, 10.0, stream=True, percentile=None) == 3.0
    assert latency.seconds(11.0, 10.0, stream=False, percentile=None) is None
    assert latency.seconds(0.0, 0.0, stream=False, percentile=None) == 3.0


@pytest.mark.parametrize(("percentile", "expected"), [(0.5, 3.0), (50, 3.0), (1.0, 5.0), (0.0, 1.0), (90, 5.0)])
def test_percentiles_of_first_tokens(percentile: float, expected: float) -> None:
    """ttft_percentile is a share, or a number up to 100."""
    latency = Latency()
    for sample in (5.0, 1.0, 3.0, 2.0, 4.0):
        latency.add(0.0, whole=None, first=sample, most=10)

    assert latency.seconds(0.0, 60.0, stream=True, percentile=percentile) == expected


def test_a_session_stays_where_it_is() -> None:
    """A session goes to the same deployment again; they are spread by weight; one that goes moves its own alone."""
    here = router(
        [deployment("a", weight=3), deployment("b", weight=1), deployment("c", weight=0)], session_affinity=True
    )
    homes = {f"s{number}": served(here, session=f"s{number}") for number in range(2000)}
    again = {session: served(here, session=session) for session in homes}
    spoil(here, "b")
    moved = {session: served(here, session=session) for session in homes}

    assert homes == again
    assert is_even(Counter(homes.values()), {"a": 3, "b": 1})
    assert all(moved[session] == home for session, home in homes.items() if home == "a")


def test_sessions_mean_nothing_unless_configured() -> None:
    """Without session_affinity a session is a word."""
    here = router(several("ab"))

    assert set(counts(here, 50, session="s")) == {"a", "b"}


TAGGED = [
    deployment("a", tags=("free", "eu")),
    deployment("b", tags=("paid",)),
    deployment("c", tags=("default",)),
    deployment("d", tag_regex=("^User-Agent: claude-code/",)),
]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"tags": ("free",)}, {"a"}),
        ({"tags": ("paid", "free")}, {"a", "b"}),
        ({"tags": ("nothing",)}, {"c"}),
        ({}, {"c"}),
        ({"user_agent": "claude-code/2.0"}, {"d"}),
        ({"user_agent": "curl/8"}, {"c"}),
        ({"tags": ("paid",), "user_agent": "claude-code/2.0"}, {"b"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_tags_choose(wishes: dict[str, object], expected: set[str]) -> None:
    """Tags narrow the choice, then the client's User-Agent does, then what is tagged default serves."""
    assert set(counts(router(TAGGED, tag_filtering=True), 40, **wishes)) == expected


def test_all_tags_must_fit_where_that_is_configured() -> None:
    """tag_filtering_match_any: false wants all of a request's tags."""
    here = router(TAGGED, tag_filtering=True, tag_match_any=False)

    assert set(counts(here, 10, tags=("free", "eu"))) == {"a"}
    assert set(counts(here, 10, tags=("free", "paid"))) == {"c"}


def test_tags_that_fit_nothing_are_an_error() -> None:
    """Without a default, unknown tags are a 400; without tags all serve."""
    here = router([deployment("a", tags=("free",)), deployment("b")], tag_filtering=True)

    error = error_of(plan(here, tags=("paid",)))

    assert (error.status, error.code) == (400, "no_deployment_for_tags")
    assert set(counts(here, 40)) == {"a", "b"}


def test_tags_mean_nothing_unless_configured() -> None:
    """Without enable_tag_filtering all deployments serve."""
    assert len(counts(router(TAGGED), 100, tags=("free",))) == 4


def test_windows_that_are_too_small_are_left_out() -> None:
    """enable_pre_call_checks asks only deployments that the prompt fits; where it fits none, that is a 400."""
    here = router(
        [
            deployment("a", model_info={"max_input_tokens": 100}),
            deployment("b", model_info={"max_tokens": 1000}),
            deployment("c", model="openai/gpt-oss-20b"),
        ],
        pre_call_checks=True,
    )
    small = router(several("ab", model_info={"max_input_tokens": 100}), pre_call_checks=True)

    assert set(counts(here, 60, prompt_tokens=50)) == {"a", "b", "c"}
    assert set(counts(here, 60, prompt_tokens=500)) == {"b", "c"}
    assert set(counts(here, 60, prompt_tokens=5000)) == {"c"}
    assert set(counts(small, 10)) == {"a", "b"}
    assert error_of(plan(small, prompt_tokens=101)).code == "context_length_exceeded"


def test_blocked_deployments_serve_nothing() -> None:
    """blocked takes a deployment out; a group of such ones is a 503."""
    here = router({"m": [deployment("a", blocked=True), deployment("b")], "n": several("c", blocked=True)})

    assert set(counts(here, 20)) == {"b"}
    assert error_of(plan(here, model="n")).status == 503


def test_the_pick_says_all_that_the_call_needs() -> None:
    """A pick has the model's id, the group and the clocks: the request's, else the deployment's, else the router's."""
    here = router(
        {"m": [deployment("a", timeout=7.0, stream_timeout=3.0)], "w/*": several("b", model="org/*")},
        stream_timeout=9.0,
    )
    own, given = pick(plan(here)), pick(plan(here, timeout=2.0))
    stream = pick(plan(here, stream_timeout=1.0, deadline=60.0), 0.0)
    other = pick(plan(here, model="w/x"))

    assert (own.model, own.group, own.timeout, own.stall, own.deadline) == ("org/a", "m", 7.0, 3.0, 6000.0)
    assert (given.timeout, given.stall) == (2.0, 2.0)
    assert (stream.stall, stream.deadline) == (1.0, 60.0)
    assert (other.model, other.group, other.timeout, other.stall) == ("org/x", "w/*", 600.0, 9.0)


def test_wishes_are_modest() -> None:
    """A request that wishes nothing takes the configuration's."""
    here = router(several("a"))

    assert here.plan(matched(here), Wishes(), 0.0).wishes == Wishes()
    assert status(500).status == 500
