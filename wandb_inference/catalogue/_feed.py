"""The service's public feeds of its models, read into the table's terms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, cast

from ._model_info import ModelInfo

FEED_URL: Final = "https://trace.wandb.ai/inference/catalog/models"
"""The feed of the service's console. It needs no key."""

Entry: TypeAlias = "dict[str, Any]"
"""Fields of a `ModelInfo` that a feed knows of one model, and `thinks`, which is whether it thinks at all. In `prices`,
a price of cached input that is the input's stands for no discount, and `None` for nothing that is known."""

_STAGES: Final = {
    "alpha": "experimental",
    "beta": "experimental",
    "preview": "experimental",
    "experimental": "experimental",
    "ga": "general-availability",
    "general-availability": "general-availability",
    "deprecated": "deprecated",
    "retired": "retired",
}

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")

# The console's unit is cents for a billion tokens.
_CENTS: Final = ("priceCentsPerBillionTokensInput", "priceCentsPerBillionTokensOutput")
_CACHED: Final = "priceCentsPerBillionTokensCached"
_CENTS_PER_BILLION: Final = 100_000
_NO_PRICE: Final = 100_000
"""Dollars for a million tokens: more than any costs, and less than a mistake in units makes of it."""

_ID: Final = re.compile(r"[!-~]*[!-.0-~]/[!-.0-~][!-~]*")


def read_feed(value: object) -> dict[str, Entry]:
    """What a feed says, by model id.

    Takes the console's feed (`{"models": [{"idPlayground": ...}]}`) and the one in the shape of models.dev
    (`{"provider": {"models": {id: {"cost": ...}}}}`). What is missing or of an unknown form is left out.

    Raises:
        ValueError: No model is in it.
    """
    found = {id: _entry(fields) for id, fields in _models(value)}
    if not found:
        raise ValueError("no models in it")
    return found


def merged(info: ModelInfo | None, entry: Mapping[str, Any], id: str) -> ModelInfo:
    """What the table knows of a model, and over it what a feed says."""
    known = ModelInfo(id) if info is None else info
    fields = {name: value for name, value in entry.items() if name != "thinks"}
    if "prices" in fields:
        paid, made, cached = fields["prices"]
        if cached is None and known.prices is not None and paid == known.prices[0]:
            cached = known.prices[2]
        fields["prices"] = paid, made, None if cached == paid else cached
    thinks = entry.get("thinks")
    if thinks is not None and thinks != (known.reasoning != "none"):
        # Whether it can be told not to, a feed does not say; most can.
        fields["reasoning"] = "on" if thinks else "none"
    return known._replace(**fields)


def _models(value: object) -> Iterable[tuple[str, Mapping[str, object]]]:
    top = _mapping(value)
    # models.dev's whole file has the providers by their ids.
    for name in ("provider", "wandb"):
        if inner := _mapping(top.get(name)):
            top = inner
    models = top.get("models", value)
    if isinstance(models, list):
        for item in map(_mapping, cast("list[object]", models)):
            if id := _id(item):
                yield id, item
    else:
        for id, fields in _mapping(models).items():
            if isinstance(fields, Mapping):
                yield id, _mapping(cast("object", fields))


def _id(fields: Mapping[str, object]) -> str | None:
    """The id that requests have: the one of the playground, which can name the provider first."""
    for name in ("idPlayground", "id"):
        value = fields.get(name)
        if isinstance(value, str):
            for provider in ("coreweave/", "wandb/"):
                value = value.removeprefix(provider)
            if _ID.fullmatch(value):
                return value
    return None


def _entry(fields: Mapping[str, object]) -> Entry:
    limits = _mapping(fields.get("limit"))
    modalities = _mapping(fields.get("modalities")).get("input", fields.get("modalitiesInput"))
    stage = fields.get("lifecycleStage", fields.get("status"))
    found: Entry = {
        "context": _count(fields.get("contextWindow", limits.get("context"))),
        "max_output": _count(fields.get("maxOutputTokens", limits.get("output"))),
        "vision": _sees(modalities),
        "lifecycle": _STAGES.get(stage.lower()) if isinstance(stage, str) else None,
        "prices": _prices(fields),
        "tools": _flag(fields.get("featureToolCalling", fields.get("tool_call"))),
        "lora": _flag(fields.get("featureLoRA")),
        "deprecated_on": _day(fields.get("deprecationDate")),
        "retired_on": _day(fields.get("retirementDate")),
        "label": _text(fields.get("label", fields.get("name"))),
        "thinks": _flag(fields.get("featureReasoning", fields.get("reasoning"))),
    }
    return {name: value for name, value in found.items() if value is not None}


def _prices(fields: Mapping[str, object]) -> tuple[str, str, str | None] | None:
    cost = _mapping(fields.get("cost"))
    if cost:
        paid, made, cached = (_dollars(cost.get(name), 1) for name in ("input", "output", "cache_read"))
    else:
        paid, made = (_dollars(fields.get(name), _CENTS_PER_BILLION) for name in _CENTS)
        cached = _dollars(fields.get(_CACHED), _CENTS_PER_BILLION)
    if paid is None or made is None:
        return None
    # Where there is no discount, both feeds repeat the price. They say 0, or nothing, where none is known.
    return paid, made, cached


def _dollars(value: object, share: int) -> str | None:
    """A price as the table writes it; `None` for nothing, and for 0, which stands where no price is known."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value)) / share
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 < amount < _NO_PRICE:
        return None
    text = f"{amount.normalize():f}"
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}"


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _day(value: object) -> str | None:
    found = _DAY.match(value) if isinstance(value, str) else None
    try:
        return None if found is None else date.fromisoformat(found[0]).isoformat()
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) and value.isprintable() else None


def _sees(modalities: object) -> bool | None:
    if not isinstance(modalities, list):
        return None
    names = {name.lower() for name in cast("list[object]", modalities) if isinstance(name, str)}
    return bool(names & {"image", "vision"})
