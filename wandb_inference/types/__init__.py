"""Models of what crosses the wire, and the parameters of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chat_params import ChatParams, ConversationParams, RequestOptions
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
from .hook_events import AttemptEvent, DoneEvent, SendEvent
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
from .model import Model, ModelList
from .parts import ImagePartParam, ImageURLParam
from .rate_limit import RateLimit
from .usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

# Loaded on first use: what only some calls need would cost every program a few milliseconds.
_EVENTS = (
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
)
_CHUNKS = ("ChatCompletionChunk", "ChunkChoice", "Delta", "FunctionCallDelta", "ToolCallDelta")
_TOOLS = ("ToolCompletion", "ToolEvent", "ToolOutcome", "ToolRequest", "ToolResultEvent", "ToolStep")
_LAZY = {
    **dict.fromkeys(_CHUNKS, "chunk"),
    **dict.fromkeys(_EVENTS, "events"),
    **dict.fromkeys(("CostDetails", "Spending", "UsageSnapshot"), "cost"),
    **dict.fromkeys(("ParsedChatCompletion", "ParsedChoice", "ParsedMessage"), "parsed"),
    **dict.fromkeys(_TOOLS, "tools"),
}
if TYPE_CHECKING:
    from .chunk import ChatCompletionChunk as ChatCompletionChunk
    from .chunk import ChunkChoice as ChunkChoice
    from .chunk import Delta as Delta
    from .chunk import FunctionCallDelta as FunctionCallDelta
    from .chunk import ToolCallDelta as ToolCallDelta
    from .cost import CostDetails as CostDetails
    from .cost import Spending as Spending
    from .cost import UsageSnapshot as UsageSnapshot
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
    from .parsed import ParsedChatCompletion as ParsedChatCompletion
    from .parsed import ParsedChoice as ParsedChoice
    from .parsed import ParsedMessage as ParsedMessage
    from .tools import ToolCompletion as ToolCompletion
    from .tools import ToolEvent as ToolEvent
    from .tools import ToolOutcome as ToolOutcome
    from .tools import ToolRequest as ToolRequest
    from .tools import ToolResultEvent as ToolResultEvent
    from .tools import ToolStep as ToolStep
else:

    def __getattr__(name):
        from importlib import import_module

        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value  # later accesses do not come here
        return value

    def __dir__():
        return sorted({*globals(), *_LAZY})


__all__ = [
    "AssistantMessage",
    "AttemptEvent",
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
    "ConversationParams",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "CostDetails",
    "Delta",
    "DeveloperMessage",
    "DoneEvent",
    "FinishEvent",
    "FinishReason",
    "FunctionCall",
    "FunctionCallDelta",
    "FunctionMessage",
    "ImagePartParam",
    "ImageURLParam",
    "LogprobsEvent",
    "Message",
    "MessageParam",
    "Meta",
    "Model",
    "ModelList",
    "ParsedChatCompletion",
    "ParsedChoice",
    "ParsedMessage",
    "PromptTokensDetails",
    "RateLimit",
    "ReasoningDeltaEvent",
    "ReasoningDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "RequestOptions",
    "SendEvent",
    "Spending",
    "SystemMessage",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallDeltaEvent",
    "ToolCallDoneEvent",
    "ToolCompletion",
    "ToolEvent",
    "ToolMessage",
    "ToolOutcome",
    "ToolRequest",
    "ToolResultEvent",
    "ToolStep",
    "TopLogprob",
    "UsageEvent",
    "UsageSnapshot",
    "UserMessage",
]
