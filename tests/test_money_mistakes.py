"""Mistakes with prices and budgets, and what is said about them, before anything is sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from conftest import MESSAGES, MODEL

from wandb_inference import Client, ConfigurationError, InvalidRequestError, Price, budget, completion, completion_cost
from wandb_inference.testing import Emulator

INPUT, OUTPUT, CACHED = "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"


class Mistake(NamedTuple):
    """One wrong thing, and what the message must say."""

    name: str
    says: tuple[str, ...]
    given: Any


PRICES = [
    Mistake("text", ("prices is of type str", "Give a mapping"), "cheap"),
    Mistake("a list", ("prices is of type list",), [Price(1, 1)]),
    Mistake("a number as an id", ("prices has the key 1", "ids of models"), {1: Price(1, 1)}),
    Mistake("an empty id", ("prices has the key ' '",), {" ": Price(1, 1)}),
    Mistake("a number as a price", ("prices['m'] is of type float", "Give Price(...)"), {"m": 0.1}),
    Mistake("no price", ("prices['m'] is of type NoneType",), {"m": None}),
    Mistake("an unknown field", ("prices['m'] has no field 'input'", INPUT), {"m": {"input": 1}}),
    Mistake("half a price", (f"prices['m'] lacks {OUTPUT}", "needs both"), {"m": {INPUT: 1}}),
    Mistake("a negative amount", (f"{INPUT} is -1", "0 or more"), {"m": {INPUT: -1, OUTPUT: 1}}),
    Mistake("words", (f"{OUTPUT} is '$1'", "dollars"), {"m": {INPUT: 1, OUTPUT: "$1"}}),
    Mistake("too much", (f"{CACHED} is '1e40'",), {"m": {INPUT: 1, OUTPUT: 1, CACHED: "1e40"}}),
]


@pytest.mark.parametrize("mistake", PRICES, ids=lambda mistake: mistake.name)
def test_prices(mistake: Mistake) -> None:
    """Prices that are none are refused when the client is made, or changed, and by `completion_cost()`."""
    emulator = Emulator()
    with emulator.client() as client:
        for take in (
            lambda: emulator.client(prices=mistake.given),
            lambda: client.with_options(prices=mistake.given),
            lambda: completion_cost({"usage": {}, "model": "m"}, prices=mistake.given),
        ):
            with pytest.raises(ConfigurationError) as caught:
                take()
            for words in mistake.says:
                assert words in str(caught.value)


CALLS = [
    Mistake("text", (f"{INPUT} is 'cheap'", "dollars, 0 or more"), {INPUT: "cheap", OUTPUT: 1}),
    Mistake("a bool", (f"{OUTPUT} is True",), {INPUT: 1, OUTPUT: True}),
    Mistake("negative", (f"{INPUT} is -0.5",), {INPUT: -0.5, OUTPUT: 1}),
    Mistake("infinite", (f"{INPUT} is inf",), {INPUT: float("inf"), OUTPUT: 1}),
    Mistake("no number", (f"{CACHED} is nan",), {INPUT: 1, OUTPUT: 1, CACHED: float("nan")}),
    Mistake("long", (f"{INPUT} is '{'x' * 56}...",), {INPUT: "x" * 1_000, OUTPUT: 1}),
    Mistake("output alone", (f"{INPUT} is missing", "needs both"), {OUTPUT: 1}),
    Mistake("cached alone", (f"{INPUT} is missing",), {CACHED: 1}),
]


@pytest.mark.parametrize("mistake", CALLS, ids=lambda mistake: mistake.name)
def test_prices_of_a_call(mistake: Mistake) -> None:
    """A call's price that is none is an error before anything is sent."""
    emulator = Emulator()
    with emulator.client() as client:
        for take in (
            lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES, **mistake.given),
            lambda: client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=int, **mistake.given),
            lambda: client.chat.completions.stream(model=MODEL, messages=MESSAGES, **mistake.given),
            lambda: completion_cost({"usage": {}}, **mistake.given),
        ):
            with pytest.raises(InvalidRequestError) as caught:
                take()
            for words in mistake.says:
                assert words in str(caught.value)
            assert caught.value.errors[0].path in (INPUT, OUTPUT, CACHED)
    assert not emulator.requests


BUDGETS = [
    Mistake("no limit", ("A budget without a limit", "usd=, tokens= or calls="), {}),
    Mistake("text", ("usd is 'five'", "Give dollars, 0 or more"), {"usd": "five"}),
    Mistake("negative dollars", ("usd is -1",), {"usd": -1}),
    Mistake("a list", ("usd is []",), {"usd": []}),
    Mistake("half a token", ("tokens is 0.5", "a whole number from 0 up"), {"tokens": 0.5}),
    Mistake("negative calls", ("calls is -1",), {"calls": -1}),
    Mistake("a bool", ("calls is True",), {"calls": True}),
]


@pytest.mark.parametrize("mistake", BUDGETS, ids=lambda mistake: mistake.name)
def test_budgets(mistake: Mistake) -> None:
    """A limit that is none is refused at once."""
    with pytest.raises(ConfigurationError) as caught:
        budget(**mistake.given)
    for words in mistake.says:
        assert words in str(caught.value)


def test_no_budget() -> None:
    """A client is bound to budgets alone."""
    with Emulator().client() as client, pytest.raises(ConfigurationError, match=r"budget is of type int.*budget\(usd="):
        client.with_options(budget=5)  # type: ignore[typeddict-item]  # which is the mistake


def test_where_budgets_and_prices_go() -> None:
    """Budgets and prices that are given where they don't belong: the error says where they do."""
    with Emulator().client() as client:
        create: Any = client.chat.completions.create
        with pytest.raises(TypeError, match=r"'budget'; put the call into `with budget\(usd=\.\.\.\):`"):
            create(model=MODEL, messages=[], budget=1)
        with pytest.raises(TypeError, match=r"'prices'; give input_cost_per_token .* Client\(prices=\.\.\.\)"):
            create(model=MODEL, messages=[], prices={})
    ask: Any = completion
    with pytest.raises(TypeError, match="'budget'; put the call into"):
        ask(model=MODEL, messages=[], budget=1)
    make: Any = Client
    with pytest.raises(TypeError, match="'budget'; put the calls into"):
        make(budget=1)


COSTS = [
    Mistake("nothing", ("needs a completion", "a text has no price"), None),
    Mistake("a text", ("needs a completion, or a mapping with its usage, not str",), "An answer"),
    Mistake("a list", ("not list",), [1]),
    Mistake("no usage", ("this mapping has no 'usage'",), {"model": MODEL}),
    Mistake("usage that is none", ("this usage is 'many'",), {"model": MODEL, "usage": "many"}),
    Mistake("counts that are none", ("this usage is {'prompt_tokens': 'x'}",), {"usage": {"prompt_tokens": "x"}}),
    Mistake("another object", ("this usage is 7",), SimpleNamespace(model=MODEL, usage=7)),
]


@pytest.mark.parametrize("mistake", COSTS, ids=lambda mistake: mistake.name)
def test_completion_cost(mistake: Mistake) -> None:
    """What has no usage can't be priced, and the error says what can."""
    with pytest.raises(TypeError) as caught:
        completion_cost(mistake.given)
    for words in mistake.says:
        assert words in str(caught.value)
