"""Whether JSON fits a JSON schema: the keywords that constrained decoding knows, and no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import cast

Schema = Mapping[str, object]

_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or cast("float", value).is_integer()),
    "number": lambda value: _is_number(value),
}

_LIMITS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (lambda value, limit: value >= limit, "at least"),
    "maximum": (lambda value, limit: value <= limit, "at most"),
    "exclusiveMinimum": (lambda value, limit: value > limit, "more than"),
    "exclusiveMaximum": (lambda value, limit: value < limit, "less than"),
}


_NAMED = ("properties", "$defs", "definitions")
_NESTED = ("items", "additionalProperties", "not", "anyOf", "oneOf", "allOf", "prefixItems")
_CHECKED = frozenset(
    {"$ref", "const", "enum", "maxItems", "maxLength", "minItems", "minLength", "multipleOf", "pattern", "required"}
    | {"type", "uniqueItems", *_LIMITS}
)
_SAYS_NOTHING = frozenset(
    {"$anchor", "$comment", "$id", "$schema", "default", "deprecated", "description", "discriminator", "example"}
    | {"examples", "format", "nullable", "readOnly", "title", "writeOnly"}
)
"""By which no value is wrong; OpenAPI's are among them. `format` is an annotation (JSON Schema, Validation, 7.2)."""


class SchemaError(ValueError):
    """Something that is no JSON schema."""


def check_schema(schema: object) -> None:
    """Return if something is a JSON schema of an object, whose references lead somewhere.

    Raises:
        SchemaError: It is not; the message begins with where.
    """
    if not isinstance(schema, dict):
        raise SchemaError("the schema is no JSON object")
    root = cast("dict[str, object]", schema)
    if root.get("type", "object") != "object":
        raise SchemaError(f"its type is {root['type']!r}, and an answer has to be an object")
    if not {"type", "properties", "$ref", "anyOf", "oneOf", "allOf"} & set(root):
        raise SchemaError("it has neither type nor properties")
    _check(root, root, "schema", set())


def unchecked(schema: object) -> list[str]:
    """Keywords of a schema that `problems` does not look at, sorted; misspelt ones are among them."""
    if isinstance(schema, list):
        return sorted({name for item in cast("list[object]", schema) for name in unchecked(item)})
    if not isinstance(schema, dict):
        return []
    found: set[str] = set()
    for name, value in cast("dict[str, object]", schema).items():
        if name in _NAMED:
            found.update(each for rule in _dict(value).values() for each in unchecked(rule))
        elif name in _NESTED:
            found.update(unchecked(value))
        elif name not in _CHECKED and name not in _SAYS_NOTHING and not name.startswith("x-"):
            found.add(name)
    return sorted(found)


def _check(schema: object, root: Schema, path: str, seen: set[int]) -> None:
    if isinstance(schema, bool) or id(schema) in seen:
        return
    seen.add(id(schema))
    if not isinstance(schema, dict):
        raise SchemaError(f"{path} is {schema!r}, expected a schema")
    rules = cast("dict[str, object]", schema)
    for kind in _listed(rules.get("type")):
        if kind not in _TYPES:
            raise SchemaError(f"{path}.type is {kind!r}, expected one of {', '.join(_TYPES)}")
    if "$ref" in rules:
        target = _target(rules["$ref"], root)
        if not isinstance(target, (dict, bool)):
            raise SchemaError(f"{path}.$ref leads nowhere: {rules['$ref']!r}")
        _check(cast("object", target), root, str(rules["$ref"]), seen)
    if "pattern" in rules:
        try:
            re.compile(str(rules["pattern"]))
        except re.error as error:
            raise SchemaError(f"{path}.pattern is no regular expression: {error}") from None
    for name in _NAMED:
        given = rules.get(name, {})
        if not isinstance(given, dict):
            raise SchemaError(f"{path}.{name} is {given!r}, expected a JSON object")
        for key, rule in cast("dict[str, object]", given).items():
            _check(rule, root, f"{path}.{name}.{key}", seen)
    for name in ("items", "additionalProperties", "not"):
        if name in rules:
            _check(rules[name], root, f"{path}.{name}", seen)
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, rule in enumerate(_listed(rules.get(name))):
            _check(rule, root, f"{path}.{name}[{number}]", seen)


def problems(value: object, schema: Schema) -> list[str]:
    """What of a value does not fit a schema that was checked, each with its place; empty where all does."""
    try:
        return list(_problems(value, schema, schema, "the answer"))
    except RecursionError:
        return ["the answer can't be checked: the schema refers to itself without end"]


