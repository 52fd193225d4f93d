"""What `help()` and notebooks show of a method whose parameters are described in a `TypedDict`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from .._core.build import advice, unexpected_keyword
from ..types.chat_params import RequestOptions

F = TypeVar("F", bound=Callable[..., Any])


def with_parameters(parameters: type, *, first: tuple[str, ...] = (), owner: str | None = None) -> Callable[[F], F]:
    """A decorator that shows a function's keywords in place of its `**params`.

    Args:
        parameters: The `TypedDict` of the keywords.
        first: Names of its keys to show before the others.
        owner: The class that users know a method by, for Python's own messages. A keyword that does not exist is then
            told before one that is missing, which it may be the wrong name of.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        known = parameters.__annotations__
        named = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        # What goes into the body before how it is sent: a subclass's own keys come last in its annotations.
        own = [name for name in known if name not in RequestOptions.__annotations__]
        names = [name for name in (*first, *own, *known) if name not in signature.parameters]
        keywords = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_plain(known[name]))
            for name in dict.fromkeys(names)
        ]
        if owner is not None:
            _rename(function, f"{owner}.{function.__name__}")
            function = cast("F", _checked(function, named, [parameter.name for parameter in (*named[1:], *keywords)]))
        vars(function)["__signature__"] = signature.replace(parameters=[*named, *keywords])
        return function

    return decorate


def _rename(function: Callable[..., Any], name: str) -> None:
    function.__qualname__ = name
    inside = getattr(function, "__wrapped__", None)
    if inside is not None:
        _rename(inside, name)


def _checked(
    function: Callable[..., Any], named: Sequence[inspect.Parameter], known: Sequence[str]
) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        try:
            return function(*args, **given)
        except TypeError:
            required = [parameter.name for parameter in named[len(args) :] if parameter.default is parameter.empty]
            unknown = [name for name in given if name not in known]
            if not unknown or given.keys() >= set(required):
                raise
            name = function.__name__
            raise unexpected_keyword(name, unknown[0], known, advice(name), body=True) from None

    return call


def _plain(annotation: Any) -> Any:
    # Under `from __future__ import annotations` a TypedDict keeps its annotations as forward references.
    return getattr(annotation, "__forward_arg__", annotation)
