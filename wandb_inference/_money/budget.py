"""Budgets: limits that calls stop at before they are sent."""

from __future__ import annotations

from decimal import Decimal
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, TypedDict

from typing_extensions import Self

from ..exceptions import BudgetExceededError, ConfigurationError
from ..types.cost import EXACT, Spending, total_of
from . import ACTIVE
from .estimate import FIRST_ANSWER, Estimate, Lengths
from .price import Amount, dollars, shown

if TYPE_CHECKING:
    from ..types.usage import CompletionUsage
    from .price import Price

_NOTHING = Decimal(0)


class Reservation(NamedTuple):
    """What is held back in a budget for one call."""

    budget: Budget
    estimate: Estimate
    prompt: int
    """Tokens of the prompt by its bytes alone, to learn from."""
    dollars: Decimal
    price: Price | None


class _Refusal(TypedDict):
    """Why a call is refused, as `BudgetExceededError` takes it."""

    unit: Literal["usd", "tokens", "calls"]
    limit: Decimal | int
    spent: Decimal | int
    reserved: Decimal | int
    asked: Decimal | int


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

    def __init__(self, usd: Amount | None = None, *, tokens: int | None = None, calls: int | None = None) -> None:
        if usd is None and tokens is None and calls is None:
            raise ConfigurationError("A budget without a limit", hint="Give usd=, tokens= or calls=.")
        self.usd = None if usd is None else _dollars(usd)
        self.tokens = _count("tokens", tokens)
        self.calls = _count("calls", calls)
        self._lock = Lock()
        self._spent: dict[str, Spending] = {}
        self._lengths: dict[str, Lengths] = {}
        self._in_flight = 0
        self._held = Estimate(0, 0)
        self._held_dollars = _NOTHING

    @property
    def by_model(self) -> dict[str, Spending]:
        """What is spent, by the model's id."""
        with self._lock:
            return dict(self._spent)

    @property
    def total(self) -> Spending:
        """What is spent on all models: calls, tokens, dollars."""
        return total_of(self.by_model.values())

    @property
    def spent(self) -> Decimal:
        """Dollars that are spent, of the calls whose price is known."""
        return self.total.cost

    @property
    def reserved(self) -> Decimal:
        """Dollars held back for the calls in flight."""
        with self._lock:
            return self._held_dollars

    @property
    def left(self) -> Decimal | None:
        """Dollars that are neither spent nor held back, 0 at least; `None` without a limit in dollars."""
        if self.usd is None:
            return None
        return max(EXACT.subtract(EXACT.subtract(self.usd, self.spent), self.reserved), _NOTHING)

    @property
    def in_flight(self) -> int:
        """Calls that were let through and are not over."""
        with self._lock:
            return self._in_flight

    def hold(self, model: str, prompt: int, bound: int | None, count: int, price: Price | None) -> Reservation:
        """Holds back what a call may take.

        Args:
            model: The model's id.
            prompt: Tokens of its prompt, about.
            bound: Tokens of an answer at most, where that is known.
            count: How many answers it asks for.
            price: The model's, where it is known.

        Raises:
            BudgetExceededError: There is too little left.
            ConfigurationError: The budget is in dollars, and no price is known.
        """
        if self.usd is not None and price is None:
            raise ConfigurationError(
                f"No price of {model} is known, so that a budget in dollars can't hold it",
                hint=f"Give it: Client(prices={{{model!r}: Price(...)}}), or limit tokens= or calls= instead.",
            )
        with self._lock:
            estimate = self._estimate(model, prompt, bound, count)
            asked = estimate.dollars(price)
            refusal = self._refusal(estimate, asked)
            if refusal is None:
                self._in_flight += 1
                self._held = _plus(self._held, estimate, 1)
                self._held_dollars = EXACT.add(self._held_dollars, asked)
                return Reservation(self, estimate, prompt, asked, price)
            raise self._exceeded(refusal, model)

    def _estimate(self, model: str, prompt: int, bound: int | None, count: int) -> Estimate:
        lengths = self._lengths.get(model)
        if lengths is None:
            lengths = self._lengths[model] = Lengths()
        answer = bound if bound is not None else lengths.answer
        if answer is None:
            answer = FIRST_ANSWER if self._in_flight else 0
        return Estimate(lengths.prompt(prompt), answer * count)

    def _refusal(self, estimate: Estimate, asked: Decimal) -> _Refusal | None:
        """The limit that would be passed, and by what."""
        total = total_of(self._spent.values())
        tokens, held = total.total_tokens, self._held.tokens
        if self.calls is not None and total.calls + self._in_flight + 1 > self.calls:
            return _Refusal(unit="calls", limit=self.calls, spent=total.calls, reserved=self._in_flight, asked=1)
        if self.tokens is not None and tokens + held + estimate.tokens > self.tokens:
            return _Refusal(unit="tokens", limit=self.tokens, spent=tokens, reserved=held, asked=estimate.tokens)
        if self.usd is not None and EXACT.add(EXACT.add(total.cost, self._held_dollars), asked) > self.usd:
            return _Refusal(unit="usd", limit=self.usd, spent=total.cost, reserved=self._held_dollars, asked=asked)
        return None

    def _exceeded(self, refusal: _Refusal, model: str) -> BudgetExceededError:
        unit = refusal["unit"]
        limit, spent, reserved, asked = (
            _shown(unit, refusal[name]) for name in ("limit", "spent", "reserved", "asked")
        )
        on = "; ".join(
            f"{id}: {part.calls} calls, {part.total_tokens} tokens, ${part.cost:f}" for id, part in self._spent.items()
        )
        held = f", {reserved} held back for {self._in_flight} in flight" if self._in_flight else ""
        hints = {
            "usd": "A smaller max_tokens= needs less; else raise the limit.",
            "tokens": "A smaller max_tokens= needs less; else raise the limit.",
            "calls": "Raise the limit.",
        }
        return BudgetExceededError(
            f"This call would pass the budget of {limit}: {spent} spent{f' ({on})' if on else ''}{held}, and this call "
            f"of {model} is taken to need {asked} more",
            hint=f"Nothing was sent. {hints[unit]}",
            by_model=self._spent,
            **refusal,
        )

    def release(self, held: Reservation) -> None:
        """Gives back what was held for a call that was not sent after all."""
        with self._lock:
            self._release(held)

    def settle(self, held: Reservation, model: str, spending: Spending, learned: CompletionUsage | None) -> None:
        """Takes what a call took, in place of what was held for it.

        Args:
            held: What was held.
            model: The model's id.
            spending: What it took.
            learned: Its tokens, where the server counted them.
        """
        with self._lock:
            self._release(held)
            before = self._spent.get(model)
            self._spent[model] = spending if before is None else before + spending
            if learned is not None:
                self._lengths[model].learn(held.prompt, learned.prompt_tokens, learned.completion_tokens)

    def _release(self, held: Reservation) -> None:
        self._in_flight -= 1
        self._held = _plus(self._held, held.estimate, -1)
        self._held_dollars = EXACT.subtract(self._held_dollars, held.dollars)

    def __enter__(self) -> Self:
        ACTIVE.set((*ACTIVE.get(), self))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        budgets = list(ACTIVE.get())
        for place in range(len(budgets) - 1, -1, -1):
            if budgets[place] is self:
                del budgets[place]
                break
        ACTIVE.set(tuple(budgets))

    async def __aenter__(self) -> NoReturn:
        raise TypeError("a budget is entered by `with`, in async code, too")

    async def __aexit__(self, *exc_info: object) -> None: ...

    def __reduce__(self) -> NoReturn:
        raise TypeError("a budget is not pickled: another process would spend it a second time")

    def __repr__(self) -> str:
        limits = [
            f"usd={self.usd}" if self.usd is not None else "",
            f"tokens={self.tokens}" if self.tokens is not None else "",
            f"calls={self.calls}" if self.calls is not None else "",
        ]
        total = self.total
        spent = f"{total.calls} calls, {total.total_tokens} tokens, ${total.cost:f} spent"
        return f"<Budget {', '.join(filter(None, limits))}: {spent}>"


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


def bound_to(given: object) -> tuple[Budget, ...]:
    """The budgets that a client is bound to, as `with_options(budget=...)` was given them.

    Raises:
        ConfigurationError: No budget.
    """
    if given is None:
        return ()
    if not isinstance(given, Budget):
        raise ConfigurationError(
            f"budget is of type {type(given).__name__}", hint="Give what budget(usd=...) returns, or None to unbind."
        )
    return (given,)


def _plus(one: Estimate, other: Estimate, sign: int) -> Estimate:
    return Estimate(one.input + sign * other.input, one.output + sign * other.output)


def _shown(unit: str, amount: Decimal | int) -> str:
    if unit == "usd":
        return f"${amount:f}"
    return f"{amount} {unit.removesuffix('s') if amount == 1 else unit}"


def _dollars(usd: object) -> Decimal:
    try:
        return dollars(usd)
    except ValueError as error:
        raise ConfigurationError(f"usd is {shown(usd)}", hint=f"Give {error}.") from None


def _count(name: str, count: object) -> int | None:
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ConfigurationError(f"{name} is {shown(count)}", hint="Give a whole number from 0 up.")
    return count
