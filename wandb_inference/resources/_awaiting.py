"""A coroutine that says what to do when its `await` was forgotten."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from typing_extensions import ParamSpec

P = ParamSpec("P")
T = TypeVar("T")


class NotAwaited(Coroutine[Any, Any, T]):
    """The answer of an async call, to be awaited; to ask it for anything else is an error that says so.

    The class has its name from the messages it appears in: `'NotAwaited' object is not iterable`.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], name: str) -> None:
        self._coroutine = coroutine
        self._name = name
        # What asyncio's tasks are shown by.
        self.__name__ = self.__qualname__ = name

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any, /) -> Any:
        """Goes on with the coroutine, as asyncio's tasks do."""
        return self._coroutine.send(value)

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None, /) -> Any:
        """Raises an exception in the coroutine."""
        return self._coroutine.throw(typ if val is None else val)

    def close(self) -> None:
        """Ends the coroutine."""
        self._coroutine.close()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"no {name!r} yet: {self._name}() of an AsyncClient needs `await` in front of it")

    def __repr__(self) -> str:
        return f"<{self._name}(), not awaited>"


def awaited(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, NotAwaited[T]]:
    """A decorator that makes a coroutine function give a `NotAwaited`."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> NotAwaited[T]:
        return NotAwaited(function(*args, **kwargs), function.__name__)

    # Python 3.12 lets frameworks and tracers know that the answer is to be awaited.
    mark: Callable[[Any], Any] = getattr(inspect, "markcoroutinefunction", lambda function: function)
    mark(call)
    return call
