from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference import catalogue
from wandb_inference.catalogue import MODELS, SOURCES, TABLE_DATE, ModelInfo, known, resolve_name, successor_of, suggest

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def test_date():
    """The table says of which day it is."""
    assert datetime.date.fromisoformat(TABLE_DATE)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_table(model):
    """Each entry is under its id, and successors are alive and only of retired models."""
    assert MODELS[model.id] is model
    assert model.id.count("/") == 1
    assert model.context is not None or model.lifecycle == "retired"
    assert model.sources
    assert set(model.sources) <= set(SOURCES)
    assert model.prices is not None or model.lifecycle == "retired"
    for day in (model.deprecated_on, model.retired_on):
        assert day is None or datetime.date.fromisoformat(day)
    if model.retired_on is not None:
        assert model.lifecycle in ("deprecated", "retired")
    assert (model.max_output or 1) <= (model.context or 1)
    if model.successor is not None:
        assert model.lifecycle == "retired"
        assert MODELS[model.successor].lifecycle == "general-availability"


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.prices], ids=lambda model: model.id)
def test_prices(model):
    """Prices are dollars for a million tokens: exact, above nothing, and cached input is cheaper than other."""
    assert isinstance(model.input_price, Decimal)
    assert 0 < model.input_price <= model.output_price < 10
    assert model.cached_price is None or 0 < model.cached_price < model.input_price


def test_no_prices():
    """Of a model whose price is not known, none is named, least of all 0."""
    model = ModelInfo("a/b")

    assert (model.input_price, model.output_price, model.cached_price) == (None, None, None)


@pytest.mark.parametrize(
    ("id", "paid", "made", "cached"),
    [
        (LLAMA, "0.22", "0.22", None),
        ("deepseek-ai/DeepSeek-V4-Pro-0813", "1.31", "3.96", "0.044"),
        ("Qwen/Qwen3.6-27B", "0.60", "3.60", "0.12"),
    ],
)
def test_known_prices(id, paid, made, cached):
    """Prices are those of the sources, also of a model that is retired: old calls have their cost."""
    model = MODELS[id]

    assert (model.input_price, model.output_price) == (Decimal(paid), Decimal(made))
    assert model.cached_price == (None if cached is None else Decimal(cached))


def test_names_are_unique():
    """No two ids differ by their case or their provider alone."""
    assert len({id.lower().rpartition("/")[2] for id in MODELS}) == len(MODELS)


@pytest.mark.parametrize("model", [LLAMA, LLAMA.lower(), LLAMA.upper()])
def test_known(model):
    """A model is known whatever its case."""
    info = known(model)

    assert info is not None
    assert info.id == LLAMA


@pytest.mark.parametrize("model", ["", "nobody/knows", "Llama-3.1-8B-Instruct", "wandb-artifact:///a/b/c:v1"])
def test_unknown(model):
    """Of another the table knows nothing."""
    assert known(model) is None
    assert successor_of(model) is None


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("Llama-3.1-8B-Instruct", LLAMA),
        ("llama-3.1-8b-instruct", LLAMA),
        ("Qwen3.6-27B", "Qwen/Qwen3.6-27B"),
        (LLAMA, None),
        ("nobody-knows", None),
        ("", None),
    ],
)
def test_names(name, id):
    """A name without its provider resolves to the id, a retired one as well: its 404 leads to the successor."""
    assert resolve_name(name) == id


@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("Qwen/Qwen3.6-27B", "Qwen/Qwen3.8-27B"),
        ("qwen/qwen3.6-27b", "Qwen/Qwen3.8-27B"),
        ("microsoft/Phi-4-mini-instruct", None),
        (LLAMA, None),
    ],
)
def test_successors(model, successor):
    """A retired model has the successor that was named, a living one has none."""
    assert successor_of(model) == successor


@pytest.mark.parametrize(
    ("model", "best"),
    [
        ("meta-llama/Llama-3.1-8B-Instrct", LLAMA),
        ("llama-3.1-8b", LLAMA),
        ("openai/gpt-oss-20", "openai/gpt-oss-20b"),
        ("gpt-oss-120", "openai/gpt-oss-120b"),
        ("somebody-else/GLM-5.2", "zai-org/GLM-5.2"),
        (LLAMA, LLAMA),
    ],
)
def test_suggestions(model, best):
    """The nearest id comes first, found by the whole id or by the name alone."""
    assert suggest(model)[0] == best


def test_in_place_of_what_was_never_served():
    """A name that is in use for the service, which never had it, leads to living models of its size."""
    near = (LLAMA, "ibm-granite/granite-4.2-8b")

    assert suggest("Mistral-7B-Instruct-v0.1") == suggest("mistralai/mistral-7b-instruct-v0.1") == near
    assert all(MODELS[id].lifecycle == "general-availability" for id in near)


@pytest.mark.parametrize(
    ("model", "best"),
    [("llama", LLAMA), ("Qwen", "Qwen/Qwen3.6-35B-A3B"), ("gpt", "openai/gpt-oss-120b"), ("google/x", "google/")],
)
def test_families(model, best):
    """The name of a family leads to its models, and that of a maker to theirs."""
    assert suggest(model)[0].startswith(best)


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.lifecycle == "retired"], ids=str)
def test_every_retired_model_leads_on(model):
    """To a successor, or to what is near."""
    assert model.successor or suggest(model.id)


def test_no_suggestion():
    """Where nothing is near, nothing is suggested."""
    assert suggest("zzzzzzzz/zzzzzzzz") == ()
    assert suggest("") == ()


@settings(deadline=None)
@given(st.text(max_size=40) | st.sampled_from(sorted(MODELS)))
def test_only_the_living_are_suggested(model):
    """Suggestions are up to three living models, each once."""
    found = suggest(model)

    assert len(found) == len(set(found)) <= 3
    assert all(MODELS[id].lifecycle != "retired" for id in found)


def test_public_names():
    """Everything that is promised is there."""
    assert all(hasattr(catalogue, name) for name in catalogue.__all__)
