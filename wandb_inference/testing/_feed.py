"""The public feed of the service's console, as of the catalogue's table."""

from __future__ import annotations

from decimal import Decimal

from ..catalogue import MODELS, ModelInfo


def body() -> dict[str, object]:
    """What `GET /inference/catalog/models` answers: living models and retired ones, in the console's own terms."""
    return {"models": [_entry(model) for model in MODELS.values()]}


def _entry(model: ModelInfo) -> dict[str, object]:
    paid, made, cached = model.input_price, model.output_price, model.cached_price
    return {
        "provider": model.id.partition("/")[0],
        "id": model.id,
        "idPlayground": f"coreweave/{model.id}",
        "idHuggingFace": model.id,
        "label": model.label or model.id.partition("/")[2],
        "lifecycleStage": model.lifecycle,
        "featureReasoning": model.reasoning != "none",
        "featureToolCalling": model.tools is not False,
        "featureLoRA": bool(model.lora),
        "contextWindow": model.context or 0,
        "priceCentsPerBillionTokensInput": _cents(paid),
        # Where there is no discount, the feed repeats the price.
        "priceCentsPerBillionTokensCached": _cents(paid if cached is None else cached),
        "priceCentsPerBillionTokensOutput": _cents(made),
        "modalitiesInput": ["text", "image"] if model.vision else ["text"],
        "modalitiesOutput": ["text"],
    }


def _cents(price: Decimal | None) -> int:
    """US dollars for a million tokens, in cents for a billion; 0 where unknown."""
    return int((price or 0) * 100_000)
