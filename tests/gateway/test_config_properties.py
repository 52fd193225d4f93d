"""Whatever a file holds: its mistakes are findings, and what is secret in it is in no text."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference.gateway.config import ConfigFileError, GatewayConfig, check, load, render
from wandb_inference.gateway.config._keys import table

ACCOUNT = {"WANDB_API_KEY": "the-key-of-the-account", "WANDB_PROJECT": "team/project"}

NAMES = sorted({name for keys in table().values() for name in keys if "*" not in name})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["wandb/openai/gpt-oss-20b", "os.environ/HOME", "os.environ/NONE", "*", "wandb/*", "m", "1d", "-", "${X}"]
    ),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=4),
)
KEYS = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.text(max_size=8), st.integers(), st.booleans())
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)


def section(names: list[str]) -> st.SearchStrategy[Any]:
    """A section with keys of its own, and any values."""
    return st.dictionaries(st.sampled_from(names), TREES, max_size=8)


LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "model_list": st.lists(
            st.fixed_dictionaries(
                {"model_name": st.sampled_from(["m", "n", "*", "a/*"]) | SCALARS},
                optional={
                    "litellm_params": section(list(table()["litellm_params"])),
                    "model_info": section(list(table()["model_info"])),
                },
            ),
            max_size=3,
        ),
        "models": st.dictionaries(st.sampled_from(["m", "n", "*"]), TREES, max_size=3),
        "router_settings": section(list(table()["router_settings"])),
        "litellm_settings": section(list(table()["litellm_settings"])),
        "general_settings": section(list(table()["general_settings"])),
        "keys": st.lists(section(list(table()["keys"])), max_size=2),
        "credential_list": st.lists(section(list(table()["credential_list"])), max_size=2),
        "environment_variables": TREES,
        "include": TREES,
        "defaults": TREES,
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("configurations")


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=40, deadline=None)
def test_any_bytes(content: bytes, folder: Path) -> None:
    """A file of any bytes is read, or refused with a place."""
    file = folder / "bytes.yaml"
    file.write_bytes(content)

    with pytest.raises(ConfigFileError) as raised:
        load(file, environ=ACCOUNT)

    assert any(finding.severity == "error" for finding in raised.value.findings)


@given(text=st.text(alphabet="ab:-{}[]#&*!|>'\"%@` \n\t<,?", max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_yaml_like_text(text: str, folder: Path) -> None:
    """A text of YAML's own signs is refused as a mistake, and not otherwise."""
    file = folder / "signs.yaml"
    file.write_text(f"model_list: []\nx: {text}", newline="")

    report = check(file, environ=ACCOUNT)

    assert all(str(finding) for finding in report.findings)


@given(tree=TREES | LIKELY)
@settings(max_examples=40, deadline=None)
def test_any_tree(tree: object, folder: Path) -> None:
    """A file of any keys and values is a configuration that can be shown and pickled, or a list of mistakes."""
    file = folder / "tree.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="surrogatepass")

    report = check(file, environ=ACCOUNT)

    assert (report.resolved is None) == any(finding.severity == "error" for finding in report.findings)
    for finding in report.findings:
        assert "\n" not in str(finding)
    if report.resolved is not None:
        again: GatewayConfig = pickle.loads(pickle.dumps(report.resolved))
        assert again == report.resolved
        assert render(again) == render(report.resolved)


PRINTED = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=6, max_size=20)
SECRETS = st.one_of(
    st.text("0123456789abcdef", min_size=40, max_size=40).filter(lambda text: any(c.isdigit() for c in text)),
    st.text("abcXYZ019_-", min_size=12, max_size=30).map(lambda text: f"sk-{text}"),
    st.text("abcXYZ019", min_size=20, max_size=30).map(lambda text: f"wandb_v1_{text}"),
)


