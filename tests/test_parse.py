"""`parse()`: typed answers, repairs, and answers that do not fit. Each test runs blocking and async."""

from __future__ import annotations

import copy
import dataclasses
import enum
import json
import pickle
from typing import Annotated, Any, Literal, Union

import pytest
from conftest import MESSAGES, MODEL, done
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict

from wandb_inference import (
    APIError,
    APITimeoutError,
    ContentFilterFinishReasonError,
    InternalServerError,
    InvalidRequestError,
    LengthFinishReasonError,
    ParseError,
)
from wandb_inference.testing import Fault, Reply
from wandb_inference.types import ChatCompletion, ParsedChatCompletion, ParsedChoice, ParsedMessage


class Step(BaseModel):
    """One step."""

    text: str
    minutes: int = Field(ge=0)


class Recipe(BaseModel):
    name: str
    steps: list[Step]


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


class Options(TypedDict):
    name: str


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


Pet = Annotated[Union[Cat, Dog], Field(discriminator="kind")]

Checked = Annotated[str, AfterValidator(lambda text: text.index("x"))]
TAGS = "something else: Input tag 'cow' found using 'kind' does not match any of the expected tags: 'cat', 'dog'"

LOOK = {"type": "function", "function": {"name": "look"}}

RECIPE = Recipe(name="Bread", steps=[Step(text="Bake.", minutes=40)])
WRONG = {"name": "Bread", "steps": [{"text": "Bake.", "minutes": "long"}]}


async def parse(client: Any, wanted: Any = Recipe, **params: Any) -> Any:
    """A typed answer of either kind of client."""
    asked = {"model": MODEL, "messages": MESSAGES, "response_format": wanted, **params}
    return await done(client.chat.completions.parse(**asked))


async def failed(client: Any, wanted: Any = Recipe, error: type[APIError] = ParseError, **params: Any) -> Any:
    """The error of a typed answer."""
    with pytest.raises(error) as caught:
        await parse(client, wanted, **params)
    assert type(caught.value) is error
    return caught.value


class TestAnswers:
    """What fits."""

    async def test_a_model(self, client, emulator):
        """The value is on the completion, on each choice and on its message; all else is the completion's."""
        emulator.reply(value=RECIPE)

        answer = await parse(client, temperature=0.5)

        assert answer.parsed == answer.choices[0].parsed == answer.choices[0].message.parsed == RECIPE
        assert (type(answer), type(answer.choices[0]), type(answer.choices[0].message)) == (
            ParsedChatCompletion,
            ParsedChoice,
            ParsedMessage,
        )
        assert isinstance(answer, ChatCompletion)
        assert answer.text == RECIPE.model_dump_json()
        assert answer.meta.status == 200
        assert [type(one) for one in answer.rounds] == [ChatCompletion]
        assert answer.usage == answer.rounds[0].usage
        sent = emulator.requests[0].body
        assert sent["temperature"] == 0.5
        assert sent["response_format"]["json_schema"]["name"] == "Recipe"
        assert "stream" not in sent

    @pytest.mark.parametrize(
        ("wanted", "value"),
        [
            (Point, Point(1, 2.5)),
            (Options, {"name": "a"}),
            (Color, Color.RED),
            (Union[Cat, Dog], Dog(kind="dog")),
            (Pet, Cat(kind="cat")),
            (TypeAdapter(Pet), Cat(kind="cat")),
            (list[Recipe], [RECIPE]),
            (list[str], ["a"]),
            (Literal["yes", "no"], "yes"),
            (int | None, None),
            (bool, True),
        ],
        ids=lambda value: str(value).partition(" object at ")[0],
    )
    async def test_other_types(self, client, emulator, wanted, value):
        """Whatever pydantic reads can be asked for, with its wrapper or without."""
        # `null` is also how a reply without a value is written.
        emulator.reply("null" if value is None else None, value=value)

        assert (await parse(client, wanted)).parsed == value

    async def test_the_emulator_by_itself(self, client):
        """The emulator answers with an instance of the schema."""
        assert isinstance((await parse(client, list[Recipe])).parsed[0], Recipe)

    async def test_several_choices(self, client, emulator):
        """Each choice has its value."""
        answer = await parse(client, n=3)

        assert [type(choice.parsed) for choice in answer.choices] == [Recipe] * 3
        assert answer.choices[0].parsed != answer.choices[1].parsed

    async def test_copies(self, client, emulator):
        """An answer pickles and copies with its value; the value is neither dumped nor compared."""
        emulator.reply(value=RECIPE)
        answer = await parse(client)

        for again in (
            pickle.loads(pickle.dumps(answer)),
            copy.copy(answer),
            copy.deepcopy(answer),
            answer.model_copy(),
        ):
            assert again == answer
            assert again.parsed == RECIPE
            assert again.rounds == answer.rounds
        assert answer.model_dump() == answer.rounds[0].model_dump()
        assert ChatCompletion.model_validate_json(answer.model_dump_json()) == answer.rounds[0]

    async def test_as_history(self, client, emulator):
        """A message goes back to the model as it came."""
        emulator.reply(value=RECIPE)
        answer = await parse(client)

        await parse(client, messages=[*MESSAGES, answer.choices[0].message, *MESSAGES])

        assert emulator.requests[1].messages[1] == {"role": "assistant", "content": RECIPE.model_dump_json()}

    async def test_tools(self, client, emulator):
        """Where the model calls a tool, there is no value yet, and that is no failure."""
        emulator.reply(tool_calls=[("look", {"at": 1})])
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}

        answer = await parse(client, tools=iter([tool]))

        assert answer.choices[0].message.tool_calls[0].function.name == "look"
        for holder in (answer, answer.choices[0], answer.choices[0].message):
            with pytest.raises(ParseError, match=r"no parsed value.*tool_calls") as caught:
                _ = holder.parsed
            assert caught.value.completion.choices[0].message.tool_calls
        with pytest.raises(ParseError):
            _ = ParsedChatCompletion[Any](choices=[]).parsed
        assert ParsedChatCompletion[Any](choices=[]).rounds == (ParsedChatCompletion[Any](choices=[]),)


