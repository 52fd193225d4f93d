"""Token counts."""

from __future__ import annotations

from ._wire import WireModel


class PromptTokensDetails(WireModel):
    """What the prompt's tokens are made of."""

    cached_tokens: int | None = None
    """Tokens of the prompt that came from the prefix cache."""
    audio_tokens: int | None = None
    """Tokens of sound in the prompt."""


class CompletionTokensDetails(WireModel):
    """What the answer's tokens are made of."""

    reasoning_tokens: int | None = None
    """Tokens of thinking; billed as output."""
    audio_tokens: int | None = None
    """Tokens of sound in the answer."""
    accepted_prediction_tokens: int | None = None
    """Tokens of a prediction that appeared in the answer."""
    rejected_prediction_tokens: int | None = None
    """Tokens of a prediction that did not."""


class CompletionUsage(WireModel):
    """Tokens of a call, all choices together."""

    prompt_tokens: int = 0
    """Tokens of the messages."""
    completion_tokens: int = 0
    """Tokens of the answer, thinking included."""
    total_tokens: int = 0
    """Both together."""
    prompt_tokens_details: PromptTokensDetails | None = None
    """What the prompt's tokens are made of, where the server says."""
    completion_tokens_details: CompletionTokensDetails | None = None
    """What the answer's tokens are made of, where the server says."""

    @property
    def cached_tokens(self) -> int | None:
        """Tokens of the prompt that came from the prefix cache; `None` where the server does not say."""
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None

    @property
    def reasoning_tokens(self) -> int | None:
        """Tokens of thinking, part of `completion_tokens`; `None` where the server does not say."""
        return self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else None
