"""Tokens and prices to dollars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import ValidationError

from ..exceptions import ParseError
from ..types.completion import ChatCompletion
from ..types.cost import EXACT, CostDetails
from ..types.meta import Meta
from ..types.usage import CompletionUsage
from . import PRICE_FIELDS, Pricing
from .price import Amount, Price, Prices, dollars, find_price, no_price, price_of_call, shown
from .tokens import Tokens, billed, is_counted, possibly_billed

if TYPE_CHECKING:
    from ..exceptions import APIError
    from ..types import DoneEvent

REPORTED = ("cost", "total_cost")
"""Fields of `usage` in which servers say what a call cost: OpenRouter's, and LiteLLM's in a stream; and others'."""

HEADER = "x-litellm-response-cost"
"""The header in which LiteLLM's proxy says it. On a stream it is always 0, as nothing is known at the beginning."""


class Parts(NamedTuple):
    """The dollars of a call, split."""

    input: Decimal
    """For the prompt without its cached part."""
    cached_input: Decimal
    """For that part."""
    output: Decimal
    """For the answer."""

    @property
    def total(self) -> Decimal:
        """All together."""
        return reduce(EXACT.add, self)


def price_tokens(tokens: Tokens, price: Price) -> Parts:
    """What tokens cost."""
    return Parts(
        EXACT.multiply(price.input_cost_per_token, Decimal(tokens.input)),
        EXACT.multiply(price.cached, Decimal(tokens.cached)),
        EXACT.multiply(price.output_cost_per_token, Decimal(tokens.output)),
    )


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
    counts = CostDetails(possible=possibly_billed(() if meta is None else meta.attempts, counted=usage is not None))
    tokens = billed(usage) if is_counted(usage) else None
    if tokens is not None:
        counts = replace(
            counts,
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            reasoning_tokens=tokens.reasoning,
            reason=tokens.odd,
        )
    reported = reported_cost(usage, {} if meta is None else meta.headers)
    if reported:
        return replace(counts, total=reported, source="server")
    if tokens is None:
        return replace(counts, reason="no token counts have come" if usage is None else _uncounted(usage))
    found = find_price(pricing, answered)
    if found is None:
        model = pricing.model or answered
        reason = "; ".join(no_price(model)) if model else "no model is named"
        return replace(counts, reason=reason if reported is None else f"{_ZERO}; {reason}")
    price, source, date = found
    parts = price_tokens(tokens, price)
    return replace(
        counts,
        total=parts.total,
        **parts._asdict(),
        source=source,
        date=date,
        price=price,
    )


def _uncounted(usage: CompletionUsage) -> str:
    sent = {name: value for name, value in usage if name in usage.model_fields_set and isinstance(value, int)}
    counts = ", ".join(f"{name} {value}" for name, value in sent.items())
    return f"the server did not count the tokens: its usage has {counts or 'none'}"


_ZERO = "the server reports 0 dollars, as proxies also do that know no price"


def reported_cost(usage: CompletionUsage | None, headers: Mapping[str, str]) -> Decimal | None:
    """What the server itself says that a call cost; `None` where it says nothing that can be.

    0 comes only where nothing else is said, and is no price: LiteLLM's proxy says it of models whose price it does not
    know, and in the one of its two places that it did not fill.
    """
    extra = {} if usage is None else usage.__pydantic_extra__ or {}
    said = [extra.get(name) for name in REPORTED]
    if "event-stream" not in headers.get("content-type", ""):
        said.append(headers.get(HEADER))
    found: Decimal | None = None
    for value in said:
        with suppress(ValueError):
            found = found or dollars(value)
    return found


_NEEDS = "needs a completion, or a mapping with its usage"


def details_of(completion: ChatCompletion) -> CostDetails:
    """What a completion costs; that of several rounds is the sum of theirs."""
    rounds = cast("tuple[ChatCompletion, ...] | None", vars(completion).get("_rounds"))
    if rounds:
        return details_of_all(rounds)
    pricing = _pricing_of(completion, completion.model)
    return details(completion.usage, pricing, answered=completion.model, meta=completion.meta)


