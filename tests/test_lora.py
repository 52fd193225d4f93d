"""Addresses of LoRA adapters, and what is said about them."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import pytest
from conftest import KEY, MESSAGES, PROJECT, ask, done

from wandb_inference import InvalidRequestError, ModelNotFoundError, completion, lora
from wandb_inference.testing import Emulator

PINNED = "wandb-artifact:///team/project/name:v3"
LATEST = "wandb-artifact:///team/project/name:latest"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("team/project/name:v3", PINNED),
        (" team/project/name:v3\n", PINNED),
        ("team/project/name:step12", "wandb-artifact:///team/project/name:step12"),
        ("team/project/name", LATEST),
        ("team/project/name:latest", LATEST),
        ("my team/my project/na.me-1_a:v0", "wandb-artifact:///my team/my project/na.me-1_a:v0"),
        (PINNED, PINNED),
        ("wandb-artifact:///team/project/name", LATEST),
        ("wandb-artifact://team/project/name:v3", PINNED),
        ("WANDB-ARTIFACT:///team/project/name:v3", PINNED),
        (f"wandb/{PINNED}", PINNED),
        ("https://wandb.ai/team/project/artifacts/lora/name/v3", PINNED),
        ("https://www.wandb.ai/team/project/artifacts/lora/name/v3/files?x=1#y", PINNED),
        ("https://forge.coreweave.com/team/project/artifacts/lora/name", LATEST),
        ("https://wandb.ai/team/project/artifacts/lora/name/v3/overview", PINNED),
        ("https://wandb.ai/team/project/artifacts/lora/name/overview", LATEST),
        ("https://wandb.ai/team/project/artifacts/lora/name/versions", LATEST),
        ("https://wandb.ai/team/project/artifacts/lora/name/usage?x=1", LATEST),
        ("https://wandb.ai/team/project/artifacts/lora/name/files/", LATEST),
        (
            "https://wandb.ai/my%20team/my%20project/artifacts/lora/name/v0",
            "wandb-artifact:///my team/my project/name:v0",
        ),
    ],
)
def test_forms(name: str, address: str) -> None:
    """Each form in which people have an adapter's name becomes its address, with a version."""
    assert lora(name) == address
    assert lora(address) == address


class Wrong(NamedTuple):
    """A mistake, and words of what is said about it."""

    name: Any
    says: tuple[str, ...]


class Artifact:
    qualified_name = "team/project/name:v3"


WRONG = [
    Wrong("project/name:v3", ("names no team", 'write "team/project/name:v3"')),
    Wrong("name", ("names no team and no project", 'write "team/project/name"')),
    Wrong("team/project/name:", ("version is empty", 'write "team/project/name:v3"')),
    Wrong("team/project/name/v3", ("behind a colon", 'write "team/project/name:v3"')),
    Wrong("team/project/name/versions", ("is no LoRA", 'Write "team/project/name".')),
    Wrong("team/project/name/v3/files", ('"team/project/name/v3/files" is no LoRA',)),
    Wrong("team/project/na me:v3", ("is no LoRA", 'Expected "team/project/name:version"')),
    Wrong("team//name:v3", ("is no LoRA",)),
    Wrong("team/project/name:v1:v2", ("is no LoRA",)),
    Wrong("", ('"" is no LoRA',)),
    Wrong("../b/c", ('"../b/c" is no LoRA', "It is a path")),
    Wrong("a/../c", ('"a/../c" is no LoRA', "It is a path")),
    Wrong("a/b/..:v1", ("It is a path",)),
    Wrong("./a/b", ("It is a path",)),
    Wrong("https://wandb.ai/a/%2E%2E/artifacts/lora/name/v3", ("is no LoRA", "It is a path")),
    Wrong("a/b/c@v1", ('"a/b/c@v1" is no LoRA', 'write "a/b/c:v1"')),
    Wrong("my%20team/project/name:v3", ("holds an escape of URLs", 'Write "my team/project/name:v3"')),
    Wrong("team/project/na%20me:v3", ("holds an escape of URLs", 'Expected "team/project/name:version"')),
    Wrong("https://wandb.ai/team/project/artifacts/lora/na%20me/v3", ("is no LoRA",)),
    Wrong("wandb-artifact:///project/name:v3", ("names no team", 'write "team/project/name:v3"')),
    Wrong("https://wandb.ai/team/project/artifacts/model/name/v3", ('of type "model"', "type `lora`")),
    Wrong("https://wandb.ai/team/project", ("is no LoRA",)),
    Wrong("https://example.com/team/project/artifacts/lora/name/v3", ("is no LoRA",)),
    Wrong(7, ("type int",)),
    Wrong(Artifact(), ("type Artifact", ".qualified_name")),
    Wrong(KEY, ("looks like an API key",)),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong.name)[:60].partition(" object at ")[0])
