"""A stream of chat chunks on its way through: whole events, under the client's name for the model. Never waits.

Reads cut a stream anywhere; decisions are made on whole events. Nearly all of them pass without being parsed: a few
searches tell whether a block holds anything but text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from pydantic_core import from_json, to_json

from .routing import Usage

MAX_EVENT: Final = 16 * 1024 * 1024
"""Bytes of one event. Without a bound a service that sends no line ends would fill the memory."""

_MOST_TOKENS: Final = 10**9
"""Of a prompt or an answer. What a service says beyond that counts as nothing: sums and rates would fail on it."""
_LONG: Final = 64 * 1024
"""Bytes of an event from which on it is not looked through again at each read."""
_ENDS: Final = (b"\n\n", b"\r\r", b"\n\r\n")
DONE: Final = b"data: [DONE]\n\n"

_OTHER_LINES: Final = (b":", b"event", b"id", b"retry")
_KEY: Final = b'"model"'
_MODEL: Final = re.compile(rb'("model"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')


class StreamError(Exception):
    """What came is no stream of events."""


class Framer:
    """Cuts bytes into blocks that hold whole events, wherever reads cut them."""

    __slots__ = ("_last", "_more", "_size", "tail")

    def __init__(self) -> None:
        self.tail = b""
        """What came of an event that is not whole yet, or its beginning."""
        self._more: list[bytes] = []
        self._size = 0  # of a long one
        self._last = b""

    def feed(self, data: bytes) -> bytes:
        """The events that are whole now, as they came; `b""` if none is.

        Raises:
            StreamError: An event is larger than `MAX_EVENT`.
        """
        if self.tail:
            if self._size:
                # A long event is put together once: to look through all of it at each read would take for ever.
                if not self._may_end(data):
                    return b""
                data = self.rest()
            else:
                data = self.tail + data
        if data.endswith(b"\n\n"):
            self.tail = b""
            return data
        end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\r") + 2, 1)
        crlf = data.rfind(b"\n\r\n")
        if crlf >= 0:
            end = max(end, crlf + 3)
        if end == 1:
            self._hold(data)
            return b""
        self.tail = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """What was held, which is held no more."""
        rest = b"".join([self.tail, *self._more])
        self.tail = b""
        self._more.clear()
        self._size = 0
        return rest

    def _hold(self, data: bytes) -> None:
        self._check(len(data))
        self.tail = data
        if len(data) > _LONG:
            self._size, self._last = len(data), data[-2:]

    def _may_end(self, data: bytes) -> bool:
        """Whether a long event may end in these bytes, which are held now."""
        seam = self._last + data
        self._last = seam[-2:]
        self._more.append(data)
        self._size += len(data)
        self._check(self._size)
        return any(end in seam for end in _ENDS)

    def _check(self, size: int) -> None:
        if size > MAX_EVENT:
            raise StreamError(f"an event of more than {MAX_EVENT} bytes")


def usage_of(value: Any) -> Usage | None:
    """What a `usage` of the service says; `None` where it says nothing."""
    usage: dict[str, Any] = value
    if not isinstance(value, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details: Any = usage.get("prompt_tokens_details")
    cached = _count(usage["prompt_tokens_details"].get("cached_tokens")) if isinstance(details, dict) else 0
    return Usage(_count(prompt), _count(completion), cached)


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else 0  # `True` is none


def rename(raw: bytes, content: dict[str, Any], name: str) -> bytes:
    """A JSON object with another name as its `model`; all else stays as it came where that can be told by a search.

    Args:
        raw: The object as it came.
        content: The same, parsed.
        name: The name.
    """
    if "model" not in content:
        return raw
    spliced = with_model(raw, name) if isinstance(content["model"], str) else None
    return to_json({**content, "model": name}) if spliced is None else spliced


def with_model(raw: bytes, name: str) -> bytes | None:
    """A JSON object with another name as the one text that it has for a `model`.

    `None` where a search can't tell the place: another such key or text is there, or letters are spelt otherwise. Each
    search costs as much as the body is long, but for one of a single byte, which is nearly free.
    """
    key = raw.find(_KEY)
    if key < 0 or raw.find(_KEY, key + 7) >= 0 or (b"\\" in raw and b"\\u006" in raw):
        return None
    found = _MODEL.match(raw, key)
    return None if found is None else b"%b%b%b" % (raw[: found.end(1)], _text(name), raw[found.end() :])


@lru_cache(maxsize=1024)
def _text(name: str) -> bytes:
    """A name as JSON."""
    return to_json(name)


def add_reasoning_content(content: dict[str, Any]) -> bool:
    """Puts LiteLLM's `reasoning_content` beside `reasoning`; whether there was any."""
    found = False
    for choice in _dicts(content.get("choices")):
        for part in _dicts([choice.get("message"), choice.get("delta")]):
            if part.get("reasoning") is not None and "reasoning_content" not in part:
                part["reasoning_content"] = part["reasoning"]
                found = True
    return found


