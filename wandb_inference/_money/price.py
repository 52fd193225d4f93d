"""Prices, as people give them and as the table has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, Union, cast

from ..catalogue import TABLE_DATE, known, resolve_name
from ..exceptions import ConfigurationError, InvalidRequestError, RequestProblem
from ..types.cost import EXACT
from . import PRICE_FIELDS, Pricing

Amount: TypeAlias = Union[Decimal, str, int, float]
"""Dollars. A float is taken as it is printed: 0.1 is a tenth."""

_MOST_DIGITS: Final = 30
"""No amount of dollars has more before its point: sums of such stay exact."""
_MILLION: Final = -6
"""The power of ten that makes a price of a token out of one of a million."""


def dollars(value: object) -> Decimal:
    """An amount of dollars.

    Raises:
        ValueError: Neither a number nor the text of one, negative, or not finite.
    """
    if isinstance(value, (Decimal, int, float, str)) and not isinstance(value, bool):
        try:
            amount = Decimal(repr(float(value)) if isinstance(value, float) else value)
        except InvalidOperation:
            amount = Decimal("NaN")
        if amount.is_finite() and not amount.is_signed() and amount.adjusted() < _MOST_DIGITS:
            return amount
    raise ValueError("dollars, 0 or more")


def shown(value: object) -> str:
    """A value that was given, for a message: no longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, init=False)
class Price:
    """What a model's tokens cost, in US dollars for each token; price lists tell them by the million.

    Args:
        input_cost_per_token: For a token of the prompt.
        output_cost_per_token: For a token of the answer, thinking included.
        cache_read_input_token_cost: For a token of the prompt that came from the cache; `None` where it costs as much
            as any other.

    Raises:
        ConfigurationError: An amount that is no number from 0 up.
    """

    input_cost_per_token: Decimal
    """Dollars for a token of the prompt."""
    output_cost_per_token: Decimal
    """Dollars for a token of the answer."""
    cache_read_input_token_cost: Decimal | None
    """Dollars for a token of the prompt that came from the cache; `None` means as much as any other."""

    def __init__(
        self,
        input_cost_per_token: Amount,
        output_cost_per_token: Amount,
        cache_read_input_token_cost: Amount | None = None,
    ) -> None:
        given = (input_cost_per_token, output_cost_per_token, cache_read_input_token_cost)
        for name, value in zip(PRICE_FIELDS, given, strict=True):
            vars(self)[name] = None if value is None and name == PRICE_FIELDS[-1] else _checked(name, value)

    @classmethod
    def per_million(cls, input: Amount, output: Amount, cached_input: Amount | None = None) -> Price:
        """The price from one for a million tokens, as price lists have it.

        Raises:
            ConfigurationError: An amount that is no number from 0 up.
        """
        given = {"input": input, "output": output, "cached_input": cached_input}
        amounts = [
            None if value is None and name == "cached_input" else _checked(name, value).scaleb(_MILLION, EXACT)
            for name, value in given.items()
        ]
        return cls(*cast("Any", amounts))

    @property
    def cached(self) -> Decimal:
        """Dollars for a token of the prompt that came from the cache."""
        discounted = self.cache_read_input_token_cost
        return self.input_cost_per_token if discounted is None else discounted

    def __repr__(self) -> str:
        amounts = [f"{value:f}" for value in (self.input_cost_per_token, self.output_cost_per_token)]
        if self.cache_read_input_token_cost is not None:
            amounts.append(f"{self.cache_read_input_token_cost:f}")
        return f"Price({', '.join(map(repr, amounts))})"


def _checked(name: str, value: object) -> Decimal:
    try:
        return dollars(value)
    except ValueError as error:
        raise ConfigurationError(f"{name} is {shown(value)}", hint=f"Expected {error}.") from None