class TestWordsBesideCalls:
    """Answers that call a tool and say something."""

    @pytest.mark.parametrize("wanted", [Recipe, Checked], ids=["no JSON", "a validator that fails"])
    async def test_words(self, client, emulator, wanted):
        """Words that are no value are left alone, and nothing is repaired: the call is the answer."""
        emulator.reply("Let me look.", tool_calls=[("look", {"at": 1})])

        answer = await parse(client, wanted, tools=[LOOK], max_repairs=1)

        assert answer.choices[0].message.tool_calls[0].function.name == "look"
        assert answer.text == "Let me look."
        assert len(emulator.requests) == 1
        with pytest.raises(ParseError, match="no parsed value"):
            _ = answer.parsed

    async def test_a_value(self, client, emulator):
        """A value beside a call is read."""
        emulator.reply(RECIPE.model_dump_json(), tool_calls=[("look", {"at": 1})])

        assert (await parse(client, tools=[LOOK])).parsed == RECIPE

    async def test_cut(self, client, emulator):
        """Words that were cut are an error, calls or not."""
        emulator.reply("Let me look.", tool_calls=[("look", {"at": 1})], finish_reason="length")

        await failed(client, error=LengthFinishReasonError, tools=[LOOK])


class TestRepairs:
    """What does not fit, and is asked for again."""

    async def test_repaired(self, client, emulator):
        """The model is told what is wrong, and the usage of both answers adds up."""
        emulator.reply(value=WRONG)
        emulator.reply(value=RECIPE)

        answer = await parse(client, max_repairs=1, messages=iter(MESSAGES), stop=iter(["@"]))

        assert answer.parsed == RECIPE
        first, second = answer.rounds
        assert answer.usage.total_tokens == first.usage.total_tokens + second.usage.total_tokens
        assert answer.usage.cached_tokens == (first.usage.cached_tokens or 0) + (second.usage.cached_tokens or 0)
        assert answer.meta is second.meta
        told = emulator.requests[1].messages
        assert told[: len(MESSAGES)] == MESSAGES
        assert told[-2] == {"role": "assistant", "content": first.text}
        assert told[-1] == {
            "role": "user",
            "content": "Your answer does not fit the JSON schema:\n"
            '- steps[0].minutes is "long", expected a valid integer, unable to parse string as an integer\n'
            "Answer again, with the whole corrected JSON alone.",
        }
        assert [request.body["stop"] for request in emulator.requests] == [["@"], ["@"]]

    async def test_not_repaired(self, client, emulator):
        """When no repair is left, the error has the last answer, and the usage of all."""
        for _ in range(3):
            emulator.reply(value=WRONG)

        error = await failed(client, max_repairs=2)

        assert len(emulator.requests) == len(error.rounds) == 3
        assert error.completion == error.rounds[-1]
        assert error.usage.total_tokens == sum(one.usage.total_tokens for one in error.rounds)
        assert len(emulator.requests[2].messages) == len(MESSAGES) + 4

    async def test_off(self, client, emulator):
        """Nobody is asked again unless told so."""
        emulator.reply(value=WRONG)

        await failed(client)

        assert len(emulator.requests) == 1

    async def test_a_repair_that_fails(self, make, emulator):
        """An answer that was paid for is not lost where its repair fails; the cause is what went wrong."""
        client = make(max_retries=0)
        emulator.reply(value=WRONG)
        emulator.reply(status=500)

        error = await failed(client, max_repairs=1)

        assert error.text == json.dumps(WRONG, separators=(",", ":"))
        assert isinstance(error.__cause__, InternalServerError)
        assert error.hint.startswith("The repair failed: 500: ")
        await done(client.close())

    async def test_a_first_answer_that_fails(self, make, emulator):
        """Before there is an answer an error is the one of any call."""
        client = make(max_retries=0)
        emulator.fault(Fault.status(500))

        await failed(client, error=InternalServerError, max_repairs=1)
        await done(client.close())

    async def test_one_deadline(self, client, emulator):
        """The deadline holds for all rounds together."""
        emulator.reply(value=WRONG, delay=0.2)
        emulator.reply(value=RECIPE, delay=5)

        error = await failed(client, max_repairs=1, deadline=0.4)

        assert isinstance(error.__cause__, APITimeoutError)
        assert error.__cause__.clock == "deadline"

    async def test_several_choices(self, client, emulator):
        """With several choices the model is told about the first that does not fit."""
        emulator.reply(value=WRONG)

        answer = await parse(client, n=2, max_repairs=1)

        assert len(answer.rounds) == 2
        assert [type(choice.parsed) for choice in answer.choices] == [Recipe] * 2


