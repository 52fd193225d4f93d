"""The parameters of a chat completion, each described once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias, Union

from typing_extensions import TypedDict

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high"] | str


class ToolDefinition(Protocol):
    """What `wandb_inference.tool()` makes."""

    def as_param(self) -> dict[str, Any]:
        """The tool as it stands in a request's `tools`."""
        ...


ToolParam: TypeAlias = Union[Mapping[str, Any], ToolDefinition]
"""A tool of a request."""


class RequestOptions(TypedDict, total=False):
    """How a request is sent. None of these reaches the body as it is."""

    extra_headers: Mapping[str, str | None] | None
    """Headers to add or replace, for this call; a value of `None` leaves a header out."""
    extra_query: Mapping[str, str | int | float | bool] | None
    """Query parameters to add to the URL."""
    extra_body: Mapping[str, Any] | None
    """Fields to add to the body or replace there, unchecked: for what this SDK does not know yet, and for nulls."""
    timeout: float | tuple[float | None, float | None] | None
    """Seconds for connecting and for the wait on any single read or write, or the pair (connect, read); `None` waits
    for ever. Left out: the client's, 10 and 600 by default."""
    stall_timeout: float | None
    """Seconds without a data event on a stream; comments don't count as data, and `None` waits for ever. Left out: the
    client's, 120 by default."""
    deadline: float | None
    """Seconds for everything: all attempts, the waits between them, and the whole stream; `None` for no limit. Left
    out: the client's, none by default."""
    max_retries: int | None
    """Attempts after the first; 0 means one attempt. The client's by default, 2."""
    project: str | None
    """The project to bill, as `team/project`; `""` sends none. The client's by default."""


class BareChatParams(RequestOptions, total=False):
    """`ChatParams` without `response_format` and `tools`, which some methods have as arguments of their own."""

    temperature: float | None
    """How far the model may stray from the likeliest token, 0.0 to 2.0."""
    top_p: float | None
    """Choose among the likeliest tokens that make up this share of probability, 0.0 to 1.0."""
    max_tokens: int | None
    """Tokens of the answer at most, thinking included; at least 1."""
    max_completion_tokens: int | None
    """The newer name of `max_tokens`; the service takes both."""
    n: int | None
    """How many answers; 1 by default."""
    stop: str | Iterable[str] | None
    """Text that ends the answer and is left out of it; up to 4."""
    seed: int | None
    """Same seed and same request: same answer, as far as the server can."""
    presence_penalty: float | None
    """-2.0 to 2.0; positive numbers keep the model from what was mentioned."""
    frequency_penalty: float | None
    """-2.0 to 2.0; positive numbers keep the model from repeating itself."""
    logit_bias: Mapping[str, float] | Mapping[int, float] | None
    """Token id to a bias from -100 to 100."""
    logprobs: bool | None
    """Whether to return the probabilities of the tokens."""
    top_logprobs: int | None
    """How many alternatives per token, 0 to 20; needs `logprobs`."""
    tool_choice: str | Mapping[str, Any] | None
    """`auto`, `none`, `required`, or `{"type": "function", "function": {"name": ...}}`."""
    parallel_tool_calls: bool | None
    """Whether the model may call several tools at once."""
    functions: Iterable[Mapping[str, Any]] | None
    """The older form of `tools`."""
    function_call: str | Mapping[str, Any] | None
    """The older form of `tool_choice`."""
    stream_options: Mapping[str, Any] | None
    """Options of a stream; `{"include_usage": True}` hands the usage chunk, whose `choices` is empty, to your loop.
    Usage is asked for anyway and found on `stream.usage`; `{"include_usage": False}` does not ask."""
    user: str | None
    """A name for the end user, for abuse monitoring."""
    metadata: Mapping[str, Any] | None
    """Labels to keep with the request."""
    modalities: Iterable[str] | None
    """Kinds of output to make, such as `["text"]`."""
    audio: Mapping[str, Any] | None
    """How to make sound output."""
    prediction: Mapping[str, Any] | None
    """Text expected in the answer, to speed it up."""
    service_tier: str | None
    """How the request is to be served."""
    store: bool | None
    """Whether the server may keep the answer."""
    verbosity: str | None
    """How long-winded the answer should be: `low`, `medium`, `high`."""
    web_search_options: Mapping[str, Any] | None
    """Options of a web search tool."""
    prompt_cache_key: str | None
    """A name for requests that share a prefix."""
    safety_identifier: str | None
    """A stable name for the end user."""
    reasoning_effort: ReasoningEffort | None
    """How long a reasoning model thinks; not every model heeds it. Sent as it is: `"none"` is an effort like another,
    and what turns thinking off is `thinking=False`."""
    chat_template_kwargs: Mapping[str, Any] | None
    """Arguments of the model's chat template; `{"enable_thinking": False}` turns thinking off where that can be."""
    cache_salt: str | None
    """A secret that keeps the prefix cache of this request apart from others'; not empty."""
    return_token_ids: bool | None
    """Whether to return the token ids of prompt and answer."""
    thinking: bool | None
    """Whether the model thinks before it answers. Sent as `chat_template_kwargs={"enable_thinking": ...}`, beside what
    you give there; models that take an effort in its place (gpt-oss) are asked for the least by `False`. For a model
    that can't be told, as it always thinks or never does, there is a `UserWarning`, once for each client."""
    keep_reasoning: bool | None
    """Whether thinking in earlier messages is sent back, under the name it came with; `True` by default. The service
    does not say what it wants: some models need it between tool calls, and each token of it is billed again."""
    input_cost_per_token: Decimal | str | float | None
    """US dollars for a token of the prompt, for the cost of this call; not sent. Needs `output_cost_per_token`."""
    output_cost_per_token: Decimal | str | float | None
    """US dollars for a token of the answer, for the cost of this call; not sent. Needs `input_cost_per_token`."""
    cache_read_input_token_cost: Decimal | str | float | None
    """US dollars for a token of the prompt that came from the cache, for the cost of this call; not sent. Left out: the
    price of the rest of the prompt."""
    check_model: bool | None
    """Whether a model that the catalogue's table says is retired is an error before anything is sent, on the service's
    own host. The client's by default, `True`."""
    check_context: bool | None
    """Whether a chat that can't fit its model's window, by the catalogue's table, is an error before it is sent; it is
    measured by the least that its messages can have, so that nothing is refused that would fit. The client's by
    default, `True`."""


class FormlessChatParams(BareChatParams, total=False):
    """`ChatParams` without `response_format`."""

    tools: Iterable[ToolParam] | None
    """Functions the model may call: `tool(function)`, or mappings such as
    `{"type": "function", "function": {"name": ..., "parameters": <JSON schema>}}`."""


class ToollessChatParams(BareChatParams, total=False):
    """`ChatParams` without `tools`."""

    response_format: Mapping[str, Any] | None
    """`{"type": "json_object"}`, or `{"type": "json_schema", "json_schema": {"name": ..., "schema": ...}}`; a type
    goes to `parse()`."""


class ChatParams(FormlessChatParams, ToollessChatParams, total=False):
    """Body of `POST /chat/completions`, and how it is sent. A key left out, or `None`, is not sent.

    Names and meaning are those of OpenAI's API; `thinking` and what follows it are ours, the four before it W&B's.
    Which of them a model takes is the service's to say: it answers 422, naming the one it does not.
    """


class ConversationParams(ChatParams, total=False):
    """`ChatParams`, and what else of `create()` a conversation takes for its turns."""

    final_only: bool | None
    """Whether to stream on the wire alone, and get the answer whole: no connection idles for minutes, which a proxy on
    the way might cut. Not together with `stream=True`."""
