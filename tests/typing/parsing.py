"""What type checkers must infer of parsed answers. Checked by mypy and pyright, never run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Literal, Union

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict, assert_type

from wandb_inference import AsyncClient, Client, LengthFinishReasonError, ParseError
from wandb_inference.exceptions import RequestProblem
from wandb_inference.testing import Emulator
from wandb_inference.types import ChatCompletion, CompletionUsage, Message, ParsedChatCompletion, ParsedMessage

client = Client()
async_client = AsyncClient()
messages = [{"role": "user", "content": "Hello"}]


class Cat(BaseModel):
    name: str


class Dog(BaseModel):
    name: str


@dataclass
class Point:
    x: int


class Options(TypedDict):
    name: str


class Color(enum.Enum):
    RED = "red"


answer = client.chat.completions.parse(model="m", messages=messages, response_format=Cat, max_repairs=2, temperature=0)
assert_type(answer, ParsedChatCompletion[Cat])
assert_type(answer.parsed, Cat)
assert_type(answer.parsed.name, str)
assert_type(answer.choices[0].parsed, Cat)
assert_type(answer.choices[0].message, ParsedMessage[Cat])
assert_type(answer.choices[0].message.parsed, Cat)
assert_type(answer.rounds, tuple[ChatCompletion, ...])
assert_type(answer.usage, CompletionUsage | None)
whole: ChatCompletion = answer
wider: ParsedChatCompletion[BaseModel] = answer
history: list[Message] = [answer.choices[0].message]

assert_type(client.chat.completions.parse(model="m", messages=messages, response_format=Point).parsed, Point)
assert_type(client.chat.completions.parse(model="m", messages=messages, response_format=Options).parsed, Options)
assert_type(client.chat.completions.parse(model="m", messages=messages, response_format=Color).parsed, Color)
assert_type(client.chat.completions.parse(model="m", messages=messages, response_format=list[Cat]).parsed, list[Cat])
assert_type(client.chat.completions.parse(model="m", messages=messages, response_format=int).parsed, int)

# Of a union type checkers know only by an adapter; without one its value is taken for whatever it is used as.
pets: TypeAdapter[Cat | Dog] = TypeAdapter(Union[Cat, Dog])
assert_type(client.chat.completions.parse(model="m", messages=messages, response_format=pets).parsed, Cat | Dog)
pet: Cat | Dog = client.chat.completions.parse(model="m", messages=messages, response_format=Union[Cat, Dog]).parsed
word: str = client.chat.completions.parse(model="m", messages=messages, response_format=Literal["a", "b"]).parsed


async def main() -> None:
    answer = await async_client.chat.completions.parse(model="m", messages=messages, response_format=Cat)
    assert_type(answer, ParsedChatCompletion[Cat])
    others = await async_client.chat.completions.parse(model="m", messages=messages, response_format=pets)
    assert_type(others.parsed, Cat | Dog)


client.chat.completions.parse(model="m", messages=messages)  # type: ignore[call-overload]
client.chat.completions.parse(model="m", messages=messages, response_format=Cat, max_repairs="2")  # type: ignore[call-overload]
client.chat.completions.parse(model="m", messages=messages, response_format=Cat, temprature=0)  # type: ignore[call-overload]
client.chat.completions.create(model="m", messages=messages, response_format=Cat)  # type: ignore[call-overload]

try:
    pass
except LengthFinishReasonError as error:
    assert_type(error.partial_value, Any)
except ParseError as error:
    assert_type(error.completion, ChatCompletion)
    assert_type(error.errors, tuple[RequestProblem, ...])
    assert_type(error.text, str | None)
    assert_type(error.usage, CompletionUsage | None)
    assert_type(error.rounds, tuple[ChatCompletion, ...])

Emulator().reply(value=Cat(name="a"), max_tokens=3)
