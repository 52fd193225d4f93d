"""Functions as tools: name, description, schema, and arguments read back."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import inspect
from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import Doc, TypedDict

from wandb_inference import Tool, tool, types


class Unit(enum.Enum):
    """What a temperature is measured in."""

    CELSIUS = "c"
    FAHRENHEIT = "f"


class Place(BaseModel):
    """Where something is."""

    city: str
    title: str = "Dr"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    loud: bool


class Tree(BaseModel):
    children: list[Tree] = []


def get_weather(city: str, days: int = 3, unit: Unit | None = None) -> dict[str, Any]:
    """Says the weather.

    For any city.

    Args:
        city: The city's name.
        days: How many days ahead.
        unit: What it is in.

    Returns:
        The forecast.
    """
    return {"city": city, "days": days, "unit": unit}


def test_a_function() -> None:
    """Hints become the schema, the docstring what the model is told."""
    made = tool(get_weather)

    assert made.name == "get_weather"
    assert made.description == "Says the weather.\n\nFor any city."
    assert made.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city's name."},
            "days": {"type": "integer", "description": "How many days ahead.", "default": 3},
            "unit": {
                "anyOf": [{"$ref": "#/$defs/Unit"}, {"type": "null"}],
                "description": "What it is in.",
                "default": None,
            },
        },
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {"Unit": {"enum": ["c", "f"], "type": "string", "description": "What a temperature is measured in."}},
    }
    assert made.as_param() == {
        "type": "function",
        "function": {"name": "get_weather", "description": made.description, "parameters": made.parameters},
    }


def test_still_a_function() -> None:
    """A tool does what its function does, and looks like it."""
    made = tool(get_weather)

    assert made("Oslo", days=1) == {"city": "Oslo", "days": 1, "unit": None}
    assert made.__name__ == "get_weather"
    assert made.__doc__ == get_weather.__doc__
    assert inspect.signature(made) == inspect.signature(get_weather)
    assert repr(made) == "Tool('get_weather')"
    assert tool(made).name == "get_weather"


def test_arguments() -> None:
    """JSON text becomes what the hints say; what the model left out is left to the function."""
    made = tool(get_weather)

    assert made.parse('{"city": "Oslo", "days": "2", "unit": "c"}') == {
        "city": "Oslo",
        "days": 2,
        "unit": Unit.CELSIUS,
    }
    assert made.parse('{"city": "Oslo"}') == {"city": "Oslo"}
    assert made.parse('"{\\"city\\": \\"Oslo\\"}"') == {"city": "Oslo"}


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ("", ("city",)),
        ("{}", ("city",)),
        ('{"city": 7}', ("city",)),
        ('{"city": "Oslo", "town": "Oslo"}', ("town",)),
        ('{"city": "Oslo", "unit": "k"}', ("unit",)),
        ('{"city":', ()),
        ('"{"', ()),
        ('"text"', ()),
        ("[]", ()),
        ("7", ()),
        ("[" * 10_000, ()),
    ],
)
def test_wrong_arguments(arguments: str, place: tuple[str, ...]) -> None:
    """Arguments that don't fit are an error that names the place."""
    with pytest.raises(ValidationError) as caught:
        tool(get_weather).parse(arguments)

    assert caught.value.errors()[0]["loc"] == place


def test_no_parameters() -> None:
    """A function without parameters has a schema, and takes the nothing that models write for it."""

    @tool
    def now() -> str:
        return "noon"

    assert now.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert now.parse("") == now.parse("{}") == {}
    assert now.description is None
    assert "description" not in now.as_param()["function"]


