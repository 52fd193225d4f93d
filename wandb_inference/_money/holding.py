"""What budgets hold back for a chat, and what they take in its place when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

from ..types.cost import EXACT, Spending
from ..types.usage import CompletionUsage
from .budget import Budget, Reservation
from .cost import priced
from .estimate import answer_bound, answers, received
from .price import find_price
from .tokens import billed

if TYPE_CHECKING:
    from .._core.following import Chat, Ending
    from .totals import Taken


def reserve(budgets: Iterable[Budget], chat: Chat) -> tuple[Reservation, ...]:
    """Holds back what a chat may take, in each budget once; in none, if one of them has too little left.

    Raises:
        BudgetExceededError: One has.
        ConfigurationError: One is in dollars, and the model has no known price.
    """
    found = find_price(chat.pricing)
    price = None if found is None else found[0]
    prompt, bound, count = chat.prompt_tokens, answer_bound(chat.body), answers(chat.body)
    held: list[Reservation] = []
    try:
        for each in dict.fromkeys(budgets):
            # One by one, so that those that were held are known when one refuses.
            held.append(each.hold(chat.pricing.model, prompt, bound, count, price))  # noqa: PERF401
    except BaseException:
        for reservation in held:
            reservation.budget.release(reservation)
        raise
    return tuple(held)


def settle(reservations: Iterable[Reservation], chat: Chat, taken: Taken, ending: Ending) -> None:
    """Takes what a chat took from each budget."""
    model = chat.pricing.model
    for held in reservations:
        held.budget.settle(held, model, _spending(held, chat, taken, ending), taken.usage)


def _spending(held: Reservation, chat: Chat, taken: Taken, ending: Ending) -> Spending:
    if taken.failed:
        return Spending(failed=1, possible=taken.possible)
    usage, estimated = taken.usage, 0
    if usage is None:
        arrived = 0 if ending.answer is None else chat.tokens(received(ending.answer()))
        usage, estimated = CompletionUsage(prompt_tokens=held.estimate.input, completion_tokens=arrived), 1
    cost = taken.reported
    if cost is None and held.price is not None:
        cost = reduce(EXACT.add, priced(billed(usage), held.price))
    return Spending(
        calls=1,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens or 0,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens or 0,
        cost=Decimal(0) if cost is None else cost,
        unpriced=int(cost is None),
        uncounted=estimated,
        possible=taken.possible,
    )
