"""What a budget holds back and what it has spent: decides, and waits for nobody."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from ..exceptions import BudgetExceededError, ConfigurationError
from ..types.cost import EXACT, Spending, counted, in_dollars
from .estimate import FIRST_ANSWER, Estimate, Lengths
from .locked import Locked
from .price import no_price

if TYPE_CHECKING:
    from .price import Price
    from .tokens import Tokens

NOTHING = Decimal(0)


class Hold(NamedTuple):
    """What is held back for one call."""

    limits: Limits
    """Where."""
    asked: Asked
    estimate: Estimate
    dollars: Decimal


class Asked(NamedTuple):
    """What a call asks for."""

    model: str
    """The model's id."""
    prompt: int
    """Tokens of its prompt, by its bytes alone."""
    bound: int | None
    """Tokens that one answer has at most; `None` where nothing says so."""
    answers: int
    """How many answers it asks for."""
    price: Price | None
    """The model's, where it is known."""


class _Excess(NamedTuple):
    """A limit that a call would pass. All amounts are in its unit."""

    unit: Literal["usd", "tokens", "calls"]
    limit: Decimal | int
    spent: Decimal | int
    reserved: Decimal | int
    asked: Decimal | int


class _Settlement(NamedTuple):
    """What becomes of what was held."""

    held: Hold
    spending: Spending | None = None
    """What the call took; `None` where it was not sent."""
    learned: Tokens | None = None
    """Its tokens, where the server counted them."""


class Limits(Locked[_Settlement]):
    """A budget's limits, what is spent and what is held back.

    Args:
        usd: US dollars.
        tokens: Tokens of prompts and answers.
        calls: Calls.
    """

    __slots__ = ("_held", "_held_dollars", "_in_flight", "_lengths", "_spent", "_total", "calls", "tokens", "usd")

    def __init__(self, usd: Decimal | None, tokens: int | None, calls: int | None) -> None:
        super().__init__()
        self.usd, self.tokens, self.calls = usd, tokens, calls
        self._total = Spending()
        self._spent: dict[str, Spending] = {}
        self._lengths: dict[str, Lengths] = {}
        self._in_flight = 0
        self._held = 0
        self._held_dollars = NOTHING

    @property
    def by_model(self) -> dict[str, Spending]:
        """What is spent, by the model's id."""
        with self._looking():
            return dict(self._spent)

    @property
    def spent_and_held(self) -> tuple[Spending, Decimal, int]:
        """What is spent, the dollars that are held back and the calls in flight, of one moment."""
        with self._looking():
            return self._total, self._held_dollars, self._in_flight

    def hold(self, asked: Asked) -> Hold:
        """Holds back what a call may take.

        Raises:
            BudgetExceededError: There is too little left.
            ConfigurationError: The limit is in dollars, and no price is known.
        """
        if self.usd is not None and asked.price is None:
            unknown, hint = no_price(asked.model)
            raise ConfigurationError(
                f"The budget is in dollars, and {unknown}",
                hint=f"{hint[0].upper()}{hint[1:]}, or limit tokens= or calls= instead.",
            )
        with self._looking():
            estimate = self._estimate(asked)
            hold = Hold(self, asked, estimate, estimate.dollars(asked.price))
            excess = self._excess(hold)
            if excess is not None:
                raise self._refusal(excess, asked.model)
            self._count(hold, 1)
            return hold

    def _estimate(self, asked: Asked) -> Estimate:
        lengths = self._lengths.setdefault(asked.model, Lengths())
        answer = lengths.answer if asked.bound is None else asked.bound
        if answer is None:
            answer = FIRST_ANSWER if self._in_flight else 0
        return Estimate(lengths.prompt(asked.prompt), answer * asked.answers)

    def _excess(self, hold: Hold) -> _Excess | None:
        """The first limit that would be passed."""
        total = self._total
        asked: tuple[_Excess, ...] = ()
        if self.calls is not None:
            asked += (_Excess("calls", self.calls, total.calls, self._in_flight, 1),)
        if self.tokens is not None:
            asked += (_Excess("tokens", self.tokens, total.total_tokens, self._held, hold.estimate.tokens),)
        if self.usd is not None:
            asked += (_Excess("usd", self.usd, total.cost, self._held_dollars, hold.dollars),)
        return next((each for each in asked if _sum(each.spent, each.reserved, each.asked) > each.limit), None)

    def _refusal(self, excess: _Excess, model: str) -> BudgetExceededError:
        unit = excess.unit
        limit, spent, reserved, asked = (_shown(unit, amount) for amount in excess[1:])
        on = "; ".join(f"{id}: {spending}" for id, spending in self._spent.items())
        held = "" if unit == "calls" else f"{reserved} held back for "
        taken = f"{spent} spent{f' ({on})' if on else ''}" + (
            f", {held}{counted(self._in_flight, 'call')} in flight" if self._in_flight else ""
        )
        if unit == "calls":
            message, smaller = f"The budget of {limit} has none left for this one of {model}: {taken}", ""
        else:
            left = _shown(unit, max(_sum(excess.limit, -excess.spent, -excess.reserved), NOTHING))
            message = f"The budget of {limit} has {left} left, and this call of {model} may take {asked}: {taken}"
            smaller = "A smaller max_tokens= needs less. "
        return BudgetExceededError(
            message,
            hint=f"Nothing was sent. {smaller}Else it takes a larger budget.",
            by_model=self._spent,
            **excess._asdict(),
        )

    def release(self, held: Hold) -> None:
        """Gives back what was held for a call that was not sent after all."""
        self._change(_Settlement(held))

    def settle(self, held: Hold, spending: Spending, learned: Tokens | None) -> None:
        """Takes what a call took, in place of what was held for it.

        Args:
            held: What was held.
            spending: What it took.
            learned: Its tokens, where the server counted them.
        """
        self._change(_Settlement(held, spending, learned))

    def _apply(self, change: _Settlement) -> None:
        held, spending, learned = change
        self._count(held, -1)
        if spending is None:
            return
        asked = held.asked
        self._total += spending
        before = self._spent.get(asked.model)
        self._spent[asked.model] = spending if before is None else before + spending
        if learned is not None:
            self._lengths[asked.model].learn(asked.prompt, learned.prompt, learned.output, asked.answers)

    def _count(self, held: Hold, sign: int) -> None:
        self._in_flight += sign
        self._held += sign * held.estimate.tokens
        self._held_dollars = EXACT.add(self._held_dollars, EXACT.multiply(Decimal(sign), held.dollars))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a budget is neither pickled nor copied: what it holds would be spent twice")


def _sum(*amounts: Decimal | int) -> Decimal:
    total = NOTHING
    for amount in amounts:
        total = EXACT.add(total, Decimal(amount))
    return total


def _shown(unit: str, amount: Decimal | int) -> str:
    return in_dollars(Decimal(amount)) if unit == "usd" else counted(int(amount), unit.removesuffix("s"))