def details_of_all(completions: Iterable[ChatCompletion]) -> CostDetails:
    """What several completions cost together."""
    each = [details_of(completion) for completion in completions]
    return reduce(add, each) if each else CostDetails(reason="no answer has come")


def details_of_failure(error: APIError) -> CostDetails:
    """What had arrived before a failure costs; with rounds before it, what they cost together."""
    if error.tool_run is not None:
        return error.tool_run.cost_details
    if isinstance(error, ParseError) and error.rounds:
        return details_of_all(error.rounds)
    answered = "" if error.partial is None else error.partial.model
    return details(error.usage, _pricing_of(error, answered), answered=answered, meta=error.meta)


def cost_of_call(event: DoneEvent) -> Decimal | None:
    """What a call cost that hooks are told of."""
    answered = event.answered or ""
    return details(event.usage, _pricing_of(event, event.model or ""), answered=answered, meta=event.meta).total


def _pricing_of(holder: object, answered: str) -> Pricing:
    """What a call was priced by, as far as something that came of it knows."""
    meta = getattr(holder, "meta", None)
    pricing = meta.pricing if isinstance(meta, Meta) else None
    return pricing or Pricing(_name(answered))


def _name(model: str) -> str:
    """The id of a model, as a request has it."""
    return model.strip().removeprefix("wandb/")


def completion_cost(
    completion: object = None,
    *,
    completion_response: object = None,
    model: str | None = None,
    prices: Mapping[str, Price | Mapping[str, Any]] | None = None,
    input_cost_per_token: Amount | None = None,
    output_cost_per_token: Amount | None = None,
    cache_read_input_token_cost: Amount | None = None,
) -> Decimal | None:
    """What a completion costs, in US dollars; `None` where that is not known, never 0 in its place.

    Without more, it is `completion.cost`: what the server itself says wins; then come the prices of the call and its
    client, then the package's table. `completion.cost_details` tells which it was, or why it is `None`. With a model or
    prices given here, these alone and the table count.

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
        raise TypeError(f"completion_cost() {_NEEDS}; a text has no price: only the service knows its tokens")
    amounts = (input_cost_per_token, output_cost_per_token, cache_read_input_token_cost)
    price = price_of_call(dict(zip(PRICE_FIELDS, amounts, strict=True)))
    if price is None and prices is None and model is None:
        told = getattr(given, "cost_details", None)
        if isinstance(told, CostDetails):
            return told.total
        usage, answered = _read(given)
        return details(usage, Pricing(_name(answered)), answered=answered).total
    usage, answered = _read(given)
    name = _pricing_of(given, answered).model if model is None else _name(model)
    pricing = Pricing(name, price, None if prices is None else Prices(prices))
    found = find_price(pricing, "" if model is not None else answered)
    return price_tokens(billed(usage), found[0]).total if found is not None and is_counted(usage) else None


def _read(given: object) -> tuple[CompletionUsage | None, str]:
    """The usage and the model of something that has them."""
    if isinstance(given, Mapping):
        fields = cast("Mapping[str, object]", given)
        if "usage" not in fields:
            raise TypeError(f"completion_cost() {_NEEDS}; this mapping has no 'usage'")
        usage, answered = fields["usage"], fields.get("model")
    elif hasattr(given, "usage"):
        usage, answered = getattr(given, "usage", None), getattr(given, "model", None)
    else:
        raise TypeError(f"completion_cost() {_NEEDS}, not {type(given).__name__}")
    if usage is not None and not isinstance(usage, CompletionUsage):
        dump = getattr(usage, "model_dump", None)  # other libraries' models
        try:
            usage = CompletionUsage.model_validate(dump() if callable(dump) else usage)
        except ValidationError:
            raise TypeError(f"completion_cost() {_NEEDS}; this usage is {shown(usage)}") from None
    return usage, answered if isinstance(answered, str) else ""
