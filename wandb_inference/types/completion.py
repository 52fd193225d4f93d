"""A complete answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ._wire import WireModel, meta_of, reasoning_of
from ._wire import with_meta as with_meta
from .usage import CompletionUsage

if TYPE_CHECKING:
    from decimal import Decimal

    from .cost import CostDetails
    from .meta import Meta

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | str
"""Why an answer ended; a server may have reasons of its own."""


class FunctionCall(WireModel):
    """A function the model wants called."""

    name: str = ""
    """Which one."""
    arguments: str = ""
    """Its arguments as JSON text, as the model wrote it: it may not be valid."""


class ToolCall(WireModel):
    """A tool the model wants called."""

    id: str = ""
    """Give this back as `tool_call_id` with the tool's answer."""
    type: str = "function"
    """Kind of tool."""
    function: FunctionCall = Field(default_factory=FunctionCall)
    """The function and its arguments."""


class TopLogprob(WireModel):
    """An alternative to a token."""

    token: str = ""
    """The token as text."""
    logprob: float = 0.0
    """Natural logarithm of its probability; -9999.0 stands for a very small one."""
    bytes: list[int] | None = None
    """The token's UTF-8 bytes, where they are needed to join tokens to text."""


class TokenLogprob(TopLogprob):
    """One token of an answer, and what could have stood there."""

    top_logprobs: list[TopLogprob] = Field(default_factory=list[TopLogprob])
    """The most likely tokens at this place, best first."""


class ChoiceLogprobs(WireModel):
    """Probabilities of a choice's tokens."""

    content: list[TokenLogprob] | None = None
    """One entry per token of the text."""
    refusal: list[TokenLogprob] | None = None
    """One entry per token of the refusal."""


class ChatCompletionMessage(WireModel):
    """What the model said. Can be put into the next call's `messages` as it is."""

    role: str = "assistant"
    """Who speaks."""
    content: str | None = None
    """The text; `None` where there are only tool calls, or thinking used up `max_tokens`."""
    refusal: str | None = None
    """Why the model refused, where it did."""
    tool_calls: list[ToolCall] | None = None
    """Tools the model wants called."""
    function_call: FunctionCall | None = None
    """The function the model wants called, in the older form."""

    @property
    def text(self) -> str:
        """The text; `""` where there is none."""
        return self.content or ""

    @property
    def reasoning(self) -> str | None:
        """The model's thinking, from the field `reasoning` or `reasoning_content`."""
        return reasoning_of(self.__pydantic_extra__)


class Choice(WireModel):
    """One of the `n` answers."""

    index: int = 0
    """Which one, counting from 0."""
    message: ChatCompletionMessage
    """What the model said."""
    finish_reason: FinishReason | None = None
    """Why it ended: `stop`, `length` (at `max_tokens`), `tool_calls`, `content_filter`, or a server's own word."""
    logprobs: ChoiceLogprobs | None = None
    """Probabilities of the tokens, where asked for. Those of a large answer are built when first looked at."""
    token_ids: list[int] | None = None
    """The answer's token ids, with `return_token_ids=True`."""


class ChatCompletion(WireModel):
    """A complete answer to `POST /chat/completions`."""

    id: str = ""
    """The server's id of this completion."""
    object: str = "chat.completion"
    """What this is."""
    created: int = 0
    """When, in seconds since 1970; 0 where the server does not say."""
    model: str = ""
    """The model that answered; for a LoRA some servers name its base model."""
    choices: list[Choice]
    """The answers, `n` of them."""
    usage: CompletionUsage | None = None
    """Token counts."""
    prompt_token_ids: list[int] | None = None
    """The prompt's token ids, with `return_token_ids=True`."""
    system_fingerprint: str | None = None
    """The server's configuration, as an opaque name."""
    service_tier: str | None = None
    """How the request was served."""

    @property
    def text(self) -> str:
        """The first choice's text; `""` where there is none."""
        return self.choices[0].message.text if self.choices else ""

    @property
    def reasoning(self) -> str | None:
        """The first choice's thinking; `None` where there is none."""
        return self.choices[0].message.reasoning if self.choices else None

    @property
    def cost(self) -> Decimal | None:
        """What it costs, in US dollars; `None` where that is not known: `cost_details.reason` says why."""
        return self.cost_details.total

    @property
    def cost_details(self) -> CostDetails:
        """What it costs, split, with the price's source and day; of several rounds, their sum."""
        from .._money.cost import details_of

        return details_of(self)

    @property
    def meta(self) -> Meta | None:
        """Request id, headers, attempts and timings; `None` for a completion that no call returned.

        Not part of `model_dump()` or of equality; kept by `pickle`.
        """
        return meta_of(self)
