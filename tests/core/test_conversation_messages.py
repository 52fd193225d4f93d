"""What is said as messages, and answers as messages to go on with."""

from __future__ import annotations

from typing import Any

import pytest

from wandb_inference._core.conversation import answered, opening, said
from wandb_inference.exceptions import InvalidRequestError
from wandb_inference.types import ChatCompletion, SystemMessage, UserMessage
from wandb_inference.types.messages import TextPart

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TEXT = {"type": "text", "text": "Look:"}
TOOL = {"role": "tool", "tool_call_id": "a", "content": "1"}


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (None, []),
        ("Hello", [{"role": "user", "content": "Hello"}]),
        ("", [{"role": "user", "content": ""}]),
        (PICTURE, [{"role": "user", "content": [PICTURE]}]),
        (["Look:", PICTURE], [{"role": "user", "content": [TEXT, PICTURE]}]),
        ((part for part in (TextPart(text="Look:"), PICTURE)), [{"role": "user", "content": [TEXT, PICTURE]}]),
        (TOOL, [TOOL]),
        ([TOOL, TOOL], [TOOL, TOOL]),
        (UserMessage(content="Hello"), [{"role": "user", "content": "Hello"}]),
        ([5], [{"role": "user", "content": [5]}]),
    ],
    ids=range(10),
)
def test_said(content: object, messages: list[Any]) -> None:
    """Text, parts, a message or several become messages; what no part can be is left to the check."""
    assert said(content) == messages


@pytest.mark.parametrize("content", [5, b"Hello", [], [TOOL, PICTURE], ["Look:", TOOL]], ids=range(5))
def test_not_said(content: object) -> None:
    """What can be neither is refused with its value."""
    with pytest.raises(InvalidRequestError, match=r"content is .*expected text, content parts, a message or messages"):
        said(content)


def test_said_is_copied() -> None:
    """What the caller gave is not what is kept."""
    given, part = dict(TOOL), dict(TEXT)

    assert said(given)[0] is not given
    assert said([part])[0]["content"][0] is not part


def test_opening() -> None:
    """Instructions come first, as text or parts, and given messages are copied."""
    hello = {"role": "user", "content": "Hello"}

    assert opening(None, None) == []
    assert opening("Be short.", [hello]) == [{"role": "system", "content": "Be short."}, hello]
    assert opening(["Look:"], None) == [{"role": "system", "content": [TEXT]}]
    assert opening(None, iter([SystemMessage(content="x")])) == [{"role": "system", "content": "x"}]
    assert opening(None, [hello])[0] is not hello


def completion(finish_reason: str | None = "stop", **message: Any) -> ChatCompletion:
    """An answer."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return ChatCompletion.model_validate({"choices": [choice]})


CALLS = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "Hi"}, {"content": "Hi"}),
        ({"content": "Hi", "role": "bot", "refusal": None, "tool_calls": []}, {"content": "Hi"}),
        ({"content": "Hi", "reasoning": "Hm.", "new": [1]}, {"content": "Hi", "reasoning": "Hm.", "new": [1]}),
        ({"content": None, "tool_calls": CALLS}, {"content": None, "tool_calls": CALLS}),
        ({"content": None, "reasoning": "Hm."}, {"content": "", "reasoning": "Hm."}),
        ({"content": None}, {"content": ""}),
    ],
    ids=range(6),
)
def test_answered(message: dict[str, Any], expected: dict[str, Any]) -> None:
    """An answer is a message with all its fields; a null that no call explains is empty text."""
    got = answered(completion(**message))

    assert got == {"role": "assistant", **expected}
    assert next(iter(got)) == "role"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "Hi"}, {"content": "Hi"}),
        ({"content": "Hi", "tool_calls": CALLS}, {"content": "Hi"}),
        ({"content": None, "reasoning": "Hm."}, {"content": "", "reasoning": "Hm."}),
    ],
    ids=range(3),
)
def test_cut(message: dict[str, Any], expected: dict[str, Any]) -> None:
    """An answer that was cut keeps its text and its thinking, and no half of a tool call."""
    assert answered(completion(None, **message), cut=True) == {"role": "assistant", **expected}


def test_nothing_said() -> None:
    """Where nothing was said there is no message."""
    assert answered(ChatCompletion(choices=[])) is None
    assert answered(completion(None, content=""), cut=True) is None
    assert answered(completion(None, content=None, tool_calls=CALLS), cut=True) is None


def call(arguments: str) -> dict[str, Any]:
    """A tool call."""
    return {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", "1", "x", "[" * 100_000], ids=range(5))
def test_half_a_tool_call(arguments: str) -> None:
    """A call whose arguments are no JSON object is left out; the answer itself stays as it came."""
    half = completion("length", content=None, tool_calls=[call(arguments)])
    mixed = completion("length", content="Hi", tool_calls=[*CALLS, call(arguments)])
    older = completion("length", content=None, function_call={"name": "f", "arguments": arguments})

    assert answered(half) == {"role": "assistant", "content": ""}
    assert answered(mixed) == {"role": "assistant", "content": "Hi", "tool_calls": CALLS}
    assert answered(older) == {"role": "assistant", "content": ""}
    assert half.choices[0].message.tool_calls


@pytest.mark.parametrize(("wrote", "kept"), [("", "{}"), (" ", "{}"), ("{}", "{}"), ('"{}"', "{}")], ids=range(4))
def test_arguments_made_an_object(wrote: str, kept: str) -> None:
    """A call that can be answered is kept, with the arguments that were meant: servers take objects only."""
    answer = completion(content=None, tool_calls=[call(wrote)])

    assert answered(answer) == {"role": "assistant", "content": None, "tool_calls": [call(kept)]}
    assert answer.choices[0].message.model_dump()["tool_calls"] == [call(wrote)]
