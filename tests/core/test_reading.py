from __future__ import annotations

import contextlib
import copy
import json
from contextlib import suppress
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, FailFast

from wandb_inference._core.reading import UnreadableError, mend, read_json, read_model
from wandb_inference.types import ChatCompletion, ChatCompletionChunk
from wandb_inference.types.model import ModelList

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "hello",
                "refusal": None,
                "reasoning": "hm",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                ],
            },
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {
                        "token": "hello",
                        "logprob": -0.5,
                        "bytes": [104],
                        "top_logprobs": [{"token": "x", "logprob": -1.0, "bytes": None}],
                    }
                ]
            },
            "token_ids": [1, 2],
        }
    ],
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "prompt_token_ids": [3],
}


def read(value) -> ChatCompletion:
    return read_model(ChatCompletion, json.dumps(value).encode())


def changed(path, value):
    """The completion with another value at a path such as `choices.0.index`."""
    completion = copy.deepcopy(COMPLETION)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = completion
    for step in steps:
        place = place[step]
    place[last] = value
    return completion


def at(completion, path):
    """What the completion has at such a path."""
    for step in path.split("."):
        completion = completion[int(step)] if step.isdigit() else getattr(completion, step)
    return completion


def test_a_good_answer():
    """A completion that fits is read as it is."""
    assert read(COMPLETION).model_dump(exclude_unset=True) == COMPLETION


MESSAGE = "choices.0.message"
ARGUMENTS = f"{MESSAGE}.tool_calls.0.function.arguments"


@pytest.mark.parametrize(
    ("path", "sent", "read_as"),
    [
        ("id", 7, "7"),
        ("id", None, ""),
        ("id", ["x"], ""),
        ("id", {"x": 1}, ""),
        ("id", True, "true"),
        ("created", 1.5, 1),
        ("created", "1700000000.25", 1700000000),
        ("created", "yesterday", 0),
        ("created", 1e400, 0),
        ("created", "1e999", 0),
        ("created", None, 0),
        ("created", {"seconds": 1}, 0),
        ("model", 1.5, "1.5"),
        ("object", None, "chat.completion"),
        ("usage", None, None),
        ("usage", "none", None),
        ("usage", [], None),
        ("usage.total_tokens", None, 0),
        ("usage.total_tokens", "3", 3),
        ("usage.prompt_tokens", 1.9, 1),
        ("usage.prompt_tokens_details", 7, None),
        ("usage.prompt_tokens_details.cached_tokens", "many", None),
        ("choices.0.index", None, 0),
        ("choices.0.index", "0", 0),
        ("choices.0.finish_reason", 7, "7"),
        ("choices.0.finish_reason", "a_new_one", "a_new_one"),
        ("choices.0.finish_reason", ["stop"], None),
        ("choices.0.logprobs", "none", None),
        ("choices.0.logprobs.content", {}, None),
        ("choices.0.logprobs.content", [[7], 7], []),
        ("choices.0.logprobs.content.0.logprob", "low", 0.0),
        ("choices.0.logprobs.content.0.top_logprobs", None, []),
        ("choices.0.token_ids", [1, "2", 3.0], [1, 2, 3]),
        ("choices.0.token_ids", [1, "two", 3], [1, 3]),
        (f"{MESSAGE}.role", None, "assistant"),
        (f"{MESSAGE}.content", 42, "42"),
        (f"{MESSAGE}.content", None, None),
        (f"{MESSAGE}.content", {"text": "x"}, "x"),
        (f"{MESSAGE}.content", [], ""),
        (f"{MESSAGE}.content", ["a", {"type": "text", "text": "b"}, {"type": "image"}, 7, {"text": 8}], "ab"),
        (f"{MESSAGE}.refusal", False, "false"),
        (f"{MESSAGE}.tool_calls", {}, None),
        (f"{MESSAGE}.tool_calls.0.id", 1, "1"),
        (f"{MESSAGE}.tool_calls.0.type", None, "function"),
        (f"{MESSAGE}.function_call", [], None),
        (ARGUMENTS, {"a": "\u00e9"}, '{"a": "\u00e9"}'),
        (ARGUMENTS, ["a"], '["a"]'),
        (ARGUMENTS, {}, "{}"),
        (ARGUMENTS, None, ""),
        (ARGUMENTS, 7, "7"),
    ],
)
def test_what_does_not_fit(path, sent, read_as):
    """A value of another type becomes what it means, or is left out: the text can be read all the same."""
    completion = read(changed(path, sent))

    assert at(completion, path) == read_as
    if not path.startswith(f"{MESSAGE}.content"):
        assert completion.text == "hello"


@pytest.mark.parametrize("name", sorted(set(COMPLETION) - {"choices"}))
def test_what_may_be_missing(name):
    """Everything but the choices can be left out."""
    assert read({key: value for key, value in COMPLETION.items() if key != name}).text == "hello"


