"""Tokens as they are billed."""

from __future__ import annotations

from typing import NamedTuple

from ..types.usage import CompletionUsage


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


def billed(usage: CompletionUsage) -> Tokens:
    """The tokens of a usage, with no part larger than its whole and none below 0."""
    prompt, output = usage.prompt_tokens, usage.completion_tokens
    cached, reasoning = usage.cached_tokens or 0, usage.reasoning_tokens or 0
    if 0 <= cached <= prompt and 0 <= reasoning <= output:
        return Tokens(prompt - cached, cached, output, reasoning)
    odd = f"the server counted {cached} cached of {prompt} prompt tokens, and {reasoning} of thinking in {output}"
    prompt, output = max(prompt, 0), max(output, 0)
    cached, reasoning = min(max(cached, 0), prompt), min(max(reasoning, 0), output)
    return Tokens(prompt - cached, cached, output, reasoning, f"{odd}; no part is taken for more than its whole")
