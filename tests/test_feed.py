"""The public feeds of models, read into the table's terms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference.catalogue import MODELS, ModelInfo
from wandb_inference.catalogue._feed import merged, read_feed
from wandb_inference.testing import _feed

DATA = Path(__file__).parent / "data"
CONSOLE = json.loads((DATA / "feed.json").read_text())
MODELS_DEV = json.loads((DATA / "modelsdev.json").read_text())
NEW = "new-maker/New-2-70B"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def entry(**fields):
    """What is read of one model of the console's feed."""
    return read_feed({"models": [{"id": "a/b", **fields}]})["a/b"]


def test_console():
    """The console's feed gives windows, prices in dollars for a million tokens, stages and what a model can do."""
    found = read_feed(CONSOLE)

    assert list(found) == ["deepseek-ai/DeepSeek-V3.1", "Qwen/Qwen3.6-27B", "openai/gpt-oss-20b", NEW]
    assert found[NEW] == {
        "context": 262_144,
        "vision": True,
        "lifecycle": "experimental",
        "prices": ("0.125", "1.00", "0.013"),
        "tools": True,
        "lora": True,
        "label": "New 2",
        "thinks": True,
    }
    assert found["Qwen/Qwen3.6-27B"] == {"lifecycle": "retired"}


def test_models_dev():
    """The other feed, in the shape of models.dev, gives the same, and the longest answers."""
    found = read_feed(MODELS_DEV)

    assert found[NEW] == {
        "context": 262_144,
        "max_output": 131_072,
        "vision": True,
        "lifecycle": "experimental",
        "prices": ("0.125", "1.00", "0.013"),
        "tools": False,
        "label": "New 2",
        "thinks": False,
    }
    assert found["openai/gpt-oss-20b"]["prices"] == ("0.03", "0.13", "0.03")
    assert merged(None, found["openai/gpt-oss-20b"], "openai/gpt-oss-20b").prices == ("0.03", "0.13", None)
    assert read_feed({"wandb": MODELS_DEV["provider"]}) == found
    assert read_feed(MODELS_DEV["provider"]) == found


def test_emulator():
    """The emulator's feed says of every model what the table says, as far as a feed can."""
    found = read_feed(_feed.body())

    assert list(found) == list(MODELS)
    for id, model in MODELS.items():
        assert {**found[id], "context": model.context, "prices": model.prices}.items() <= {
            **model._asdict(),
            "thinks": model.reasoning != "none",
            "tools": model.tools is not False,
            "lora": bool(model.lora),
            "label": id.partition("/")[2],
        }.items()
        assert found[id].get("context") == model.context
        assert merged(None, found[id], id).prices == model.prices


@pytest.mark.parametrize(
    ("id", "read"),
    [
        ("coreweave/a/b", "a/b"),
        ("wandb/a/b", "a/b"),
        ("a/b", "a/b"),
        ("b", "x/y"),
        ("/b", "x/y"),
        ("a/b\n", "x/y"),
        ("a b/c", "x/y"),
        (7, "x/y"),
        (None, "x/y"),
    ],
)
def test_ids(id, read):
    """The id to send is the playground's without the provider before it, else the entry's own."""
    assert list(read_feed({"models": [{"idPlayground": id, "id": "x/y"}]})) == [read]


@pytest.mark.parametrize(
    ("fields", "prices"),
    [
        ({"cost": {"input": "0.5", "output": 2}}, ("0.50", "2.00", None)),
        ({"cost": {"input": 1e-7, "output": 0.044}}, ("0.0000001", "0.044", None)),
        ({"cost": {"input": 0.5, "output": 2, "cache_read": 0}}, ("0.50", "2.00", None)),
        ({"cost": {"input": 0.5}}, None),
        ({"cost": {"input": 0, "output": 0}}, None),
        ({"cost": {"input": -1, "output": 1}}, None),
        ({"cost": {"input": "free", "output": 1}}, None),
        ({"cost": {"input": float("nan"), "output": 1}}, None),
        ({"cost": {"input": True, "output": 1}}, None),
        ({"cost": [1, 2]}, None),
        (
            {"priceCentsPerBillionTokensInput": 22_000, "priceCentsPerBillionTokensOutput": 22_000},
            ("0.22", "0.22", None),
        ),
        ({}, None),
    ],
)
def test_prices(fields, prices):
    """A price of 0 is none, as both feeds write where they know none; a cached one that is no discount is left out."""
    assert entry(**fields).get("prices") == prices


