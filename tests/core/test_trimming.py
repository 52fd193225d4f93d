"""Which turns are left out of a history that is too long, and how its tokens are estimated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference import tool
from wandb_inference._core.trimming import (
    FRAME,
    LEAST,
    MOST,
    PART,
    RATE,
    Gauge,
    overlong,
    size_of,
    size_of_tools,
    turns,
)
from wandb_inference.types import AssistantMessage, ChatCompletionMessage, ToolCall

IDS = ["a", "b", "c"]


def call(*ids: str) -> dict[str, Any]:
    """An answer with tool calls."""
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id: str) -> dict[str, Any]:
    """A tool's answer."""
    return {"role": "tool", "tool_call_id": id, "content": "1"}


SYSTEM = {"role": "system", "content": "s"}
USER = {"role": "user", "content": "u"}
ANSWER = {"role": "assistant", "content": "a"}

MESSAGES = st.lists(
    st.one_of(
        st.sampled_from([SYSTEM, {"role": "developer", "content": "d"}, USER, USER, ANSWER]),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True).map(lambda ids: call(*ids)),
        st.sampled_from(IDS).map(result),
    ),
    max_size=30,
)


def pairs(messages: list[Any]) -> set[tuple[int, int]]:
    """Which tool answer, by its index, belongs to which call before it."""
    latest: dict[str, int] = {}
    found = set()
    for index, message in enumerate(messages):
        for made in message.get("tool_calls", ()):
            latest[made["id"]] = index
        if message["role"] == "tool" and message["tool_call_id"] in latest:
            found.add((latest[message["tool_call_id"]], index))
    return found


@given(MESSAGES, st.data())
@settings(deadline=None)
def test_trimming(messages: list[Any], data: st.DataObject) -> None:
    """No tool call loses its answer, system and newest turn stay, and what is left fits or is as short as can be."""
    sizes = [data.draw(st.integers(1, 50)) for _ in messages]
    limit = data.draw(st.integers(0, 1000))

    out = overlong(messages, sizes, lambda size: size <= limit)

    kept = [index for index in range(len(messages)) if index not in out]
    assert all((made in out) == (answered in out) for made, answered in pairs(messages))
    assert all(messages[index]["role"] not in ("system", "developer") for index in out)
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    assert not users or all(index < users[-1] for index in out)
    # Whole turns from the oldest on, so that what remains begins with the user.
    spoken = [index for index in kept if messages[index]["role"] not in ("system", "developer")]
    assert out == sorted(out)
    assert not out or out[-1] < spoken[0]
    assert not out or messages[spoken[0]]["role"] == "user"
    left = sum(sizes[index] for index in kept)
    assert left <= limit or len(turns([messages[index] for index in kept])) <= 1
    # Not a turn more than must: with the newest of those left out, it would not fit.
    if out:
        last = next(turn for turn in turns(messages) if out[-1] in turn)
        assert left + sum(sizes[index] for index in last if index in out) > limit


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], []),
        ([SYSTEM], []),
        ([SYSTEM, USER, ANSWER, USER], [(1, 3), (3, 4)]),
        ([ANSWER, USER], [(0, 1), (1, 2)]),
        ([USER, USER, ANSWER], [(0, 1), (1, 3)]),
        ([USER, call("a", "b"), result("a"), result("b"), ANSWER, USER], [(0, 5), (5, 6)]),
        ([USER, call("a"), USER, ANSWER, USER, result("a"), USER], [(0, 6), (6, 7)]),
        ([USER, call("a"), result("a"), USER, call("a"), result("a")], [(0, 3), (3, 6)]),
        ([USER, result("x"), USER], [(0, 2), (2, 3)]),
        ([result("x"), USER], [(0, 1), (1, 2)]),
    ],
    ids=lambda value: "-".join(m["role"][0] for m in value) if value and isinstance(value[0], dict) else "",
)
def test_turns(messages: list[Any], expected: list[tuple[int, int]]) -> None:
    """A turn begins with the user; the answer to a call of an earlier turn makes one turn of both."""
    assert [(turn.start, turn.stop) for turn in turns(messages)] == expected


