"""Chunks of one stream by their likeness: all but the delta is the same in nearly all of them, and is read once."""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecoder
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError

from ..types.chunk import ChatCompletionChunk, ChunkChoice, Delta

_KEY: Final = re.compile(r'"delta"[ \t]*:[ \t]*')
_PROBE: Final = b'{"content":"probe"}'
_PAYS: Final = 8
"""Chunks that a template must have read for the next to be learnt at once: to learn costs what it saves on as many."""

_Parts: TypeAlias = "tuple[dict[str, object], set[str], dict[str, object]]"
"""A model's fields, the names of those that came, and what came beside them."""

_NOTHING: Final = b"\n"  # in no event

_validate: Callable[[bytes], ChatCompletionChunk] = ChatCompletionChunk.__pydantic_validator__.validate_json
_validate_delta: Callable[[bytes], Delta] = Delta.__pydantic_validator__.validate_json
_decode: Callable[[str, int], tuple[object, int]] = JSONDecoder().raw_decode

# What makes up a pydantic model, set as `model_construct` sets it, but without looking for each name.
_new: Callable[[type[Any]], Any] = object.__new__
_set_fields: Callable[[Any, object], None] = BaseModel.__dict__["__dict__"].__set__
_set_names: Callable[[Any, object], None] = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra: Callable[[Any, object], None] = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private: Callable[[Any, object], None] = BaseModel.__dict__["__pydantic_private__"].__set__


class ChunkTemplate:
    """Reads chunks that differ from an earlier one in the delta alone, a quarter cheaper than the whole.

    The delta is cut out from between the bytes that every such chunk has before and after it, and validated as one
    JSON value. One value in another's place changes nothing around it, so the rest can only be what it was.
    """

    __slots__ = ("_after", "_before", "_choice", "_chunk", "_hits", "_patience", "_start", "_stop", "_wait", "index")

    def __init__(self) -> None:
        self._before = self._after = _NOTHING
        self._start = self._stop = 0
        self._chunk: _Parts
        self._choice: _Parts
        self._hits = 0
        self._wait = 0
        self._patience = 0
        self.index = 0
        """Which answer it is of."""

    def read_delta(self, raw: bytes) -> Delta | None:
        """The chunk's delta, if the chunk differs from the template in it alone."""
        if not (raw.startswith(self._before) and raw.endswith(self._after)):
            return None
        try:
            delta = _validate_delta(raw[self._start : self._stop])
        except ValidationError:
            return None
        self._hits += 1
        return delta

    def read(self, raw: bytes) -> ChatCompletionChunk | None:
        """The chunk, if it differs from the template in its delta alone."""
        delta = self.read_delta(raw)
        if delta is None:
            return None
        fields, names, extra = self._choice
        choice = _new(ChunkChoice)
        _set_fields(choice, {**fields, "delta": delta})
        _set_names(choice, names.copy())
        _set_extra(choice, extra.copy())
        _set_private(choice, None)
        fields, names, extra = self._chunk
        chunk: ChatCompletionChunk = _new(ChatCompletionChunk)
        _set_fields(chunk, {**fields, "choices": [choice]})
        _set_names(chunk, names.copy())
        _set_extra(chunk, extra.copy())
        _set_private(chunk, None)
        return chunk

    def learn(self, raw: bytes, chunk: ChatCompletionChunk) -> None:
        """Takes a chunk of another shape as the new template, less and less often where templates do not pay.

        Args:
            raw: The chunk as it came.
            chunk: What was read of it.
        """
        if self._hits >= _PAYS:
            self._wait = self._patience = 0
        if self._wait:
            self._wait -= 1
            return
        self._patience = self._wait = 2 * self._patience + 1
        self._hits = 0
        self._before = self._after = _NOTHING
        text = raw.decode("utf-8", "replace")
        key = _KEY.search(text)
        if key is None or not _is_plain(chunk):
            return
        start = key.end()
        try:
            _, stop = _decode(text, start)
            before, after = text[:start].encode(), text[stop:].encode()
            # Where the name stands in a text, or twice, the probe lands elsewhere.
            probe = _validate(before + _PROBE + after)
        except (ValueError, RecursionError):
            return
        if _is_plain(probe) and probe.choices[0].delta == _validate_delta(_PROBE):
            self._before, self._after = before, after
            self._start, self._stop = len(before), -len(after)
            self._chunk, self._choice = _parts(chunk), _parts(chunk.choices[0])
            self.index = chunk.choices[0].index


def _is_plain(chunk: ChatCompletionChunk) -> bool:
    """Whether there is one choice that goes on, and nothing but single values beside its delta."""
    if len(chunk.choices) != 1 or chunk.choices[0].finish_reason is not None:
        return False
    choice = chunk.choices[0]
    return _are_single(chunk, "choices") and _are_single(choice, "delta")


def _are_single(model: BaseModel, but: str) -> bool:
    fields, _, extra = _parts(model)
    values = (value for name, value in (*fields.items(), *extra.items()) if name != but)
    return all(isinstance(value, (str, int, float, type(None))) for value in values)


def _parts(model: BaseModel) -> _Parts:
    return dict(model.__dict__), model.__pydantic_fields_set__, model.__pydantic_extra__ or {}
