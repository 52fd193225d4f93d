"""Values that are valid under a JSON schema.

Covers what structured output and tools are written with: types and lists of types, `enum`, `const`, `anyOf`, `oneOf`,
`allOf`, `$ref` with recursion, bounds of numbers, lengths, `format`, `pattern`, arrays with `prefixItems`, and objects
with `required` and `additionalProperties`. `not`, `if` and what restricts property names are not looked at.
"""

from __future__ import annotations

import math
from random import Random
from typing import cast

from ._json import as_dict, as_int, as_list, as_str
from ._pattern import matching
from ._words import prose, word

Schema = dict[str, object]

# Below the first depth a value is as small as it may be; at the second, a schema that demands more has no finite value.
_SMALL, _DEEPEST = 4, 24

# Characters, items or properties that may be demanded at least.
_LONGEST = 10_000

_FORMATS = {
    "date": "{year:04}-{month:02}-{day:02}",
    "time": "{hour:02}:{minute:02}:00Z",
    "date-time": "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z",
    "duration": "PT{hour}H{minute}M",
    "email": "{word}@example.com",
    "hostname": "{word}.example.com",
    "ipv4": "192.0.2.{day}",
    "ipv6": "2001:db8::{day}",
    "uri": "https://example.com/{word}",
    "uuid": "{a:08x}-{b:04x}-4{c:03x}-8{c:03x}-{d:012x}",
}
# Common names get likely values, so that a demonstration reads well.
_LIKELY = {
    "name": ("Ada", "Grace", "Alan", "Katherine"),
    "city": ("Lisbon", "Oslo", "Kyoto", "Nairobi"),
    "location": ("Lisbon", "Oslo", "Kyoto", "Nairobi"),
    "country": ("Portugal", "Norway", "Japan", "Kenya"),
    "unit": ("celsius",),
    "language": ("English", "French", "Japanese"),
    "email": ("ada@example.com", "grace@example.com"),
    "url": ("https://example.com/harbour",),
    "date": ("2026-03-14", "2026-07-20"),
}


class SchemaError(ValueError):
    """No value was found for a schema; says where."""


def instance(schema: object, random: Random) -> object:
    """A value that is valid under a schema.

    Raises:
        SchemaError: The schema allows nothing, or a reference leads nowhere or round in a circle.
    """
    return _Generator(schema, random).value(schema, "", 0)


class _Generator:
    def __init__(self, root: object, random: Random) -> None:
        self._root = root
        self._random = random

    def value(self, schema: object, name: str, depth: int) -> object:
        """A value; `name` is the property it is for."""
        if schema is False:
            raise SchemaError(f"nothing is valid for {name or 'the schema'}")
        if depth > _DEEPEST:
            raise SchemaError(f"{name or 'the schema'} has no end")
        rules = self._resolve(as_dict(schema), depth)
        if "const" in rules:
            return rules["const"]
        if "enum" in rules:
            return self._one(as_list(rules["enum"]), name)
        for keyword in ("anyOf", "oneOf"):
            if keyword in rules:
                return self._alternative(rules, keyword, name, depth)
        return self._typed(rules, name, depth)

    def _one(self, values: list[object], name: str) -> object:
        if not values:
            raise SchemaError(f"nothing is valid for {name or 'the schema'}")
        return self._random.choice(values)

    def _resolve(self, rules: Schema, depth: int) -> Schema:
        """The rules with references and `allOf` folded in."""
        for _ in range(_DEEPEST):
            if "$ref" in rules:
                rest = {key: value for key, value in rules.items() if key != "$ref"}
                rules = _merge(rest, self._target(as_str(rules["$ref"])))
            elif "allOf" in rules:
                parts = as_list(rules["allOf"])
                rules = {key: value for key, value in rules.items() if key != "allOf"}
                for part in parts:
                    rules = _merge(rules, self._resolve(as_dict(part), depth + 1))
            else:
                return rules
        raise SchemaError("references go round in a circle")

    def _target(self, reference: str) -> Schema:
        target = self._root
        for key in reference.removeprefix("#").split("/")[1:]:
            key = key.replace("~1", "/").replace("~0", "~")
            items = dict(enumerate(as_list(target)))
            target = as_dict(target).get(key, items.get(int(key)) if key.isdigit() else None)
        if not reference.startswith("#") or not isinstance(target, dict):
            raise SchemaError(f"{reference} leads nowhere")
        return as_dict(cast("object", target))

    def _alternative(self, rules: Schema, keyword: str, name: str, depth: int) -> object:
        rest = {key: value for key, value in rules.items() if key != keyword}
        options = [option for option in as_list(rules[keyword]) if option is not False]
        self._random.shuffle(options)
        if depth >= _SMALL:  # whatever ends soonest: `null` before a reference
            options.sort(key=lambda option: str(option).count("$ref") * 100 + len(str(option)))
        else:  # whatever shows most
            options.sort(key=lambda option: as_dict(option).get("type") == "null")
        for option in options:
            try:
                return self.value(_merge(rest, self._resolve(as_dict(option), depth)), name, depth + 1)
            except SchemaError:
                continue
        raise SchemaError(f"no alternative is valid for {name or 'the schema'}")

    def _typed(self, rules: Schema, name: str, depth: int) -> object:
        kinds = [as_str(kind) for kind in as_list(rules.get("type"))] or [as_str(rules.get("type"))]
        kind = next((kind for kind in kinds if kind != "null"), "null")
        if kind == "null" or (len(kinds) > 1 and "null" in kinds and depth >= _SMALL):
            return None
        match kind or _implied(rules):
            case "object":
                return self._object(rules, depth)
            case "array":
                return self._array(rules, name, depth)
            case "boolean":
                return self._random.random() < 0.5
            case "integer" | "number" as number:
                return _number(rules, self._random, whole=number == "integer")
            case _:
                return self._string(rules, name)

    def _object(self, rules: Schema, depth: int) -> dict[str, object]:
        properties = as_dict(rules.get("properties"))
        required = [as_str(name) for name in as_list(rules.get("required"))]
        result: dict[str, object] = {}
        for name in [*properties, *(name for name in required if name not in properties)]:
            if name in required:
                result[name] = self.value(properties.get(name, True), name, depth + 1)
            elif depth < _SMALL and properties[name] is not False:
                result[name] = self.value(properties[name], name, depth + 1)
        extra = rules.get("additionalProperties", True)
        # A mapping whose values have a type shows one of them.
        shown = 1 if as_dict(extra) and not properties and depth < _SMALL else 0
        wanted = _size(rules, "minProperties", shown)
        while len(result) < wanted:
            result[f"{word(self._random)}_{len(result)}"] = self.value(extra, "", depth + 1)
        return result

    def _array(self, rules: Schema, name: str, depth: int) -> list[object]:
        first = as_list(rules.get("prefixItems"))
        least = _size(rules, "minItems", 0)
        most = _size(rules, "maxItems", max(least, 2))
        length = least if depth >= _SMALL else min(most, max(least, self._random.randint(1, 2), len(first)))
        items = [self.value(rule, name, depth + 1) for rule in first[:length]]
        # Values repeat sooner or later, so that distinct ones take a few attempts.
        for _ in range(length * 20):
            if len(items) == length:
                break
            item = self.value(rules.get("items", True), name.removesuffix("s"), depth + 1)
            if item not in items or rules.get("uniqueItems") is not True:
                items.append(item)
        if len(items) < least:
            raise SchemaError(f"too few distinct items for {name or 'the schema'}")
        return items

    def _string(self, rules: Schema, name: str) -> str:
        least, most = _size(rules, "minLength", 0), _size(rules, "maxLength", 100_000)
        if "pattern" in rules:
            return matching(as_str(rules["pattern"]), self._random, least, most)
        form = _FORMATS.get(as_str(rules.get("format")))
        if form is not None:
            return self._formatted(form)
        if name.lower() in _LIKELY:
            text = self._random.choice(_LIKELY[name.lower()])
        else:
            text = f"{word(self._random)} {word(self._random)}"
        while len(text) < least:
            text = f"{text} {prose(self._random, 1)}"
        # A cut never ends in a space, which some validators strip.
        return text[:most].rstrip().ljust(min(least, most), ".")

    def _formatted(self, form: str) -> str:
        draw = self._random.randrange
        return form.format(
            year=2000 + draw(40),
            month=1 + draw(12),
            day=1 + draw(28),
            hour=draw(24),
            minute=draw(60),
            word=word(self._random),
            a=draw(16**8),
            b=draw(16**4),
            c=draw(16**3),
            d=draw(16**12),
        )


