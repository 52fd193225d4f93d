"""What `help()` and notebooks show of a method whose parameters are described in a `TypedDict`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..types.chat_params import RequestOptions

F = TypeVar("F", bound=Callable[..., Any])


def with_parameters(parameters: type, *, first: tuple[str, ...] = ()) -> Callable[[F], F]:
    """A decorator that shows a function's keywords in place of its `**params`.

    Args:
        parameters: The `TypedDict` of the keywords.
        first: Names of its keys to show before the others.
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
        # Python's own errors about arguments name the function by this: users know no class of ours.
        function.__qualname__ = function.__name__
        vars(function)["__signature__"] = signature.replace(parameters=[*named, *keywords])
        return function

    return decorate


def _plain(annotation: Any) -> Any:
    # Under `from __future__ import annotations` a TypedDict keeps its annotations as forward references.
    return getattr(annotation, "__forward_arg__", annotation)
