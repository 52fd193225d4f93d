"""The file of a conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wandb_inference._core.saved import FORMAT, Saved, dump, load
from wandb_inference.exceptions import InvalidRequestError
from wandb_inference.types import ChatCompletionMessage, UserMessage

PARAMS = ("temperature", "tools", "extra_body")
GOOD: dict[str, Any] = {"format": FORMAT, "version": 1, "model": "m", "window": None, "params": {}, "messages": []}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
unknown = st.dictionaries(texts.map("x_{}".format), values, max_size=3)
parts = st.lists(
    st.one_of(
        texts.map(lambda text: {"type": "text", "text": text}),
        texts.map(lambda text: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}}),
        unknown.map(lambda fields: {"type": "video", **fields}),
    ),
    max_size=3,
)
calls = st.lists(
    st.builds(
        lambda id, name, arguments: {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}},
        texts,
        texts,
        texts,
    ),
    max_size=3,
)
messages = st.lists(
    st.one_of(
        st.builds(
            lambda role, content, more: {"role": role, "content": content, **more},
            st.sampled_from(["system", "user"]),
            texts | parts,
            unknown,
        ),
        st.builds(
            lambda content, calls, more: {"role": "assistant", "content": content, "tool_calls": calls, **more},
            st.none() | texts,
            calls,
            unknown,
        ),
        st.builds(lambda id, content: {"role": "tool", "tool_call_id": id, "content": content}, texts, texts),
    ),
    max_size=6,
)


@given(messages, st.none() | st.integers(1, 10**7))
def test_round_trip(said: list[Any], window: int | None) -> None:
    """Messages of any kind come back as they were: pictures, tool calls, fields that nobody knows."""
    saved = Saved("openai/gpt-oss-20b", said, {"temperature": 0.5}, window)

    assert load(dump(saved), "a.json", PARAMS) == saved


def test_models_become_mappings() -> None:
    """Messages that are models are written as what is sent of them."""
    saved = Saved("m", [UserMessage(content="Hello"), ChatCompletionMessage(content="Hi")], {})

    assert load(dump(saved), "a.json", PARAMS).messages == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
    ]


def test_no_secrets() -> None:
    """Headers, query parameters and the salt of the cache are not written, wherever they stand."""
    secret = {"extra_headers": {"X": "hush"}, "extra_query": {"k": "hush"}, "cache_salt": "hush"}
    data = dump(Saved("m", [], {**secret, "extra_body": {"cache_salt": "hush", "top_k": 1}, "temperature": 0}))

    assert b"hush" not in data
    assert json.loads(data)["params"] == {"extra_body": {"top_k": 1}, "temperature": 0}


def test_tools_that_are_objects() -> None:
    """A tool that is an object is written as its schema."""

    class Tool:
        def as_param(self) -> dict[str, Any]:
            return {"type": "function"}

    data = dump(Saved("m", [], {"tools": (Tool(), {"type": "other"})}))

    assert json.loads(data)["params"] == {"tools": [{"type": "function"}, {"type": "other"}]}


@pytest.mark.parametrize("value", [object(), float("nan"), "\ud800"], ids=["object", "nan", "surrogate"])
def test_what_json_has_not(value: object) -> None:
    """What means nothing in JSON is refused, and said to be about saving."""
    with pytest.raises(InvalidRequestError, match=r"^The conversation can't be saved: "):
        dump(Saved("m", [{"role": "user", "content": "Hello", "x": value}], {}))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it holds no conversation"),
        (b'{"messages": []}', "it holds no conversation"),
        ({**GOOD, "version": 2}, "its version is 2, and this package reads 1. Update"),
        ({**GOOD, "version": None}, "its version is None"),
        ({**GOOD, "model": 5}, "model is 5, expected a model id"),
        ({**GOOD, "messages": "Hello"}, "messages is 'Hello', expected a list"),
        ({**GOOD, "messages": [{"role": "user"}]}, r"messages[0].content is missing"),
        ({**GOOD, "messages": [{"role": "human", "content": ""}]}, "messages[0].role is 'human'"),
        ({**GOOD, "params": None}, "params is missing, expected an object"),
        ({**GOOD, "params": {"temprature": 1}}, "params.temprature is 1, expected no such parameter"),
        ({**GOOD, "window": "big"}, "window is 'big', expected a whole number of tokens"),
    ],
    ids=range(15),
)
def test_not_loaded(data: object, says: str) -> None:
    """What is no conversation, or one of another time, is refused with the file's name and the place."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()

    with pytest.raises(InvalidRequestError) as caught:
        load(raw, "a.json", PARAMS)

    assert str(caught.value).startswith("The conversation in 'a.json' can't be loaded: ")
    assert says in str(caught.value)
    assert bool(caught.value.errors) == ("expected" in str(caught.value))


def test_a_mark_at_the_beginning() -> None:
    """A byte order mark, which some editors write, is skipped."""
    assert load(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "a.json", PARAMS) == Saved("m", [], {})
