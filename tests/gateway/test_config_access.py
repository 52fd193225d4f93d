"""Who may use the gateway: the master key, the keys of a file, and the address that it listens on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from config_files import ENVIRON, MASTER, MODEL, checked, loaded, mistake, said, warnings

from wandb_inference.gateway.config import GatewayConfig, KeyRule, is_loopback

KEY = "a-key-of-a-client-1"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


def with_keys(keys: str, *, more: str = MASTER) -> str:
    """A file with these keys."""
    return f"{MODEL}    model_info: {{access_groups: [beta]}}\n{more}\nkeys:\n{keys}\n"


def rules(folder: Path, keys: str) -> tuple[KeyRule, ...]:
    """The rules in a file with these keys."""
    return loaded(folder, with_keys(keys), environ={**ENVIRON, "A_KEY": KEY, "B_KEY": "a-key-of-a-client-2"}).keys


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("/run/gateway.sock", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("gateway.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    """What only this machine reaches is loopback; a name that isn't known for it is not."""
    assert is_loopback(host) is local


def test_open(tmp_path: Path) -> None:
    """Without any key the gateway is open on loopback, with one warning, and refused elsewhere."""
    config = loaded(tmp_path, MODEL)

    assert config.is_open
    assert str(config.warnings[0]) == (
        "general_settings.master_key: there is no master_key, so any key will do, or none: "
        "127.0.0.1 is reached from this machine alone"
    )
    assert mistake(tmp_path, MODEL, host="0.0.0.0") == (
        'general_settings.master_key: there is no master_key, and on "0.0.0.0" anyone could use this account; '
        "under general_settings: write master_key: os.environ/LITELLM_MASTER_KEY, and set it to a long random text"
    )


def test_the_variable(tmp_path: Path) -> None:
    """LITELLM_MASTER_KEY counts where the file has none; an empty one is a mistake, not an open gateway."""
    config = loaded(tmp_path, MODEL, environ={**ENVIRON, "LITELLM_MASTER_KEY": "a-master-key-0123456"}, host="::")

    assert config.master_key is not None
    assert config.master_key.matches("a-master-key-0123456")
    assert config.sources["master_key"] == "environment LITELLM_MASTER_KEY"
    error = mistake(tmp_path, MODEL, environ={**ENVIRON, "LITELLM_MASTER_KEY": ""})
    assert error.startswith("general_settings.master_key: the master key is empty; under general_settings: write")


MASTER_KEYS = {
    "nothing": ("", "general_settings.master_key: the master key is empty"),
    "empty": ("''", "the master key is empty"),
    "spaces": ("'  '", "the master key is empty"),
    "a number": ("1234", "the master key is not text: write it in quotes"),
    "Bearer": ("Bearer hunter2-hunter2-hunter2", 'the master key begins with "Bearer": write the key alone'),
    "two words": ("hunter2 hunter2", "the master key holds a space, or a character that no header takes"),
    "not set": ("os.environ/NONE", '"NONE" is not set in the environment'),
}


@pytest.mark.parametrize("name", MASTER_KEYS)
def test_master_keys_that_fail(name: str, tmp_path: Path) -> None:
    """A master key that is none keeps the gateway from starting, on loopback too; no part of it is shown."""
    value, expected = MASTER_KEYS[name]

    error = mistake(tmp_path, f"{MODEL}\ngeneral_settings:\n  master_key: {value}\n")

    assert error.startswith("config.yaml:9:3: general_settings.master_key: ")
    assert expected in error
    assert "hunter" not in error


@pytest.mark.parametrize("key", ["sk-1234", "sk-12345678901234567890", "your-proxy-key", "changeme", "short", "-" * 20])
def test_weak_master_keys(key: str, tmp_path: Path) -> None:
    """A key that can be guessed is warned of on loopback, and refused elsewhere."""
    text = f"{MODEL}\ngeneral_settings: {{master_key: '{key}'}}\n"

    (warning,) = loaded(tmp_path, text).warnings

    assert "the master key can be guessed; make one of 16 characters or more" in str(warning)
    assert "the master key can be guessed" in mistake(tmp_path, text, host="0.0.0.0")


def test_keys(tmp_path: Path) -> None:
    """Keys are kept as their digests, with what they may do."""
    first, second, third = rules(
        tmp_path,
        f"""
- name: one
  key: os.environ/A_KEY
  models: [m, beta, "w*"]
  rpm: 10
  tpm: "1000"
  max_parallel_requests: 2
  max_budget: 1.5
  budget_duration: 1mo
  expires: 2027-01-31
  metadata: {{team: a}}
- {{name: two, key: 'sha256:{"AB" * 32}', expires: 2027-01-31T12:00:00+02:00}}
- name: three
  key: {{sha256: {"cd" * 32}}}
""".replace("w*", "*"),
    )

    assert first.sha256 == DIGEST
    assert first.models == ("m", "n", "*")
    assert (first.rpm, first.tpm, first.max_parallel_requests) == (10, 1000, 2)
    assert (str(first.max_budget), str(first.budget_duration)) == ("1.5", "1mo")
    assert first.expires == 1801353600
    assert first.metadata == {"team": "a"}
    assert (second.sha256, second.models) == ("ab" * 32, None)
    assert second.expires == 1801353600 + 10 * 3600
    assert third.sha256 == "cd" * 32