def _dicts(value: object) -> list[dict[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


class Relay:
    """One stream on its way through.

    Args:
        model: The client's name for the model.
        wants_usage: Whether the client asked for usage; else the chunk that has nothing else is left out.
        choices: How many answers were asked for.
        reasoning_content: Whether to add it beside `reasoning`.
        cost: Dollars for a usage, or `None` where no price is known.
    """

    __slots__ = (
        "_choices",
        "_cost",
        "_fast",
        "_finished",
        "_framer",
        "_model",
        "_new",
        "_old",
        "_reasoning",
        "_wants_usage",
        "begun",
        "broken",
        "done",
        "error",
        "events",
        "usage",
    )

    def __init__(
        self,
        model: str,
        *,
        wants_usage: bool = False,
        choices: int = 1,
        reasoning_content: bool = False,
        cost: Callable[[Usage], Decimal | None] | None = None,
    ) -> None:
        self._model = model
        self._wants_usage = wants_usage
        self._choices = choices
        self._reasoning = reasoning_content
        self._cost = cost
        self._framer = Framer()
        self._finished: set[int] = set()
        self._fast = False
        self._old = self._new = b""
        self.begun = False
        """Whether the first data event is there, and is no error."""
        self.done = False
        """Whether `[DONE]` has come: the service has no more to say."""
        self.error: object = None
        """The error that the service put into the stream, which ends it."""
        self.broken: str | None = None
        """What came that is no stream of chat chunks, which ends it."""
        self.usage: Usage | None = None
        self.events = 0
        """Data events so far: about as many as tokens."""

    @property
    def is_complete(self) -> bool:
        """Whether the answer came to its end: each choice says why it ended, or the service said so."""
        return self.begun and (self.done or len(self._finished) >= self._choices)

    @property
    def is_over(self) -> bool:
        """Whether nothing that may still come counts."""
        return self.done or self.error is not None or self.broken is not None

    def feed(self, data: bytes) -> bytes:
        """The bytes that the client gets for these: of what is wrong, what came before."""
        try:
            block = self._framer.feed(data)
        except StreamError as error:
            self._break(str(error))
            return b""
        if not self._fast:
            return self._read(block) if block else b""
        if (
            b'_reason":"' in block
            or b'"usage":{' in block
            or b'"error"' in block
            or b"[DONE]" in block
            or (self._reasoning and b'"reasoning"' in block)
        ):
            return self._read(block)
        events = block.count(b'"choices":[{"')
        renamed = block.replace(self._old, self._new)
        if not events or (renamed is block and self._old != self._new):
            return self._read(block)
        self.events += events
        return renamed

    def end(self) -> bytes:
        """What the client gets for the end of the stream: what was held of an event, and the end it had not said."""
        rest = self._framer.rest()
        sent = self._read(rest + b"\n\n") if rest.strip() else b""
        if self.is_complete and not self.done:
            self.done = True
            sent += DONE
        return sent

    def _read(self, block: bytes) -> bytes:
        """Reads a block of whole events one by one."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        sent: list[bytes] = []
        for event in block.split(b"\n\n"):
            event = event.strip(b"\n")
            if not event:
                continue
            if self.is_over:
                break
            is_plain = event.startswith(b"data:") and b"\n" not in event
            data = event[5:] if is_plain else _data_of(event)
            if data is None:
                if all(line.startswith(_OTHER_LINES) for line in event.split(b"\n")):
                    sent.append(event)  # a comment: the service's own sign of life
                else:
                    self._break("lines that are no events")
                continue
            data = data.strip()
            if data == b"[DONE]":
                self.done, self._fast = True, False
                sent.append(b"data: [DONE]")
                continue
            read = self._event(data, is_error=not is_plain and _is_error(event))
            if read is not None:
                # Line ends are those between lines of data: to JSON they are spaces, within its texts there are none.
                sent.append(b"data: " + (read if is_plain else read.replace(b"\n", b" ")))
        return b"\n\n".join([*sent, b""]) if sent else b""

    def _event(self, data: bytes, *, is_error: bool) -> bytes | None:
        try:
            value: object = from_json(data)
        except ValueError:
            self._break("an event that is no JSON")
            return None
        if not isinstance(value, dict):
            self._break("an event that is no JSON object")
            return None
        content = cast("dict[str, Any]", value)
        if is_error or (content.get("error") and not content.get("choices")):
            self.error, self._fast = content, False
            return None
        if not self.begun:
            self.begun = True
            self._learn(data, content)
        self.events += 1
        for choice in _dicts(content.get("choices")):
            if choice.get("finish_reason"):
                self._finished.add(_count(choice.get("index")))
        usage = usage_of(content.get("usage"))
        changed = False
        if usage is not None:
            self.usage = usage
            if not content.get("choices") and not self._wants_usage:
                return None
            cost = self._cost(usage) if self._cost is not None and self._wants_usage else None
            if cost is not None:
                content["usage"]["cost"] = float(cost)
                changed = True
        if self._reasoning:
            changed = add_reasoning_content(content) or changed
        if changed:
            return to_json({**content, "model": self._model} if "model" in content else content)
        return rename(data, content, self._model)

    def _break(self, what: str) -> None:
        self.broken, self._fast = what, False

    def _learn(self, data: bytes, content: dict[str, Any]) -> None:
        """Looks whether the service writes as densely as the searches take for granted, and which name it uses."""
        self._old = b'"model":' + to_json(content.get("model"))
        self._new = b'"model":' + to_json(self._model)
        self._fast = self._old in data and b'"choices":[{"' in data


def _data_of(event: bytes) -> bytes | None:
    """The data of an event of several lines; `None` for one that has none."""
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def _is_error(event: bytes) -> bool:
    """Whether an event of several lines is called `error`."""
    return any(line.startswith(b"event:") and line[6:].strip() == b"error" for line in event.split(b"\n"))
