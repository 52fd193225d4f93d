from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from wandb_inference._core.validate import check_request, message_list, to_json
from wandb_inference.exceptions import InvalidRequestError
from wandb_inference.types import (
    AssistantMessage,
    ChatCompletion,
    DeveloperMessage,
    FunctionMessage,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

HELLO = {"role": "user", "content": "Hello"}


class Number:
    """A number as numpy has them: no int or float, but with their methods."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return float(self.value)


class Whole(Number):
    def __index__(self):
        return self.value


class Array:
    """An array as numpy has them: with the methods of a number, which only one without dimensions has."""

    def __init__(self, *values, scalar=False):
        self.values = values
        self.scalar = scalar

    def __iter__(self):
        if self.scalar:
            raise TypeError("iteration over a 0-d array")
        return iter(self.values)

    def __index__(self):
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __float__(self):
        if not self.scalar:
            raise TypeError("only length-1 arrays can be converted")
        return float(self.values[0])


class Headless(Mapping[str, object]):
    """A mapping that is no dict."""

    def __init__(self, **items):
        self.items_ = items

    def __getitem__(self, key):
        return self.items_[key]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)


def check(messages=(HELLO,), **fields):
    check_request({"model": "m", "messages": message_list(messages), **fields})


def problems(messages=(HELLO,), **fields):
    with pytest.raises(InvalidRequestError) as caught:
        check(messages, **fields)
    return caught.value


WRONG = [
    # parameters
    ({"temperature": "hot"}, "temperature", "hot", "a number"),
    ({"temperature": "0.7"}, "temperature", "0.7", "a number"),
    ({"temperature": True}, "temperature", True, "a number"),
    ({"temperature": -1}, "temperature", -1, "at least 0"),
    ({"temperature": float("nan")}, "temperature", None, "a finite number"),
    ({"temperature": float("inf")}, "temperature", float("inf"), "a finite number"),
    ({"temperature": 10**400}, "temperature", 10**400, "a number"),
    ({"temperature": [0.5]}, "temperature", [0.5], "a number"),
    ({"top_p": 1.5}, "top_p", 1.5, "at most 1"),
    ({"max_tokens": 0}, "max_tokens", 0, "at least 1"),
    ({"max_tokens": 1.5}, "max_tokens", 1.5, "a whole number"),
    ({"max_tokens": "10"}, "max_tokens", "10", "a whole number"),
    ({"max_tokens": True}, "max_tokens", True, "a whole number"),
    ({"max_completion_tokens": -1}, "max_completion_tokens", -1, "at least 1"),
    ({"n": 0}, "n", 0, "at least 1"),
    ({"seed": "x"}, "seed", "x", "a whole number"),
    ({"stop": 7}, "stop", 7, "text, or a list of texts"),
    ({"stop": ["a", 7]}, "stop[1]", 7, "text"),
    ({"presence_penalty": "x"}, "presence_penalty", "x", "a number"),
    ({"logit_bias": {"50256": "x"}}, "logit_bias.50256", "x", "a number"),
    ({"logit_bias": [1]}, "logit_bias", [1], "a mapping"),
    ({"logprobs": 1}, "logprobs", 1, "True or False"),
    ({"logprobs": "yes"}, "logprobs", "yes", "True or False"),
    ({"top_logprobs": -1}, "top_logprobs", -1, "at least 0"),
    ({"response_format": "json"}, "response_format", "json", "a mapping"),
    ({"response_format": {"schema": {}}}, "response_format.type", None, "to be there"),
    ({"tools": {}}, "tools", {}, "a list"),
    ({"tools": ["f"]}, "tools[0]", "f", "a mapping"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", None, "to be there"),
    ({"tools": [{"type": "function", "function": {"name": 7}}]}, "tools[0].function.name", 7, "text"),
    ({"tools": [{"name": "f"}]}, "tools[0].type", None, "to be there"),
    ({"tool_choice": 7}, "tool_choice", 7, "text, or a mapping"),
    ({"functions": [{}]}, "functions[0].name", None, "to be there"),
    ({"function_call": True}, "function_call", True, "text, or a mapping"),
    ({"stream_options": True}, "stream_options", True, "a mapping"),
    ({"user": 7}, "user", 7, "text"),
    ({"metadata": "x"}, "metadata", "x", "a mapping"),
    ({"modalities": ["text", 7]}, "modalities[1]", 7, "text"),
    ({"reasoning_effort": 1}, "reasoning_effort", 1, "text"),
    ({"chat_template_kwargs": "x"}, "chat_template_kwargs", "x", "a mapping"),
    ({"cache_salt": ""}, "cache_salt", "", "text that is not empty"),
    # messages
    ({"messages": []}, "messages", [], "at least one"),
    ({"messages": ["Hello"]}, "messages[0]", "Hello", "a mapping with role and content"),
    ({"messages": [7]}, "messages[0]", 7, "a mapping with role and content"),
    ({"messages": [{}]}, "messages[0].role", None, "one of assistant, developer, function, system, tool, user"),
    (
        {"messages": [HELLO, {"role": "bot", "content": "x"}]},
        "messages[1].role",
        "bot",
        "one of assistant, developer, function, system, tool, user",
    ),
    ({"messages": [{"role": "user"}]}, "messages[0].content", None, "to be there"),
    (
        {"messages": [{"role": "user", "content": None}]},
        "messages[0].content",
        None,
        "text, or a list of content parts",
    ),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", 7, "text, or a list of content parts"),
    (
        {"messages": [{"role": "user", "content": ["Hello"]}]},
        "messages[0].content[0]",
        "Hello",
        'a content part with a type, such as {"type": "text", "text": "..."}',
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]},
        "messages[0].content[0].text",
        7,
        "text",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://x"}]}]},
        "messages[0].content[0].image_url",
        "https://x",
        "a mapping",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].image_url.url",
        None,
        "to be there",
    ),
    ({"messages": [{**HELLO, "name": 7}]}, "messages[0].name", 7, "text"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", None, "to be there"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls", {}, "a list"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}]},
        "messages[0].tool_calls[0].function.arguments",
        {"a": 1},
        "text",
    ),
    ({"messages": [{"role": "function", "content": None}]}, "messages[0].name", None, "to be there"),
]


@pytest.mark.parametrize(("fields", "path", "value", "expected"), WRONG)
def test_what_is_wrong(fields, path, value, expected):
    """Each wrong value is told with its path and what was expected, and the error can be pickled."""
    error = problems(**fields)

    (problem,) = error.errors
    assert (problem.path, problem.expected) == (path, expected)
    assert problem.value == value or value is None
    assert error.message.startswith(f"The request can't be sent: {path} is ")
    assert repr(pickle.loads(pickle.dumps(error)).errors) == repr(error.errors)


@pytest.mark.parametrize("messages", ["Hello", b"Hello", HELLO, 7, None, UserMessage(content="Hello")])
def test_no_list_of_messages(messages):
    """A single text, mapping or model is no list of messages, and the hint shows what one looks like."""
    error = problems(messages)

    assert error.errors[0].path == "messages"
    assert error.errors[0].expected == "a list of messages"
    assert error.hint == 'Write messages=[{"role": "user", "content": "..."}].'


def test_hints():
    """Empty messages show what they look like, and tool arguments how they are written."""
    calls = [{"function": {"name": "f", "arguments": {}}}]

    assert "Write messages=" in (problems([]).hint or "")
    assert "json.dumps(arguments)" in (problems([{"role": "assistant", "tool_calls": calls}]).hint or "")
    assert problems(temperature="hot").hint is None


def test_several_problems():
    """All problems are told at once, the first five in the message."""
    error = problems(temperature="x", top_p="x", n="x", seed="x", max_tokens="x", user=7)

    assert len(error.errors) == 6
    assert error.message.count("expected") == 5
    assert error.message.endswith("(and 1 more)")


def test_long_values_are_cut():
    """A long value is shown by its beginning, a missing one as missing."""
    assert "..., expected a number" in problems(temperature="x" * 1000).message
    assert "messages[0].content is missing, expected to be there" in problems([{"role": "user"}]).message


class Mute:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("make", [lambda value: value, lambda value: [value], lambda value: {"a": (value,)}])
@pytest.mark.parametrize("value", [len, lambda: 0, b"x", {1}, object()])
def test_errors_keep_plain_values_only(make, value):
    """Of what may not be picklable, at any depth, the error has the text."""
    error = problems(tool_choice=7, temperature=make(value))

    assert error.errors[0].value == repr(make(value))[:60] + ("..." if len(repr(make(value))) > 60 else "")
    assert pickle.loads(pickle.dumps(error)).errors == error.errors


def test_values_that_can_not_be_shown():
    """A value nested without end, or whose own text fails, is shown by its type."""
    deep: list[object] = []
    for _ in range(200_000):
        deep = [deep]

    assert problems(temperature=deep).errors[0].value == "<list>"
    assert "temperature is <Mute>, expected a number" in problems(temperature=Mute()).message


RIGHT = [
    {"temperature": 0, "top_p": 1, "seed": -1, "n": 3},
    {"temperature": Number(0.5), "max_tokens": Whole(5)},
    {"temperature": Decimal("0.5"), "presence_penalty": -2.0},
    {"temperature": 7.0, "top_logprobs": 99, "max_tokens": 10**9},
    {"stop": "a"},
    {"stop": ["a", "b"]},
    {"logit_bias": {50256: -100, "1": 5.5}},
    {"tools": [{"type": "function", "function": {"name": "f", "new": 1}}, {"type": "web_search", "anything": []}]},
    {"tool_choice": "auto"},
    {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"tool_choice": UserMessage(content="a model is a mapping too")},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
    {"reasoning_effort": "a_new_one", "service_tier": "a_new_one"},
    {"a_new_parameter": object()},
    {"messages": [{**HELLO, "new": 1}]},
    {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "new"}]}]},
    {"messages": [{"role": "user", "content": ({"type": "text", "text": "x", "new": 1},)}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}]}
        ]
    },
    {"messages": [{"role": "assistant"}]},
    {"messages": [{"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [{"id": "c", "new": 1}]}]},
    {"messages": [{"role": "developer", "content": "x"}, {"role": "system", "content": "x", "name": "n"}]},
    {"messages": [{"role": "tool", "content": "4", "tool_call_id": "c"}]},
    {"messages": [{"role": "function", "content": None, "name": "f"}]},
    {"messages": [{"role": "system", "content": ""}]},
]


@pytest.mark.parametrize("fields", RIGHT)
def test_what_is_right(fields):
    """What the service may take today or tomorrow passes: new fields, parts, tools and values, numbers of any kind."""
    check(**fields)


COMPLETION = ChatCompletion.model_validate(
    {
        "choices": [
            {
                "message": {
                    "role": "assistant",
                    "content": None,
                    "reasoning": "hm",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                }
            }
        ]
    }
)


class TestMessages:
    """Messages in every form."""

    @pytest.mark.parametrize(
        "messages",
        [
            [HELLO],
            (HELLO,),
            iter([HELLO]),
            (message for message in [HELLO]),
            {"a": HELLO}.values(),
            [OrderedDict(HELLO)],
            [MappingProxyType(HELLO)],
            [Headless(**HELLO)],
            [UserMessage(content="Hello")],
        ],
    )
    def test_iterables(self, messages):
        """Any iterable of mappings or models is a list of messages."""
        assert message_list(messages) == [HELLO]

    def test_models(self):
        """Our models are written as the mappings they stand for."""
        models = [
            SystemMessage(content="s"),
            DeveloperMessage(content="d", name="n"),
            UserMessage.model_validate(
                {"content": [{"type": "text", "text": "u"}, {"type": "new", "x": None}], "y": 1}
            ),
            AssistantMessage(content=None),
            ToolMessage(content="4", tool_call_id="c"),
            FunctionMessage(content=None, name="f"),
        ]

        assert message_list(models) == [
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d", "name": "n"},
            {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "new", "x": None}], "y": 1},
            {"role": "assistant", "content": None},
            {"role": "tool", "content": "4", "tool_call_id": "c"},
            {"role": "function", "content": None, "name": "f"},
        ]
        check(models)

    def test_an_answer_goes_back(self):
        """An answer's own message is put back as it came, thinking and tool calls included."""
        messages = [HELLO, COMPLETION.choices[0].message, {"role": "tool", "content": "4", "tool_call_id": "c"}]

        check(messages)
        assert message_list(messages)[1] == {
            "role": "assistant",
            "content": None,
            "reasoning": "hm",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }

    def test_nothing_is_changed(self):
        """What the caller passed stays as it was, and later changes to it reach no request."""
        messages = [dict(HELLO)]

        taken = message_list(messages)
        messages[0]["content"] = "changed"

        assert taken == [HELLO]


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: int | None = None


@dataclass
class Pair:
    left: int
    right: Point


class TestJson:
    """A body as JSON."""

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            ({"a": [1, 2.5, None, True, "x"]}, '{"a":[1,2.5,null,true,"x"]}'),
            ("caf\u00e9 \u2028 \U0001f600", '"caf\u00e9 \u2028 \U0001f600"'),
            ((1, 2), "[1,2]"),
            ({1: "x"}, '{"1":"x"}'),
            (Point(x=1), '{"x":1}'),
            (Pair(1, Point(x=2)), '{"left":1,"right":{"x":2}}'),
            (Colour.RED, '"red"'),
            (MappingProxyType({"a": 1}), '{"a":1}'),
            ({"b", "a"}, '["a","b"]'),
            (frozenset([2, 1]), "[1,2]"),
            (range(3), "[0,1,2]"),
            (iter("ab"), '["a","b"]'),
            (Number(0.5), "0.5"),
            (Whole(5), "5"),
            (Array(1, 2), "[1,2]"),
            (Array(Array(1), Array(2)), "[[1],[2]]"),
            (Array(0.5, scalar=True), "0.5"),
            (Decimal("0.5"), "0.5"),
        ],
    )
    def test_values(self, value, written):
        """Models, enums, mappings, sets, iterables and numbers of any kind are written as what they mean."""
        assert to_json({"v": value}).decode() == f'{{"v":{written}}}'

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (float("nan"), "not JSON compliant"),
            (float("inf"), "not JSON compliant"),
            (object(), "object means nothing in JSON"),
            (Pair, "type means nothing in JSON"),
            (b"x", "bytes means nothing in JSON; decode it first"),
            (bytearray(b"x"), "bytearray means nothing"),
            ({"a", 1}, "not supported between"),
            ({(1, 2): "x"}, "keys must be str"),
            (lambda: 0, "function means nothing"),
        ],
    )
    def test_no_json(self, value, reason):
        """What means nothing in JSON can't be sent, and the message says what it is."""
        with pytest.raises(InvalidRequestError) as caught:
            to_json({"v": value})

        assert caught.value.message.startswith("The request can't be written as JSON: ")
        assert reason in caught.value.message

    def test_itself(self):
        """Neither can what holds itself, or is nested without end."""
        loop: list[object] = []
        loop.append(loop)
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        for value in (loop, deep):
            with pytest.raises(InvalidRequestError):
                to_json({"v": value})
        while deep:  # taken apart by hand: to free it at once would be as deep
            deep = deep.pop()

    def test_half_a_surrogate_pair(self):
        """Half a surrogate pair is shown by what stands before it."""
        with pytest.raises(InvalidRequestError) as caught:
            to_json({"messages": [{"content": "so far so good \ud83d"}]})

        assert "so far so good \ufffd" in caught.value.message
        assert 'encode("utf-8", "replace")' in (caught.value.hint or "")


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["messages", "temperature", "stop", "tools", "tool_choice", "response_format", "logit_bias", "x"]),
)
def test_any_value(value, name):
    """Any value can be sent, or is refused with an error that can be pickled."""
    try:
        body = {"model": "m", "messages": [HELLO], name: value}
        if name == "messages":
            body["messages"] = message_list(value)
        check_request(body)
        json.loads(to_json(body))
    except InvalidRequestError as error:
        pickle.loads(pickle.dumps(error))