class TestFailures:
    """What does not fit, and is not asked for again."""

    async def test_wrong(self, client, emulator):
        """The error names path, value and expectation, and keeps completion, usage and text."""
        emulator.reply(value=WRONG)

        error = await failed(client)

        assert str(error) == (
            'The answer does not fit Recipe: steps[0].minutes is "long", '
            "expected a valid integer, unable to parse string as an integer"
        )
        assert error.errors == (("steps[0].minutes", "long", "a valid integer, unable to parse string as an integer"),)
        assert error.text == error.completion.text
        assert error.usage == error.completion.usage
        assert error.usage.total_tokens > 0
        assert error.meta.status == 200
        assert len(error.attempts) == 1
        assert error.partial_value == WRONG

    @pytest.mark.parametrize(
        ("wanted", "text", "path", "value", "expected"),
        [
            (Recipe, "Sorry.", "the answer", "Sorry.", "JSON (expected value at line 1 column 1)"),
            (Recipe, "", "the answer", "", "JSON (EOF while parsing a value at line 1 column 0)"),
            (Recipe, '{"steps": []}', "name", None, "to be there"),
            (Recipe, "[]", "the answer", [], "an object"),
            (Step, '{"text": "a", "minutes": -1}', "minutes", -1, "greater than or equal to 0"),
            (list[int], '{"value": [1, "x"]}', "[1]", "x", "a valid integer, unable to parse string as an integer"),
            (list[Union[Cat, Step]], '[{"kind": "cow", "text": "a"}]', "[0].kind", "cow", "'cat'"),
            (Pet, '{"value": {"kind": "cow"}}', "the answer", {"kind": "cow"}, TAGS),
            (Annotated[str, Field(min_length=3)], '{"value": "a"}', "the answer", "a", "to have at least 3 characters"),
            (Annotated[str, Field(pattern="^x")], '{"value": "a"}', "the answer", "a", "to match pattern '^x'"),
            (Checked, '{"value": "a"}', "the answer", "a", "to pass a check: substring not found"),
        ],
    )  # fmt: skip
    async def test_table(self, client, emulator, wanted, text, path, value, expected):
        """What was expected is said in one line, by the path of the answer's own JSON."""
        emulator.reply(text)

        error = await failed(client, wanted)

        assert error.errors[0] == (path, value, expected)
        assert f"{path} is " in str(error)

    async def test_forbidden_fields(self, client, emulator):
        """A field too many is named."""
        closed = type("Closed", (BaseModel,), {"model_config": {"extra": "forbid"}})
        emulator.reply('{"more": 1}')

        assert (await failed(client, closed)).errors[0] == ("more", 1, "no such field")

    async def test_many(self, client, emulator):
        """Of many problems the text says the first five, and a long value is cut."""
        emulator.reply(value=["x" * 99] * 8)

        error = await failed(client, list[int])

        assert len(error.errors) == 8
        assert "(and 3 more)" in str(error)
        assert "x" * 61 not in str(error)

    async def test_cut(self, client, emulator):
        """An answer that was cut is an error of its own, with the numbers, and not repaired."""
        emulator.reply(value=RECIPE, max_tokens=9)

        error = await failed(client, error=LengthFinishReasonError, max_repairs=3)

        assert error.message == "The answer was cut at max_tokens after 9 tokens"
        assert error.hint == "Give a larger max_tokens, or ask for less."
        assert error.partial_value == {"name": "Bread"}
        assert RECIPE.model_dump_json().startswith(error.text)
        assert len(emulator.requests) == 1

    async def test_cut_while_thinking(self, client, emulator):
        """Where thinking used the tokens up, the error says so, with numbers."""
        emulator.reply(value=RECIPE, reasoning="Let me think about that for quite a while.", max_tokens=8)

        error = await failed(client, error=LengthFinishReasonError)

        assert (
            error.message == "The answer was cut at max_tokens after 8 tokens, and 8 of the 8 tokens went into thinking"
        )
        assert "thinking=False" in error.hint
        assert (error.text, error.partial_value) == ("", None)

    async def test_cut_without_numbers(self, client, emulator):
        """A server that counts nothing gets the same errors without numbers."""
        emulator.reply(reasoning="Let me think.", finish_reason="length", usage={})
        emulator.reply("{", finish_reason="length", usage={})
        emulator.reply(json={"choices": [{"message": {"content": "{"}, "finish_reason": "length"}]})

        messages = [(await failed(client, error=LengthFinishReasonError)).message for _ in range(3)]

        assert messages[0] == "The answer was cut at max_tokens, and the tokens went into thinking"
        assert messages[1] == messages[2] == "The answer was cut at max_tokens"

    async def test_filtered(self, client, emulator):
        """So is an answer that a filter stopped."""
        emulator.reply('{"name": "B', finish_reason="content_filter")

        error = await failed(client, error=ContentFilterFinishReasonError)

        assert "content filter" in error.message
        assert error.partial_value == {"name": "B"}

    async def test_refused(self, client, emulator):
        """A refusal is said to be one."""
        emulator.reply(refusal="I'd rather not.")

        error = await failed(client, max_repairs=1)

        assert error.message == "The answer is a refusal: I'd rather not."
        assert len(emulator.requests) == 1

    async def test_a_validator_that_breaks(self, client, emulator):
        """A validator that fails in a way of its own loses nothing either."""

        def broken(text: str) -> str:
            raise KeyError(text)

        emulator.reply("{}")
        model = type("Broken", (BaseModel,), {"__annotations__": {"x": Annotated[str, AfterValidator(broken)]}})
        emulator.clear()
        emulator.reply('{"x": "a"}')

        error = await failed(client, model, max_repairs=1)

        assert "a validator of Broken raised KeyError: 'a'" in error.message
        assert isinstance(error.__cause__, KeyError)
        assert error.usage.total_tokens > 0

    async def test_one_of_several(self, client, emulator):
        """The choice that does not fit is named."""
        good, bad = ({"message": {"content": text}, "index": i} for i, text in enumerate(['{"value": 1}', "no"]))
        emulator.reply(json={"choices": [good, bad]})

        assert "Choice 1 does not fit int" in str(await failed(client, int, n=2))

    async def test_copies(self, client, emulator):
        """The errors pickle and copy whole."""
        emulator.reply(value=WRONG)
        error = await failed(client)

        for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
            assert type(again) is ParseError
            assert str(again) == str(error)
            assert (again.completion, again.text, again.usage) == (error.completion, error.text, error.usage)
            assert (again.errors, again.rounds) == (error.errors, error.rounds)

    async def test_names(self):
        """The errors are known by where users find them."""
        assert ParseError.__module__ == "wandb_inference.exceptions"