def test_mistakes(wrong: Wrong) -> None:
    """Another form is an error that shows the right one, with the names that were given where that can be."""
    with pytest.raises(InvalidRequestError) as caught:
        lora(wrong.name)

    assert all(words in str(caught.value) for words in wrong.says), str(caught.value)
    assert caught.value.errors[0].expected == "team/project/name:version"
    assert KEY not in f"{caught.value} {caught.value.errors}"


async def test_it_is_a_model(client: Any, emulator: Emulator) -> None:
    """The address is sent as it is, and answers."""
    answer = await ask(client, model=lora("team/project/name:v3"))

    assert answer.text
    assert emulator.requests[-1].model == PINNED


@pytest.mark.parametrize("model", [LATEST, "wandb-artifact:///team/project/name"])
async def test_latest_warns_once(client: Any, model: str) -> None:
    """The second call of a client with `:latest` warns, and no other; another name's counts for itself."""
    await ask(client, model=model)
    with pytest.warns(UserWarning, match=r'Pin a version, such as "wandb-artifact:///team/project/name:v3"'):
        await ask(client, model=model)
    await ask(client, model=model)
    await ask(client.with_options(timeout=9), model=model)
    await ask(client, model=f"{LATEST[:-11]}other:latest")


async def test_what_does_not_warn(make: Any) -> None:
    """A version, another alias, another client, and a call that can't be sent are no repeated use."""
    for _ in range(3):
        client = make()
        await ask(client, model=LATEST)
        for model in (PINNED, "wandb-artifact:///team/project/name:best"):
            await ask(client, model=model)
            await ask(client, model=model)
        await done(client.close())
    client = make()
    for _ in range(2):
        with pytest.raises(InvalidRequestError):
            await ask(client, model=LATEST, messages=[])
    await ask(client, model=LATEST)
    await done(client.close())


def test_completion(emulator: Emulator, recwarn: pytest.WarningsRecorder) -> None:
    """`completion()` counts its calls together."""
    warnings.simplefilter("always")
    for _ in range(3):
        completion(
            "wandb-artifact:///team/project/mine:latest",
            MESSAGES,
            api_key=KEY,
            project=PROJECT,
            api_base=emulator.base_url,
        )

    assert len([warning for warning in recwarn if "names no fixed version" in str(warning.message)]) == 1


async def test_not_found(client: Any, emulator: Emulator) -> None:
    """A 404 says all that an adapter needs to be found: base model, region and type of the artifact."""
    emulator.reply(status=404)

    with pytest.raises(ModelNotFoundError) as caught:
        await ask(client, model=PINNED)

    for words in ("version", "type `lora`", "storage_region coreweave-us", "`wandb.base_model`", "not retired"):
        assert words in str(caught.value)


async def test_a_name_that_is_no_address(client: Any) -> None:
    """A LoRA's name without its scheme leads to `lora()`."""
    with pytest.raises(ModelNotFoundError, match=r"model=lora\('team/project/name:v3'\)"):
        await ask(client, model="team/project/name:v3")
