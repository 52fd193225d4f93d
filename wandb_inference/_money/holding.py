"""What budgets hold back for a chat, and what they take in its place when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from ..types.cost import Spending
from .cost import price_tokens
from .estimate import answer_bound, answers, received
from .limits import NOTHING, Asked, Hold, Limits
from .price import find_price
from .tokens import Tokens, billed

if TYPE_CHECKING:
    from .._core.following import Chat, Ending
    from .totals import Taken


def hold(limits: Iterable[Limits], chat: Chat) -> tuple[Hold, ...]:
    """Holds back what a chat may take, in each budget once; in none, if one of them has too little left.

    Raises:
        BudgetExceededError: One has.
        ConfigurationError: One is in dollars, and the model has no known price.
    """
    found = find_price(chat.pricing)
    price = None if found is None else found[0]
    asked = Asked(chat.pricing.model, chat.prompt_tokens, answer_bound(chat.body), answers(chat.body), price)
    held: list[Hold] = []
    try:
        for each in dict.fromkeys(limits):
            held.append(each.hold(asked))  # noqa: PERF401  those that were held are known when one refuses
    except BaseException:
        for one in held:
            one.limits.release(one)
        raise
    return tuple(held)


def settle(held: Iterable[Hold], chat: Chat, taken: Taken, ending: Ending) -> None:
    """Takes what a chat took from each budget."""
    counted = None if taken.usage is None else billed(taken.usage)
    for each in held:
        each.limits.settle(each, _spending(each, chat, taken, ending, counted), counted)


def _spending(held: Hold, chat: Chat, taken: Taken, ending: Ending, counted: Tokens | None) -> Spending:
    if taken.failed:
        return Spending(failed=1, possible=taken.possible)
    tokens = counted
    if tokens is None:
        arrived = 0 if ending.answer is None else chat.tokens(received(ending.answer()))
        tokens = Tokens(held.estimate.input, 0, arrived, 0)
    cost: Decimal | None = taken.cost
    if cost is None and (found := find_price(chat.pricing, taken.answered)) is not None:
        cost = price_tokens(tokens, found[0]).total
    return Spending(
        calls=1,
        prompt_tokens=tokens.prompt,
        cached_tokens=tokens.cached,
        completion_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cost=NOTHING if cost is None else cost,
        unpriced=int(cost is None),
        uncounted=int(counted is None),
        possible=taken.possible,
    )