@pytest.mark.parametrize(
    "fields",
    [
        {"contextWindow": 0},
        {"contextWindow": "262k"},
        {"contextWindow": True},
        {"lifecycleStage": "sunset"},
        {"lifecycleStage": 3},
        {"featureToolCalling": "yes"},
        {"modalitiesInput": "text"},
        {"label": "  "},
        {"label": "a\x00b"},
        {"priceCentsPerBillionTokensInput": "1e999999", "priceCentsPerBillionTokensOutput": 1},
        {"retirementDate": "2026-99-99"},
        {"deprecationDate": "soon"},
        {"retirementDate": 20261005},
        {"featureReasoning": None},
    ],
)
def test_left_out(fields):
    """What has another form than is known is left out."""
    assert entry(**fields) == {}


def test_a_discount_that_a_feed_leaves_out():
    """The table's holds while the price of input is the same; a feed that repeats that price says there is none."""
    table = ModelInfo("a/b", prices=("0.22", "1.00", "0.05"))
    console = {"priceCentsPerBillionTokensInput": 22_000, "priceCentsPerBillionTokensOutput": 90_000}
    cached = "priceCentsPerBillionTokensCached"
    assert merged(table, entry(**console), "a/b").prices == ("0.22", "0.90", "0.05")
    assert merged(table, entry(**console, **{cached: 0}), "a/b").prices == ("0.22", "0.90", "0.05")
    assert merged(table, entry(**console, **{cached: 22_000}), "a/b").prices == ("0.22", "0.90", None)
    assert merged(table, entry(**{**console, "priceCentsPerBillionTokensInput": 20_000}), "a/b").prices == (
        "0.20",
        "0.90",
        None,
    )


def test_days():
    """Days are taken where a feed has them."""
    assert entry(deprecationDate="2026-11-01T00:00:00Z", retirementDate="2026-12-01") == {
        "deprecated_on": "2026-11-01",
        "retired_on": "2026-12-01",
    }


@pytest.mark.parametrize(
    "value",
    [None, 7, "models", [], {}, {"models": []}, {"models": [{"id": "b"}, 5]}, {"models": 3}, {"models": {"a/b": 3}}],
)
def test_no_feed(value):
    """What names no model is no feed."""
    with pytest.raises(ValueError, match="no models in it"):
        read_feed(value)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*sorted(CONSOLE["models"][0]), "cost", "limit", "modalities"]), JSON))
def test_any_feed(fields):
    """Whatever stands in a feed, it is read or left out, and can be merged with what is known."""
    for id, found in read_feed({"models": [{**fields, "idPlayground": "a/b"}]}).items():
        assert isinstance(merged(None, found, id), ModelInfo)


@pytest.mark.parametrize(
    ("known", "thinks", "reasoning"),
    [
        ("always", True, "always"),
        ("off", True, "off"),
        ("none", True, "on"),
        ("on", False, "none"),
        ("none", False, "none"),
        ("adaptive", None, "adaptive"),
    ],
)
def test_merged(known, thinks, reasoning):
    """A feed is believed about what it says, and what only the table knows stays."""
    info = ModelInfo("a/b", 1000, reasoning=known, successor="c/d", effort=True)

    found = merged(info, {"context": 2000} | ({} if thinks is None else {"thinks": thinks}), "a/b")

    assert found == info._replace(context=2000, reasoning=reasoning)
