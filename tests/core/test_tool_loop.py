"""The loop of answers and tool calls, without anybody who waits."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from wandb_inference import APITimeoutError, Client, ToolRoundsExceededError, tool
from wandb_inference._core.tool_calls import Outcome
from wandb_inference._core.tool_loop import ToolLoop
from wandb_inference.types import ChatCompletion, ToolCompletion, UserMessage

SETTINGS = Client(api_key="k", project="t/p")._settings
HELLO = {"role": "user", "content": "Hello"}


@tool
def get_weather(city: str) -> str:
    """Says the weather."""
    return city


def loop(**options: Any) -> ToolLoop:
    """A loop with one tool."""
    given: dict[str, Any] = {
        "model": "m",
        "messages": [HELLO],
        "tools": [get_weather],
        "max_rounds": 10,
        "on_error": "tell",
        "approve": None,
        "on_step": None,
        "parallel": True,
        "stream": False,
        "params": {},
        "blocking": True,
    }
    return ToolLoop(SETTINGS, **{**given, **options})


def answer(*calls: Any, text: str | None = None, tokens: int = 1, **choice: Any) -> ChatCompletion:
    """A completion with calls: each an id, a name and arguments."""
    tool_calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id, name, arguments in calls
    ]
    message = {"role": "assistant", "content": text, "tool_calls": tool_calls or None, "reasoning": "hm"}
    usage = {"prompt_tokens": tokens, "completion_tokens": 2 * tokens, "total_tokens": 3 * tokens}
    body = {"id": f"c{tokens}", "choices": [{"message": message, **choice}], "usage": usage, "extra": 7}
    return ChatCompletion.model_validate(body)


OSLO = ("a", "get_weather", '{"city": "Oslo"}')


def run(loop: ToolLoop, completion: ChatCompletion) -> bool:
    """A round whose functions all say "cold"; whether the run goes on."""
    loop.request(0.0)
    round = loop.take(completion)
    if round is None:
        return False
    for planned in round.planned:
        round.ran(planned, Outcome("cold", "cold", None, 0.0))
    return loop.finish(round)


def test_no_calls() -> None:
    """An answer without calls is the end."""
    one = loop(messages=[UserMessage(content="Hello")])

    assert one.request(0.0) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [get_weather.as_param()],
    }
    assert not run(one, answer(text="Hi."))

    made = one.completion()
    assert isinstance(made, ToolCompletion)
    assert made.text == "Hi."
    assert made.messages == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi.", "reasoning": "hm"},
    ]
    assert (made.steps, made.pending, len(made.rounds)) == ((), (), 1)


def test_rounds() -> None:
    """Calls, their answers, and the next request; usage adds up, and nothing of the last answer is lost."""
    one = loop()

    assert run(one, answer(OSLO))
    assert one.request(0.0)["messages"] == [
        HELLO,
        {
            "role": "assistant",
            "content": None,
            "reasoning": "hm",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": OSLO[2]}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "cold"},
    ]
    assert not run(one, answer(text="Cold.", tokens=10))

    made = one.completion()
    assert (made.text, made.id, made.model_dump()["extra"]) == ("Cold.", "c10", 7)
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (11, 22, 33)
    assert [step.content for step in made.steps] == ["cold"]
    assert [completion.id for completion in made.rounds] == ["c1", "c10"]
    assert made.rounds[1].usage is not None
    assert made.rounds[1].usage.total_tokens == 30
    assert pickle.loads(pickle.dumps(made)).messages == made.messages
    assert "_messages" not in made.model_dump()


def test_the_callers_messages_stay_theirs() -> None:
    """What the caller passed is not written into, and what is handed out is the caller's to change."""
    given = [HELLO]
    one = loop(messages=given)
    run(one, answer(text="Hi."))
    one.completion().messages.clear()

    assert given == [HELLO]
    assert len(one.completion().messages) == 2


@pytest.mark.parametrize(
    ("choice", "second"),
    [
        ("required", None),
        ({"type": "function", "function": {"name": "get_weather"}}, None),
        ("auto", "auto"),
        ("none", "none"),
        (None, None),
    ],
)
def test_tool_choice(choice: Any, second: Any) -> None:
    """A choice that forces a call holds for the first answer, else the run would never end."""
    one = loop(params={"tool_choice": choice})

    assert one.request(0.0).get("tool_choice") == choice
    run(one, answer(OSLO))
    assert one.request(0.0).get("tool_choice") == second


def test_parameters_that_can_be_read_only_once() -> None:
    """Each request gets them whole."""
    one = loop(params={"stop": iter(["END"])})

    assert list(one.request(0.0)["stop"]) == ["END"]
    run(one, answer(OSLO))
    assert list(one.request(0.0)["stop"]) == ["END"]


