"""Values that are valid under a schema."""

from __future__ import annotations

import datetime
import enum
import json
import re
import uuid
from random import Random
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, TypeAdapter

from wandb_inference.testing._pattern import matching
from wandb_inference.testing._schema import SchemaError, instance

SEEDS = range(40)
KEYWORDS = (
    "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "properties", "required",
    "additionalProperties", "minProperties", "items", "prefixItems", "minItems", "maxItems", "uniqueItems",
    "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf",
)  # fmt: skip
TYPES = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", "#", "#/$defs"])


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: float = Field(ge=0, lt=1)
    y: int = Field(gt=10, le=12, multiple_of=2)


class Node(BaseModel):
    value: Annotated[str, Field(min_length=200, max_length=210)]
    children: list[Node] = Field(min_length=1, max_length=3)


class Leaf(BaseModel):
    value: Annotated[str, Field(max_length=5)]
    parent: Leaf | None
    siblings: list[Leaf]


class Everything(BaseModel):
    name: str
    colour: Colour
    kind: Literal["only"]
    when: datetime.datetime
    day: datetime.date
    time: datetime.time
    span: datetime.timedelta
    id: uuid.UUID
    site: AnyUrl
    points: list[Point] = Field(min_length=3)
    pair: tuple[int, str]
    distinct: Annotated[set[Literal["a", "b", "c"]], Field(min_length=2)]
    mapping: dict[str, Point]
    free: dict[str, str]
    maybe: int | None
    either: Point | Colour | list[bool]
    code: str = Field(pattern=r"^[A-Z]{2}-\d{3,5}$")
    ratio: float = Field(gt=0.1, lt=0.2)
    low: int = Field(le=-5)
    optional: str = "default"
    flag: bool
    leaf: Leaf
    nothing: None


def test_pydantic_agrees():
    """Whatever a pydantic model demands, it gets."""
    for seed in SEEDS:
        value = instance(Everything.model_json_schema(), Random(seed))
        Everything.model_validate_json(json.dumps(value))


def test_the_same_numbers_give_the_same_value():
    """A value depends on the random numbers alone."""
    schema = Everything.model_json_schema()

    assert instance(schema, Random(1)) == instance(schema, Random(1)) != instance(schema, Random(2))


def test_recursion_that_has_no_end():
    """A model that must hold itself has no value."""
    with pytest.raises(SchemaError, match="no end"):
        instance(Node.model_json_schema(), Random(0))


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({}, lambda value: isinstance(value, str)),
        (True, lambda value: isinstance(value, str)),
        ({"const": None}, lambda value: value is None),
        ({"enum": [1, "b", None]}, lambda value: value in (1, "b", None)),
        ({"type": "null"}, lambda value: value is None),
        ({"type": ["null", "integer"], "minimum": 3}, lambda value: value >= 3),
        ({"minimum": 3.5}, lambda value: value >= 3.5),
        ({"type": "integer", "minimum": 7, "maximum": 7}, lambda value: value == 7),
        ({"type": "integer", "exclusiveMinimum": 2, "exclusiveMaximum": 4}, lambda value: value == 3),
        ({"type": "integer", "maximum": -2}, lambda value: value <= -2),
        ({"type": "number", "multipleOf": 0.25, "maximum": 1}, lambda value: value <= 1 and value % 0.25 == 0),
        ({"type": "number", "minimum": 0.1, "maximum": 0.2}, lambda value: 0.1 <= value <= 0.2),
        ({"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2}, lambda value: 0.1 < value < 0.2),
        ({"items": {"type": "integer"}, "minItems": 4}, lambda value: len(value) == 4),
        ({"type": "array", "maxItems": 0}, lambda value: value == []),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": False, "maxItems": 1}, lambda value: value == [1]),
        ({"required": ["a"]}, lambda value: list(value) == ["a"]),
        ({"properties": {"a": False, "b": True}}, lambda value: list(value) == ["b"]),
        ({"type": "object", "minProperties": 3}, lambda value: len(value) == 3),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, lambda value: len(value) == 1),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}}]},
            lambda value: value == {"a": 1, "b": 2},
        ),
        (
            {"allOf": [{"required": ["a"]}, {"required": ["b"]}, {"enum": [1, 2]}, {"enum": [2, 3]}]},
            lambda value: value == 2,
        ),
        ({"oneOf": [False, {"const": 1}]}, lambda value: value == 1),
        ({"anyOf": [{"type": "integer", "minimum": 2, "maximum": 1}, {"const": 1}]}, lambda value: value == 1),
        ({"type": "string", "minLength": 3, "maxLength": 3}, lambda value: len(value) == 3),
        ({"type": "string", "format": "email"}, lambda value: "@" in value),
        ({"type": "string", "format": "unheard-of"}, lambda value: isinstance(value, str)),
        ({"$ref": "#/$defs/a~1b/0", "$defs": {"a/b": [{"const": 1}]}}, lambda value: value == 1),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