class Mapped(BaseModel):
    scores: dict[str, int]


MISTAKES = [
    ("a mapping", {"response_format": {"type": "json_object"}}, InvalidRequestError, "create()"),
    ("a name", {"response_format": "Recipe"}, InvalidRequestError, "a pydantic model"),
    ("an instance", {"response_format": RECIPE}, InvalidRequestError, "a pydantic model"),
    ("free keys", {"response_format": Mapped}, InvalidRequestError, "response_format.scores"),
    ("a stream", {"stream": True}, TypeError, "stream(response_format=...)"),
    ("repairs that are none", {"max_repairs": -1}, InvalidRequestError, "max_repairs is -1"),
    ("a flag as repairs", {"max_repairs": True}, InvalidRequestError, "max_repairs is True"),
    ("text as repairs", {"max_repairs": "2"}, InvalidRequestError, "max_repairs is '2'"),
    ("a misspelt name", {"max_repair": 1}, TypeError, "did you mean 'max_repairs'?"),
    ("instructor's name", {"response_model": Recipe}, TypeError, "did you mean 'response_format'?"),
    ("the end of a stream", {"final_only": True}, TypeError, "get_final_completion() of stream(response_format=...)"),
    ("messages that are none", {"messages": "Hello"}, InvalidRequestError, "messages="),
]


