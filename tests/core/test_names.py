from __future__ import annotations

import pytest

from wandb_inference._core.names import resolve_model
from wandb_inference.exceptions import InvalidRequestError, RequestProblem

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def lookup(name: str) -> str | None:
    return LLAMA if name == "Llama-3.1-8B-Instruct" else None


def resolve(model: object, default_host: bool = True) -> str:
    return resolve_model(model, default_host=default_host, lookup=lookup)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LLAMA, LLAMA),
        (f" {LLAMA}\n", LLAMA),
        (f"wandb/{LLAMA}", LLAMA),
        ("wandb/wandb/model", "wandb/model"),
        ("Llama-3.1-8B-Instruct", LLAMA),
        ("wandb/Llama-3.1-8B-Instruct", LLAMA),
        ("unheard-of", "unheard-of"),
        ("wandb", "wandb"),
    ],
)
def test_names_on_the_default_host(model, expected):
    """One `wandb/` goes, a name without a provider is looked up, and an unknown one stays as it is."""
    assert resolve(model) == expected


def test_names_on_another_host():
    """Another server's names are its own: nothing is looked up, only `wandb/` goes."""
    assert resolve("wandb/Llama-3.1-8B-Instruct", default_host=False) == "Llama-3.1-8B-Instruct"


@pytest.mark.parametrize("default_host", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        "wandb-artifact:///team/project/name:latest",
        "wandb-artifact:///team/my project/name-1.0:v3",
        "wandb-artifact:///team/project/name",
    ],
)
def test_lora_address_passes_unchanged(address, default_host):
    """A LoRA address of the right form is sent as it is, whatever its version."""
    assert resolve(address, default_host) == address
    assert resolve(f"wandb/{address}", default_host) == address


@pytest.mark.parametrize(
    "address",
    [
        "wandb-artifact://team/project/name:v1",
        "wandb-artifact:////team/project/name:v1",
        "wandb-artifact:/team/project/name:v1",
        "wandb-artifact:///project/name:v1",
        "wandb-artifact:///team/project/name:",
        "wandb-artifact:///team/project/:v1",
        "wandb-artifact:///team//name:v1",
        "wandb-artifact:///team/project/name:v1:v2",
        "wandb-artifact:///team/project/name/more:v1",
        "wandb-artifact:///team/project/na me:v1",
        "wandb-artifact:///team/pro\nject/name:v1",
        "wandb-artifact:",
        "WANDB-ARTIFACT:///team/project/name:v1",
    ],
)
def test_lora_address_of_another_form(address):
    """Anything else after `wandb-artifact:` is refused, and the error shows the right form."""
    with pytest.raises(InvalidRequestError) as caught:
        resolve(address)

    form = "wandb-artifact:///team/project/name:version"
    assert str(caught.value).endswith(f"Expected {form}.")
    assert caught.value.errors == (RequestProblem("model", address, form),)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("", "model is empty"),
        (" ", "model is empty"),
        ("wandb/", "model is empty"),
        (None, "model is of type NoneType"),
        (7, "model is of type int"),
    ],
)
def test_no_model(model, text):
    """What is no text, or an empty one, is refused with the path `model`."""
    with pytest.raises(InvalidRequestError, match=text) as caught:
        resolve(model)

    (problem,) = caught.value.errors
    assert problem.path == "model"
    assert problem.value == model
