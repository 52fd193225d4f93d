"""Functions as tools. Public as `wandb_inference.tool` and `wandb_inference.Tool`."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from typing_extensions import ParamSpec, Self

from ..exceptions import InvalidRequestError, RequestProblem
from .docstrings import read_docstring
from .tool_schema import Arguments, arguments_of, innermost

if TYPE_CHECKING:
    from types import FrameType

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI's API takes as a function's name, and servers after it."""


class Tool(Generic[P, R]):
    """A function that a model can call. Made by `tool()`; called, it does what the function does.

    Args:
        function: The function.
        name: What the model calls it; the function's name where left out.
        description: What the model is told about it; the docstring's text before its sections where left out.
        strict: Whether servers that can are to hold the model to the schema.
        scope: The frame in which names of its type hints may be known.

    Raises:
        InvalidRequestError: No function, one with a parameter that no schema can be made for, or a wrong option.
    """

    name: str
    """What the model calls it."""
    description: str | None
    """What the model is told about it; `None` where there is nothing to tell."""
    function: Callable[P, R]
    """The function."""
    is_async: bool
    """Whether calling it gives something to be awaited."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool = False,
        scope: FrameType | None = None,
    ) -> None:
        if isinstance(function, type) or not callable(cast("object", function)):
            raise _no_tool(function)
        if description is not None:
            _check_option("description", description, str, "text")
        _check_option("strict", strict, bool, "True or False")
        inner = innermost(function)
        self.name = _checked_name(_name_of(function, inner) if name is None else name)
        docstring = read_docstring(_doc_of(function, inner))
        self.description = docstring.description or None if description is None else description
        self.function = function
        self.strict = strict
        self.is_async = inspect.iscoroutinefunction(inner)
        self._is_method = _is_method(function)
        self._arguments: Arguments = arguments_of(
            function, self.name, docstring.parameters, strict=strict, scope=scope, method=self._is_method
        )
        functools.update_wrapper(cast("Callable[P, R]", self), function, updated=())

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of its arguments: an object with one property for each parameter."""
        return self._arguments.schema

    def as_param(self) -> dict[str, Any]:
        """The tool as it stands in a request's `tools`."""
        function: dict[str, Any] = {"name": self.name}
        if self.description:
            function["description"] = self.description
        function["parameters"] = self.parameters
        if self.strict:
            function["strict"] = True
        return {"type": "function", "function": function}

    def parse(self, arguments: str) -> dict[str, Any]:
        """The keyword arguments to call the function with; those the model left out are not among them.

        Args:
            arguments: JSON text as the model wrote it.

        Raises:
            pydantic.ValidationError: It does not fit the parameters, or is no JSON; also a `ValueError`.
        """
        return self._arguments.read(arguments)

    @property
    def unbound(self) -> bool:
        """Whether it is a method that still needs its object: `thing.method` is a tool, `Thing.method` is none yet."""
        return self._is_method

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """The tool of one object, where a method was made a tool."""
        if instance is None or not self._is_method:
            return self
        bound = self.__class__.__new__(self.__class__)
        bound.__dict__ = {**self.__dict__, "function": cast("Any", self.function).__get__(instance, owner)}
        bound._is_method = False
        return bound

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"


@overload
def tool(
    function: Callable[P, R], /, *, name: str | None = None, description: str | None = None, strict: bool = False
) -> Tool[P, R]: ...
@overload
def tool(
    function: None = None, /, *, name: str | None = None, description: str | None = None, strict: bool = False
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """The function as a tool for `tools=`; a decorator, with arguments and without.

    Its type hints become the JSON schema of the arguments, its docstring (in the style of Google, NumPy or Sphinx) what
    the model is told. `Annotated[str, "..."]` and pydantic's `Field(...)` describe parameters, too.

    Args:
        function: The function, async or not: a method, a partial and an object that can be called will do.
        name: What the model calls it, up to 64 letters, digits, `_` and `-`; by default the function's name.
        description: What the model is told about it; by default the docstring up to its first section.
        strict: Whether servers that can are to hold the model to the schema; then all parameters are required.

    Raises:
        InvalidRequestError: No function, or one with a parameter that no schema can be made for: without a type hint,
            positional-only, `*args`, `**kwargs`, or of a type that has no form in JSON.
    """
    options: Any = {"name": name, "description": description, "strict": strict}
    if function is not None:
        return Tool(function, **options, scope=_caller())

    def decorate(function: Callable[P, R]) -> Tool[P, R]:
        return Tool(function, **options, scope=_caller())

    return decorate


def _caller() -> FrameType | None:
    """The frame that `tool()`, or the decorator it gave, was called in."""
    frame = inspect.currentframe()
    own = frame and frame.f_back
    return own and own.f_back


def _no_tool(given: object) -> InvalidRequestError:
    what = f"the class {given.__name__!r}" if isinstance(given, type) else f"an object of type {type(given).__name__!r}"
    return InvalidRequestError(
        f"A tool is made of a function, not of {what}",
        hint="Give a function with type hints.",
        errors=[RequestProblem("tools", None, "a function")],
    )


def _name_of(function: Callable[..., Any], inner: Any) -> str:
    # An object's `()` has the name of its class.
    name: str = inner.__name__
    return type(function).__name__ if name == "__call__" else name


def _doc_of(function: Callable[..., Any], inner: Any) -> str | None:
    # Not `getdoc` of an object's `()`, which finds what Python says of any.
    if inner.__name__ == "__call__":
        return inner.__doc__ or inspect.getdoc(type(function))
    return inspect.getdoc(inner)


def _checked_name(name: object) -> str:
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidRequestError(
        f"A tool can't be called {name!r}: servers take up to 64 letters of a to z, digits, '_' and '-'",
        hint='Give it another name: tool(function, name="...").',
        errors=[RequestProblem("tools.name", name if isinstance(name, str) else repr(name), "a name")],
    )


def _check_option(name: str, value: object, kind: type, expected: str) -> None:
    if not isinstance(value, kind):
        raise InvalidRequestError(
            f"A tool can't be made with {name}={value!r}",
            hint=f"Give {expected}.",
            errors=[RequestProblem(f"tools.{name}", repr(value), expected)],
        )


def _is_method(function: Callable[..., Any]) -> bool:
    """Whether it is a function of a class whose first parameter is the object: seen where a decorator gets it."""
    if not inspect.isfunction(function):
        return False
    first = next(iter(inspect.signature(function).parameters.values()), None)
    where = function.__qualname__.rpartition(".")[0]
    return bool(
        first is not None
        and first.name in ("self", "cls")
        and first.annotation is inspect.Parameter.empty
        and where
        and not where.endswith("<locals>")
    )