@pytest.mark.parametrize(
    ("params", "error", "says"), [mistake[1:] for mistake in MISTAKES], ids=[m[0] for m in MISTAKES]
)
async def test_mistakes(client, emulator, params, error, says):
    """What can't work is said before anything is sent."""
    with pytest.raises(error) as caught:
        await parse(client, **params)

    assert says in str(caught.value)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"response_model": Recipe}, r"^parse\(\) got .* 'response_model'; did you mean 'response_format'\?$"),
        ({"stream": True}, r"^parse\(\) got .* 'stream'; to get it as it comes, use stream\("),
        ({}, r"Completions\.parse\(\) missing 1 required keyword-only argument: 'response_format'"),
        ({"temperature": 0}, r"Completions\.parse\(\) missing 1 required keyword-only argument: 'response_format'"),
    ],
)
async def test_keywords_that_are_missing(client, emulator, given, says):
    """A keyword that does not exist is told before one that is missing, and both by the names that users know."""
    with pytest.raises(TypeError, match=says) as caught:
        client.chat.completions.parse(model=MODEL, messages=MESSAGES, **given)

    assert "Parsing" not in str(caught.value)
    assert emulator.requests == []


@pytest.mark.parametrize("name", ["create", "parse", "stream", "run_tools"])
async def test_names_of_methods(client, name):
    """Methods are known by the class that users see, and a wrong name of a required argument by the right one."""
    method = getattr(client.chat.completions, name)

    assert method.__qualname__ == f"{type(client.chat.completions).__name__}.{name}"
    with pytest.raises(
        TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'modle'; did you mean 'model'"
    ):
        method(modle=MODEL, messages=MESSAGES)


async def test_repairs_of_a_stream(client, emulator):
    """A stream is not repaired."""
    with pytest.raises(TypeError, match=r"'max_repairs'; repairs are for parse\(\)"):
        client.chat.completions.stream(model=MODEL, messages=MESSAGES, response_format=Recipe, max_repairs=1)

    assert emulator.requests == []


@pytest.mark.parametrize(
    "wanted", [Recipe, list[Recipe], Recipe | Step, Union[Recipe, Step], TypeAdapter(Recipe), Pet], ids=range(6)
)
async def test_a_type_for_create(client, emulator, wanted):
    """`create()` given a type points to `parse()`."""
    with pytest.raises(InvalidRequestError, match=r"use client\.chat\.completions\.parse\(.*, and read \.parsed"):
        await done(client.chat.completions.create(model=MODEL, messages=MESSAGES, response_format=wanted))
    assert emulator.requests == []


class TestReplies:
    """What the emulator can be told to answer."""

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"text": "a", "value": 1}, "one of text and value"),
            ({"value": 1, "json": {}}, "a completion and json"),
            ({"text": "a", "max_tokens": 0}, "max_tokens must be at least 1"),
        ],
    )
    def test_contradictions(self, fields, says):
        """Fields that contradict each other are refused."""
        with pytest.raises(ValueError, match=says):
            Reply(**fields)

    async def test_long_enough(self, client, emulator):
        """An answer that is shorter than the cut ends well."""
        emulator.reply(value=RECIPE, max_tokens=10_000)

        assert (await parse(client)).parsed == RECIPE

    async def test_a_real_limit(self, client):
        """Without a script the emulator cuts at the request's own limit."""
        assert (await failed(client, error=LengthFinishReasonError, max_tokens=3)).usage.completion_tokens == 3
