"""A type as the form of an answer: its JSON schema, and the way back from text to value."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from .partial import PartialJson
from .shapes import Shape, shape_of, wrapper_of
from .strict import NOT_JSON, Schema, strict_schema
from .validate import invalid

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

T = TypeVar("T")
V = TypeVar("V")

_WHERE = "response_format"

_KEY = "value"
"""The field that holds an answer whose type is no object: a strict schema's root has to be one."""

_WRAPPED = re.compile(r'\s*\{\s*"value"\s*:')
_FENCED = re.compile(r"```[ \t]*\w*[ \t]*\n(.*?)```", re.DOTALL)

# A brace that begins an object, unlike that of `{name}`.
_OBJECT = re.compile(r'\{(?=\s*["}])')
_OBJECT_OR_LIST = re.compile(rf"{_OBJECT.pattern}|\[")
_BRACKET = re.compile(r"[{}\[\]]")
_DECODER = json.JSONDecoder()

_TRIES = 20
"""Places where JSON among words is looked for at most: each may cost a look at all that follows."""

# Values, and functions, which pydantic would read the arguments of.
_VALUES = (
    *(str, bytes, int, float, list, tuple, set, Mapping, BaseModel, enum.Enum, type(None)),
    *(FunctionType, MethodType, BuiltinFunctionType),
)


class Output(Generic[T]):
    """The form an answer is to have. Make one by `Output.of(type)`.

    Args:
        wanted: The type, or an adapter of it.

    Raises:
        InvalidRequestError: No type, or one that a strict schema can't express; the path names the field.
    """

    __slots__ = ("_adapter", "_list", "_shape", "_type", "_wrapped", "name", "schema")

    def __init__(self, wanted: Any) -> None:
        if _is_value(wanted):
            hint = "A JSON schema of your own goes to create()." if hasattr(wanted, "keys") else None
            raise invalid(_WHERE, wanted, "a type, such as a pydantic model", hint)
        try:
            adapter: TypeAdapter[T] = wanted if _is_adapter(wanted) else TypeAdapter(wanted)
            given = adapter.json_schema(schema_generator=_Generator)
        except (PydanticUserError, NameError, RecursionError) as error:
            raise invalid(_WHERE, _named(wanted), f"a type that pydantic knows: {_first_line(error)}") from error
        # Private there, and only for looks: without it an adapter's value appears when it is complete.
        self._type: object = getattr(wanted, "_type", wanted) if _is_adapter(wanted) else wanted
        self.name = _named(self._type)
        """The type's name."""
        schema = strict_schema(given, _WHERE)
        self._wrapped = "properties" not in schema
        self._list = self._wrapped and _is_list(given, given.get("$defs", {}))
        if self._wrapped:
            inside = strict_schema({"type": "object", "properties": {_KEY: given}, "$defs": given.get("$defs")}, _WHERE)
            schema = inside
        self.schema: Schema = schema
        """JSON schema of the answer; its root is an object."""
        self._adapter = adapter
        self._shape: Shape | None = None

    @overload
    @classmethod
    def of(cls, wanted: type[V]) -> Output[V]: ...
    @overload
    @classmethod
    def of(cls, wanted: TypeAdapter[V]) -> Output[V]: ...
    @overload
    @classmethod
    def of(cls, wanted: object) -> Output[Any]: ...
    @classmethod
    def of(cls, wanted: Any) -> Any:
        """The form of a type, made once for each of the last 256 types.

        Args:
            wanted: A pydantic model, dataclass, TypedDict, enum, union, `list[...]`, `Literal`, a scalar, or a
                `TypeAdapter` of anything else.

        Raises:
            InvalidRequestError: No type, or one that a strict schema can't express; the path names the field.
        """
        try:
            hash(wanted)
        except TypeError:
            return _cached(_Same(wanted))
        return _cached(wanted)

    @property
    def response_format(self) -> dict[str, object]:
        """The parameter `response_format` of a request."""
        name = re.sub(r"[^a-zA-Z0-9_-]+", "_", self.name).strip("_")[:64] or "answer"
        return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": self.schema}}

    def validate(self, text: str) -> T:
        """The value that a text holds.

        The text is JSON; JSON in a fenced block, behind thoughts that end in `</think>`, or with words before and
        behind it, is found too, since models without constrained decoding write such. A type that is no object may come
        with or without its wrapper.

        Raises:
            ValidationError: It does not fit the type, or is no JSON.
        """
        failure: ValidationError | None = None
        for candidate in self.candidates(text):
            try:
                return self._read(candidate)
            except ValidationError as error:
                if not _is_no_json(error):
                    raise
                failure = failure or error
        assert failure is not None  # the text itself is the first candidate
        raise failure

    def candidates(self, text: str) -> Iterator[str]:
        """Where the JSON of an answer may be, the likeliest first."""
        return candidates(text, lists=self._list)

    def unwrapped(self, value: object) -> object:
        """A JSON value without the wrapper of a type that is no object."""
        if not self._wrapped or not isinstance(value, dict):
            return value
        return cast("dict[str, object]", value).get(_KEY, cast("object", value))

    def partial(self) -> PartialJson[T]:
        """What reads an answer of this form while it grows."""
        if self._shape is None:
            self._shape = shape_of(self._type, None)
        if self._wrapped:
            return PartialJson(wrapper_of(_KEY, self._shape), self.validate, self._shape if self._list else None)
        return PartialJson(self._shape, self.validate)

    def _read(self, text: str) -> T:
        wrapped = _WRAPPED.match(text) if self._wrapped else None
        inside = text.rstrip()
        if wrapped is None or not inside.endswith("}"):
            return self._adapter.validate_json(text)
        try:
            # The text itself is cut, not its parsed form, so that numbers keep their digits.
            return self._adapter.validate_json(inside[wrapped.end() : -1])
        except ValidationError as error:
            try:
                return self._adapter.validate_json(text)  # the type may have a field of that name
            except ValidationError as bare:
                raise bare if _is_no_json(error) else error from None


