from __future__ import annotations

import dataclasses
import enum
import json
import warnings
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, FileUrl, RootModel, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType, TypedDict

from wandb_inference._core.schema import Output, candidates
from wandb_inference._core.strict import strict_schema
from wandb_inference.exceptions import InvalidRequestError
from wandb_inference.testing._schema import instance


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    """A node of a tree."""

    value: int
    children: list[Node] = Field(default=[], description="Those below.")
    next: Node | None = Field(None, description="The one beside.")


@dataclasses.dataclass
class Point:
    x: int
    y: float = 1.5


class Options(TypedDict, total=False):
    """Some options."""

    name: str
    size: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Place(NamedTuple):
    lat: float
    name: str


Tree = TypeAliasType("Tree", "list[Tree]")


class Everything(BaseModel):
    model_config = ConfigDict(extra="allow")

    colour: Color
    point: Point
    options: Options
    pet: Annotated[Union[Cat, Dog], Field(discriminator="kind", description="A pet.")]
    other: Union[Cat, Dog]
    when: datetime
    day: date
    price: Decimal
    id: UUID
    file: Path
    lasts: timedelta
    maybe: int | None
    code: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
    count: int = Field(gt=1, le=10, serialization_alias="never")
    named: int = Field(alias="theName", description="By its alias.")
    choice: Literal["a", 1, None]
    flag: bool
    node: Node
    nodes: list[Node]


def rules(kind, *path):
    """The schema of a type, or of a part of it."""
    schema = Output.of(kind).schema
    for step in path:
        schema = schema[step]
    return schema


def field(annotation, **info):
    """The schema of one field."""
    model = type("Holder", (BaseModel,), {"__annotations__": {"it": annotation}, "it": Field(**info)})
    return rules(model, "properties", "it")


ALLOWED = {
    "$defs", "$ref", "additionalProperties", "anyOf", "description", "enum", "exclusiveMaximum", "exclusiveMinimum",
    "format", "items", "maxItems", "maximum", "minItems", "minimum", "multipleOf", "pattern", "properties", "required",
    "type",
}  # fmt: skip


def check_strict(schema):
    """Every part of a schema keeps to the dialect."""
    assert set(schema) <= ALLOWED
    if "$ref" in schema:
        assert set(schema) == {"$ref"}
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    for part in [
        *schema.get("$defs", {}).values(),
        *schema.get("properties", {}).values(),
        *schema.get("anyOf", []),
        *([schema["items"]] if "items" in schema else []),
    ]:
        check_strict(part)


TYPES = [
    Everything,
    Node,
    Point,
    Options,
    Cat,
    Color,
    Union[Cat, Dog],
    Annotated[Union[Cat, Dog], Field(discriminator="kind")],
    list[Node],
    list[str],
    tuple[int, int],
    tuple[int, ...],
    set[int],
    Literal["yes", "no"],
    Optional[Cat],  # noqa: UP045
    Cat | None,
    int,
    str,
    bool,
    Decimal,
    datetime,
    RootModel[list[int]],
    TypeAdapter(list[Cat]),
    Tree,
]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: str(kind).partition(" object at ")[0])
def test_the_dialect(kind):
    """Any type has a strict schema with an object at its root, and any instance of it is read back."""
    output = Output.of(kind)

    check_strict(output.schema)
    assert output.schema["type"] == "object"
    for seed in range(30):
        output.validate(json.dumps(instance(output.schema, Random(seed))))


def test_the_parameter():
    """The request's parameter has the type's name, in the letters that names may have there."""
    assert Output.of(Point).response_format == {
        "type": "json_schema",
        "json_schema": {
            "name": "Point",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "y": {"type": "number", "description": "By default: 1.5."},
                },
                "required": ["x", "y"],
                "additionalProperties": False,
            },
        },
    }
    assert Output.of(Union[Cat, Dog]).response_format["json_schema"]["name"] == "Union_Cat_Dog"
    assert Output.of(TypeAdapter(list[Cat])).response_format["json_schema"]["name"] == "list_Cat"
    assert Output.of(TypeAliasType("Größe", int)).response_format["json_schema"]["name"] == "Gr_e"
    assert Output.of(TypeAliasType("数", int)).response_format["json_schema"]["name"] == "answer"