def test_types() -> None:
    """Models, dataclasses, TypedDicts, literals, unions and recursive types, as far as they are nested."""

    @tool
    def use(
        place: Place,
        point: Point,
        options: Options,
        word: Literal["a", "b"],
        either: Union[int, str],
        maybe: list[Point] | None = None,
        tree: Tree | None = None,
        anything: Any = None,
        named: dict[str, int] | None = None,
    ) -> None: ...

    properties = use.parameters["properties"]
    definitions = use.parameters["$defs"]

    assert use.parameters["required"] == ["place", "point", "options", "word", "either"]
    assert definitions["Place"] == {
        "type": "object",
        "description": "Where something is.",
        "properties": {"city": {"type": "string"}, "title": {"type": "string", "default": "Dr"}},
        "required": ["city"],
    }
    assert definitions["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert properties["word"] == {"type": "string", "enum": ["a", "b"]}
    assert properties["either"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}

    read = use.parse(
        '{"place": {"city": "Oslo"}, "point": {"x": 1}, "options": {"loud": true}, "word": "a", "either": "1",'
        ' "maybe": [{"x": 2, "y": 3}], "tree": {"children": [{}]}, "anything": [1], "named": {"a": 1}}'
    )
    assert read == {
        "place": Place(city="Oslo"),
        "point": Point(1),
        "options": {"loud": True},
        "word": "a",
        "either": "1",
        "maybe": [Point(2, 3)],
        "tree": Tree(children=[Tree()]),
        "anything": [1],
        "named": {"a": 1},
    }


def test_descriptions() -> None:
    """What a hint says of a parameter comes before what the docstring says."""

    @tool
    def use(
        text: Annotated[str, "A text."],
        field: Annotated[int, Field(ge=0, description="A field.")],
        doc: Annotated[str, Doc("A doc.")],
        bound: Annotated[int, Field(le=9)],
        default: int = Field(5, ge=1, description="A default."),
        made: list[int] = Field(default_factory=list),  # noqa: B008
        needed: int = Field(description="Needed."),
    ) -> None:
        """Uses.

        Args:
            text: Not this.
            field: Not this.
            doc: Not this.
            bound: A bound.
            default: Not this.
            made: A list.
            needed: Not this.
        """

    properties = use.parameters["properties"]

    assert {name: rule.get("description") for name, rule in properties.items()} == {
        "text": "A text.",
        "field": "A field.",
        "doc": "A doc.",
        "bound": "A bound.",
        "default": "A default.",
        "made": "A list.",
        "needed": "Needed.",
    }
    assert (properties["field"]["minimum"], properties["bound"]["maximum"]) == (0, 9)
    assert (properties["default"]["default"], properties["default"]["minimum"]) == (5, 1)
    assert use.parameters["required"] == ["text", "field", "doc", "bound", "needed"]
    # The function itself would take the `Field(...)` for the value.
    assert use.parse('{"text": "a", "field": 1, "doc": "b", "bound": 2, "needed": 3}') == {
        "text": "a",
        "field": 1,
        "doc": "b",
        "bound": 2,
        "needed": 3,
        "default": 5,
        "made": [],
    }


def test_names_that_models_reserve() -> None:
    """Any name will do for a parameter, and for a field of its type."""

    @tool
    def use(
        _hidden: int, copy: int, model_config: int, json: int, schema: int, title: str, properties: int
    ) -> None: ...

    assert list(use.parameters["properties"]) == [
        "_hidden",
        "copy",
        "model_config",
        "json",
        "schema",
        "title",
        "properties",
    ]
    assert use.parse(
        '{"_hidden": 1, "copy": 2, "model_config": 3, "json": 4, "schema": 5, "title": "6", "properties": 7}'
    ) == {"_hidden": 1, "copy": 2, "model_config": 3, "json": 4, "schema": 5, "title": "6", "properties": 7}


def test_default_without_a_form_in_json() -> None:
    """A default that JSON has no form for is left out of the schema, and kept by the function."""
    nothing = object()

    @tool
    def use(x: int = nothing) -> object:  # type: ignore[assignment]
        return x

    assert use.parameters["properties"] == {"x": {"type": "integer"}}
    assert use(**use.parse("{}")) is nothing


def test_options() -> None:
    """Name, description and strictness by argument."""

    @tool(name="weather-2", description="Weather.", strict=True)
    def use(place: Place, days: int = 3) -> None:
        """Not this."""

    function = use.as_param()["function"]

    assert (function["name"], function["description"], function["strict"]) == ("weather-2", "Weather.", True)
    assert function["parameters"]["required"] == ["place", "days"]
    assert function["parameters"]["$defs"]["Place"]["required"] == ["city", "title"]
    assert function["parameters"]["$defs"]["Place"]["additionalProperties"] is False
    assert tool(get_weather, description="").description == ""


class Shop:
    """A shop."""

    def __init__(self, name: str) -> None:
        self.name = name

    def price(self, item: str) -> str:
        """Says a price."""
        return f"{item} at {self.name}"

    @tool
    def stock(self, item: str) -> str:
        """Says what is there."""
        return f"{item} in {self.name}"

    @staticmethod
    def hours(day: str) -> str:
        """Says when it is open."""
        return day

    @classmethod
    def open(cls, name: str) -> str:
        """Opens one."""
        return cls(name).name

    def __call__(self, item: str) -> str:
        """Buys something."""
        return item


class Silent:
    """Says nothing, at length."""

    async def __call__(self, x: int) -> int:
        return x


def test_methods() -> None:
    """Methods of an object, of a class and of none; their object is no parameter."""
    shop = Shop("Ada's")

    for method, name in ((shop.price, "price"), (Shop.hours, "hours"), (Shop.open, "open")):
        made = tool(method)
        assert (made.name, len(made.parameters["properties"])) == (name, 1)
    assert tool(shop.price)("bread") == "bread at Ada's"
    assert not tool(shop.price).is_async


def test_decorated_methods() -> None:
    """A method that was made a tool is one of the object that it is taken from."""
    assert Shop.stock.unbound
    assert Shop.stock is Shop.__dict__["stock"]
    made = Shop("Ada's").stock
    assert not made.unbound
    assert made.parameters["required"] == ["item"]
    assert made("bread") == "bread in Ada's"
    assert Shop("Bob's").stock("bread") == "bread in Bob's"

    class Kept:
        weather = tool(get_weather)

    assert Kept().weather is Kept.weather


def test_objects() -> None:
    """An object that can be called has its class's name."""
    shop = tool(Shop("Ada's"))
    silent = tool(Silent())

    assert (shop.name, shop.description, shop("bread")) == ("Shop", "Buys something.", "bread")
    assert (silent.name, silent.description, silent.is_async) == ("Silent", "Says nothing, at length.", True)


def test_partials() -> None:
    """What a partial has set is not the model's to choose."""
    made = tool(functools.partial(functools.partial(get_weather, "Oslo"), days=2))

    assert made.name == "get_weather"
    assert list(made.parameters["properties"]) == ["unit"]
    assert made(**made.parse('{"unit": "f"}')) == {"city": "Oslo", "days": 2, "unit": Unit.FAHRENHEIT}
    bound = tool(functools.partial(Shop("Ada's").price, item="bread"))
    assert (bound.name, bound.description, bound()) == ("price", "Says a price.", "bread at Ada's")


def test_async_functions() -> None:
    """A coroutine function is known as one, in a partial too."""

    async def wait(seconds: float) -> float:
        await asyncio.sleep(0)
        return seconds

    assert tool(wait).is_async
    assert tool(functools.partial(wait)).is_async
    assert not tool(get_weather).is_async


def test_names_of_a_function_body() -> None:
    """Hints that name classes of a function's body are found where the tool is made, however deep that is."""

    class Local(BaseModel):
        x: int

    def decorated() -> Tool[..., Any]:
        @tool
        def use(local: Local) -> int:
            return local.x

        return use

    made = decorated()
    assert made.parse('{"local": {"x": 1}}') == {"local": Local(x=1)}

    @tool(name="other")
    def use(local: Local) -> int:
        return local.x

    assert use.parameters["$defs"]["Local"]["required"] == ["x"]


def test_types_are_public() -> None:
    """What runs with tools are told of is found among the types, and listed there."""
    names = {"ToolCompletion", "ToolEvent", "ToolOutcome", "ToolRequest", "ToolResultEvent", "ToolStep"}

    assert names <= set(dir(types)) & set(types.__all__)
    with pytest.raises(AttributeError, match="no attribute 'ToolThing'"):
        _ = types.ToolThing  # type: ignore[attr-defined]