def plant(tree: Any, secret: str, draw: Any, depth: int = 0) -> Any:
    """The tree with the secret in one place, be it a value, a key or a reference to it."""
    if isinstance(tree, dict) and tree and depth < 6:
        key = draw(st.sampled_from(sorted(tree, key=str)))
        if draw(st.integers(0, 9)) == 0:
            return {**tree, secret: tree[key]}
        return {**tree, key: plant(tree[key], secret, draw, depth + 1)}
    if isinstance(tree, list) and tree and depth < 6:
        number = draw(st.integers(0, len(tree) - 1))
        return [*tree[:number], plant(tree[number], secret, draw, depth + 1), *tree[number + 1 :]]
    return draw(st.sampled_from([secret, "os.environ/A_SECRET", f"https://user:{secret}@host/v1", {"x": secret}]))


FULL = {
    "model_list": [
        {
            "model_name": "m",
            "litellm_params": {
                "model": "wandb/openai/gpt-oss-20b",
                "api_base": "https://api.inference.wandb.ai/v1",
                "api_key": "os.environ/WANDB_API_KEY",
                "project": "team/project",
                "extra_headers": {"X-Secret": "x"},
                "extra_body": {"a": {"b": ["c"]}},
                "rpm": 3,
                "temperature": 0.5,
                "tags": ["a"],
            },
            "model_info": {"id": "one", "description": "text", "rpm": 5},
        }
    ],
    "models": {"n": {"deployments": ["openai/gpt-oss-20b"], "fallbacks": ["m"], "aliases": ["o"]}},
    "router_settings": {
        "routing_strategy": "least-busy",
        "fallbacks": [{"m": ["n"]}],
        "model_group_alias": {"gpt-4": "m"},
        "redis_password": "x",
        "redis_url": "redis://x",
        "retry_policy": {"TimeoutErrorRetries": 1},
    },
    "litellm_settings": {"callbacks": ["otel"], "num_retries": 1, "default_key_generate_params": {"x": 1}},
    "general_settings": {
        "master_key": "a-master-key-0123456",
        "database_url": "postgresql://u:p@host/x",
        "allowed_ips": ["10.0.0.1"],
        "alerting": ["webhook"],
    },
    "keys": [{"name": "a", "key": "os.environ/A_KEY", "models": ["m"], "metadata": {"x": "y"}}],
    "credential_list": [{"credential_name": "c", "credential_values": {"api_key": "x"}}],
    "environment_variables": {"SOME": "x"},
    "include": [],
}


@given(secret=SECRETS, data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_secret_in_any_place(secret: str, data: st.DataObject, folder: Path) -> None:
    """A key that was written, or referred to, in any place of a file is in no finding, no error and no listing."""
    file = folder / "secret.yaml"
    file.write_text(yaml.safe_dump(plant(FULL, secret, data.draw)))
    environ = {**ACCOUNT, "A_KEY": "the-key-of-a-client", "A_SECRET": secret}

    report = check(file, environ=environ)

    texts = [str(finding) for finding in report.findings] + [repr(report)]
    if report.resolved is not None:
        texts += [render(report.resolved), repr(report.resolved), str(report.resolved)]
        texts += [repr(group) for group in report.resolved.groups.values()]
        texts += [repr(rule) for rule in report.resolved.keys]
    else:
        with pytest.raises(ConfigFileError) as raised:
            load(file, environ=environ)
        texts += [str(raised.value), repr(raised.value)]
    assert not any(secret in text for text in texts)


@given(secret=PRINTED, data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_text_that_is_referred_to(secret: str, data: st.DataObject, folder: Path) -> None:
    """Whatever a variable holds, and wherever it is referred to: no finding quotes it."""
    file = folder / "reference.yaml"
    file.write_text(yaml.safe_dump(plant(FULL, "os.environ/A_SECRET", data.draw)))
    secret = f"\u2603{secret}\u2603"  # no word of our own texts

    report = check(file, environ={**ACCOUNT, "A_KEY": "the-key-of-a-client", "A_SECRET": secret})

    assert not any(secret in str(finding) or "\u2603" in str(finding) for finding in report.findings)
