"""JSON schemas as pydantic writes them to the strict dialect that constrained decoding takes.

The service documents no list of keywords, so this is the subset that OpenAI's structured outputs define and that the
grammar engines behind OpenAI-compatible servers share: objects with all fields required and no others, `anyOf` in place
of `oneOf`, references for recursion, no defaults. What the dialect lacks goes into the description, where the model
reads it, and is checked when the answer is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import cast

from .validate import invalid

Schema = dict[str, object]

NOT_JSON = "x-not-json"
"""Marks a type that JSON has no form for, with the reason."""

_FORMATS = ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid")

# What an engine may not know: groups other than `(?:...)`, back references, Python's own anchors.
_FANCY = re.compile(r"\(\?(?!:)|\\[1-9AZ]")

_KEPT = (
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maximum",
    "maxItems",
    "minimum",
    "minItems",
    "multipleOf",
    "type",
)
_REFUSED = ("not", "if", "dependentRequired", "dependentSchemas", "contains")

_NOTES: dict[str, Callable[[object], str]] = {
    "minLength": lambda value: f"At least {value} characters.",
    "maxLength": lambda value: f"At most {value} characters.",
    "uniqueItems": lambda value: "No item twice." if value else "",
    "examples": lambda value: f"For example: {', '.join(map(_json, _list(value)))}.",
    "default": lambda value: "" if value is None else f"By default: {_json(value)}.",
}

_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before int, which it is
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (type(None), "null"),
)


def strict_schema(schema: Mapping[str, object], where: str) -> Schema:
    """The schema in the strict dialect.

    Args:
        schema: A JSON schema, references under `$defs`.
        where: What the path in an error begins with.

    Raises:
        InvalidRequestError: Something can't be expressed, with the path of the field it is in.
    """
    return _Strict(_dict(schema.get("$defs"))).root(dict(schema), where)


class _Strict:
    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given
        self._defs: dict[str, Schema] = {}

    def root(self, schema: Schema, path: str) -> Schema:
        # The root must be the object itself: a recursive type is written down twice, here and where it recurs.
        while set(schema) - {"$defs"} == {"$ref"}:
            schema = self._target(schema["$ref"])
        converted = self.convert(schema, path)
        return {**converted, "$defs": self._defs} if self._defs else converted

    def _target(self, reference: object) -> Schema:
        return _dict(self._given.get(_name(reference)))

    def convert(self, given: object, path: str) -> Schema:
        rules = _dict(given)
        if NOT_JSON in rules:
            raise invalid(path, rules[NOT_JSON], "a type that JSON has a form for")
        for keyword in _REFUSED:
            if keyword in rules:
                raise _inexpressible(path, rules, "a type without conditions on names or values of each other")
        notes = [str(rules.get("description") or "").strip()]
        result = self._body(rules, path, notes)
        notes += [note(rules[keyword]) for keyword, note in _NOTES.items() if keyword in rules]
        description = " ".join(filter(None, notes))
        if not description:
            return result
        if "$ref" in result:
            # A reference stands alone in this dialect.
            return {"anyOf": [result], "description": description}
        return {**result, "description": description}

    def _body(self, rules: Schema, path: str, notes: list[str]) -> Schema:
        if "$ref" in rules:
            return self._reference(rules["$ref"], path)
        for keyword in ("anyOf", "oneOf", "allOf"):
            choices = _list(rules.get(keyword))
            if keyword == "allOf" and len(choices) > 1:
                raise _inexpressible(path, rules, "a type that is one thing at a time")
            if choices:
                return {"anyOf": [self.convert(choice, path) for choice in choices]}
        if "const" in rules:
            rules = {**rules, "enum": [rules["const"]]}
        kind = rules.get("type")
        if kind == "object" or "properties" in rules:
            return self._object(rules, path)
        if kind == "array":
            return self._array(rules, path, notes)
        if kind is None and "enum" not in rules:
            raise _inexpressible(path, rules, "a type of its own: strict schemas know no Any")
        return _scalar(rules, notes)

    def _reference(self, reference: object, path: str) -> Schema:
        name = _name(reference)
        if name not in self._defs:
            self._defs[name] = {}  # stands for itself while it is converted: types can be recursive
            self._defs[name] = self.convert(self._target(reference), path)
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, rules: Schema, path: str) -> Schema:
        if "properties" not in rules:
            raise _inexpressible(
                path, rules, "named fields: strict schemas have no free keys; write a model, or a list of pairs"
            )
        properties = {
            name: self.convert(rule, f"{path}.{name}") for name, rule in _dict(rules.get("properties")).items()
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def _array(self, rules: Schema, path: str, notes: list[str]) -> Schema:
        result = {name: rules[name] for name in _KEPT if name in rules}
        places = [self.convert(rule, f"{path}[{index}]") for index, rule in enumerate(_list(rules.get("prefixItems")))]
        if places:
            distinct = [place for index, place in enumerate(places) if place not in places[:index]]
            if len(distinct) > 1:
                notes.append(f"In this order: {', '.join(map(_kind, places))}.")
            return {**result, "items": distinct[0] if len(distinct) == 1 else {"anyOf": distinct}}
        if not _dict(rules.get("items")):
            raise _inexpressible(path, rules, "the type of its items: list[...]")
        return {**result, "items": self.convert(rules["items"], f"{path}[]")}


def _scalar(rules: Schema, notes: list[str]) -> Schema:
    result = {name: rules[name] for name in _KEPT if name in rules}
    if "type" not in result:
        kinds = dict.fromkeys(_type_name(value) for value in _list(rules["enum"]))
        result["type"] = next(iter(kinds)) if len(kinds) == 1 else list(kinds)
    if rules.get("format") in _FORMATS:
        result["format"] = rules["format"]
    elif "format" in rules:
        notes.append(f"Format: {rules['format']}.")
    pattern = rules.get("pattern")
    if isinstance(pattern, str) and not _FANCY.search(pattern):
        result["pattern"] = pattern
    elif pattern:
        notes.append(f"Matches {pattern}.")
    return result


def _type_name(value: object) -> str:
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "object")


def _kind(rules: Schema) -> str:
    reference = rules.get("$ref")
    return _name(reference) if reference else str(rules.get("type") or "one of several")


def _name(reference: object) -> str:
    return str(reference).rpartition("/")[2]


def _inexpressible(path: str, rules: Schema, expected: str) -> Exception:
    return invalid(path, {name: rule for name, rule in rules.items() if name not in ("title", "$defs")}, expected)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _dict(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
