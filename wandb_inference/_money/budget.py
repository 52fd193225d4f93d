"""Budgets: limits that calls stop at before they are sent."""

from __future__ import annotations

from decimal import Decimal
from types import TracebackType
from typing import NoReturn

from typing_extensions import Self

from ..exceptions import ConfigurationError
from ..types.cost import EXACT, Spending, counted, in_dollars
from . import ACTIVE
from .limits import NOTHING, Limits
from .price import Amount, dollars, shown


class Budget:
    """A limit to what calls take together: in dollars, tokens, calls, or several of them.

    It holds for the calls inside `with`, and for those of the functions and tasks that are begun there. A thread of a
    plain `ThreadPoolExecutor` does not inherit it: bind it there, by `client.with_options(budget=b)`.

    Before a call is sent, what it may take is held back: its prompt, by its bytes, and `max_tokens` for each answer.
    Without `max_tokens`, an answer counts as long as the model's answers were on the average inside this budget; before
    the first has ended, as 1,000 tokens beside other calls, and as none alone. What does not fit beside what is spent
    and held back is a `BudgetExceededError`, and nothing is sent. When the call is over, what it took takes the place
    of what was held; a call that failed gives it back. So the limit is passed by no more than what calls in flight
    took beyond what was held for them.

    A stream that was left or broke without a word about its tokens is charged by what had been sent and received.

    Budgets can be nested: all of them must have room. `with` can be entered again; what was spent stays spent.

    Args:
        usd: US dollars. A call whose model has no known price is a `ConfigurationError` then.
        tokens: Tokens of prompts and answers.
        calls: Calls that brought an answer, or are in flight. Repairs of `parse()` and rounds of `run_tools()` are
            calls, retries are not.

    Raises:
        ConfigurationError: No limit, or one that is no number from 0 up.
    """

    __slots__ = ("_limits",)

    def __init__(self, usd: Amount | None = None, *, tokens: int | None = None, calls: int | None = None) -> None:
        if usd is None and tokens is None and calls is None:
            raise ConfigurationError("A budget without a limit", hint="Give usd=, tokens= or calls=.")
        self._limits = Limits(_dollars(usd), _count("tokens", tokens), _count("calls", calls))

    @property
    def usd(self) -> Decimal | None:
        """The limit in US dollars; `None` where there is none."""
        return self._limits.usd

    @property
    def tokens(self) -> int | None:
        """The limit in tokens; `None` where there is none."""
        return self._limits.tokens

    @property
    def calls(self) -> int | None:
        """The limit in calls; `None` where there is none."""
        return self._limits.calls

    @property
    def by_model(self) -> dict[str, Spending]:
        """What is spent, by the model's id."""
        return self._limits.by_model

    @property
    def total(self) -> Spending:
        """What is spent on all models: calls, tokens, dollars."""
        return self._limits.spent_and_held[0]

    @property
    def spent(self) -> Decimal:
        """Dollars that are spent, of the calls whose price is known."""
        return self.total.cost

    @property
    def reserved(self) -> Decimal:
        """Dollars held back for the calls in flight."""
        return self._limits.spent_and_held[1]

    @property
    def possible(self) -> int:
        """Failed attempts that may have been billed; in none of the sums."""
        return self.total.possible

    @property
    def left(self) -> Decimal | None:
        """Dollars that are neither spent nor held back, 0 at least; `None` without a limit in dollars."""
        if self.usd is None:
            return None
        total, held, _ = self._limits.spent_and_held
        return max(EXACT.subtract(EXACT.subtract(self.usd, total.cost), held), NOTHING)

    @property
    def in_flight(self) -> int:
        """Calls that were let through and are not over."""
        return self._limits.spent_and_held[2]

    def __enter__(self) -> Self:
        ACTIVE.set((*ACTIVE.get(), self._limits))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The innermost of its own: a budget can be entered again, and generators leave theirs out of order.
        active = list(ACTIVE.get())[::-1]
        if self._limits in active:
            active.remove(self._limits)
        ACTIVE.set(tuple(active[::-1]))

    async def __aenter__(self) -> NoReturn:
        raise TypeError("a budget is entered by `with`, in async code, too")

    async def __aexit__(self, *exc_info: object) -> None: ...

    def __repr__(self) -> str:
        limits = [
            "" if self.usd is None else in_dollars(self.usd),
            "" if self.tokens is None else counted(self.tokens, "token"),
            "" if self.calls is None else counted(self.calls, "call"),
        ]
        return f"<Budget of {', '.join(filter(None, limits))}: {self.total} spent>"


def budget(usd: Amount | None = None, *, tokens: int | None = None, calls: int | None = None) -> Budget:
    """The limit that the calls inside its `with` have together.

    A thread of a plain `ThreadPoolExecutor` does not inherit it: bind it there, by `client.with_options(budget=b)`.
    What is held back for a call, and by how much the limit can be passed, is told by `Budget`.

    Args:
        usd: US dollars: a number, a `Decimal`, or text.
        tokens: Tokens of prompts and answers.
        calls: Calls.

    Raises:
        ConfigurationError: No limit, or one that is no number from 0 up.
    """
    return Budget(usd, tokens=tokens, calls=calls)


def bound_to(given: object) -> tuple[Limits, ...]:
    """The limits that a client is bound to, as `with_options(budget=...)` was given them.

    Raises:
        ConfigurationError: No budget.
    """
    if given is None:
        return ()
    if not isinstance(given, Budget):
        raise ConfigurationError(
            f"budget is of type {type(given).__name__}", hint="Give what budget(usd=...) returns, or None to unbind."
        )
    return (given._limits,)  # pyright: ignore[reportPrivateUsage]  # of this module


def _dollars(usd: object) -> Decimal | None:
    try:
        return None if usd is None else dollars(usd)
    except ValueError as error:
        raise ConfigurationError(f"usd is {shown(usd)}", hint=f"Give {error}.") from None


def _count(name: str, count: object) -> int | None:
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ConfigurationError(f"{name} is {shown(count)}", hint="Give a whole number from 0 up.")
    return count
