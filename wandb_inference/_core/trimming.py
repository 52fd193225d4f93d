"""How many tokens a history has, about, and which turns to leave out of one that has too many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any, Final, NamedTuple, cast

from pydantic import BaseModel

from ..types.chat_params import ToolDefinition
from ..types.messages import field
from .validate import invalid

FRAME: Final = 24
"""Bytes that count for a message's own marks: chat templates put a role and three to five special tokens around it."""
PART: Final = 4_800
"""Bytes that count for a picture or another part that is no text: at first some 1,600 tokens, about what Qwen's and
Kimi's encoders make of 1,100 by 1,100 pixels."""
RATE: Final = 1 / 3
"""Tokens in a byte of UTF-8 before the server has counted: English has 0.22 to 0.25, code and Chinese up to 0.35."""
LEAST: Final = 1 / 8
"""Fewer tokens in a byte than any text has that people write."""
MOST: Final = 1.0
"""No tokenizer of the service's models makes more than one token of a byte."""
TELLING: Final = 2_000
"""Bytes from which the server's count says something about the text, and not about what a template adds."""
KEPT: Final = 0.8
"""What leaves a history counts for this share of what it was: better a turn too many left out than a refusal."""

_SYSTEM = ("system", "developer")


class Gauge(NamedTuple):
    """An estimate of tokens, set right by each count of the server's.

    The last prompt that was counted is exact. What came since counts as many tokens a byte as the text before it, what
    left a fifth less, so that the estimate errs to the high side.
    """

    size: int = 0
    """Bytes of the prompt that was counted last; 0 where none was."""
    tokens: int = 0
    """Its tokens, as the server counted them."""
    rate: float = RATE
    """Tokens in a byte."""

    def estimate(self, size: int) -> int:
        """Tokens of a prompt of this size, about; never fewer for a larger one."""
        change = (size - self.size) * self.rate
        return ceil(max(self.tokens + (change if change > 0 else change * KEPT), size * LEAST))

    def counted(self, size: int, tokens: int) -> Gauge:
        """The gauge after the server has counted a prompt."""
        # The difference to the count before says more: tools, pictures and the template's own text drop out of it.
        grown = size - self.size if self.size else 0
        bytes_, counted = (grown, tokens - self.tokens) if grown >= TELLING else (size, tokens)
        rate = min(max(counted / bytes_, LEAST), MOST) if bytes_ >= TELLING else self.rate
        return Gauge(size, tokens, rate)


def check_tokens(name: str, count: object) -> int:
    """The number of tokens, if it is one.

    Raises:
        InvalidRequestError: Not a whole number from 1 up.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise invalid(name, count, "a whole number of tokens, from 1 up")
    return count


def size_of(message: object) -> int:
    """What a message counts, in bytes of UTF-8.

    Thinking counts nothing: the models' templates leave out that of earlier turns.
    """
    content = field(message, "content")
    if isinstance(content, (list, tuple)):
        size = sum(map(_size_of_part, cast("Sequence[object]", content)))
    else:
        size = _size(content)
    return FRAME + size + sum(_size(field(message, name)) for name in ("refusal", "tool_calls", "function_call"))


def size_of_tools(params: Mapping[str, Any]) -> int:
    """What the tools of a request count, in bytes of UTF-8; they stand in the prompt, too."""
    return sum(_size(params.get(name)) for name in ("tools", "functions"))


def _size_of_part(part: object) -> int:
    text = field(part, "text")
    return _size(text) if isinstance(text, str) else PART


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, BaseModel):
        return _size(value.model_dump(exclude_none=True))
    if isinstance(value, Mapping):
        fields = cast("Mapping[object, object]", value)
        return sum(_size(name) + _size(item) for name, item in fields.items())
    if isinstance(value, (list, tuple)):
        return sum(map(_size, cast("Sequence[object]", value)))
    if hasattr(value, "as_param"):
        return _size(cast("ToolDefinition", value).as_param())
    return 0


def turns(messages: Sequence[object]) -> list[range]:
    """The turns of a history, oldest first; messages of the system, which may lie within, belong to none.

    A turn begins with a message of the user's. Where the answer to a tool call comes only after another one, the turns
    between are one.
    """
    starts: list[int] = []
    calls: dict[object, int] = {}
    for index, message in enumerate(messages):
        role = field(message, "role")
        if role in _SYSTEM:
            continue
        if role == "user" or not starts:
            starts.append(index)
        for call in cast("Sequence[object]", field(message, "tool_calls") or ()):
            calls["tool", field(call, "id")] = index
        if (function := field(message, "function_call")) is not None:
            calls["function", field(function, "name")] = index
        answered = calls.get((role, field(message, "tool_call_id" if role == "tool" else "name")))
        while answered is not None and starts[-1] > answered:
            starts.pop()
    return [range(start, end) for start, end in pairwise([*starts, len(messages)])]


def overlong(messages: Sequence[object], sizes: Sequence[int], fits: Callable[[int], bool]) -> list[int]:
    """Which messages to leave out so that the rest fits, as indices, in order.

    Whole turns go, the oldest first and no more than must. The newest stays, and so does what the system says.

    Args:
        messages: The history, oldest first.
        sizes: What each message counts.
        fits: Whether a history of this size is short enough.
    """
    left_out: list[int] = []
    total = sum(sizes)
    for turn in turns(messages)[:-1]:
        if fits(total):
            break
        of_turn = [index for index in turn if field(messages[index], "role") not in _SYSTEM]
        total -= sum(sizes[index] for index in of_turn)
        left_out += of_turn
    return left_out
