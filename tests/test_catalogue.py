from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference import catalogue
from wandb_inference.catalogue import MODELS, TABLE_DATE, known, resolve_name, successor_of, suggest

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def test_date():
    """The table says of which day it is."""
    assert datetime.date.fromisoformat(TABLE_DATE)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_table(model):
    """Each entry is under its id, and successors are alive and only of retired models."""
    assert MODELS[model.id] is model
    assert model.id.count("/") == 1
    assert (model.context is None) is (model.lifecycle == "retired")
    assert (model.max_output or 1) <= (model.context or 1)
    if model.successor is not None:
        assert model.lifecycle == "retired"
        assert MODELS[model.successor].lifecycle == "general-availability"


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


def test_no_suggestion():
    """Where nothing is near, nothing is suggested."""
    assert suggest("zzzzzzzz/zzzzzzzz") == ()
    assert suggest("") == ()


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=40) | st.sampled_from(sorted(MODELS)))
def test_only_the_living_are_suggested(model):
    """Suggestions are up to three living models, each once."""
    found = suggest(model)

    assert len(found) == len(set(found)) <= 3
    assert all(MODELS[id].lifecycle != "retired" for id in found)


def test_public_names():
    """Everything that is promised is there."""
    assert all(hasattr(catalogue, name) for name in catalogue.__all__)
