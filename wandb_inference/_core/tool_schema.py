"""A function's parameters as a JSON schema, and the way back from JSON text to arguments."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from ..exceptions import InvalidRequestError, RequestProblem
from .strict import strict_schema

Schema = dict[str, Any]

_REFUSED = {
    inspect.Parameter.POSITIONAL_ONLY: (
        "is positional-only: models name each argument",
        "Take the `/` out of its parameters, or wrap it in a function without one.",
    ),
    inspect.Parameter.VAR_POSITIONAL: (
        "takes any number of arguments: models name each one",
        "Write a list: `{name}: list[...]`.",
    ),
    inspect.Parameter.VAR_KEYWORD: (
        "takes any keyword: models are told the name of each",
        "Write the keywords down, or a mapping: `{name}: dict[str, ...]`.",
    ),
}


class Arguments(NamedTuple):
    """The arguments a function takes."""

    schema: Schema
    """JSON schema of an object with one property for each."""
    model: type[BaseModel]
    names: Mapping[str, str]
    """The parameter that each of the model's fields is for."""
    always: frozenset[str]
    """Fields whose default only the model knows, as `Field(3)` in the place of a default."""

    def read(self, text: str) -> dict[str, Any]:
        """The keyword arguments that a JSON text stands for, validated; those left out are left to the function.

        Raises:
            ValidationError: It does not fit, or is no JSON.
        """
        # Models write nothing for a function without parameters.
        values = _validated(self.model, text if text.strip() else "{}")
        given = values.model_fields_set | self.always
        return {name: getattr(values, field) for field, name in self.names.items() if field in given}


def _validated(model: type[BaseModel], text: str) -> BaseModel:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Some models write the JSON text as a JSON string.
        if first["loc"] or not isinstance(first["input"], str) or first["type"] == "json_invalid":
            raise
        return model.model_validate_json(first["input"])


def arguments_of(
    function: Callable[..., Any],
    name: str,
    descriptions: Mapping[str, str],
    *,
    strict: bool,
    scope: types.FrameType | None,
    method: bool,
) -> Arguments:
    """The arguments a function takes.

    Args:
        function: The function, a method, a partial, or an object that can be called.
        name: The tool's name.
        descriptions: What its docstring says about each.
        strict: Whether the schema is in the strict dialect.
        scope: The frame it is made a tool in, where names of its hints may be known.
        method: Whether its first parameter is the object it belongs to.

    Raises:
        InvalidRequestError: A parameter that no schema can be made for.
    """
    hints = _hints(function, name, scope)
    names: dict[str, str] = {}
    parameters: dict[str, inspect.Parameter] = {}
    for parameter in _parameters(function, name)[1 if method else 0 :]:
        _check(parameter, name, hints)
        field = f"argument_{len(names)}"
        names[field] = parameter.name
        parameters[field] = parameter
    config = ConfigDict(extra="forbid", protected_namespaces=())
    try:
        fields: dict[str, Any] = {
            field: _field(parameter, hints[parameter.name], descriptions.get(parameter.name))
            for field, parameter in parameters.items()
        }
        model = create_model(name, __config__=config, **fields)
        schema = cast("Schema", _untitled(model.model_json_schema(schema_generator=_Generator)))
    except Exception as error:  # a type's own methods can raise anything
        raise _unusable(name, names, hints, error) from error
    if strict:
        schema = strict_schema(schema, name)
    given = {field: parameter.default for field, parameter in parameters.items()}
    always = [field for field, default in given.items() if isinstance(default, FieldInfo) and not default.is_required()]
    return Arguments(schema, model, names, frozenset(always))


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise _refused(name, name, "does not tell its parameters", "Wrap it in a function that has them.") from None
    # What a partial has set is not the model's to choose.
    bound: set[str] = set()
    while isinstance(function, functools.partial):
        bound |= set(function.keywords)
        function = function.func
    return [parameter for parameter in signature.parameters.values() if parameter.name not in bound]


def innermost(function: Callable[..., Any]) -> Any:
    """The function whose name, docstring and hints count: within partials, or behind an object's `()`."""
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__name__") and not inspect.isroutine(function):
        return type(function).__call__
    return function