KEYS = {
    "no name": ("- {key: os.environ/A_KEY}", "keys[0]: there is no name; write name: who has this key"),
    "no key": ("- {name: a}", "keys[0]: there is no key; write key: os.environ/NAME, or key: sha256: <hex>"),
    "nothing": ("- {name: a, key: }", "keys[0].key: there is no key"),
    "in the file": (
        "- {name: a, key: hunter2-hunter2-hunter2}",
        "keys[0].key: a key does not stand in the file itself; write os.environ/NAME, or sha256: <hex>, as printf",
    ),
    "a number": ("- {name: a, key: 5}", "keys[0].key: a key does not stand in the file itself"),
    "another mapping": ("- {name: a, key: {md5: x}}", "keys[0].key: a key does not stand in the file itself"),
    "a short digest": ("- {name: a, key: 'sha256: abc'}", "keys[0].key: a SHA-256 has 64 hexadecimal digits"),
    "not set": ("- {name: a, key: os.environ/NONE}", '"NONE" is not set in the environment'),
    "two words": ("- {name: a, key: os.environ/WORDS}", "keys[0].key: the value of environment WORDS holds a space"),
    "the same name": (
        "- {name: a, key: os.environ/A_KEY}\n- {name: a, key: os.environ/B_KEY}",
        'keys[1].name: "a" is the name of another key',
    ),
    "the same key": (
        "- {name: a, key: os.environ/A_KEY}\n- {name: b, key: os.environ/A_KEY}",
        "keys[1].key: this key is already in the list",
    ),
    "the master key": ("- {name: a, key: os.environ/MASTER}", "keys: one of these keys is the master key"),
    "no models": (
        "- {name: a, key: os.environ/A_KEY, models: []}",
        "keys[0].models: the list is empty; leave models out for all, or name those that it may use",
    ),
    "an unknown model": (
        "- {name: a, key: os.environ/A_KEY, models: [m, betta]}",
        'keys[0].models[1]: there is no model "betta"; did you mean "beta"?',
    ),
    "one unknown model": ("- {name: a, key: os.environ/A_KEY, models: q}", 'keys[0].models: there is no model "q"'),
    "an idle pattern": ("- {name: a, key: os.environ/A_KEY, models: ['q*']}", 'there is no model "q*"'),
    "a span": ("- {name: a, key: os.environ/A_KEY, budget_duration: 1d}", "there is no max_budget that it could renew"),
    "a day": ("- {name: a, key: os.environ/A_KEY, expires: soon}", 'expires: "soon" is not a day or a time, as 2027'),
    "a misspelt key": (
        "- {name: a, key: os.environ/A_KEY, modles: [m]}",
        'modles: there is no such key; did you mean "models"?',
    ),
    "text": ("- a", "keys[0]: a text is not a mapping"),
    "no list": ("  a: b", "keys: a mapping is not a list"),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_that_fail(name: str, tmp_path: Path) -> None:
    """A key that is wrong in any way keeps the gateway from starting: it is never only left out."""
    text, expected = KEYS[name]
    environ = {**ENVIRON, "A_KEY": KEY, "B_KEY": "a-key-of-a-client-2", "WORDS": "hunter2 hunter2"}

    report = checked(tmp_path, with_keys(text), environ={**environ, "MASTER": "a-master-key-0123456789"})

    assert report.resolved is None
    errors = said(report)
    assert any(expected in error for error in errors), errors
    assert not any("hunter" in error for error in errors)


def test_weak_keys(tmp_path: Path) -> None:
    """A client's key that can be guessed is warned of, and refused where others can reach it."""
    text = with_keys("- {name: a, key: os.environ/A_KEY}")
    environ = {**ENVIRON, "A_KEY": "sk-1234"}

    (warning,) = warnings(loaded(tmp_path, text, environ=environ))

    assert warning == "keys[0].key: the value of environment A_KEY can be guessed"
    assert "can be guessed" in mistake(tmp_path, text, environ=environ, host="10.0.0.1")


def test_keys_without_a_master_key(tmp_path: Path) -> None:
    """With keys of clients alone the gateway is closed to all others, on any address, and the admin's paths to all."""
    text = with_keys("- {name: a, key: os.environ/A_KEY}", more="")

    config = loaded(tmp_path, text, environ={**ENVIRON, "A_KEY": KEY}, host="0.0.0.0")

    assert not config.is_open
    assert "the paths of the admin, /metrics among them, are closed" in str(config.warnings[0])


@pytest.fixture
def config(tmp_path: Path) -> GatewayConfig:
    """Models under exact names, a pattern and an alias."""
    more = (
        "  - {model_name: 'w/*', litellm_params: {model: wandb/*}}\nrouter_settings: {model_group_alias: {gpt-4: m}}\n"
    )
    return loaded(tmp_path, f"{MODEL}{more}")


@pytest.mark.parametrize(
    ("models", "asked", "allowed"),
    [
        (None, "m", True),
        (("m",), "m", True),
        (("m",), "n", False),
        (("m",), "gpt-4", True),
        (("gpt-4",), "gpt-4", True),
        (("gpt-4",), "m", False),
        (("*",), "n", True),
        (("w/*",), "w/x", True),
        (("w/a*",), "w/abc", True),
        (("w/a*",), "w/xyz", False),
        (("w/x",), "w/x", True),
        (("w/x",), "w/y", False),
    ],
)
def test_what_a_key_may_use(models: tuple[str, ...] | None, asked: str, allowed: bool, config: GatewayConfig) -> None:
    """A key may use the names it lists, what its patterns take, and a model under its other names."""
    match = config.match(asked)

    assert match is not None
    assert KeyRule("a", DIGEST, models).allows(match) is allowed
    assert DIGEST not in repr(KeyRule("a", DIGEST, models))
