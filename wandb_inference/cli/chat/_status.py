"""The line below an answer, and what a session has come to: tokens, pace, cost."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

from .._money import dollars

if TYPE_CHECKING:
    from ...types import CompletionUsage, Meta


def _dollars(cost: Decimal) -> str:
    return dollars(cost, ROUND_HALF_UP)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.01 else "< 0.01 s"


class Answer(NamedTuple):
    """How an answer went."""

    usage: CompletionUsage | None
    """Its tokens; `None` where the server did not say, or the answer was stopped before it could."""
    meta: Meta | None
    cost: Decimal | None
    """US dollars; `None` where no price is known."""
    stopped: bool = False
    """Whether the user stopped it."""
    finish_reason: str | None = None


def cost_line(answer: Answer) -> str:
    """The line below an answer."""
    parts = ["stopped"] if answer.stopped else []
    usage, meta = answer.usage, answer.meta
    if usage is not None:
        thinking = f" ({usage.reasoning_tokens} thinking)" if usage.reasoning_tokens else ""
        cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
        parts.append(f"{usage.prompt_tokens}{cached} + {usage.completion_tokens}{thinking} tokens")
    if meta is not None:
        if meta.tokens_per_second is not None:
            parts.append(f"{meta.tokens_per_second:.0f} tokens/s")
        if meta.to_first_token is not None:
            parts.append(f"first after {_seconds(meta.to_first_token)}")
        elif meta.total is not None:
            parts.append(_seconds(meta.total))
    if answer.cost is not None:
        parts.append(_dollars(answer.cost))
    return " · ".join(parts)


def notice(answer: Answer) -> str | None:
    """What to say about how an answer ended; `None` where it ended as it should."""
    if answer.finish_reason == "length":
        return "The answer was cut at its limit of tokens: allow more by --max-tokens, or ask to go on."
    if answer.finish_reason == "content_filter":
        return "A content filter stopped the answer: put the question in other words."
    return None


class Totals:
    """What a session has come to."""

    def __init__(self) -> None:
        self.answers = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.unknown = 0
        self.cost = Decimal(0)

    def add(self, answer: Answer) -> None:
        """Counts an answer."""
        self.answers += 1
        if answer.usage is not None:
            self.prompt_tokens += answer.usage.prompt_tokens
            self.completion_tokens += answer.usage.completion_tokens
        if answer.cost is None:
            self.unknown += 1
        else:
            self.cost += answer.cost

    def __str__(self) -> str:
        tokens = f"{self.prompt_tokens} tokens in, {self.completion_tokens} out"
        text = f"{self.answers} answer{'' if self.answers == 1 else 's'}: {tokens}"
        if self.answers > self.unknown:
            text += f", {_dollars(self.cost)}"
        if self.unknown:
            text += f" ({self.unknown} without a known cost)"
        return text