class _Same:
    """A type that can't be hashed, such as one with `Field(...)` in `Annotated`, known by its identity."""

    __slots__ = ("wanted",)

    def __init__(self, wanted: object) -> None:
        self.wanted = wanted

    def __hash__(self) -> int:
        return id(self.wanted)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.wanted is other.wanted


@lru_cache(maxsize=256)
def _cached(wanted: Any) -> Output[Any]:
    return Output(wanted.wanted if isinstance(wanted, _Same) else wanted)


def candidates(text: str, *, lists: bool = False) -> Iterator[str]:
    """Where the JSON of an answer may be, the likeliest first.

    All of it; what follows the thoughts; in that a fenced block, what the outermost brackets hold, and each object that
    is complete, though none inside one that is broken.

    Args:
        text: The answer.
        lists: Whether it may be a list.
    """
    text = text.lstrip("\ufeff")
    yield text
    _, ended, said = text.partition("</think>")
    if ended:
        text = said
        yield text
    fenced = _FENCED.search(text)
    if fenced:
        yield fenced[1]
    first = text.find("{")
    start = text.find("[") if lists else -1
    # A list behind a brace may be a part of something that is cut.
    if 0 <= start < text.rfind("]") and not 0 <= first < start:
        yield text[start : text.rfind("]") + 1]
    if 0 <= first < text.rfind("}"):
        yield text[first : text.rfind("}") + 1]
    yield from _complete(text, _OBJECT_OR_LIST if lists else _OBJECT)


def _complete(text: str, opening: re.Pattern[str]) -> Iterator[str]:
    end = 0
    for _ in range(_TRIES):
        found = opening.search(text, end)
        if found is None:
            return
        start = found.start()
        try:
            _, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = _closed(text, start)
        else:
            yield text[start:end]


def _closed(text: str, start: int) -> int:
    """Where a bracket is closed that begins no JSON: brackets are counted, whatever they stand in."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in "{[" else -1
        if not depth:
            return bracket.end()
    return len(text)


def _is_value(wanted: object) -> bool:
    return isinstance(wanted, _VALUES) or (is_dataclass(wanted) and not isinstance(wanted, type))


def _is_adapter(wanted: object) -> bool:
    return isinstance(wanted, TypeAdapter)


def _is_list(schema: JsonSchemaValue, known: Mapping[str, JsonSchemaValue]) -> bool:
    """Whether what fits a schema may be a list."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    return schema.get("type") == "array" or any(_is_list(member, known) for member in schema.get("anyOf", ()))


def _is_no_json(error: ValidationError) -> bool:
    return error.errors(include_url=False)[0]["type"] == "json_invalid"


def _named(wanted: object) -> str:
    if isinstance(wanted, type) and not hasattr(wanted, "__args__"):
        return wanted.__name__
    # Without the modules: `Union[A, B]`, `list[A]`.
    return re.sub(r"(?:[\w<>]+\.)+(?=\w)", "", str(wanted))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


class _Generator(GenerateJsonSchema):
    """pydantic's generator, which marks what has no form in JSON instead of giving up without saying where."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  pydantic's own declaration

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {NOT_JSON: error_info}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        rules = super().decimal_schema(schema)
        # As text a number keeps all its digits; pydantic's own pattern for it is beyond most grammar engines.
        text = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
        choices = [text if choice.get("type") == "string" else choice for choice in rules.get("anyOf", ())]
        return {**rules, "anyOf": choices} if choices else rules
