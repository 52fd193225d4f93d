"""Streams of a type: `stream(response_format=Type)`, blocking and async."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from conftest import MESSAGES, MODEL, done, each
from pydantic import BaseModel

from wandb_inference import InvalidRequestError, LengthFinishReasonError, ParseError
from wandb_inference.testing import Emulator


class Recipe(BaseModel):
    """A type to ask for."""

    name: str
    steps: list[str]


RECIPE = Recipe(name="bread", steps=["mix it", "bake it"])


def typed(client: Any, response_format: Any = Recipe, **params: Any) -> Any:
    """A stream of a type, its request not sent yet."""
    return client.chat.completions.stream(model=MODEL, messages=MESSAGES, response_format=response_format, **params)


async def test_values(client: Any, emulator: Emulator) -> None:
    """The events have the value as far as it goes, the end has all of it, and so has the final completion."""
    emulator.reply(value=RECIPE)
    stream = typed(client)
    events = [event async for event in each(stream)]
    final = await done(stream.get_final_completion())

    names = [event.parsed.name for event in events if event.type == "content.delta"]
    assert (names[0], names[-1]) == (None, "bread")
    assert [event.parsed for event in events if event.type == "content.done"] == [RECIPE]
    assert final.parsed == final.choices[0].message.parsed == RECIPE
    assert pickle.loads(pickle.dumps(final)).parsed == RECIPE
    assert final.meta == stream.meta
    assert emulator.requests[0].body["response_format"]["type"] == "json_schema"


async def test_several(client: Any, emulator: Emulator) -> None:
    """Each answer has a value of its own; a list comes out of its wrapper."""
    emulator.reply(value={"value": [1, 2]})
    final = await done(typed(client, list[int], n=2).get_final_completion())

    assert [choice.parsed for choice in final.choices] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("reply", "error"),
    [({"value": RECIPE, "max_tokens": 4}, LengthFinishReasonError), ({"text": "no recipe"}, ParseError)],
    ids=["cut", "no JSON"],
)
async def test_does_not_fit(client: Any, emulator: Emulator, reply: dict[str, Any], error: type[ParseError]) -> None:
    """The loop ends well, without a value; the final completion is the error of `parse()`, with what was paid for."""
    emulator.reply(**reply)
    stream = typed(client)
    events = [event async for event in each(stream)]

    assert [event.parsed for event in events if event.type == "content.done"] == [None]
    with pytest.raises(error) as caught:
        await done(stream.get_final_completion())
    assert caught.value.usage == stream.usage
    assert caught.value.completion.text == stream.text


async def test_words_beside_a_call(client: Any, emulator: Emulator) -> None:
    """A call is an answer, whatever is said beside it."""
    emulator.reply("Let me look.", tool_calls=[("look", {"at": 1})])
    final = await done(typed(client, tools=[{"type": "function", "function": {"name": "look"}}]).get_final_completion())

    assert final.choices[0].message.tool_calls[0].function.name == "look"


async def test_a_mapping(client: Any, emulator: Emulator) -> None:
    """A mapping is sent as it is, and nothing is parsed."""
    emulator.reply("{}")
    stream = typed(client, {"type": "json_object"})
    events = [event async for event in each(stream)]

    assert [event.parsed for event in events if hasattr(event, "parsed")] == [None] * 3
    assert emulator.requests[0].body["response_format"] == {"type": "json_object"}


async def test_no_type(client: Any, emulator: Emulator) -> None:
    """What is no type is refused at the call."""
    with pytest.raises(InvalidRequestError, match="response_format is 7"):
        typed(client, 7)
    assert emulator.requests == []