def test_keywords(schema, valid):
    """Each keyword is kept to, for any random numbers."""
    assert all(valid(instance(schema, Random(seed))) for seed in SEEDS)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (False, "nothing is valid for the schema"),
        ({"required": ["a"], "properties": {"a": False}}, "nothing is valid for a"),
        ({"$ref": "#/nowhere"}, "#/nowhere leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "leads nowhere"),
        ({"$ref": "#"}, "circle"),
        ({"anyOf": [False, {"$ref": "#/nowhere"}]}, "no alternative is valid"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "within the bounds"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "within the bounds"),
        ({"type": "number", "multipleOf": 5, "minimum": 1, "maximum": 2}, "within the bounds"),
        ({"type": "array", "items": {"enum": [1]}, "minItems": 2, "uniqueItems": True}, "too few distinct items"),
        ({"enum": []}, "nothing is valid"),
        ({"minItems": 20_000}, "minItems is more than 10000"),
    ],
    ids=str,
)
def test_schemas_without_a_value(schema, words):
    """A schema that allows nothing is an error that says where."""
    with pytest.raises(SchemaError, match=words):
        instance(schema, Random(0))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=3) | TYPES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=5))
@settings(max_examples=120, deadline=None)
def test_anything_is_a_value_or_an_error(schema):
    """Whatever the schema, right or wrong, there is a value in JSON or a SchemaError."""
    try:
        value = instance(schema, Random(0))
    except SchemaError:
        return
    assert len(json.dumps(value)) < 1_000_000


def test_recursion_ends():
    """Optional recursion comes to an end, deep schemas as well as wide ones."""
    value = instance(Leaf.model_json_schema(), Random(0))

    assert len(json.dumps(value)) < 20_000
    TypeAdapter(Leaf).validate_python(value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{3}-\d{4}$",
        r"^[a-f0-9]{8}$",
        r"^(red|green|blue)+$",
        r"^(?:ab){2,3}c?$",
        r"^(?P<year>\d{4})$",
        r"^[^a-z\d]{2}[-_][\w.]*x??$",
        r"^[]a]\.\n\t$",
        r"[A-Z]{2,}",
        r"^\S\D\W\s$",
        r"^a{,2}b$",
        r"^a{x}$",
        r"colou?r",
        "^$",
    ],
)
def test_patterns(pattern):
    """Strings match the pattern they are for, as far as it is an everyday one."""
    assert all(re.search(pattern, matching(pattern, Random(seed), 0, 100)) for seed in SEEDS)


@pytest.mark.parametrize(
    "pattern",
    [r"^(?=a)b", r"(?<!a)b", r"\bword\b", "[", "(", "(?P<x", "a{", "\\", r"^.{200}$", "*", "(?i)a", "a{20000}"],
)
def test_patterns_beyond_it(pattern):
    """A pattern that is too much, or none, gives a word of the right length."""
    assert 3 <= len(matching(pattern, Random(0), 3, 5)) <= 5