def _implied(rules: Schema) -> str:
    """The type of a schema that names none."""
    for kind, keywords in {
        "object": {"properties", "required", "additionalProperties", "minProperties"},
        "array": {"items", "prefixItems", "minItems", "maxItems"},
        "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    }.items():
        if keywords & rules.keys():
            return kind
    return "string"


def _number(rules: Schema, random: Random, *, whole: bool) -> int | float:
    step = abs(_float(rules.get("multipleOf")) or 0) or (1.0 if whole else 0.5)
    low, high = _float(rules.get("minimum")), _float(rules.get("maximum"))
    above, below = _float(rules.get("exclusiveMinimum")), _float(rules.get("exclusiveMaximum"))
    first = -math.inf if low is None else math.ceil(low / step)
    last = math.inf if high is None else math.floor(high / step)
    if above is not None:
        first = max(first, math.floor(above / step) + 1)
    if below is not None:
        last = min(last, math.ceil(below / step) - 1)
    if first > last:
        if whole or "multipleOf" in rules:
            raise SchemaError("no number is within the bounds")
        return _between(low if above is None else above, high if below is None else below)
    if math.isinf(first):
        first = 1 if last >= 1 else last - 40
    last = min(last, first + 40)
    number = random.randint(int(first), int(last)) * step
    return round(number) if whole else number


def _between(low: float | None, high: float | None) -> float:
    low, high = low or 0.0, high or 0.0
    if low > high:
        raise SchemaError("no number is within the bounds")
    return (low + high) / 2


def _float(value: object) -> float | None:
    # What Python's JSON reads as infinite, or beyond any float, bounds nothing.
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
    return float(cast("float", value)) if number else None


def _size(rules: Schema, keyword: str, default: int) -> int:
    """A length that a schema demands, from 0."""
    size = max(as_int(rules.get(keyword), default), 0)
    if size > _LONGEST and keyword.startswith("min"):
        raise SchemaError(f"{keyword} is more than {_LONGEST}")
    return size


def _merge(left: Schema, right: Schema) -> Schema:
    """Both schemas at once: properties and requirements add up, of bounds and the rest the right one wins."""
    merged = {**left, **right}
    if "properties" in left and "properties" in right:
        merged["properties"] = {**as_dict(left["properties"]), **as_dict(right["properties"])}
    if "required" in left and "required" in right:
        merged["required"] = [*as_list(left["required"]), *as_list(right["required"])]
    if "enum" in left and "enum" in right:
        merged["enum"] = [value for value in as_list(left["enum"]) if value in as_list(right["enum"])]
    return merged
