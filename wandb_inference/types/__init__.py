"""Models of what crosses the wire, and the parameters of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chat_params import ChatParams, RequestOptions
from .chunk import ChatCompletionChunk, ChunkChoice, Delta, FunctionCallDelta, ToolCallDelta
from .completion import (
    ChatCompletion,
    ChatCompletionMessage,
    Choice,
    ChoiceLogprobs,
    FinishReason,
    FunctionCall,
    TokenLogprob,
    ToolCall,
    TopLogprob,
)
from .concurrency import Concurrency
from .messages import (
    AssistantMessage,
    DeveloperMessage,
    FunctionMessage,
    Message,
    MessageParam,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from .meta import Meta
from .model import Model
from .usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

# Loaded on first use: a client that streams no events does not pay for their classes.
_EVENTS = frozenset(
    {
        "ChatEvent",
        "ContentDeltaEvent",
        "ContentDoneEvent",
        "FinishEvent",
        "LogprobsEvent",
        "ReasoningDeltaEvent",
        "ReasoningDoneEvent",
        "RefusalDeltaEvent",
        "RefusalDoneEvent",
        "ToolCallDeltaEvent",
        "ToolCallDoneEvent",
        "UsageEvent",
    }
)
if TYPE_CHECKING:
    from .events import ChatEvent as ChatEvent
    from .events import ContentDeltaEvent as ContentDeltaEvent
    from .events import ContentDoneEvent as ContentDoneEvent
    from .events import FinishEvent as FinishEvent
    from .events import LogprobsEvent as LogprobsEvent
    from .events import ReasoningDeltaEvent as ReasoningDeltaEvent
    from .events import ReasoningDoneEvent as ReasoningDoneEvent
    from .events import RefusalDeltaEvent as RefusalDeltaEvent
    from .events import RefusalDoneEvent as RefusalDoneEvent
    from .events import ToolCallDeltaEvent as ToolCallDeltaEvent
    from .events import ToolCallDoneEvent as ToolCallDoneEvent
    from .events import UsageEvent as UsageEvent
else:

    def __getattr__(name):
        from importlib import import_module

        if name not in _EVENTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(".events", __name__), name)
        globals()[name] = value  # later accesses do not come here
        return value

    def __dir__():
        return sorted({*globals(), *_EVENTS})


__all__ = [
    "AssistantMessage",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "ChatEvent",
    "ChatParams",
    "Choice",
    "ChoiceLogprobs",
    "ChunkChoice",
    "CompletionTokensDetails",
    "CompletionUsage",
    "Concurrency",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "Delta",
    "DeveloperMessage",
    "FinishEvent",
    "FinishReason",
    "FunctionCall",
    "FunctionCallDelta",
    "FunctionMessage",
    "LogprobsEvent",
    "Message",
    "MessageParam",
    "Meta",
    "Model",
    "PromptTokensDetails",
    "ReasoningDeltaEvent",
    "ReasoningDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "RequestOptions",
    "SystemMessage",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallDeltaEvent",
    "ToolCallDoneEvent",
    "ToolMessage",
    "TopLogprob",
    "UsageEvent",
    "UserMessage",
]
