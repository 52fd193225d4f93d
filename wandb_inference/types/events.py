"""What happens in a stream, told apart by `.type`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, Union

from typing_extensions import TypeVar

from .chunk import ChatCompletionChunk
from .completion import ChoiceLogprobs, FinishReason, ToolCall
from .usage import CompletionUsage

T = TypeVar("T", default=Any)


@dataclass(frozen=True, slots=True)
class _Event:
    index: int
    """Which of the `n` answers, counting from 0."""
    chunk: ChatCompletionChunk = field(repr=False)
    """The chunk it came with, as the server sent it."""


@dataclass(frozen=True, slots=True)
class ContentDeltaEvent(_Event):
    """The next piece of an answer's text."""

    delta: str
    """The piece; not empty."""
    parsed: Any = None
    """With a type as `response_format`, the value as far as it goes; else `None`."""
    type: Literal["content.delta"] = field(default="content.delta", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class ContentDoneEvent(_Event, Generic[T]):
    """A text has ended: something else goes on, or the answer is over."""

    text: str
    """The text since the answer began, or since its last `content.done`."""
    parsed: T | None = None
    """With a type as `response_format`, the value, or `None` where the text does not fit; else `None`."""
    type: Literal["content.done"] = field(default="content.done", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningDeltaEvent(_Event):
    """The next piece of an answer's thinking."""

    delta: str
    """The piece; not empty."""
    type: Literal["reasoning.delta"] = field(default="reasoning.delta", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningDoneEvent(_Event):
    """A thought has ended: something else goes on, or the answer is over."""

    text: str
    """The thinking since the answer began, or since its last `reasoning.done`."""
    type: Literal["reasoning.done"] = field(default="reasoning.done", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class RefusalDeltaEvent(_Event):
    """The next piece of a refusal."""

    delta: str
    """The piece; not empty."""
    type: Literal["refusal.delta"] = field(default="refusal.delta", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class RefusalDoneEvent(_Event):
    """A refusal has ended: something else goes on, or the answer is over."""

    text: str
    """The refusal since the answer began, or since its last `refusal.done`."""
    type: Literal["refusal.done"] = field(default="refusal.done", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallDeltaEvent(_Event):
    """The next piece of a tool call; the first one tells its name."""

    delta: str
    """The next characters of the arguments' JSON text; `""` in a piece that holds none."""
    id: str
    """The call's id, as far as it is known; `""` where the server gave none."""
    name: str
    """The function's name, as far as it is known."""
    call_index: int
    """Which of the answer's calls, counting from 0 in the order in which they began."""
    type: Literal["tool_call.delta"] = field(default="tool_call.delta", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallDoneEvent(_Event):
    """A tool call is whole: the next one begins, or the answer is over.

    A call whose arguments are no whole JSON yet when the next one begins may still go on, and is told at the end. So is
    one that goes on all the same: then the last of its events counts.
    """

    tool_call: ToolCall
    """The call. The model wrote its arguments: they may not be valid."""
    call_index: int
    """Which of the answer's calls, counting from 0 in the order in which they began."""
    type: Literal["tool_call.done"] = field(default="tool_call.done", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class LogprobsEvent(_Event):
    """Probabilities of the tokens of a piece; comes after the piece."""

    logprobs: ChoiceLogprobs
    """One entry per token."""
    type: Literal["logprobs"] = field(default="logprobs", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class UsageEvent(_Event):
    """Token counts of all answers together; its `index` is 0.

    Comes at the end, mostly after the last `finish`. A server that counts in every chunk has one for each, and the
    last counts.
    """

    usage: CompletionUsage
    """The counts."""
    type: Literal["usage"] = field(default="usage", init=False, repr=False)


@dataclass(frozen=True, slots=True)
class FinishEvent(_Event):
    """An answer is over."""

    finish_reason: FinishReason
    """Why: `stop`, `length` (at `max_tokens`), `tool_calls`, `content_filter`, or a server's own word."""
    type: Literal["finish"] = field(default="finish", init=False, repr=False)


ChatEvent: TypeAlias = Union[
    ContentDeltaEvent,
    ContentDoneEvent[T],
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    ToolCallDeltaEvent,
    ToolCallDoneEvent,
    LogprobsEvent,
    UsageEvent,
    FinishEvent,
]
"""Any of the events; `ChatEvent[T]` where `T` is the type given as `response_format`."""
