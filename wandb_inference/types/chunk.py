"""A piece of a streamed answer."""

from __future__ import annotations

from pydantic import Field

from ._wire import WireModel, reasoning_of
from .completion import ChoiceLogprobs, FinishReason
from .usage import CompletionUsage


class FunctionCallDelta(WireModel):
    """The next piece of a function call."""

    name: str | None = None
    """The function's name, in the call's first piece; some servers repeat it."""
    arguments: str | None = None
    """The next characters of the arguments' JSON text."""


class ToolCallDelta(WireModel):
    """The next piece of a tool call."""

    index: int | None = None
    """Which of the message's calls it belongs to, counting from 0; some servers leave it out."""
    id: str | None = None
    """The call's id, in its first piece; some servers repeat it, some send none."""
    type: str | None = None
    """Kind of tool."""
    function: FunctionCallDelta | None = None
    """The next piece of the function call."""


class Delta(WireModel):
    """What a chunk adds to a message."""

    role: str | None = None
    """Who speaks, in the first chunk; some servers repeat it."""
    content: str | None = None
    """The next piece of text."""
    refusal: str | None = None
    """The next piece of a refusal."""
    tool_calls: list[ToolCallDelta] | None = None
    """The next pieces of tool calls."""
    function_call: FunctionCallDelta | None = None
    """The next piece of a function call in the older form."""

    @property
    def text(self) -> str:
        """The next piece of text; `""` where there is none."""
        return self.content or ""

    @property
    def reasoning(self) -> str | None:
        """The next piece of thinking, from the field `reasoning` or `reasoning_content`."""
        return reasoning_of(self.__pydantic_extra__)


class ChunkChoice(WireModel):
    """What a chunk adds to one of the `n` answers."""

    index: int = 0
    """Which answer, counting from 0."""
    delta: Delta = Field(default_factory=Delta)
    """What it adds."""
    finish_reason: FinishReason | None = None
    """Why the answer ended, in its last chunk."""
    logprobs: ChoiceLogprobs | None = None
    """Probabilities of the tokens of this piece, where asked for."""
    token_ids: list[int] | None = None
    """Token ids of this piece, with `return_token_ids=True`."""


class ChatCompletionChunk(WireModel):
    """A piece of a streamed answer."""

    id: str = ""
    """The server's id of this completion, the same in all its chunks."""
    object: str = "chat.completion.chunk"
    """What this is."""
    created: int = 0
    """When, in seconds since 1970; 0 where the server does not say."""
    model: str = ""
    """The model that answers."""
    choices: list[ChunkChoice] = Field(default_factory=list[ChunkChoice])
    """What it adds; empty in a chunk that only tells the usage."""
    usage: CompletionUsage | None = None
    """Token counts, in the last chunk."""
    prompt_token_ids: list[int] | None = None
    """The prompt's token ids, with `return_token_ids=True`."""
    system_fingerprint: str | None = None
    """The server's configuration, as an opaque name."""
    service_tier: str | None = None
    """How the request was served."""

    @property
    def text(self) -> str:
        """The first answer's next piece of text; `""` where there is none."""
        # With `n` answers a chunk may hold a piece of another one alone.
        for choice in self.choices:
            if choice.index == 0:
                return choice.delta.text
        return ""

    @property
    def reasoning(self) -> str | None:
        """The first answer's next piece of thinking; `None` where there is none."""
        for choice in self.choices:
            if choice.index == 0:
                return choice.delta.reasoning
        return None
