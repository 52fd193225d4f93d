"""How much a call may take, before it is known, and how much it took where the server does not say."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..types.cost import EXACT
from .price import Price

if TYPE_CHECKING:
    from ..types import ChatCompletion

FIRST_ANSWER: Final = 1_000
"""Tokens that a call's answer is taken to have, while another call is in flight, none of the model's calls has ended
and no `max_tokens` bounds it."""

LIMITS: Final = ("max_tokens", "max_completion_tokens")


class Estimate(NamedTuple):
    """What a call takes, about."""

    input: int
    """Tokens of its prompt."""
    output: int
    """Tokens of its answers."""

    @property
    def tokens(self) -> int:
        """All together."""
        return self.input + self.output

    def dollars(self, price: Price | None) -> Decimal:
        """What it costs; 0 where no price is known."""
        if price is None:
            return Decimal(0)
        spent = EXACT.multiply(price.input_cost_per_token, Decimal(self.input))
        return EXACT.add(spent, EXACT.multiply(price.output_cost_per_token, Decimal(self.output)))


class Lengths:
    """How long a model's answers have been, and its prompts beside their estimate."""

    __slots__ = ("_answers", "_estimated", "_output", "_prompts")

    def __init__(self) -> None:
        self._answers = self._output = self._prompts = self._estimated = 0

    def learn(self, estimated: int, prompt: int, output: int, answers: int) -> None:
        """A call has ended.

        Args:
            estimated: Tokens of its prompt, by its bytes.
            prompt: Tokens of its prompt, as the server counted them.
            output: Tokens of its answers.
            answers: How many there are.
        """
        self._answers += answers
        self._output += output
        self._prompts += prompt
        self._estimated += estimated

    def prompt(self, estimated: int) -> int:
        """Tokens of a prompt, by how the estimates so far were off."""
        if not self._prompts or not self._estimated:
            return estimated
        return ceil(estimated * self._prompts / self._estimated)

    @property
    def answer(self) -> int | None:
        """Tokens of an answer, on the average; `None` before the first."""
        return ceil(self._output / self._answers) if self._answers else None


def answer_bound(body: Mapping[str, Any]) -> int | None:
    """Tokens that one answer has at most, as the request says; `None` where it says nothing."""
    given = [body[name] for name in LIMITS if isinstance(body.get(name), int)]
    return min(given) if given else None


def answers(body: Mapping[str, Any]) -> int:
    """How many answers are asked for."""
    count = body.get("n")
    return count if isinstance(count, int) and count > 0 else 1


def received(completion: ChatCompletion) -> int:
    """Bytes of an answer: its texts, its thinking and the arguments of its calls."""
    size = 0
    for choice in completion.choices:
        message = choice.message
        texts = [message.content, message.reasoning, message.refusal]
        texts += [call.function.arguments for call in message.tool_calls or ()]
        size += sum(len(text.encode("utf-8", "replace")) for text in texts if text)
    return size
