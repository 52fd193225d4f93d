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
from .model import Model
from .rate_limit import RateLimit
from .usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

if TYPE_CHECKING:
    from .parsed import ParsedChatCompletion, ParsedChoice, ParsedMessage
else:

    def __getattr__(name: str) -> object:
        # Loaded on first use: models that only some calls need would cost every program a few milliseconds.
        if name not in ("ParsedChatCompletion", "ParsedChoice", "ParsedMessage"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import parsed

        return getattr(parsed, name)


__all__ = [
    "AssistantMessage",
    "AttemptEvent",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "ChatParams",
    "Choice",
    "ChoiceLogprobs",
    "ChunkChoice",
    "CompletionTokensDetails",
    "CompletionUsage",
    "Concurrency",
    "Delta",
    "DeveloperMessage",
    "DoneEvent",
    "FinishReason",
    "FunctionCall",
    "FunctionCallDelta",
    "FunctionMessage",
    "Message",
    "MessageParam",
    "Meta",
    "Model",
    "ParsedChatCompletion",
    "ParsedChoice",
    "ParsedMessage",
    "PromptTokensDetails",
    "RateLimit",
    "RequestOptions",
    "SendEvent",
    "SystemMessage",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "ToolMessage",
    "TopLogprob",
    "UserMessage",
]
