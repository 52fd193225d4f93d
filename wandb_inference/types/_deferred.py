"""A field's value that is built when it is first read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any


class Deferred:
    """A value that is built from bytes when it is first asked for.

    It stands in a model's `__dict__`, and pydantic compares, prints, hashes and copies what it finds there: each of
    these asks for the value. Pickled before that, it stays bytes. Any number of threads get the same object.

    Args:
        build: Makes the value; importable by name, for pickle.
        data: What to make it from.
    """

    def __init__(self, build: Callable[[bytes], object], data: bytes) -> None:
        self._build = build
        self._data = data

    @property
    def value(self) -> object:
        """The value, the same at each call."""
        # Without a lock, which pickle refuses. The order counts: bytes that are gone went after the value came.
        data = self._data
        state = vars(self)
        if "_value" not in state:
            state.setdefault("_value", self._build(data))
            self._data = b""
        return state["_value"]

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Deferred) else other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __deepcopy__(self, memo: dict[int, Any]) -> object:
        return copy.deepcopy(self.value, memo)


def built(value: object) -> Any:
    """The value itself, or what a `Deferred` stands for."""
    return value.value if isinstance(value, Deferred) else value


class DeferredField:
    """Lets a model's field be a `Deferred` that nobody meets: reading the field builds the value, and keeps it.

    Set on the class under the field's name, once the class is made.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type | None = None) -> object:
        # As with any field the class has no such attribute: in a subclass, pydantic would take it for the default.
        if instance is None or self._name not in vars(instance):
            raise AttributeError(self._name)
        fields = vars(instance)
        value = fields[self._name] = built(fields[self._name])
        return value

    def __set__(self, instance: object, value: object) -> None:
        vars(instance)[self._name] = value

    def __delete__(self, instance: object) -> None:
        if self._name not in vars(instance):
            raise AttributeError(self._name)
        del vars(instance)[self._name]