def test_several_mends():
    """Many odd values at once are mended together."""
    completion = changed("created", 1.5)
    completion["id"] = 7
    completion["usage"] = {"prompt_tokens": "1", "completion_tokens": None, "total_tokens": []}
    completion["choices"][0]["token_ids"] = ["a", 1, "b", 2]

    found = read(completion)

    assert (found.id, found.created, found.choices[0].token_ids) == ("7", 1, [1, 2])
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (1, 0, 0)


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": 1}, {"something": "else"}])
def test_partial_usage(usage):
    """Counts that are missing are 0, and unknown ones are kept."""
    found = read(changed("usage", usage)).usage

    assert found is not None
    assert found.total_tokens == 0
    assert found.model_dump(exclude_unset=True) == usage


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "choices: Field required"),
        ({"choices": None}, "choices: Field required"),
        ({"choices": "none"}, "choices: Field required"),
        ({"choices": [{}]}, "choices.0.message: Field required"),
        ({"choices": [{"message": None}]}, "choices.0.message: Field required"),
        ({"choices": [["a"]]}, "choices.0: Input should be"),
        ({"id": 7, "choices": [{}]}, "choices.0.message: Field required"),
        ([], "the whole: Input should be"),
        ("text", "the whole: Input should be"),
        (None, "the whole: Input should be"),
    ],
)
def test_structure(value, reason):
    """What is missing where it is needed fails, and the message says where."""
    with pytest.raises(UnreadableError) as caught:
        read(value)

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("choices", [[None], ["hello"], [7, None]])
def test_no_choices_but_values(choices):
    """A plain value where a choice belongs is left out, which can leave none."""
    assert read({"choices": choices}).choices == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'\xef\xbb\xbf{"choices": [{"message": {"content": "a"}}]}', "a"),
        (b'{"choices": [{"message": {"content": "caf\xe9"}}]}', "caf\ufffd"),
        (b'{"choices": [{"message": {"content": "\\ud83d x"}}]}', "\ufffd x"),
        (b'{"choices": [{"message": {"content": "\\ud83d\\ude00"}}]}', "\U0001f600"),
        (b'{"choices": [{"message": {"content": "\\u0061"}}], "\\ud83d": ["\\udc00", 1, null]}', "a"),
        (b' \n {"choices": [{"message": {"content": "a"}}]} \n', "a"),
        (b'{"created": NaN, "choices": [{"message": {"content": "a"}}]}', "a"),
        (b'{"created": Infinity, "choices": [{"message": {"content": "a"}}]}', "a"),
        (b'{"created": ' + b"9" * 400 + b', "choices": [{"message": {"content": "a"}}]}', "a"),
    ],
)
def test_odd_bytes(data, text):
    """A BOM, broken UTF-8, half surrogates, and numbers beyond all bounds keep nobody from the text."""
    assert read_model(ChatCompletion, data).text == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"<html>",
        b'{"choices": [',
        b"nothing",
        b'{"id": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_no_json(data):
    """What is no JSON, nested without end or holds an integer without end can't be read, and that is all."""
    with pytest.raises(UnreadableError):
        read_json(data)
    with pytest.raises(UnreadableError):
        read_model(ChatCompletion, data)


def test_deep_text_with_surrogates():
    """JSON that can just be read, but perhaps not be walked through, is read, or is nested too deep."""
    with contextlib.suppress(UnreadableError):
        assert read_json(b"[" * 900 + b'"\\ud83d"' + b"]" * 900)


def test_a_list_of_models():
    """The same holds for other models."""
    data = b'{"data": [{"id": "a", "created": null}, {"id": 7}, null]}'

    assert [model.id for model in read_model(ModelList, data)] == ["a", "7"]


def test_models_within():
    """What is already a model is taken as it is."""
    usage = read(COMPLETION).usage

    assert mend(ChatCompletion, {"choices": [], "usage": usage}).usage == usage


def test_mending_ends():
    """A value that shows one fault after the other is given up after a few."""

    class Numbers(BaseModel):
        numbers: Annotated[list[int], FailFast()]

    assert mend(Numbers, {"numbers": ["a"] * 7 + [1]}).numbers == [1]
    with pytest.raises(UnreadableError):
        mend(Numbers, {"numbers": ["a"] * 9})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


PATHS = sorted(paths(COMPLETION), key=str)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=4), st.sampled_from(["value", "absent"]))
def test_any_mutation(mutations, how):
    """A completion with any of its values replaced or left out is read, or said to be unreadable, and nothing else."""
    completion = copy.deepcopy(COMPLETION)
    for path, value in mutations:
        place = completion
        try:
            for step in path[:-1]:
                place = place[step]
            if how == "value":
                place[path[-1]] = value
            else:
                del place[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took the place away
    data = json.dumps(completion).encode()
    for model in (ChatCompletion, ChatCompletionChunk):
        try:
            found = read_model(model, data)
        except UnreadableError:
            continue
        assert isinstance(found.text, str)
        found.model_dump()


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(data):
    """Any bytes are read or said to be unreadable."""
    with suppress(UnreadableError):
        read_model(ChatCompletionChunk, data)


@settings(deadline=None)
@given(st.sampled_from(PATHS), JSON.filter(lambda value: not isinstance(value, (dict, list))))
def test_scalars_never_cost_the_text(path, value):
    """No single odd value beside the text keeps anyone from reading it."""
    needed = [("choices",), ("choices", 0), ("choices", 0, "message"), ("choices", 0, "message", "content")]
    if path in needed:
        return
    completion = copy.deepcopy(COMPLETION)
    place = completion
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert read(completion).text == "hello"
