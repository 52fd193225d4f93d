"""`chat --schema`: schemas from files, command lines and in a few words, and answers that fit them or not."""

from __future__ import annotations

import pytest

from wandb_inference.cli.chat._conforming import SchemaError, check_schema, problems, unchecked
from wandb_inference.cli.chat._schema import concise, fitting, read_schema, response_format


def test_the_short_form():
    """Fields with types, lists and descriptions, between commas or on lines."""
    assert concise("name, age int, tags str[], ok bool: is it so") == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "ok": {"type": "boolean", "description": "is it so"},
        },
        "required": ["name", "age", "tags", "ok"],
        "additionalProperties": False,
    }
    assert concise("a float: one, or two\nb")["properties"] == {
        "a": {"type": "number", "description": "one, or two"},
        "b": {"type": "string"},
    }


def test_where_a_schema_comes_from():
    """JSON is read as it is, a file's text where there is one, and all else in the short form."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    text = '{"type": "object", "properties": {"a": {"type": "string"}}}'
    assert read_schema(text, lambda path: None) == schema
    assert read_schema("file.json", {"file.json": text}.get) == schema
    assert read_schema("a", lambda path: None)["required"] == ["a"]
    assert response_format(schema)["json_schema"] == {"name": "answer", "strict": True, "schema": schema}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "it is empty"),
        ("a, a", "'a' is there twice"),
        ("a date", "'a date' is no field"),
        ("no-file.json", "'no-file.json' is no field; give a path"),
        ("{", "it is not JSON"),
        ("[]", r"'\[\]' is no field"),
        ('{"a": 1}', "neither type nor properties"),
        ('{"type": "array"}', "its type is 'array', and an answer has to be an object"),
        ('{"type": "object", "properties": 1}', "schema.properties is 1"),
        ('{"properties": {"a": {"type": "text"}}}', "schema.properties.a.type is 'text', expected one of object"),
        ('{"properties": {"a": 1}}', "schema.properties.a is 1, expected a schema"),
        ('{"properties": {"a": {"$ref": "#/$defs/b"}}}', "leads nowhere"),
        ('{"properties": {"a": {"$ref": "http://x"}}}', "leads nowhere"),
        ('{"properties": {"a": {"$ref": 1}}}', "leads nowhere"),
        ('{"properties": {"a": {"pattern": "("}}}', "no regular expression"),
        ('{"properties": {"a": {"items": {"type": "x"}}}}', r"a.items.type is 'x'"),
        ('{"anyOf": [{"type": "x"}]}', r"schema.anyOf\[0\].type is 'x'"),
        ('{"$ref": "#/definitions/a", "definitions": {"a": {"type": "x"}}}', r"#/definitions/a.type is 'x'"),
        ('{"$ref": "#/nonsense/a", "nonsense": {"a": {"type": "x"}}}', r"#/nonsense/a.type is 'x'"),
    ],
)
def test_schemas_that_are_none(given, words):
    """What is wrong is said with its place."""
    with pytest.raises(SchemaError, match=words):
        read_schema(given, lambda path: None)


def test_what_is_not_checked():
    """Keywords that are not looked at are told, wherever they stand; names of fields, and notes, are none."""
    schema = {
        "type": "object",
        "title": "An answer",
        "x-note": 1,
        "requred": ["if"],
        "properties": {"if": {"anyOf": [{"minProperties": 1}, True]}, "age": {"type": "integer", "format": "int32"}},
    }
    assert unchecked(schema) == ["minProperties", "requred"]
    assert unchecked({"type": "object", "additionalProperties": False}) == []


def test_a_schema_that_refers_to_itself():
    """Its parts are looked at once."""
    schema = {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}}
    check_schema(schema)
    assert problems({"next": {"next": {}}}, schema) == []


def test_no_object():
    """A schema is a JSON object."""
    with pytest.raises(SchemaError, match="no JSON object"):
        check_schema([])


@pytest.mark.parametrize(
    ("rule", "value", "wrong"),
    [
        ({"type": "integer"}, 2.0, None),
        ({"type": "integer"}, 2.5, "expected integer"),
        ({"type": "integer"}, True, "is true, expected integer"),
        ({"type": "number"}, "1", "expected number"),
        ({"type": ["string", "null"]}, None, None),
        ({"type": ["string", "null"]}, 1, "expected string or null"),
        ({"type": "boolean"}, True, None),
        ({"enum": ["a", 1]}, "a", None),
        ({"enum": ["a", 1]}, True, 'is true, expected "a" or 1'),
        ({"const": 0}, False, "expected 0"),
        ({"minimum": 1, "maximum": 3}, 2, None),
        ({"minimum": 1}, 0, "at least 1"),
        ({"maximum": 1}, 2, "at most 1"),
        ({"exclusiveMinimum": 1}, 1, "more than 1"),
        ({"exclusiveMaximum": 1}, 1, "less than 1"),
        ({"multipleOf": 0.1}, 0.3, None),
        ({"multipleOf": 2}, 3, "a multiple of 2"),
        ({"minLength": 2}, "a", "has 1 characters, expected at least 2"),
        ({"maxLength": 2}, "abc", "has 3 characters, expected at most 2"),
        ({"minItems": 1}, [], "has 0 items, expected at least 1"),
        ({"pattern": "^a"}, "b", "expected to match ^a"),
        ({"pattern": "^a"}, "ab", None),
        ({"uniqueItems": True}, [1, 1], "an item twice"),
        ({"uniqueItems": True}, [1, True], None),
        ({"items": {"type": "string"}}, ["a", 1], "the answer.x[1] is 1"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], None),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a", 1], "[1] should not be there"),
        ({"additionalProperties": False}, {"a": 1}, ".a should not be there"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, ".a is 1, expected string"),
        ({"required": ["a"]}, {}, "x.a is missing"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "which fits none of its anyOf"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, 1, "more than one of its oneOf"),
        ({"oneOf": [{"type": "number"}, {"type": "string"}]}, 1, None),
        ({"allOf": [{"type": "number"}, {"minimum": 2}]}, 1, "at least 2"),
        ({"not": {"type": "null"}}, None, "which is excluded"),
        ({"not": {"type": "null"}}, 1, None),
        ({"$ref": "#/$defs/a~1b"}, 1, "expected string"),
        ({"type": "string"}, list(range(99)), "..., expected string"),
        (True, 1, None),
    ],
)
def test_what_fits(rule, value, wrong):
    """Each keyword of constrained decoding is checked, and what does not fit is said with its place."""
    schema = {"type": "object", "properties": {"x": rule}, "$defs": {"a/b": {"type": "string"}}}
    check_schema(schema)

    found = problems({"x": value}, schema)

    assert found == [] if wrong is None else wrong in "; ".join(found)


def test_a_schema_without_end():
    """A schema that only refers to itself is told, and does not end the program."""
    schema = {"anyOf": [{"$ref": "#"}]}
    check_schema(schema)
    assert problems({}, schema) == ["the answer can't be checked: the schema refers to itself without end"]


@pytest.mark.parametrize(
    ("text", "value", "wrong"),
    [
        ('{"a": 1}', {"a": 1}, []),
        ('Here:\n```json\n{"a": 1}\n```', {"a": 1}, []),
        ('{"a": "x"}', None, ['the answer.a is "x", expected integer']),
        ("no", None, ["it is not JSON"]),
        ('{"a": NaN}', None, ["it is not JSON"]),
    ],
)
def test_the_json_of_an_answer(text, value, wrong):
    """JSON is found in an answer, and is JSON."""
    assert fitting(text, concise("a int")) == (value, wrong)
