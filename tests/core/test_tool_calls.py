"""One answer's tool calls: what the model is told, and how calls stand in the history."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import pickle
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field

from wandb_inference import tool
from wandb_inference._core.tool_calls import Outcome, Round, content_of, sendable
from wandb_inference.types import FunctionCall, ToolCall, ToolStep


class Color(str, enum.Enum):
    RED = "red"


class Place(BaseModel):
    city: str = Field(alias="town")


@dataclasses.dataclass
class Point:
    x: int


@tool
def get_weather(city: str, days: int = 1) -> str:
    """Says the weather."""
    return f"{city} {days}"


def call(name: str = "get_weather", arguments: str = '{"city": "Oslo"}', id: str = "a") -> ToolCall:
    return ToolCall(id=id, function=FunctionCall(name=name, arguments=arguments))


TOOLS: dict[str, Any] = {"get_weather": get_weather, "mine": None}


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (Color.RED, "red"),
        ("half \udc80", "half \N{REPLACEMENT CHARACTER}"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (float("inf"), '"Infinity"'),
        ({"a": "ü"}, '{"a":"ü"}'),
        ({}, "{}"),
        ([], "[]"),
        ([1, "a"], '[1,"a"]'),
        (Place(town="Oslo"), '{"town":"Oslo"}'),
        ([Point(1), Place(town="Oslo")], '[{"x":1},{"town":"Oslo"}]'),
        (datetime.date(2026, 3, 14), '"2026-03-14"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (pathlib.Path("a"), '"a"'),
        (b"bytes", '"bytes"'),
        ((n for n in (1, 2)), "[1,2]"),
        ({"type": "cat"}, '{"type":"cat"}'),
        ([{"type": "text", "text": "a"}, 1], '[{"type":"text","text":"a"},1]'),
        ({"type": "paragraph", "paragraph": {"a": 1}}, '{"type":"paragraph","paragraph":{"a":1}}'),
        ({"type": "text", "text": {"a": 1}}, '{"type":"text","text":{"a":1}}'),
        ({"type": "text"}, '{"type":"text"}'),
        ({"type": ["text"], "text": "a"}, '{"type":["text"],"text":"a"}'),
        ({"type": "file", "file": "a.txt"}, '{"type":"file","file":"a.txt"}'),
        ({"type": "file", "file": {"size": 3}}, '{"type":"file","file":{"size":3}}'),
        ({"type": "image_url", "image_url": {"url": 7}}, '{"type":"image_url","image_url":{"url":7}}'),
    ],
)
def test_content(result: object, content: str) -> None:
    """Text is told as it is, all else as JSON."""
    assert content_of(result, "f") == content


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "a"},
        {"type": "refusal", "refusal": "No."},
        {"type": "image_url", "image_url": {"url": "data:", "detail": "low"}},
        {"type": "audio_url", "audio_url": {"url": "data:"}},
        {"type": "video_url", "video_url": {"url": "data:"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:"}},
        {"type": "file", "file": {"file_id": "f"}},
    ],
)
def test_content_parts(part: dict[str, Any]) -> None:
    """Content parts are told as they are, one or several."""
    text = {"type": "text", "text": "a"}

    assert content_of([text, part], "f") == [text, part]
    assert content_of(part, "f") == [part]


def test_content_parts_with_half_pairs() -> None:
    """The text of content parts is cleaned, and what the function returned is left as it is."""
    part = {"type": "text", "text": "half \udc80", "more": ["\ud800"]}
    half = "\N{REPLACEMENT CHARACTER}"

    assert content_of([part], "f") == [{"type": "text", "text": f"half {half}", "more": [half]}]
    assert part["text"] == "half \udc80"


@pytest.mark.parametrize("result", [object(), {"a": object()}, b"\xff", {"a": "\ud800"}, ValueError("a")])
def test_no_content(result: object) -> None:
    """What has no form in JSON is an error that says what to return."""
    with pytest.raises(TypeError, match=rf"^the tool 'f' returned a {type(result).__name__} .*return text, a model"):
        content_of(result, "f")


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("{}", "{}"),
        ("", "{}"),
        ('{"a": ', "{}"),
        ("[1]", "{}"),
        ("null", "{}"),
        ('"text"', "{}"),
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ("[" * 100_000, "{}"),
    ],
)
def test_sendable(arguments: str, sent: str) -> None:
    """A call goes into the history with arguments that are a JSON object, whatever the model wrote."""
    dumped = sendable(call(arguments=arguments))

    assert dumped == {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": sent}}


def test_round() -> None:
    """Calls that can be made are planned, others are over, and those of mappings are left to the caller."""
    calls = [call(id="a"), call("mine", id="b"), call("get_wether", id="c"), call(arguments="{", id="d")]
    round = Round(3, calls, TOOLS)

    assert [planned.request.arguments for planned in round.planned] == [{"city": "Oslo"}]
    assert (round.planned[0].request.name, round.planned[0].request.round) == ("get_weather", 3)
    assert round.pending == [calls[1]]
    assert [(step.name, step.outcome, step.arguments) for step in round.refused] == [
        ("get_wether", "unknown", None),
        ("get_weather", "invalid", None),
    ]

    step = round.ran(round.planned[0], Outcome("cold", {"t": 3}, None, 0.5))

    assert (step.outcome, step.result, step.error, step.content, step.seconds) == (
        "answered",
        {"t": 3},
        None,
        "cold",
        0.5,
    )
    assert [step.call.id for step in round.steps] == ["a", "c", "d"]
    assert [message["tool_call_id"] for message in round.messages()] == ["a", "c", "d"]
    assert round.messages()[0] == {"role": "tool", "tool_call_id": "a", "content": "cold"}
    assert round.is_over(round.planned[0])


def test_unknown_tool() -> None:
    """A tool that does not exist is answered with those that do, and the nearest."""
    near, far = (Round(1, [call(name)], TOOLS).refused[0].content for name in ("get_wether", "sing"))

    assert near == (
        "Error: there is no tool 'get_wether'. Did you mean 'get_weather'? The tools are: get_weather, mine."
    )
    assert far == "Error: there is no tool 'sing'. The tools are: get_weather, mine."


def test_invalid_arguments() -> None:
    """Arguments that don't fit are answered with what is wrong, where, and the schema."""
    (step,) = Round(1, [call(arguments='{"days": "many"}')], TOOLS).refused

    assert step.content == f"Error: {step.error}"
    assert "the arguments of 'get_weather' do not fit. city: Field required; days: Input should be" in step.content
    assert '"required": ["city"]' in step.content
    assert "You wrote" not in step.content


