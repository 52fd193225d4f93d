"""The public feed of models, as the emulator serves it."""

from __future__ import annotations

import httpx
import pytest

from wandb_inference.catalogue import MODELS
from wandb_inference.testing import Emulator, Fault

PATH = "/inference/catalog/models"


def test_feed():
    """Anybody may read it: every model of the catalogue, retired ones too, in the console's terms."""
    emulator = Emulator(api_key="secret", project="team/project")
    with httpx.Client(transport=emulator.transport()) as client:
        models = client.get(emulator.feed_url).json()["models"]

    (model,) = [model for model in models if model["id"] == "deepseek-ai/DeepSeek-V4-Flash-0731"]
    assert len(models) == len(MODELS)
    assert model["idPlayground"] == "coreweave/deepseek-ai/DeepSeek-V4-Flash-0731"
    assert (model["priceCentsPerBillionTokensInput"], model["priceCentsPerBillionTokensCached"]) == (13_000, 7_000)
    assert model["priceCentsPerBillionTokensOutput"] == 28_000
    assert (model["contextWindow"], model["modalitiesInput"]) == (262_144, ["text"])
    assert {model["lifecycleStage"] for model in models} == {"general-availability", "retired"}


@pytest.mark.parametrize("base", ["http://emulator.test", "https://trace.wandb.ai"])
def test_address(base):
    """In process it is found on every host; `feed_url` is next to the API."""
    emulator = Emulator()

    assert emulator.feed_url == f"http://emulator.test{PATH}"
    with httpx.Client(transport=emulator.transport()) as client:
        assert client.get(f"{base}{PATH}").status_code == 200
        assert client.post(f"{base}{PATH}").status_code == 405


def test_on_a_port():
    """With a port it is there."""
    with Emulator() as emulator:
        assert httpx.get(emulator.feed_url).status_code == 200


def test_scripted():
    """It can say something else, and it can fail."""
    emulator = Emulator()
    emulator.reply(json={"models": []}, when=lambda request: request.path == PATH)
    emulator.fault(Fault.status(500), when=lambda request: request.path == PATH, times=1)
    with httpx.Client(transport=emulator.transport()) as client:
        assert client.get(emulator.feed_url).status_code == 500
        assert len(client.get(emulator.feed_url).json()["models"]) == len(MODELS)
