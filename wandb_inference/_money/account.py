"""Follows each chat for its client's totals and for the budgets that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ACTIVE
from .totals import taken_of

if TYPE_CHECKING:
    from .._core.following import Chat, Ending
    from .budget import Budget, Reservation
    from .totals import UsageTotals


class Account:
    """Adds one chat to what is spent, when it is over; before it is sent, budgets are asked for it.

    Args:
        chat: The chat.
        totals: Its client's; `None` where there is no client.
        bound: Budgets that its client is bound to.
    """

    __slots__ = ("_bound", "_chat", "_reservations", "_totals")

    def __init__(self, chat: Chat, totals: UsageTotals | None, bound: tuple[Budget, ...]) -> None:
        self._chat = chat
        self._totals = totals
        self._bound = bound
        self._reservations: tuple[Reservation, ...] = ()

    def begin(self) -> None:
        """Reserves what the call may take in each budget that holds.

        Raises:
            BudgetExceededError: One of them has too little left.
            ConfigurationError: One is in dollars, and the model has no known price.
        """
        budgets = (*self._bound, *ACTIVE.get())
        if budgets:
            from .holding import reserve

            self._reservations = reserve(budgets, self._chat)

    def end(self, ending: Ending) -> None:
        """Settles what the call took."""
        if ending.meta is None and not self._reservations:
            return  # refused before anything was sent
        taken = taken_of(ending, self._chat.pricing)
        if self._totals is not None:
            self._totals.add(self._chat.pricing, taken)
        if self._reservations:
            from .holding import settle

            settle(self._reservations, self._chat, taken, ending)
