"""JSON that is read while it grows.

A tokenizer with a stack, which looks at each character once. Each value is validated when it is complete; what is still
open is built anew when it is asked for, from the innermost outwards, sharing all that is complete. Both take their cost
from a budget that each character adds to, so that the work is linear in the text's length, whatever is asked and
however often: a value with very many open parts is built less often than it grows.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from .frames import Frame
from .shapes import MISSING, Missing, Shape

T = TypeVar("T")

RATE = 64
"""Steps of work that each character of the text pays for: enough for any value within 64 others."""

_START_BUDGET = 4096

_DEEPEST = 200
"""Objects and arrays inside each other at most: pydantic reads no more either."""

_OPENING = re.compile(r"[{\[]|<think>")
_BRACE = re.compile(r"\{|<think>")
_THOUGHT = "</think>"
_THOUGHTS_END = re.compile(_THOUGHT)
_QUOTE = re.compile(r'["\\]')
_DELIMITER = re.compile(r'[\s,:"{}\[\]]')


class PartialJson(Generic[T]):
    """The value of a JSON text that grows, as far as it has come.

    Never fails: a text that is no JSON, or does not fit, just gets no further. Words before the first bracket are
    skipped, thoughts in `<think>` and names in braces among them, as is all that comes behind the last.

    Args:
        shape: What the text may hold; without one, any JSON, shown as plain data.
        final: Reads the whole when it is complete.
        bare: What it may hold instead, where it is a list.
    """

    def __init__(
        self, shape: Shape | None = None, final: Callable[[str], T] | None = None, bare: Shape | None = None
    ) -> None:
        self._shape = shape
        self._bare = bare
        self._plain = shape is None
        self._final = final
        self._opening = _OPENING if shape is None or bare is not None else _BRACE
        self._buffer = io.StringIO()
        self._length = 0
        self._rest = ""
        self._stack: list[Frame] = []
        self._start: int | None = None  # of the text or scalar that is open
        self._in_text = False
        self._thinking = False
        self._over = False
        self._budget = _START_BUDGET
        self._value: object = MISSING
        self._stale = False
        self.steps = 0
        """Steps of work so far: characters looked at, validated and copied."""

    def feed(self, delta: str) -> None:
        """Takes the next characters."""
        self._buffer.write(delta)
        text = self._rest + delta
        base = self._length - len(self._rest)
        self._length += len(delta)
        self._rest = ""
        self._budget += RATE * len(delta)
        self.steps += len(delta)
        self._stale = not self._over
        at = 0
        while at < len(text) and not self._over:
            if self._start is None:
                at = self._structure(text, at, base)
            elif self._in_text:
                at = self._text(text, at, base)
            else:
                at = self._scalar(text, at, base)

    @property
    def value(self) -> T | None:
        """The value as far as it has come, validated as far as that can be; `None` where there is nothing to show.

        A field that has not come, or does not fit, is `None`; in a TypedDict its key is not there. A list ends before
        the first item that does not fit. Each value stays as it is while the text grows on.
        """
        if self._stale:
            open_text = 0 if self._start is None else (self._length - self._start) // 8
            cost = open_text + sum(8 + len(frame.values) + len(frame.items) for frame in self._stack)
            if self._spend(cost):
                self._stale = False
                self._value = self._build()
        return None if isinstance(self._value, Missing) else cast("T", self._value)

    def _spend(self, cost: int) -> bool:
        if cost > self._budget:
            return False
        self._budget -= cost
        self.steps += cost
        return True

    def _build(self) -> object:
        value: object = MISSING
        if self._start is not None and self._in_text:
            frame = self._stack[-1]
            shape = frame.child()
            is_key = frame.is_object and frame.key is None
            if not is_key and (frame.plain or (shape is not None and shape.text)):
                value = _unfinished(self._slice(self._start, self._length - len(self._rest)))
        for frame in reversed(self._stack):
            value = frame.build(value)
        return value

    def _slice(self, start: int, end: int) -> str:
        self._buffer.seek(start)
        text = self._buffer.read(end - start)
        self._buffer.seek(0, io.SEEK_END)
        return text

    def _structure(self, text: str, at: int, base: int) -> int:
        if not self._stack:
            opening = (_THOUGHTS_END if self._thinking else self._opening).search(text, at)
            if opening is None:
                tag = text.rfind("<", max(at, len(text) - len(_THOUGHT) + 1))
                self._rest = text[tag:] if tag >= 0 else ""  # a part of it may be still to come
                return len(text)
            if opening[0].endswith(">"):
                self._thinking = not self._thinking
                return opening.end()
            at = opening.start()
            shape = self._bare if text[at] == "[" else self._shape
            self._stack.append(Frame(text[at], base + at, shape, plain=self._plain))
            return at + 1
        frame, sign = self._stack[-1], text[at]
        if sign in ",:" or sign.isspace():
            return at + 1
        if sign in "}]":
            if sign == frame.closing:
                self._close(base + at + 1)
            else:
                self._over = True
            return at + 1
        is_key = frame.is_object and frame.key is None
        if is_key and sign != '"' and len(self._stack) == 1 and self._is_empty(frame, base + at):
            self._stack.pop()  # no object: a name in braces
            return at
        if (is_key and sign != '"') or (sign in "{[" and len(self._stack) == _DEEPEST):
            self._over = True
        elif sign in "{[":
            self._stack.append(Frame(sign, base + at, frame.child(), plain=self._plain))
        else:
            self._start = base + at
            self._in_text = sign == '"'
        return at + 1

    def _is_empty(self, frame: Frame, end: int) -> bool:
        return not self._slice(frame.start + 1, end).strip()

    def _text(self, text: str, at: int, base: int) -> int:
        mark = _QUOTE.search(text, at)
        if mark is None:
            return len(text)
        at = mark.start()
        if text[at] == '"':
            self._end_scalar(base + at + 1)
            return at + 1
        length = 6 if text[at + 1 : at + 2] == "u" else 2
        if at + length > len(text):
            self._rest = text[at:]  # an escape of which a part is still to come
            return len(text)
        return at + length

    def _scalar(self, text: str, at: int, base: int) -> int:
        mark = _DELIMITER.search(text, at)
        if mark is None:
            return len(text)
        self._end_scalar(base + mark.start())
        return mark.start()

    def _end_scalar(self, end: int) -> None:
        frame = self._stack[-1]
        start, self._start = cast("int", self._start), None
        if frame.is_object and frame.key is None:
            key = _loaded(self._slice(start, end))
            self._over = not isinstance(key, str)
            frame.key = cast("str", key)
            return
        shape = frame.child()
        if frame.plain:
            value = _loaded(self._slice(start, end))
        else:
            value = MISSING if shape is None else shape.complete(self._slice(start, end))
        self.steps += (end - start) * max(1, len(frame.records))
        frame.put(value, lambda: self._slice(start, end))

    def _close(self, end: int) -> None:
        frame = self._stack.pop()
        start = frame.start
        if not self._stack:
            self._over = True
            value = frame.build(MISSING)
            try:
                self._value = value if self._final is None else self._final(self._slice(start, end))
            except Exception:  # the same that will be raised where the answer is read
                self._value = value
            self._stale = False
            return
        value = frame.build(MISSING)
        # What can't be built from its parts is read once, by the outermost that can't; the rest as the budget allows.
        if frame.shape is not None and (value is MISSING or self._spend(end - start)):
            complete = frame.shape.complete(self._slice(start, end))
            value = value if complete is MISSING else complete
        self._stack[-1].put(value, lambda: self._slice(start, end))


def _loaded(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return MISSING


def _unfinished(text: str) -> object:
    """The text that a JSON string without its end stands for."""
    try:
        value = cast("str", json.loads(f'{text}"'))
    except ValueError:
        return MISSING
    # Half of a character beyond the basic plane waits for its other half.
    return value[:-1] if "\ud800" <= value[-1:] <= "\udbff" else value