class TestKeywords:
    """What the dialect has stays, what it lacks is said in words."""

    @pytest.mark.parametrize(
        ("annotation", "info", "schema"),
        [
            (str, {"min_length": 3}, {"type": "string", "description": "At least 3 characters."}),
            (
                str,
                {"max_length": 3, "description": "A word."},
                {"type": "string", "description": "A word. At most 3 characters."},
            ),
            (str, {"pattern": "^(?:a|b)$"}, {"type": "string", "pattern": "^(?:a|b)$"}),
            (
                Annotated[str, Field(json_schema_extra={"pattern": "^(?=a)"})],
                {},
                {"type": "string", "description": "Matches ^(?=a)."},
            ),
            (
                int,
                {"ge": 1, "lt": 5, "multiple_of": 2},
                {"type": "integer", "minimum": 1, "exclusiveMaximum": 5, "multipleOf": 2},
            ),
            (
                list[int],
                {"min_length": 1, "max_length": 3},
                {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
            ),
            (set[int], {}, {"type": "array", "items": {"type": "integer"}, "description": "No item twice."}),
            (FileUrl, {}, {"type": "string", "description": "Format: uri. At least 1 characters."}),
            (UUID, {}, {"type": "string", "format": "uuid"}),
            (str, {"examples": ["a", "ü"]}, {"type": "string", "description": 'For example: "a", "ü".'}),
            (
                Color,
                {"default": Color.RED},
                {"anyOf": [{"$ref": "#/$defs/Color"}], "description": 'By default: "red".'},
            ),
            (Optional[int], {"default": None}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045
            (Literal["a"], {}, {"type": "string", "enum": ["a"]}),
            (
                Literal["a", 1, True, None],
                {},
                {"type": ["string", "integer", "boolean", "null"], "enum": ["a", 1, True, None]},
            ),
            (tuple[int, int], {}, {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
            (
                tuple[int, Color, int | None],
                {},
                {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            {"type": "integer"},
                            {"$ref": "#/$defs/Color"},
                            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                        ]
                    },
                    "minItems": 3,
                    "maxItems": 3,
                    "description": "In this order: integer, Color, one of several.",
                },
            ),
            (Annotated[int, Field(title="T", deprecated=True)], {}, {"type": "integer"}),
        ],
    )
    def test_table(self, annotation, info, schema):
        """Each keyword is kept, moved into the description, or dropped."""
        assert field(annotation, **info) == schema

    def test_decimals(self):
        """A decimal is a number or its digits as text, by a pattern that grammar engines know."""
        number, text = rules(Decimal, "properties", "value", "anyOf")

        assert number == {"type": "number"}
        assert text == {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
        assert Output.of(Decimal).validate('{"value": "0.12345678901234567890"}') == Decimal("0.12345678901234567890")

    def test_documentation(self):
        """Docstrings and descriptions are carried, titles are not."""
        assert rules(Everything, "$defs", "Node", "description") == "A node of a tree."
        assert rules(Everything, "$defs", "Color", "description") == "A colour."
        assert rules(Options, "description") == "Some options."
        assert "title" not in json.dumps(rules(Everything))

    def test_aliases(self):
        """On the wire a field has its alias."""
        assert "theName" in rules(Everything, "properties")

    def test_recursion(self):
        """A recursive type is written down at the root and where it recurs."""
        children = rules(Node, "properties", "children")

        assert children["items"] == {"$ref": "#/$defs/Node"}
        assert rules(Node, "$defs", "Node", "properties", "children") == children

    def test_one_of(self):
        """Discriminated unions are unions; one `allOf` is what is in it."""
        assert "anyOf" in rules(Everything, "properties", "pet")
        assert strict_schema({"allOf": [{"type": "integer"}]}, "x") == {"anyOf": [{"type": "integer"}]}

    def test_unknown_values(self):
        """An enum of what has no name of its own is an object's."""
        assert strict_schema({"enum": [{"a": 1}]}, "x") == {"enum": [{"a": 1}], "type": "object"}

    def test_a_free_type_beside_properties(self):
        """Properties without a type make an object."""
        assert strict_schema({"properties": {}}, "x")["type"] == "object"


class Free(BaseModel):
    steps: list[dict[str, int]]


class Deep(BaseModel):
    free: list[Free]


class Loose(BaseModel):
    parts: tuple[int, list[Any]]


class Calls(BaseModel):
    then: Callable[[int], int]


class Unfinished(BaseModel):
    it: Nowhere  # noqa: F821  # pyright: ignore


class Keyed(BaseModel):
    by: dict[Color, int]


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        (Deep, "response_format.free[].steps[]", "named fields"),
        (dict, "response_format", "a list of pairs"),
        (dict[str, int], "response_format", "named fields"),
        (Keyed, "response_format.by", "named fields"),
        (Loose, "response_format.parts[1]", "the type of its items"),
        (list, "response_format", "list[...]"),
        (Any, "response_format", "no Any"),
        (Calls, "response_format.then", "a type that JSON has a form for"),
        (Unfinished, "response_format", "a type that pydantic knows"),
        (object(), "response_format", "a type that pydantic knows"),
        (any, "response_format", "a type, such as a pydantic model"),
        (Path.open, "response_format", "a type, such as a pydantic model"),
        ("Model", "response_format", "a type, such as a pydantic model"),
        (None, "response_format", "a type, such as a pydantic model"),
        (7, "response_format", "a type, such as a pydantic model"),
        ([Cat], "response_format", "a type, such as a pydantic model"),
        (Point(1), "response_format", "a type, such as a pydantic model"),
        (Cat(kind="cat"), "response_format", "a type, such as a pydantic model"),
        (Color.RED, "response_format", "a type, such as a pydantic model"),
        ({"type": "json_object"}, "response_format", "a type, such as a pydantic model"),
    ],
    ids=lambda value: str(value).partition(" at ")[0],
)
def test_refused(kind, path, expected):
    """A type that can't be expressed is an error that names the field, before anything is sent."""
    with pytest.raises(InvalidRequestError) as caught:
        Output.of(kind)

    assert [problem.path for problem in caught.value.errors] == [path]
    assert expected in caught.value.errors[0].expected


def test_refused_keywords():
    """A schema of a type's own that goes beyond the dialect is refused, too."""
    for schema in ({"not": {}}, {"allOf": [{"type": "string"}, {"minLength": 1}]}):
        with pytest.raises(InvalidRequestError, match="x is"):
            strict_schema(schema, "x")


def test_a_schema_is_for_create():
    """Whoever gives a schema is told where it belongs."""
    with pytest.raises(InvalidRequestError, match=r"A JSON schema of your own goes to create\(\)"):
        Output.of({"type": "json_schema"})


def test_cached():
    """The same type is looked at once, whether it can be hashed or not."""
    unhashable = Annotated[int, ["a list can't be hashed"]]

    assert Output.of(Node) is Output.of(Node)
    assert Output.of(list[Node]) is Output.of(list[Node])
    assert Output.of(unhashable) is Output.of(unhashable)
    assert Output.of(unhashable) is not Output.of(Annotated[int, ["a list can't be hashed"]])
    assert Output.of(Annotated[int, Field(gt=1)]) is not Output.of(Annotated[int, Field(gt=1)])


class Valued(BaseModel):
    value: int


def test_tuples():
    """The order of a tuple's items is said in words, and checked when it is read."""
    assert Output.of(Place).validate('{"value": [1.5, "x"]}') == Place(1.5, "x")
    assert rules(Place, "properties", "value", "description") == "In this order: number, string."
    with pytest.raises(ValidationError):
        Output.of(Place).validate('{"value": ["x", 1.5]}')


class TestValidate:
    """Texts to values."""

    @pytest.mark.parametrize(
        "text",
        [
            '{"kind": "cat", "lives": 7}',
            ' \n{"kind":"cat","lives":7}\n',
            '\ufeff{"kind": "cat", "lives": 7}',
            '```json\n{"kind": "cat", "lives": 7}\n```',
            'Here it is:\n\n```\n{"kind": "cat", "lives": 7}\n```\nMeow.',
            'Sure! {"kind": "cat", "lives": 7} Is that what you want?',
            '<think>{"kind": "dog"}? No.</think>{"kind": "cat", "lives": 7}',
            'A {"kind": "dog"}? No.</think>\nHere: {"kind": "cat", "lives": 7}.',
            'For {name}: {"kind": "cat", "lives": 7}, or {other}.',
            '{{"kind": "cat", "lives": 7}}',
            'As {"kind": ...}, so: {"kind": "cat", "lives": 7} {}',
        ],
    )
    def test_where_it_is(self, text):
        """JSON is found alone, in a fenced block, and among words."""
        assert Output.of(Cat).validate(text) == Cat(kind="cat", lives=7)

    @pytest.mark.parametrize(
        "text", ["[1, 2]", '{"value": [1, 2]}', ' {\n"value" : [1, 2]} \n', "```json\n[1, 2]\n```"]
    )
    def test_wrapped(self, text):
        """A type that is no object is read with its wrapper and without."""
        assert Output.of(list[int]).validate(text) == [1, 2]

    @pytest.mark.parametrize(
        "text",
        [
            "Here: [1, 2]",
            "<think>[3]?</think>[1, 2]",
            'Here: {"value": [1, 2]}.',
            '[sic] {"value": [1, 2]}',
            "The {numbers} [1, 2] of [x]",
        ],
    )
    def test_lists_among_words(self, text):
        """A list is found among words, with its wrapper and without."""
        assert Output.of(list[int]).validate(text) == [1, 2]
        assert Output.of(Union[list[int], int]).validate(text) == [1, 2]
        assert Output.of(Union[TypeAliasType("Numbers", list[int]), None]).validate(text) == [1, 2]

    def test_lists_of_objects(self):
        """A list is found before the objects in it."""
        assert Output.of(list[Valued]).validate('Sure! [{"value": 1}, {"value": 2}]') == [
            Valued(value=1),
            Valued(value=2),
        ]

    def test_brackets_that_are_no_list(self):
        """Brackets among words are none where the type is no list."""
        assert Output.of(Union[Valued, Cat]).validate('As in [1]: {"value": 1}') == Valued(value=1)

    def test_a_part_is_no_answer(self):
        """A part of a broken answer is not taken for it, though it fits."""
        for kind, text in (
            (Node, '{"value": 1, "children": [{"value": 2, "children": []}]'),
            (list[int], '{"value": [1]'),
        ):
            with pytest.raises(ValidationError) as caught:
                Output.of(kind).validate(text)
            assert caught.value.errors()[0]["type"] == "json_invalid"

    def test_many_braces(self):
        """Not every brace of a long text is tried."""
        with pytest.raises(ValidationError):
            Output.of(Valued).validate('{"x} ' * 20 + '{"value": 1} {')

    def test_a_field_of_the_wrappers_name(self):
        """A member of a union may have a field that is named as the wrapper is."""
        output = Output.of(Union[Valued, Cat])

        assert output.validate('{"value": {"value": 1}}') == Valued(value=1)
        assert output.validate('{"value": 1}') == Valued(value=1)
        assert output.validate('{"value": {"kind": "cat"}}') == Cat(kind="cat")

    @pytest.mark.parametrize(
        ("kind", "text", "error"),
        [
            (Cat, "", "json_invalid"),
            (Cat, "no", "json_invalid"),
            (Cat, '{"kind": "cat"', "json_invalid"),
            (Cat, "I think {it} is", "json_invalid"),
            (Cat, '{"kind": "dog"}', "literal_error"),
            (Cat, 'It is {"kind": "dog"}', "literal_error"),
            (list[int], '{"value": ["x"]}', "int_parsing"),
            (list[int], '{"value": 1', "json_invalid"),
            (list[int], '{"value": [1], "more": 2}', "list_type"),
            (int, '{"value": 1.5}', "int_from_float"),
        ],
    )
    def test_errors(self, kind, text, error):
        """What does not fit is pydantic's error about the JSON that was found."""
        with pytest.raises(ValidationError) as caught:
            Output.of(kind).validate(text)

        assert caught.value.errors()[0]["type"] == error

    def test_json_and_not_python(self):
        """Values are read as JSON's: a strict model takes a date that is text."""
        model = type("Strict", (BaseModel,), {"__annotations__": {"day": date}, "model_config": {"strict": True}})

        assert Output.of(model).validate('{"day": "2026-03-14"}').day == date(2026, 3, 14)

    def test_unwrapped(self):
        """The wrapper of a type that is no object can be taken off a JSON value."""
        assert Output.of(int).unwrapped({"value": 1}) == 1
        assert Output.of(int).unwrapped({"other": 1}) == {"other": 1}
        assert Output.of(int).unwrapped(1) == 1
        assert Output.of(Valued).unwrapped({"value": 1}) == {"value": 1}


def test_candidates():
    """What may be the JSON of a text: all of it, a fenced block, the outermost braces."""
    assert list(candidates("a ```json\n{1}\n``` b {2}")) == [
        "a ```json\n{1}\n``` b {2}",
        "{1}\n",
        "{1}\n``` b {2}",
    ]
    assert list(candidates("} {")) == ["} {"]


def test_no_warnings():
    """Defaults that have no form in JSON pass in silence."""
    model = type("Odd", (BaseModel,), {"__annotations__": {"x": int}, "x": object()})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_strict(Output.of(model).schema)
