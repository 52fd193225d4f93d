from __future__ import annotations

import ast
import copy
import inspect
import json
import pickle
from itertools import pairwise

import pytest
from pydantic import ValidationError

from wandb_inference import types
from wandb_inference.exceptions import AttemptRecord
from wandb_inference.types import (
    AssistantMessage,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatParams,
    Delta,
    Meta,
    Model,
    RequestOptions,
    UserMessage,
    chat_params,
)
from wandb_inference.types.chat_params import BareChatParams, FormlessChatParams, ToollessChatParams
from wandb_inference.types.completion import with_meta
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
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", "new": 1}, "new": 1}
                ],
                "new": {"a": [1]},
            },
            "finish_reason": "a_new_one",
            "logprobs": {
                "content": [{"token": "h", "logprob": -0.5, "bytes": [104], "top_logprobs": [], "new": 1}],
                "refusal": None,
            },
            "token_ids": [1],
            "stop_reason": 7,
        }
    ],
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1, "new": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "cost": 0.5,
    },
    "prompt_token_ids": [3],
    "model_extra_field": "x",
}
CHUNK = {
    "id": "chatcmpl-1",
    "choices": [{"delta": {"content": "hel", "reasoning_content": "hm", "new": 1}, "new": 1}],
    "new": 1,
}


def completion(**changes) -> ChatCompletion:
    return ChatCompletion.model_validate({**COMPLETION, **changes})


def meta(**changes) -> Meta:
    attempt = AttemptRecord(200, None, "answered", 1.0, 0.5, "r")
    details = {"status": 200, "headers": {}, "attempts": (attempt,), "to_headers": 2.5, "to_first_token": None}
    return Meta(**{"request_id": "r", "total": 4.0, "completion_tokens": 10, **details, **changes})


class TestModels:
    """What all models have in common."""

    @pytest.mark.parametrize(("model", "value"), [(ChatCompletion, COMPLETION), (ChatCompletionChunk, CHUNK)])
    def test_round_trip(self, model, value):
        """What the server sent comes back, unknown fields included, without a warning; and it can be read again."""
        read = model.model_validate_json(json.dumps(value))

        assert read.model_dump(exclude_unset=True) == value
        assert json.loads(read.model_dump_json(exclude_unset=True)) == value
        assert model.model_validate(read.model_dump()) == read
        assert model.model_validate_json(read.model_dump_json()) == read

    def test_frozen(self):
        """An answer does not change, at any depth."""
        read = completion()
        for part, name in [(read, "id"), (read.choices[0], "index"), (read.choices[0].message, "content")]:
            with pytest.raises(ValidationError):
                setattr(part, name, "x")

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
    def test_copies(self, clone):
        """Answers pickle and copy whole, how the call went included."""
        read = with_meta(completion(), meta())

        again = clone(read)

        assert again == read
        assert again.meta == read.meta
        assert again.model_dump() == read.model_dump()

    def test_unknown_fields_are_attributes(self):
        """A new field of the server's can be read the same day."""
        read = completion()

        assert read.model_extra_field == "x"
        assert read.choices[0].stop_reason == 7

    @pytest.mark.parametrize(
        "name",
        sorted(
            set(types.__all__) - {"ChatEvent", "FinishReason", "Message", "MessageParam", "ToolEvent", "ToolOutcome"}
        ),
    )
    def test_documented(self, name):
        """Every public type says what it is."""
        assert inspect.getdoc(getattr(types, name))


class TestCompletion:
    """Short ways to what people look for."""

    def test_text_and_reasoning(self):
        """The first choice's text and thinking."""
        read = completion()

        assert (read.text, read.choices[0].message.text) == ("hello", "hello")
        assert (read.reasoning, read.choices[0].message.reasoning) == ("hm", "hm")

    def test_nothing_there(self):
        """Without text it is empty, without thinking it is `None`."""
        read = completion(choices=[{"message": {"content": None}}])

        assert (read.text, read.reasoning) == ("", None)
        assert (completion(choices=[]).text, completion(choices=[]).reasoning) == ("", None)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"reasoning": "new"}, "new"),
            ({"reasoning_content": "old"}, "old"),
            ({"reasoning": "new", "reasoning_content": "old"}, "new"),
            ({"reasoning": "", "reasoning_content": "old"}, "old"),
            ({"reasoning": None, "reasoning_content": "old"}, "old"),
            ({"reasoning": {"a": 1}}, None),
            ({"reasoning": ""}, None),
            ({}, None),
        ],
    )
    def test_names_of_thinking(self, fields, expected):
        """Thinking is read from either name, and both stay as they were sent."""
        for model in (ChatCompletionMessage, Delta):
            read = model.model_validate(fields)
            assert read.reasoning == expected
            assert read.model_dump(exclude_unset=True) == fields

    def test_usage(self):
        """Cached and reasoning tokens are `None` where the server does not say."""
        usage = completion().usage
        bare = completion(usage={"total_tokens": 3}).usage

        assert usage is not None
        assert bare is not None
        assert (usage.cached_tokens, usage.reasoning_tokens) == (1, 2)
        assert (bare.cached_tokens, bare.reasoning_tokens) == (None, None)
        assert bare.prompt_tokens == 0

    def test_meta(self):
        """How the call went is part of neither equality nor dump."""
        plain, answered = completion(), with_meta(completion(), meta())

        assert plain.meta is None
        assert answered.meta == meta()
        assert answered == plain
        assert "meta" not in str(answered.model_dump())
        assert "_meta" not in repr(answered)


