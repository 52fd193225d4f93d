"""Models of what crosses the wire, and the parameters of a call."""

from __future__ import annotations

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
from .parts import ImagePartParam, ImageURLParam
from .rate_limit import RateLimit
from .usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

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
    "ImagePartParam",
    "ImageURLParam",
    "Message",
    "MessageParam",
    "Meta",
    "Model",
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