def price_from(name: str, given: object) -> Price:
    """A price that was given as one, or as a mapping with its fields.

    Args:
        name: What it is called among the arguments.
        given: The price.

    Raises:
        ConfigurationError: Neither, or one of its amounts is wrong or missing.
    """
    if isinstance(given, Price):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"{name} is of type {type(given).__name__}", hint="Give Price(...), or a mapping with its fields."
        )
    fields = cast("Mapping[str, object]", given)
    for field in fields:
        if field not in PRICE_FIELDS:
            raise ConfigurationError(
                f"{name} has no field {field!r}", hint=f"Its fields are {', '.join(PRICE_FIELDS)}."
            )
    for field in PRICE_FIELDS[:2]:
        if fields.get(field) is None:
            raise ConfigurationError(f"{name} lacks {field}", hint="A price needs both, for input and for output.")
    return Price(*(cast("Any", fields.get(field)) for field in PRICE_FIELDS))


class Prices:
    """A client's prices by model, whatever the case of the ids. Never changed.

    Args:
        given: As `prices=` of a client.
        beside: Those that hold where these have none.

    Raises:
        ConfigurationError: They are no mapping of ids to prices.
    """

    def __init__(self, given: object, beside: Prices | None = None) -> None:
        if not isinstance(given, Mapping):
            raise ConfigurationError(
                f"prices is of type {type(given).__name__}", hint='Give a mapping: {"model": Price(...)}.'
            )
        self._prices: dict[str, Price] = {} if beside is None else dict(beside._prices)
        for id, price in cast("Mapping[object, object]", given).items():
            if not isinstance(id, str) or not id.strip():
                raise ConfigurationError(f"prices has the key {id!r}", hint="Its keys are ids of models.")
            name = id.strip().removeprefix("wandb/")
            self._prices[name.lower()] = price_from(f"prices[{id!r}]", price)
            if "/" not in name and (full := resolve_name(name)) is not None:
                self._prices.setdefault(full.lower(), self._prices[name.lower()])

    def get(self, model: str) -> Price | None:
        """The price of a model; `None` where it has none."""
        price = self._prices.get(model.lower())
        if price is None and (full := resolve_name(model)) is not None:
            price = self._prices.get(full.lower())
        return price


def price_of_call(params: Mapping[str, Any]) -> Price | None:
    """The price among a call's parameters; `None` where there is none.

    Raises:
        InvalidRequestError: An amount that is no number from 0 up, or one without the other.
    """
    fields = {name: params[name] for name in PRICE_FIELDS if params.get(name) is not None}
    if not fields:
        return None
    for name in PRICE_FIELDS[:2]:
        if name not in fields:
            raise _wrong(name, None, "to be there: a price needs both, for input and for output", "missing")
    for name, value in fields.items():
        try:
            dollars(value)
        except ValueError as error:
            raise _wrong(name, value, str(error), shown(value)) from None
    return Price(**fields)


def _wrong(name: str, value: object, expected: str, shown: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name} is {shown}", hint=f"Expected {expected}.", errors=[RequestProblem(name, value, expected)]
    )


def table_price(model: str) -> Price | None:
    """The table's price of a model; `None` where it has none."""
    info = known(resolve_name(model) or model)
    if info is None or info.input_price is None or info.output_price is None:
        return None
    return Price.per_million(info.input_price, info.output_price, info.cached_price)


def no_price(model: str) -> tuple[str, str]:
    """What is to be said of a model that has no known price, and what to do about it."""
    whose = ", with its base's price" if model.startswith("wandb-artifact:") else ""
    return f"no price of {model} is known", f"give it as Client(prices={{{model!r}: Price(...)}}){whose}"


def find_price(pricing: Pricing, answered: str = "") -> tuple[Price, str, str | None] | None:
    """The price that holds for a call, its source and the table's day; `None` where none is known.

    Args:
        pricing: What the call is priced by.
        answered: The model that the answer names: a LoRA's base, say, or what stands behind a gateway's name.
    """
    model, price, prices = pricing
    if price is not None:
        return price, "call", None
    names = (model, answered) if answered else (model,)
    for name in names:
        if prices is not None and (given := prices.get(name)) is not None:
            return given, "client", None
    for name in names:
        if (listed := table_price(name)) is not None:
            return listed, f"table {TABLE_DATE}", TABLE_DATE
    return None