def test_arguments_that_can_not_be_checked() -> None:
    """A validator that fails in a way of its own is told like arguments that don't fit; its error is kept."""

    def validate(code: str) -> str:
        return {"no": "Norway"}[code]

    @tool
    def name(code: Annotated[str, AfterValidator(validate)]) -> str:
        return code

    round = Round(1, [call("name", '{"code": "xx"}'), call("name", '{"code": "no"}')], {"name": name})
    (step,) = round.refused

    assert isinstance(step.content, str)
    assert step.content.startswith("Error: the arguments of 'name' could not be checked: KeyError: 'xx'. They must fit")
    assert (step.outcome, step.arguments, step.seconds) == ("invalid", None, 0.0)
    assert "in validate" in (step.traceback or "")
    assert [type(error) for error in round.failures.values()] == [KeyError]
    assert [planned.request.arguments for planned in round.planned] == [{"code": "Norway"}]


def test_malformed_arguments() -> None:
    """Arguments that are no JSON are quoted, up to a length, and a cut answer is named as the reason."""
    (step,) = Round(1, [call(arguments='{"city": "' + "o" * 5000)], TOOLS).refused
    (cut,) = Round(1, [call(arguments='{"city": "o')], TOOLS, cut=True).refused

    assert 'Invalid JSON: EOF while parsing a string at line 1 column 5010. You wrote: {"city": "ooo' in step.content
    assert 1900 < step.content.count("o") < 2200
    assert "limit of tokens" not in step.content
    assert 'You wrote: {"city": "o. Your answer was cut at its limit of tokens: write less.' in cut.content


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (True, None),
        (False, "Error: This call was not approved."),
        ("", "Error: This call was not approved."),
        ("Ask first.", "Error: This call was not approved: Ask first."),
        ("No\udc80", "Error: This call was not approved: No\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_verdicts(verdict: object, said: str | None) -> None:
    """A call that is not approved is answered with the reason."""
    round = Round(1, [call()], TOOLS)
    step = round.judged(round.planned[0], verdict)

    assert (step and step.content) == said
    assert (step and (step.outcome, step.arguments)) == (step and ("denied", {"city": "Oslo"}))


@pytest.mark.parametrize("verdict", [None, 1, 0, b"yes"])
def test_no_verdict(verdict: object) -> None:
    """A callback that forgets to answer allows nothing."""
    round = Round(1, [call()], TOOLS)

    with pytest.raises(TypeError, match=r"^approve returned .*True, False or the reason"):
        round.judged(round.planned[0], verdict)


class BrokenError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such city"), "Error: ValueError: no such city"),
        (KeyError("a"), "Error: KeyError: 'a'"),
        (ValueError(), "Error: ValueError"),
        (BrokenError(), "Error: BrokenError"),
        (ValueError("x" * 5000), f"Error: ValueError: {'x' * 2000}..."),
        (ValueError("\ud800"), "Error: ValueError: \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_failures(error: Exception, said: str) -> None:
    """What a function raised is told by type and message, without the traceback."""
    round = Round(1, [call()], TOOLS)
    step = round.ran(round.planned[0], Outcome("", None, error, 0.1))

    assert (step.outcome, step.content, step.error) == ("failed", said, said.removeprefix("Error: "))
    assert step.traceback is not None
    assert type(error).__name__ in step.traceback
    assert "Traceback" not in said
    assert round.failures == {0: error}


def test_pickle() -> None:
    """A step pickles whole; a result that can't be becomes what the model was told."""
    step = ToolStep(1, call(), "answered", {"city": "Oslo"}, {"t": 3}, None, "cold", 0.5)
    odd = dataclasses.replace(step, result=lambda: None)

    assert pickle.loads(pickle.dumps(step)) == step
    assert pickle.loads(pickle.dumps(odd)).result == "cold"
