"""What files of configurations hold that nobody thought of: keys in the wrong place, numbers beyond all bounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_files import ENVIRON, MASTER, MODEL, checked, loaded, mistake, said, warnings

from wandb_inference.gateway.config import ConfigFileError, load

SECRET = "hunter2-correct-horse-battery"


@pytest.mark.parametrize(
    "text",
    [
        f"{MODEL}general_settings:\n  master_key:{SECRET}\n",
        f"model_list:\n  - model_name: m\n    litellm_params:\n      api_key:{SECRET}\n",
        f"{MODEL}{MASTER}keys: [{SECRET}]\n",
        f"{MODEL}{MASTER}keys: {SECRET}\n",
        f"{MODEL}credential_list: [{{credential_name: c, credential_values: {SECRET}}}]\n",
        f"{MODEL}credential_list: [{SECRET}]\n",
        MODEL.replace("{model", f"{{extra_headers: 'Authorization: Bearer {SECRET}', model"),
        f"{MODEL}environment_variables:\n  WANDB_API_KEY={SECRET}\n",
        f"{MODEL}general_settings: {{alert_to_webhook_url: 'https://hooks.example/{SECRET}'}}\n",
        MODEL.replace("{model", f"{{api_base: 'https://user:{SECRET}@host/v1?key={SECRET}', model"),
        f"{SECRET}\n",
        f"include: {SECRET}\n{MODEL}",
        f"{MODEL}router_settings: {{fallbacks: [{SECRET}]}}\n",
    ],
    ids=[
        *("master_key", "api_key", "a key in keys", "keys", "values", "credential", "headers", "variables", "webhook"),
        *("address", "file", "include", "fallback"),
    ],
)
def test_secrets_in_the_wrong_place(tmp_path: Path, text: str) -> None:
    """A space is missing, or a mapping is: no message says what stands there."""
    report = checked(tmp_path, text)

    assert said(report)
    assert "hunter2" not in "\n".join(str(finding) for finding in report.findings)


def test_another_service_does_not_get_the_accounts_key(tmp_path: Path) -> None:
    """A project for all deployments makes none of them W&B's; where a key is given, its project goes along."""
    config = loaded(
        tmp_path,
        """
defaults: {project: team/defaults}
model_list:
  - {model_name: a, litellm_params: {model: openai/x, api_base: "http://127.0.0.1:9/v1"}}
  - {model_name: b, litellm_params: {model: openai/x, api_base: "http://127.0.0.1:9/v1", api_key: its-own-key-0123456}}
  - {model_name: c, litellm_params: {model: openai/x}}
""",
    )
    (a,), (b,), (c,) = (config.groups[name].deployments for name in "abc")

    assert (a.provider, a.api_key, a.project) == ("openai", None, None)
    assert (b.provider, b.api_key and b.api_key.reveal(), b.project) == (
        "wandb",
        "its-own-key-0123456",
        "team/defaults",
    )
    assert (c.provider, c.api_key and c.api_key.reveal()) == ("wandb", ENVIRON["WANDB_API_KEY"])
    assert any("there is no api_key, so none is sent" in text for text in warnings(config))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{MODEL}general_settings: {{allowed_ips: []}}\n", "allowed_ips: a list is not a list of one address or more"),
        (f"{MODEL}litellm_settings: {{ssl_verify: /nowhere/ca.pem}}\n", 'this names "/nowhere/ca.pem", which is not'),
        (
            f"{MODEL}litellm_settings: {{ssl_certificate: /nowhere.pem}}\n",
            '"/nowhere.pem", which is not there',
        ),
        (MODEL.replace("{model", f"{{rpm: 0x{'F' * 4000}, model"), "this number has more than 30 digits"),
        (MODEL.replace("{model", "{rpm: 2000000000000000000, model"), "is not a whole number, 1 or more"),
        (MODEL.replace("{model", "{weight: '1e999', model"), "is not a number"),
        (MODEL.replace("{model", "{timeout: '1e999', model"), 'timeout: "1e999" is not'),
        (MODEL.replace("{model", "{rpm: '\u0663', model"), "is not a whole number"),
        (
            f'{MODEL}  - {{"model_name": "\\ud83d", "litellm_params": {{"model": "wandb/x/y"}}}}\n',
            "half of a char",
        ),
        (f"{MODEL}  -\n", "there is nothing here"),
        (f"{MODEL}  - {{model_name: , litellm_params: {{model: wandb/x/y}}}}\n", "there is no model_name"),
        (
            f"{MODEL}credential_list:\n" + "  - {credential_name: c, credential_values: {project: a/b}}\n" * 2,
            'there is another credential "c"',
        ),
        (
            f"{MODEL}{MASTER}keys: [{{name: a, key: a-key-of-a-client-1, expires: '9999-12-31T23:59:59-12:00'}}]\n",
            "is not a day or a time",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """With its place, and before anything starts."""
    assert any(words in each for each in said(checked(tmp_path, text))), said(checked(tmp_path, text))


def test_flags_as_text(tmp_path: Path) -> None:
    """`ssl_verify` reads its text as every flag does."""
    for text, value in (("'False'", False), ("'true'", True), ("false", False)):
        config = loaded(tmp_path, f"{MODEL}litellm_settings: {{ssl_verify: {text}}}\n")
        assert config.server.ssl_verify is value


def test_json_with_an_emoji(tmp_path: Path) -> None:
    """Two surrogates, as `json.dumps` writes them, are one character."""
    entry = {"model_name": "m \U0001f600", "litellm_params": {"model": "wandb/x/y", "extra_body": {"a": "\U0001f600"}}}
    config = loaded(tmp_path, json.dumps({"model_list": [entry]}))

    assert list(config.groups) == ["m \U0001f600"]
    assert config.groups["m \U0001f600"].deployments[0].extra_body == {"a": "\U0001f600"}


def test_the_files_of_a_mistake(tmp_path: Path) -> None:
    """Those that were read, and those that could not be, so that a change of them is noticed."""
    (tmp_path / "more.yaml").write_text("model_list: [")
    text = f"include: [more.yaml, gone.yaml]\n{MODEL}"
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigFileError) as caught:
        load(tmp_path / "config.yaml", environ=ENVIRON, cwd=tmp_path, home=tmp_path)

    assert [file.name for file in caught.value.files] == ["config.yaml", "more.yaml", "gone.yaml"]
    with pytest.raises(ConfigFileError) as caught:
        load(tmp_path / "nowhere.yaml", environ=ENVIRON, cwd=tmp_path, home=tmp_path)
    assert [file.name for file in caught.value.files] == ["nowhere.yaml"]


def test_an_address_that_is_wrong(tmp_path: Path) -> None:
    """It is shown without its query, and what comes before its host."""
    error = mistake(
        tmp_path, "model_list: [{model_name: m, litellm_params: {model: wandb/x/y, api_base: 'ftp://a/v1?b'}}]"
    )

    assert '"ftp://a/v1?..."' in error