class TestChunk:
    """The same for chunks."""

    def test_text_and_reasoning(self):
        """The first answer's text and thinking."""
        read = ChatCompletionChunk.model_validate(CHUNK)

        assert (read.text, read.choices[0].delta.text) == ("hel", "hel")
        assert (read.reasoning, read.choices[0].delta.reasoning) == ("hm", "hm")

    def test_several_answers(self):
        """The pieces of other answers, alone or before the first one's, are not mixed in."""
        one = {"index": 0, "delta": {"content": "a", "reasoning": "hm"}}
        other = {"index": 1, "delta": {"content": "b", "reasoning": "oh"}}

        both = ChatCompletionChunk.model_validate({"choices": [other, one]})
        alone = ChatCompletionChunk.model_validate({"choices": [other]})

        assert (both.text, both.reasoning) == ("a", "hm")
        assert (alone.text, alone.reasoning) == ("", None)

    def test_nothing_there(self):
        """Without choices or text it is empty."""
        bare = ChatCompletionChunk()
        empty = ChatCompletionChunk.model_validate({"choices": [{}]})

        assert (bare.text, bare.reasoning, bare.choices) == ("", None, [])
        assert (empty.text, empty.choices[0].delta.text, empty.reasoning) == ("", "", None)


class TestTokensPerSecond:
    """Speed of an answer."""

    def test_of_a_stream(self):
        """It counts from the first token, which starts the clock."""
        assert meta(to_first_token=1.0).tokens_per_second == 9 / 3

    def test_of_an_answer(self):
        """Else it counts from the start of the last attempt: waits are left out."""
        assert meta().tokens_per_second == 10 / 2
        assert meta(attempts=()).tokens_per_second == 10 / 4

    @pytest.mark.parametrize(
        "changes",
        [
            {"completion_tokens": None},
            {"total": None},
            {"completion_tokens": 0},
            {"to_first_token": 1.0, "completion_tokens": 1},
            {"to_first_token": 4.0},
        ],
    )
    def test_unknown(self, changes):
        """Without tokens, an end or any time between there is none."""
        assert meta(**changes).tokens_per_second is None


class TestModelList:
    """The list of models."""

    LIST = ModelList.model_validate({"object": "list", "data": [{"id": "a"}, {"id": "b", "root": "b"}]})

    def test_iterates_over_models(self):
        """It is a sequence of models."""
        assert [model.id for model in self.LIST] == ["a", "b"]
        assert len(self.LIST) == 2
        assert self.LIST[1].id == "b"

    def test_models(self):
        """A model has what the server says of it, and defaults for the rest."""
        assert self.LIST[0] == Model(id="a")
        assert (self.LIST[0].created, self.LIST[0].owned_by) == (0, "")
        assert self.LIST[1].model_dump()["root"] == "b"


class TestMessages:
    """Messages to build."""

    def test_roles(self):
        """Each knows its role."""
        assert UserMessage(content="x").model_dump(exclude_none=True) == {"role": "user", "content": "x"}
        assert AssistantMessage().content is None

    def test_checked(self):
        """Their fields are checked."""
        with pytest.raises(ValidationError):
            UserMessage(content=7)

    def test_unknown_fields(self):
        """What the service may add later passes."""
        assert UserMessage.model_validate({"content": "x", "new": 1}).model_dump()["new"] == 1


def documented_keys(owner):
    """The keys of a TypedDict that have a docstring below them."""
    tree = ast.parse(inspect.getsource(chat_params))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__).body
    return {
        key.target.id
        for key, text in pairwise(body)
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, ast.Expr)
    }


def test_every_parameter_is_documented():
    """Each key has a docstring of its own."""
    assert documented_keys(RequestOptions) == set(RequestOptions.__annotations__)
    kinds = (RequestOptions, BareChatParams, FormlessChatParams, ToollessChatParams, ChatParams)
    documented = [documented_keys(kind) for kind in kinds]
    assert set().union(*documented) == set(ChatParams.__annotations__)


def test_every_parameter_is_checked():
    """Each parameter of the body is known to the check."""
    from wandb_inference._core.build import PRICES
    from wandb_inference._core.options import CHECKS
    from wandb_inference._core.thinking import SWITCHES
    from wandb_inference.types.chat_request import ChatRequest

    parameters = set(ChatParams.__annotations__) - set(RequestOptions.__annotations__) - SWITCHES - CHECKS - PRICES

    assert parameters | {"model", "messages", "stream"} == set(ChatRequest.model_fields)