def _problems(value: object, schema: object, root: Schema, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield f"{path} should not be there"
        return
    rules = cast("Schema", schema)
    if "$ref" in rules:
        yield from _problems(value, _target(rules["$ref"], root), root, path)
    kinds = _listed(rules.get("type"))
    if kinds and not any(_TYPES[str(kind)](value) for kind in kinds):
        yield f"{path} is {_shown(value)}, expected {' or '.join(map(str, kinds))}"
        return
    allowed = [rules["const"]] if "const" in rules else _listed(rules.get("enum"))
    if allowed and not any(_same(value, choice) for choice in allowed):
        yield f"{path} is {_shown(value)}, expected {' or '.join(map(_shown, allowed))}"
    yield from _combined(value, rules, root, path)
    yield from _limited(value, rules, path)
    if isinstance(value, dict):
        yield from _object(cast("dict[str, object]", value), rules, root, path)
    if isinstance(value, list):
        yield from _array(cast("list[object]", value), rules, root, path)


def _combined(value: object, rules: Schema, root: Schema, path: str) -> Iterator[str]:
    for rule in _listed(rules.get("allOf")):
        yield from _problems(value, rule, root, path)
    for name in ("anyOf", "oneOf"):
        choices = _listed(rules.get(name))
        fit = sum(not any(_problems(value, rule, root, path)) for rule in choices)
        if choices and (fit == 0 or (name == "oneOf" and fit > 1)):
            yield f"{path} is {_shown(value)}, which fits {'none' if not fit else 'more than one'} of its {name}"
    if "not" in rules and not any(_problems(value, rules["not"], root, path)):
        yield f"{path} is {_shown(value)}, which is excluded"


def _limited(value: object, rules: Schema, path: str) -> Iterator[str]:
    for name, (fits, words) in _LIMITS.items():
        limit = rules.get(name)
        if _is_number(value) and _is_number(limit) and not fits(cast("float", value), cast("float", limit)):
            yield f"{path} is {_shown(value)}, expected {words} {limit}"
    step = rules.get("multipleOf")
    if _is_number(value) and _is_number(step) and step:
        parts = cast("float", value) / cast("float", step)
        if abs(parts - round(parts)) > 1e-9:
            yield f"{path} is {_shown(value)}, expected a multiple of {step}"
    if isinstance(value, str):
        yield from _sized(len(value), "characters", rules.get("minLength"), rules.get("maxLength"), path)
    elif isinstance(value, list):
        size = len(cast("list[object]", value))
        yield from _sized(size, "items", rules.get("minItems"), rules.get("maxItems"), path)
    pattern = rules.get("pattern")
    if isinstance(value, str) and pattern is not None and not re.search(str(pattern), value):
        yield f"{path} is {_shown(value)}, expected to match {pattern}"


def _sized(size: int, what: str, least: object, most: object, path: str) -> Iterator[str]:
    if isinstance(least, int) and size < least:
        yield f"{path} has {size} {what}, expected at least {least}"
    if isinstance(most, int) and size > most:
        yield f"{path} has {size} {what}, expected at most {most}"


def _object(value: dict[str, object], rules: Schema, root: Schema, path: str) -> Iterator[str]:
    properties = cast("Schema", rules.get("properties", {}))
    for name in _listed(rules.get("required")):
        if name not in value:
            yield f"{path}.{name} is missing"
    for name, item in value.items():
        rule = properties.get(name, rules.get("additionalProperties", True))
        yield from _problems(item, rule, root, f"{path}.{name}")


def _array(value: list[object], rules: Schema, root: Schema, path: str) -> Iterator[str]:
    places = _listed(rules.get("prefixItems"))
    for number, item in enumerate(value):
        rule = places[number] if number < len(places) else rules.get("items", True)
        yield from _problems(item, rule, root, f"{path}[{number}]")
    if rules.get("uniqueItems") and any(_same(item, other) for at, item in enumerate(value) for other in value[:at]):
        yield f"{path} has an item twice"


def _target(reference: object, root: Schema) -> object:
    """What a reference within the schema leads to; `None` where that is nothing."""
    found: object = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    for step in filter(None, reference[1:].split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        found = _dict(found).get(name)
    return found


def _dict(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _listed(value: object) -> list[object]:
    return [] if value is None else cast("list[object]", value) if isinstance(value, list) else [value]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _shown(value: object) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."
