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

__all__ = [
    "AssistantMessage",
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
    "FinishReason",
    "FunctionCall",
    "FunctionCallDelta",
    "FunctionMessage",
    "Message",
    "MessageParam",
    "Meta",
    "Model",
    "PromptTokensDetails",
    "RequestOptions",
    "SystemMessage",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "ToolMessage",
    "TopLogprob",
    "UserMessage",
]
