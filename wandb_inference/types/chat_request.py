"""What a request may be, checked before anything is sent.

Every field is checked where it is known and passed where it is not: the service may take more tomorrow than it does
today. Upper bounds are the server's to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BaseModel, Discriminator, Field, Tag

from ._scalars import Flag, Number, Text, Whole
from .messages import CheckedMessages, RequestModel, field


def _text_or_list(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<list>" if isinstance(value, (list, tuple)) else None


def _text_or_mapping(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<mapping>" if isinstance(value, (Mapping, BaseModel)) else None


TextOrTexts = Annotated[
    Union[Annotated[Text, Tag("<text>")], Annotated[list[Text], Tag("<list>")]],
    Discriminator(_text_or_list, custom_error_type="expected", custom_error_message="text, or a list of texts"),
]


class Typed(RequestModel):
    """A mapping that says by `type` what it is."""

    type: Text
    """What it is."""


TextOrMapping = Annotated[
    Union[Annotated[Text, Tag("<text>")], Annotated[RequestModel, Tag("<mapping>")]],
    Discriminator(_text_or_mapping, custom_error_type="expected", custom_error_message="text, or a mapping"),
]


class FunctionDefinition(RequestModel):
    """A function the model may call."""

    name: Text
    """Its name."""
    description: Text | None = None
    """What it does, for the model to read."""
    parameters: dict[str, Any] | None = None
    """JSON schema of its arguments."""


class FunctionTool(Typed):
    """A tool that is a function."""

    function: FunctionDefinition
    """The function."""


def _kind_of_tool(value: Any) -> str:
    return "<function>" if field(value, "type") == "function" else "<other>"


Tool = Annotated[
    Union[Annotated[FunctionTool, Tag("<function>")], Annotated[Typed, Tag("<other>")]],
    Discriminator(_kind_of_tool),
]

Positive = Annotated[Whole, Field(ge=1)]


class ChatRequest(RequestModel):
    """Body of `POST /chat/completions`."""

    model: Text
    messages: CheckedMessages
    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Positive | None = None
    stop: TextOrTexts | None = None
    seed: Whole | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    logit_bias: dict[Any, Number] | None = None
    logprobs: Flag | None = None
    top_logprobs: Annotated[Whole, Field(ge=0)] | None = None
    response_format: Typed | None = None
    tools: list[Tool] | None = None
    tool_choice: TextOrMapping | None = None
    parallel_tool_calls: Flag | None = None
    functions: list[FunctionDefinition] | None = None
    function_call: TextOrMapping | None = None
    stream: Flag | None = None
    stream_options: dict[str, Any] | None = None
    user: Text | None = None
    metadata: dict[str, Any] | None = None
    modalities: list[Text] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    service_tier: Text | None = None
    store: Flag | None = None
    verbosity: Text | None = None
    web_search_options: dict[str, Any] | None = None
    prompt_cache_key: Text | None = None
    safety_identifier: Text | None = None
    reasoning_effort: Text | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    cache_salt: Annotated[Text, Field(min_length=1)] | None = None
    return_token_ids: Flag | None = None
