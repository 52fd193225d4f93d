"""Tokens and prices to dollars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, cast

from ..types.completion import ChatCompletion
from ..types.cost import EXACT, CostDetails
from ..types.usage import CompletionUsage
from . import Pricing
from .price import Amount, Price, Prices, dollars, find_price, price_of_call
from .tokens import Tokens, billed

if TYPE_CHECKING:
    from ..exceptions import APIError, AttemptRecord
    from ..types import Meta

REPORTED = ("cost", "total_cost")
"""Fields of `usage` in which servers say what a call cost: OpenRouter's, and LiteLLM's in a stream; and others'."""

HEADER = "x-litellm-response-cost"
"""The header in which LiteLLM's proxy says it. On a stream it is always 0, as nothing is known at the beginning."""


def details(
    usage: CompletionUsage | None,
    pricing: Pricing,
    *,
    answered: str = "",
    meta: Meta | None = None,
) -> CostDetails:
    """What a call costs, and why.

    Args:
        usage: Its tokens, where they are known.
        pricing: What it is priced by.
        answered: The model that the answer names.
        meta: How the call went, where that is known.
    """
    possible = possibly_billed(() if meta is None else meta.attempts, known=usage is not None)
    if usage is None:
        return CostDetails(reason="the server told no usage", possible=possible)
    tokens = billed(usage)
    counts = CostDetails(
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        possible=possible,
    )
    reported = reported_cost(usage, {} if meta is None else meta.headers)
    if reported is not None:
        return _with(counts, total=reported, source="server", reason=tokens.odd)
    found = find_price(pricing, answered)
    if found is None:
        return _with(counts, reason=_unknown(pricing.model or answered))
    price, source, date = found
    parts = priced(tokens, price)
    return _with(
        counts,
        total=reduce(EXACT.add, parts),
        input=parts[0],
        cached_input=parts[1],
        output=parts[2],
        source=source,
        date=date,
        reason=tokens.odd,
        price=price,
    )


def priced(tokens: Tokens, price: Price) -> tuple[Decimal, Decimal, Decimal]:
    """Dollars for the prompt without its cached part, for that part, and for the answer."""
    return (
        EXACT.multiply(price.input_cost_per_token, Decimal(tokens.input)),
        EXACT.multiply(price.cached, Decimal(tokens.cached)),
        EXACT.multiply(price.output_cost_per_token, Decimal(tokens.output)),
    )


def reported_cost(usage: CompletionUsage, headers: Mapping[str, str]) -> Decimal | None:
    """What the server itself says that a call cost; `None` where it says nothing that can be."""
    extra = usage.__pydantic_extra__ or {}
    said = [extra.get(name) for name in REPORTED]
    if HEADER in headers and "event-stream" not in headers.get("content-type", ""):
        said.append(headers[HEADER])
    for value in said:
        if value is not None:
            try:
                return dollars(value)
            except ValueError:
                continue
    return None


def possibly_billed(attempts: Iterable[AttemptRecord], *, known: bool) -> tuple[AttemptRecord, ...]:
    """The attempts that failed and may have been billed.

    Args:
        attempts: All of a call.
        known: Whether the last one's tokens are known, and counted by themselves.
    """
    records = tuple(attempts)
    return tuple(record for record in (records[:-1] if known else records) if record.outcome == "unknown")


def details_of(completion: ChatCompletion) -> CostDetails:
    """What a completion costs; that of several rounds is the sum of theirs."""
    rounds = cast("tuple[ChatCompletion, ...] | None", vars(completion).get("_rounds"))
    if rounds:
        return details_of_all(rounds)
    meta = completion.meta
    pricing = meta.pricing if meta is not None else None
    return details(completion.usage, pricing or Pricing(completion.model), answered=completion.model, meta=meta)


def details_of_all(completions: Iterable[ChatCompletion]) -> CostDetails:
    """What several completions cost together."""
    each = [details_of(completion) for completion in completions]
    return reduce(add, each) if each else CostDetails(reason="no answer has come")


