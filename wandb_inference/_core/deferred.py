"""Logprobs that are built when they are first used."""

from __future__ import annotations

import copy
from typing import Any, cast

from pydantic import BaseModel
from typing_extensions import Self

from ..types import ChatCompletion, ChoiceLogprobs
from .reading import read_model

_FIELDS = vars(BaseModel)["__dict__"]
"""Where an instance's fields really are, whatever its class says."""

_DATA = "_data"
_BUILT = "_built"


def defer(data: bytes) -> ChoiceLogprobs:
    """The logprobs in a JSON object, to be built when they are first used."""
    logprobs = DeferredLogprobs.__new__(DeferredLogprobs)
    _FIELDS.__get__(logprobs)[_DATA] = data
    return logprobs


class DeferredLogprobs(ChoiceLogprobs):
    """A `ChoiceLogprobs` of which there is only the JSON so far.

    All that pydantic does with a model begins with a look at its `__dict__` or at an attribute. Here neither is there
    yet: who looks for one has it built, and finds a `ChoiceLogprobs` from then on. Pickled before that, it stays JSON.
    """

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        _build(self)
        return cast("dict[str, Any]", _FIELDS.__get__(self))

    def __getattr__(self, name: str) -> Any:
        _build(self)
        return getattr(self, name)

    # What looks at the class first.

    def __eq__(self, other: object) -> bool:
        _build(self)
        return self == other

    def __copy__(self) -> Self:
        _build(self)
        return copy.copy(self)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        _build(self)
        return copy.deepcopy(self, memo)

    def __reduce__(self) -> Any:
        data = _FIELDS.__get__(self).get(_DATA)
        if data is not None:
            return defer, (data,)
        _build(self)
        return self.__reduce_ex__(4)


DeferredLogprobs.__name__ = ChoiceLogprobs.__name__


def _build(waiting: ChoiceLogprobs) -> None:
    """Makes it what it stands for. Of two threads' results one becomes everybody's, without a lock."""
    fields = cast("dict[str, Any]", _FIELDS.__get__(waiting))
    data = fields.get(_DATA)
    if data is not None:
        # In an answer around it, so that what does not fit is mended as in any answer.
        answer = read_model(ChatCompletion, b'{"choices":[{"message":{},"logprobs":' + data + b"}]}")
        logprobs = fields.setdefault(_BUILT, answer.choices[0].logprobs)
        for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(waiting, name, getattr(logprobs, name))
        _FIELDS.__set__(waiting, vars(logprobs))
    object.__setattr__(waiting, "__class__", ChoiceLogprobs)