def _hints(function: Callable[..., Any], name: str, scope: types.FrameType | None) -> dict[str, Any]:
    inner = innermost(function)
    try:
        return get_type_hints(inner, include_extras=True)
    except NameError:
        # Names of a function or class body are known to its frame alone.
        around: dict[str, Any] = {}
        frame, home = scope, scope and scope.f_globals
        while frame is not None and frame.f_globals is home:
            around = {**frame.f_locals, **around}
            frame = frame.f_back
        try:
            return get_type_hints(inner, None, around, include_extras=True)
        except NameError as error:
            hint = f"Define {error.name} at the top of its module, or use @tool where the function is defined."
            raise _refused(name, name, f"has a type hint with an unknown name, {error.name!r}", hint) from None
    except (TypeError, SyntaxError) as error:  # a hint that is no type
        raise _refused(name, name, f"has a type hint that is none: {error}", None) from None


def _check(parameter: inspect.Parameter, name: str, hints: Mapping[str, Any]) -> None:
    path = f"{name}.{parameter.name}"
    if parameter.kind in _REFUSED:
        problem, hint = _REFUSED[parameter.kind]
        raise _refused(name, path, f"{parameter.name!r} {problem}", hint.format(name=parameter.name))
    if parameter.name not in hints:
        hint = f"Write `{parameter.name}: str`, or whatever it is."
        if parameter.name in ("self", "cls"):
            hint = "Give the method of an object: `thing.method`."
        raise _refused(name, path, f"{parameter.name!r} has no type hint", hint)


def _field(parameter: inspect.Parameter, hint: Any, described: str | None) -> tuple[Any, Any]:
    """The hint and the default of a model's field."""
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    about = _own_description(hint, default) or described
    named = Field(alias=parameter.name, description=about) if about else Field(alias=parameter.name)
    return Annotated[hint, named], default


def _own_description(hint: Any, default: object) -> str | None:
    """What the hint says about a parameter: `Annotated[str, "..."]`, `Annotated[str, Field(description="...")]`."""
    if isinstance(default, FieldInfo) and default.description:
        return default.description
    if get_origin(hint) is not Annotated:
        return None
    for about in reversed(get_args(hint)[1:]):
        if isinstance(about, str):
            return about
        # `Doc("...")` of typing_extensions has the latter.
        said = getattr(about, "description", None) or getattr(about, "documentation", None)
        if isinstance(said, str):
            return said
    return None


def _unusable(name: str, names: Mapping[str, str], hints: Mapping[str, Any], error: Exception) -> InvalidRequestError:
    """The error for hints that no schema can be made for, which names the first of them."""
    for parameter in names.values():
        try:
            TypeAdapter(hints[parameter]).json_schema(schema_generator=_Generator)
        except Exception:
            what = f"{parameter!r} is of a type that has no form in JSON: {_shown(hints[parameter])}"
            hint = "Take text, numbers, lists, or a model of them, and make the object in the function."
            return _refused(name, f"{name}.{parameter}", what, hint)
    first_line = str(error).partition("\n")[0]
    return _refused(name, name, f"has parameters that make no schema: {first_line}", None)


def _shown(hint: object) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)


def _refused(name: str, path: str, problem: str, hint: str | None) -> InvalidRequestError:
    whose = "" if path == name else "its parameter "
    errors = [RequestProblem(path, None, "a parameter with a type hint" if whose else "a function with type hints")]
    message = f"The function {name!r} can't be a tool: {whose or 'it '}{problem}"
    return InvalidRequestError(message, hint=hint, errors=errors)


class _Generator(GenerateJsonSchema):
    """pydantic's generator, which leaves out defaults that have no form in JSON without a warning."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  pydantic's own declaration


def _untitled(schema: object) -> object:
    """The schema without titles, which only repeat names."""
    if isinstance(schema, list):
        return [_untitled(item) for item in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, object] = {}
    for key, value in cast("dict[str, object]", schema).items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            result[key] = {name: _untitled(item) for name, item in cast("dict[str, object]", value).items()}
        elif key in ("default", "enum", "const", "examples"):
            result[key] = value
        elif key != "title":
            result[key] = _untitled(value)
    return result