def details_of_failure(error: APIError) -> CostDetails:
    """What had arrived before a failure costs."""
    if error.tool_run is not None:
        return error.tool_run.cost_details
    meta = error.meta
    pricing = meta.pricing if meta is not None else None
    answered = "" if error.partial is None else error.partial.model
    return details(error.usage, pricing or Pricing(answered), answered=answered, meta=meta)


def completion_cost(
    completion: object = None,
    *,
    completion_response: object = None,
    model: str | None = None,
    prices: Mapping[str, Any] | None = None,
    input_cost_per_token: Amount | None = None,
    output_cost_per_token: Amount | None = None,
    cache_read_input_token_cost: Amount | None = None,
) -> Decimal | None:
    """What a completion costs, in US dollars; `None` where that is not known, never 0 in its place.

    What the server itself says wins, unless a price is given here; then come the prices of the call and its client,
    then the package's table. `completion.cost_details` tells which it was, or why it is `None`.

    Args:
        completion: A completion, a stream, an error that has usage, or a mapping with `usage` and `model`, such as an
            answer's JSON.
        completion_response: The same, under the name that LiteLLM has for it.
        model: The model to price it as, in place of its own.
        prices: Prices by model, as for `Client`.
        input_cost_per_token: Dollars for a token of the prompt.
        output_cost_per_token: Dollars for a token of the answer; both or none are given.
        cache_read_input_token_cost: Dollars for a token of the prompt that came from the cache.

    Raises:
        TypeError: Neither a completion, nor anything that has usage.
        ConfigurationError: `prices` are none.
        InvalidRequestError: A price that is none.
    """
    given = completion if completion is not None else completion_response
    if given is None:
        raise TypeError(
            "completion_cost() needs a completion; texts can't be priced, as only the service knows their tokens"
        )
    price = price_of_call(
        {
            "input_cost_per_token": input_cost_per_token,
            "output_cost_per_token": output_cost_per_token,
            "cache_read_input_token_cost": cache_read_input_token_cost,
        }
    )
    if price is None and prices is None and model is None:
        told = getattr(given, "cost_details", None)
        if isinstance(told, CostDetails):
            return told.total
    usage, answered = _read(given)
    if price is not None or prices is not None:
        usage = _unreported(usage)
    name = (model or answered).strip().removeprefix("wandb/")
    return details(usage, Pricing(name, price, None if prices is None else Prices(prices)), answered=answered).total


def _read(given: object) -> tuple[CompletionUsage | None, str]:
    """The usage and the model of something that has them."""
    if isinstance(given, Mapping):
        fields = cast("Mapping[str, object]", given)
        if "usage" not in fields:
            raise TypeError("completion_cost() needs a completion, or a mapping with its 'usage'")
        usage, answered = fields["usage"], fields.get("model")
    elif hasattr(given, "usage"):
        usage, answered = getattr(given, "usage", None), getattr(given, "model", None)
    else:
        raise TypeError(f"completion_cost() needs a completion, not {type(given).__name__}")
    if usage is not None and not isinstance(usage, CompletionUsage):
        dump = getattr(usage, "model_dump", None)  # other libraries' models
        usage = CompletionUsage.model_validate(dump() if callable(dump) else usage)
    return usage, answered if isinstance(answered, str) else ""


def _unreported(usage: CompletionUsage | None) -> CompletionUsage | None:
    """The usage without the server's own sum: another price is asked for."""
    if usage is None:
        return None
    return CompletionUsage.model_validate(
        {name: value for name, value in usage.model_dump().items() if name not in REPORTED}
    )


def _with(counts: CostDetails, **fields: Any) -> CostDetails:
    return CostDetails(**{**vars(counts), **fields})


def _unknown(model: str) -> str:
    if not model:
        return "no model is named"
    hint = f"no price of {model} is known: give it as Client(prices={{{model!r}: Price(...)}})"
    return f"{hint}, the base's for a LoRA" if model.startswith("wandb-artifact:") else hint
