"""`--schema`: a JSON schema from a file, from the command line, or in a few words; and the answer that fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast

from ..._core.schema import candidates
from ._conforming import SchemaError, check_schema, problems

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_FIELD = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\s+(?P<type>\w+)(?P<list>\[\])?)?(?:\s*:\s*(?P<about>.*))?", re.DOTALL)

_EXAMPLE = 'a path, a JSON object, or fields as in "name, age int, tags str[]"'


def read_schema(given: str, read: Callable[[str], str | None]) -> dict[str, object]:
    """The JSON schema that is meant.

    Args:
        given: JSON text; fields in the short form; or the path of a file with a schema.
        read: The text of the file at a path; `None` where there is no file.

    Raises:
        SchemaError: It is none of these, or no schema.
    """
    text = given.strip()
    if not text.startswith("{"):
        if (found := read(text)) is None:
            return concise(text)
        text = found
    try:
        schema: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"it is not JSON ({error})") from None
    check_schema(schema)
    return cast("dict[str, object]", schema)


def concise(text: str) -> dict[str, object]:
    """The schema of fields in the short form: `name, age int, bio: in one sentence`.

    Fields stand between commas, or on lines of their own where a description has commas. A field is a name, a type if
    it is not text (`str`, `int`, `float`, `bool`; `[]` after it makes a list), and a description after a colon.

    Raises:
        SchemaError: A field is of another form.
    """
    properties: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in re.split("\n" if "\n" in text else ",", text))):
        field = _FIELD.fullmatch(part)
        kind = field and (field["type"] or "str")
        if field is None or kind not in _TYPES:
            raise SchemaError(f"{part!r} is no field; give {_EXAMPLE}")
        rule: dict[str, object] = {"type": _TYPES[kind]}
        if field["list"]:
            rule = {"type": "array", "items": rule}
        if field["name"] in properties:
            raise SchemaError(f"the field {field['name']!r} is there twice")
        properties[field["name"]] = {**rule, **({"description": field["about"]} if field["about"] else {})}
    if not properties:
        raise SchemaError(f"it is empty; give {_EXAMPLE}")
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def response_format(schema: dict[str, object]) -> dict[str, Any]:
    """What a request asks for an answer of this form."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def fitting(text: str, schema: dict[str, object]) -> tuple[object, list[str]]:
    """The JSON value that an answer's text is, and what of it does not fit.

    JSON among words or in a fenced block is found.
    """
    wrong: list[str] = []
    for candidate in candidates(text):
        try:
            value: object = json.loads(candidate, parse_constant=_refuse)
        except (ValueError, RecursionError):
            continue
        found = problems(value, schema)
        if not found:
            return value, []
        wrong = wrong or found
    return None, wrong or ["it is not JSON"]


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
