"""Tool calls as they grow: which call a piece belongs to, where servers leave out what would say so."""

from __future__ import annotations

import json
from typing import Any

from ..types.chunk import FunctionCallDelta, ToolCallDelta


class GrowingCall:
    """A tool call as it grows.

    Args:
        index: The index that the server gave it, if any.
        place: Which of the answer's calls it is, counting from 0 in the order in which they began.
    """

    __slots__ = ("arguments", "extra", "id", "index", "name", "place", "type")

    def __init__(self, index: int | None, place: int = 0) -> None:
        self.index = index
        self.place = place
        self.id = ""
        self.type = "function"
        self.name = ""
        self.arguments: list[str] = []
        self.extra: dict[str, Any] = {}

    def add(self, function: FunctionCallDelta) -> None:
        """Takes the next piece of the function call."""
        name = function.name
        # A name comes whole, or in pieces before the arguments begin; a repeated one says nothing new.
        if name and name != self.name and not (self.name and self.arguments):
            self.name += name
        if function.arguments:
            self.arguments.append(function.arguments)

    def is_complete(self) -> bool:
        """Whether the arguments are a whole JSON object: takes time in proportion to their length."""
        # Only where the text may be whole: to parse it at each of its pieces would take quadratic time.
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        try:
            json.loads("".join(self.arguments))
        except (ValueError, RecursionError):
            return False
        return True

    def dump(self) -> dict[str, Any]:
        """The call as it stands in a message."""
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {**self.extra, "id": self.id, "type": self.type, "function": function}


def grow(calls: list[GrowingCall], delta: ToolCallDelta) -> GrowingCall:
    """The call that a piece belongs to, grown by it; one that begins is put at the end of `calls`."""
    call = _find(calls, delta)
    if call is None:
        call = GrowingCall(delta.index, len(calls))
        calls.append(call)
    if delta.id:
        call.id = delta.id
    if delta.type:
        call.type = delta.type
    if delta.function is not None:
        call.add(delta.function)
    if delta.__pydantic_extra__:
        call.extra.update(delta.__pydantic_extra__)
    return call


def _find(calls: list[GrowingCall], delta: ToolCallDelta) -> GrowingCall | None:
    """The call that a piece belongs to; `None` where it begins a new one.

    Index and id are both left out by some servers, and both repeated by others; one gives every call the index 0. The
    latest call is asked first, since pieces of a call come together.
    """
    for call in reversed(calls):
        if delta.index is not None and call.index != delta.index:
            continue
        if delta.id and call.id:
            if call.id == delta.id:
                return call
            continue
        name = delta.function.name if delta.function else None
        if delta.index is not None:
            return None if name and call.name and name != call.name and call.is_complete() else call
        # Neither index nor id on both sides: a name begins a new call, unless it only repeats itself.
        if not name or (name == call.name and not call.is_complete()) or not call.name:
            return call
        return None
    return None