def test_max_rounds() -> None:
    """After so many answers the run is an error that has lost nothing."""
    one = loop(max_rounds=2)
    run(one, answer(OSLO))
    run(one, answer(OSLO, text="Wait.", tokens=10))

    with pytest.raises(ToolRoundsExceededError, match=r"after 2 rounds\. Give more max_rounds") as caught:
        one.request(0.0)

    error = pickle.loads(pickle.dumps(caught.value))
    assert error.tool_run.messages[-1] == {"role": "tool", "tool_call_id": "a", "content": "cold"}
    assert (len(error.tool_run.steps), len(error.tool_run.rounds)) == (2, 2)
    assert (error.usage.total_tokens, error.text) == (33, "Wait.")
    assert ToolRoundsExceededError("made").usage is ToolRoundsExceededError("made").text is None

    one = loop(max_rounds=1)
    run(one, answer(OSLO))
    with pytest.raises(ToolRoundsExceededError, match="after 1 round"):
        one.request(0.0)


def test_deadline() -> None:
    """A deadline holds for the whole run: each request gets what is left."""
    one = loop(params={"deadline": 5.0})

    assert one.request(0.0)["deadline"] == 5.0
    run(one, answer(OSLO))
    assert one.request(2.0)["deadline"] == 3.0
    with pytest.raises(APITimeoutError, match="5 s passed while tools ran") as caught:
        one.request(5.0)
    assert caught.value.clock == "deadline"
    assert "deadline" not in loop().request(9.0)


def test_ids() -> None:
    """Calls without an id, or with one that another has, get their own."""
    one = loop()
    calls = [("", *OSLO[1:]), ("a", *OSLO[1:]), ("a", *OSLO[1:])]
    run(one, answer(*calls))

    assert [call["id"] for call in one.messages[1]["tool_calls"]] == ["call_1_0", "a", "call_1_2"]
    assert [message["tool_call_id"] for message in one.messages[2:]] == ["call_1_0", "a", "call_1_2"]


def test_malformed_arguments() -> None:
    """They go back to the model as an answer; the history holds none, since servers refuse those."""
    one = loop()
    assert run(one, answer(("a", "get_weather", '{"city":'), finish_reason="length"))

    assert one.messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert 'You wrote: {"city":. Your answer was cut' in one.messages[2]["content"]


def test_mappings_are_the_callers() -> None:
    """The run ends where the model calls a tool that was given as a mapping; the others are answered."""
    mine = {"type": "function", "function": {"name": "mine"}}
    one = loop(tools=(item for item in [get_weather, mine, {"type": "web_search"}]))

    assert [item["type"] for item in one.request(0.0)["tools"]] == ["function", "function", "web_search"]
    assert not run(one, answer(OSLO, ("b", "mine", "{}")))
    made = one.completion()
    assert [call.id for call in made.pending] == ["b"]
    assert [message.get("tool_call_id") for message in made.messages] == [None, None, "a"]


def test_errors_are_raised_by_choice() -> None:
    """The first call's error ends the run when all calls of the answer are over; the run so far is whole."""
    one = loop(on_error="raise")
    round = one.take(answer(OSLO, ("b", *OSLO[1:]), ("c", *OSLO[1:])))
    assert round is not None
    for planned, error in zip(round.planned, [None, ValueError("b"), ValueError("c")], strict=True):
        round.ran(planned, Outcome("cold", None, error, 0.0))

    with pytest.raises(ValueError, match="b") as caught:
        one.finish(round)

    broken: Any = one.broken(caught.value)
    assert broken is caught.value
    assert [step.outcome for step in broken.tool_run.steps] == ["answered", "failed", "failed"]
    assert [message["role"] for message in broken.tool_run.messages] == ["user", "assistant", "tool", "tool", "tool"]


def test_an_error_inside_a_round() -> None:
    """What is over of a round counts among the steps; the history holds whole rounds alone."""
    one = loop()
    round = one.take(answer(OSLO, ("b", *OSLO[1:])))
    assert round is not None
    round.ran(round.planned[1], Outcome("cold", None, None, 0.0))

    broken: Any = one.broken(ValueError("from a callback"))

    assert [step.call.id for step in broken.tool_run.steps] == ["b"]
    assert broken.tool_run.messages == [HELLO]
    assert len(broken.tool_run.rounds) == 1


def test_errors_before_the_first_answer() -> None:
    """There is nothing to be lost yet."""
    error = ToolRoundsExceededError("x")

    assert loop().broken(error) is error
    assert error.tool_run is None


def test_errors_that_take_no_attributes() -> None:
    """Such a one goes without the run."""

    class ClosedError(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

    one = loop()
    run(one, answer(OSLO))
    error = ClosedError()

    assert one.broken(error) is error
