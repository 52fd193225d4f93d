"""Tokens as they are billed, and attempts that may have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

if TYPE_CHECKING:
    from ..exceptions import AttemptRecord
    from ..types.usage import CompletionUsage


_COUNTS: Final = frozenset({"prompt_tokens", "completion_tokens"})


class Tokens(NamedTuple):
    """What a call is billed for."""

    input: int
    """Of the prompt, without its cached part."""
    cached: int
    """Of the prompt, from the cache."""
    output: int
    """Of the answer, thinking included."""
    reasoning: int
    """Of thinking, a part of `output`."""
    odd: str | None = None
    """What the server's counts have that can't be, and what was made of it."""

    @property
    def prompt(self) -> int:
        """Of the prompt, all of it."""
        return self.input + self.cached


def is_counted(usage: CompletionUsage | None) -> TypeGuard[CompletionUsage]:
    """Whether a usage tells what a call took: both counts were sent, and they are not both 0.

    Servers that do not count send an empty usage, zeros, or one number alone; none of these is a price of 0.
    """
    if usage is None or not usage.model_fields_set >= _COUNTS:
        return False
    return usage.prompt_tokens > 0 or usage.completion_tokens > 0


def billed(usage: CompletionUsage) -> Tokens:
    """The tokens of a usage, with no part larger than its whole and none below 0."""
    prompt, output = usage.prompt_tokens, usage.completion_tokens
    cached, reasoning = usage.cached_tokens or 0, usage.reasoning_tokens or 0
    if 0 <= cached <= prompt and 0 <= reasoning <= output:
        return Tokens(prompt - cached, cached, output, reasoning)
    odd = (
        f"the server counted {cached} cached of {prompt} prompt tokens and {reasoning} of thinking in {output}: "
        "no part is taken for more than its whole, and none for less than 0"
    )
    prompt, output = max(prompt, 0), max(output, 0)
    cached, reasoning = min(max(cached, 0), prompt), min(max(reasoning, 0), output)
    return Tokens(prompt - cached, cached, output, reasoning, odd)


def possibly_billed(attempts: Sequence[AttemptRecord], *, counted: bool) -> tuple[AttemptRecord, ...]:
    """The attempts that failed and may have been billed.

    Args:
        attempts: All of a call.
        counted: Whether the last one's tokens are known, so that they are in the sums.
    """
    failed = attempts[:-1] if counted else attempts
    return tuple(record for record in failed if record.outcome == "unknown")
