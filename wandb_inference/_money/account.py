"""Follows each chat for its client's totals and for the budgets that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ACTIVE
from .totals import taken_of

if TYPE_CHECKING:
    from .._core.following import Chat, Ending
    from .limits import Hold


class Account:
    """Asks the budgets for one chat before it is sent, and adds it to what is spent when it is over.

    Args:
        chat: The chat.
    """

    __slots__ = ("_chat", "_holds")

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._holds: tuple[Hold, ...] = ()

    def begin(self) -> None:
        """Holds back what the call may take, in each budget there is.

        Raises:
            BudgetExceededError: One of them has too little left.
            ConfigurationError: One is in dollars, and the model has no known price.
        """
        limits = (*self._chat.settings.limits, *ACTIVE.get())
        if limits:
            from .holding import hold

            self._holds = hold(limits, self._chat)

    def end(self, ending: Ending) -> None:
        """Settles what the call took."""
        if ending.meta is None:
            for held in self._holds:
                held.limits.release(held)  # nothing was sent after all
            return
        chat = self._chat
        taken = taken_of(ending, chat.pricing)
        ledger = chat.settings.ledger
        if ledger is not None:
            ledger.add(chat.pricing.model, taken)
        if self._holds:
            from .holding import settle

            settle(self._holds, chat, taken, ending)