def test_turns_with_functions() -> None:
    """The older form of tool calls is kept together too, and messages may be models."""
    older = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    assert len(turns([USER, older, USER, {"role": "function", "name": "f", "content": "1"}, USER])) == 2
    models = [USER, ChatCompletionMessage(tool_calls=[ToolCall(id="a")]), USER, result("a"), USER]
    assert len(turns(models)) == 2


def test_trimming_takes_the_oldest() -> None:
    """Two turns of four go where that is enough, and none where all fits."""
    messages = [SYSTEM, *[USER, ANSWER] * 3, USER]
    sizes = [10] * len(messages)

    assert overlong(messages, sizes, lambda size: size <= 40) == [1, 2, 3, 4]
    assert overlong(messages, sizes, lambda size: size <= 80) == []
    assert overlong(messages, sizes, lambda size: False) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ({"role": "user", "content": "four"}, 4),
        ({"role": "user", "content": "für"}, 4),
        ({"role": "user", "content": "\ud800"}, 3),
        ({"role": "assistant", "content": None}, 0),
        ({"role": "user", "content": [{"type": "text", "text": "four"}]}, 4),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:" + "x" * 9999}}]}, PART),
        ({"role": "user", "content": [5]}, PART),
        ({"role": "assistant", "content": "a", "reasoning": "long thoughts"}, 1),
        ({"role": "assistant", "content": "a", "refusal": "no"}, 3),
        (call("a"), len("idatypefunctionfunctionnamefargumentsargum{}") - len("argum")),
        (AssistantMessage(content="four", tool_calls=None), 4),
        (ChatCompletionMessage(tool_calls=[ToolCall(id="a")]), len("idatypefunctionfunctionnamearguments")),
        (5, 0),
    ],
    ids=range(13),
)
def test_size(message: object, size: int) -> None:
    """Text counts its bytes, a part of another kind a fixed number, thinking nothing."""
    assert size_of(message) == FRAME + size


def test_size_of_tools() -> None:
    """Tools count as their text; what can be read only once is not read."""
    once = iter([{"type": "function"}])

    assert size_of_tools({"tools": [{"type": "function"}], "functions": None}) == len("typefunction")
    assert size_of_tools({"tools": once}) == 0
    assert next(once)


def test_size_of_tools_from_functions() -> None:
    """A tool made of a function counts what is sent of it."""

    def weather(city: str) -> str:
        """How the weather is."""
        return city

    made = tool(weather)
    sent = made.as_param()

    assert size_of_tools({"tools": [made]}) == size_of_tools({"tools": [sent]}) > len("How the weather is.")


def test_gauge_before_any_count() -> None:
    """Before the server has counted, three bytes are a token."""
    assert Gauge().estimate(300) == 100
    assert Gauge().estimate(301) == 101


def test_gauge_is_exact_where_it_was_counted() -> None:
    """The prompt that was counted is exact, whatever its tools, and what came counts at the rate of the text."""
    gauge = Gauge().counted(4000, 1000)

    assert gauge.estimate(4000) == 1000
    assert gauge.rate == 0.25
    assert gauge.estimate(4400) == 1100
    # What has left counts a fifth less than it might.
    assert gauge.estimate(3600) == 1000 - 80
    assert gauge.estimate(100) >= 100 * LEAST


def test_gauge_learns_from_differences() -> None:
    """What a template or a picture adds is in every count, and does not spoil the rate of the text."""
    small = Gauge().counted(100, 900)
    assert (small.estimate(100), small.rate) == (900, RATE)

    grown = small.counted(2100, 900 + 500)
    assert (grown.estimate(2100), grown.rate) == (1400, 0.25)

    shrunk = grown.counted(1000, 1100)
    assert (shrunk.estimate(1000), shrunk.rate) == (1100, 0.25)


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), max_size=5),
    st.integers(0, 10**6),
    st.integers(0, 10**4),
)
def test_gauge_is_monotonic(counts: list[tuple[int, int]], size: int, more: int) -> None:
    """A longer history is never estimated shorter, and rates stay within what tokenizers do."""
    gauge = Gauge()
    for counted in counts:
        gauge = gauge.counted(*counted)

    assert gauge.estimate(size) <= gauge.estimate(size + more)
    assert LEAST <= gauge.rate <= MOST
