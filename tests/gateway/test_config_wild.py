"""The eighteen shapes of configurations that are met in the wild."""

from __future__ import annotations

import pytest
from config_files import DATA, ENVIRON, said, warnings

from wandb_inference.gateway.config import ConfigFileError, GatewayConfig, Report, check, load


def report(name: str, more: dict[str, str] | None = None, **options: object) -> Report:
    """What one of the files amounts to."""
    return check(DATA / f"{name}.yaml", environ={**ENVIRON, **(more or {})}, **options)  # type: ignore[arg-type]


def config(name: str, more: dict[str, str] | None = None, **options: object) -> GatewayConfig:
    """One of the files, which is to be accepted."""
    return load(DATA / f"{name}.yaml", environ={**ENVIRON, **(more or {})}, **options)  # type: ignore[arg-type]


def test_the_providers_page() -> None:
    """1: the page's file runs on loopback with any key, and one warning says so."""
    page = config("01-provider-page")

    (deployment,) = page.groups["wandb-llama-8b"].deployments
    assert list(page.groups) == ["wandb-llama-8b", "wandb-llama-70b"]
    assert deployment.model == "meta-llama/Llama-3.1-8B-Instruct"
    assert deployment.base_url == "https://api.inference.wandb.ai/v1"
    assert deployment.project == "wandb/inference-demo"
    assert deployment.api_key is not None
    assert deployment.api_key.reveal() == "the-key-of-the-account"
    assert page.is_open
    (warning,) = page.warnings
    assert "no master_key" in warning.message


def test_the_providers_page_in_public() -> None:
    """1: on an address that others reach it is refused, with the line to add."""
    with pytest.raises(ConfigFileError) as raised:
        config("01-provider-page", host="0.0.0.0")

    (finding,) = raised.value.findings
    assert finding.path == "general_settings.master_key"
    assert "master_key: os.environ/LITELLM_MASTER_KEY" in str(raised.value)


def test_the_providers_page_without_a_key() -> None:
    """1: a variable that is not set is refused, although another source has a key."""
    refused = check(DATA / "01-provider-page.yaml", environ={"WANDB_PROJECT": "a/b"})

    first, second = said(refused)
    assert '01-provider-page.yaml:6:7: model_list[0].litellm_params.api_key: "WANDB_API_KEY" is not set' in first
    assert "13:7" in second


def test_a_known_master_key() -> None:
    """2: sk-1234 is warned of on loopback and refused elsewhere; it is in neither text."""
    local, public = report("02-weak-master-key"), report("02-weak-master-key", host="10.0.0.7")

    assert local.resolved is not None
    (warning,) = said(local, "warning")
    (error,) = said(public)
    for text in (warning, error):
        assert "9:3: general_settings.master_key: the master key can be guessed" in text
        assert "1234" not in text


def test_openai_with_a_header() -> None:
    """3: `openai/` at W&B's address with the header is the same as `wandb/` with `project`."""
    (deployment,) = config("03-openai-with-header").groups["llama"].deployments

    assert (deployment.provider, deployment.model) == ("wandb", "meta-llama/Llama-3.1-8B-Instruct")
    assert deployment.project == "team/project"
    assert not deployment.headers


def test_three_deployments() -> None:
    """4: one name, three deployments, each with its limit, key and project."""
    group = config("04-three-deployments", {"KEY_A": "the-key-of-a", "KEY_B": "the-key-of-b"}).groups["shared"]

    assert [each.rpm for each in group.deployments] == [6, 6, 1440]
    assert [each.project for each in group.deployments] == ["team/a", "team/b", "team/a"]
    assert len({each.id for each in group.deployments}) == 3


def test_weights_and_order() -> None:
    """5: weights and orders are taken over as they are."""
    groups = config("05-weight-and-order").groups

    assert [each.weight for each in groups["weighted"].deployments] == [9, 1]
    assert [each.order for each in groups["ordered"].deployments] == [1, 2]


@pytest.mark.parametrize(
    ("name", "group", "upstream"),
    [
        ("openai/gpt-oss-20b", "*", "openai/gpt-oss-20b"),
        ("wandb/openai/gpt-oss-20b", "wandb/*", "openai/gpt-oss-20b"),
        ("genai/team/Qwen/Qwen3.6-35B-A3B", "genai/team/*", "Qwen/Qwen3.6-35B-A3B"),
        ("Llama-3.1-8B-Instruct", "*", "meta-llama/Llama-3.1-8B-Instruct"),
    ],
)
def test_wildcards(name: str, group: str, upstream: str) -> None:
    """6: the longest pattern takes a name, and what its star stands for goes upstream."""
    match = config("06-wildcards").match(name)

    assert match is not None
    assert match.group.name == group
    assert match.upstream_id(match.group.deployments[0]) == upstream


def test_a_placeholder() -> None:
    """6: `{model}`, which never worked, is refused with the sign that does."""
    (error,) = said(report("06-placeholder"))

    assert error.endswith('"wandb/{model}" has a placeholder that is never filled in; write "wandb/*"')


def test_fallbacks_in_litellm_settings() -> None:
    """7: fallbacks, retries and timeout count where LiteLLM reads them too."""
    found = config("07-fallbacks")

    assert found.fallbacks.of("big") == ("small",)
    assert found.fallbacks.of("small", kind="context_window") == ("long",)
    assert (found.router.num_retries, found.router.timeout) == (3, 10)


def test_redis() -> None:
    """8: Redis settings are accepted with one warning that says what is not shared; an unset variable is refused."""
    variables = {"REDIS_HOST": "redis", "REDIS_PASSWORD": "hunter22", "REDIS_PORT": "6379"}
    found = config("08-redis", variables)

    assert found.router.strategy == "usage-based-routing"
    assert found.router.pre_call_checks
    assert found.state.redis["redis_port"].reveal() == "6379"
    (warning,) = warnings(found)
    assert "limits count per worker" in warning
    assert "redis_password, redis_port" in warning
    (error,) = said(report("08-redis", {"REDIS_HOST": "redis", "REDIS_PASSWORD": "hunter22"}))
    assert '"REDIS_PORT" is not set in the environment; did you mean' in error


def test_an_alias() -> None:
    """9: an alias leads to its group, and answers come back under the alias."""
    match = config("09-alias").match("gpt-4")

    assert match is not None
    assert (match.group.name, match.asked) == ("llama-70b", "gpt-4")


def test_includes() -> None:
    """10: the models of all included files are there, and what the file itself says."""
    found = config("10-include")

    assert list(found.groups) == ["llama", "qwen"]
    assert found.router.num_retries == 1
    assert [path.name for path in found.files] == ["10-include.yaml", "llama.yml", "qwen.yml"]
    assert found.sources["models.qwen[0].model"].endswith("models/qwen.yml:4")


def test_mixed_providers() -> None:
    """11: all models of other providers are listed in one mistake, though their variables are not set."""
    (error,) = said(report("11-mixed-providers"))

    assert "gpt (openai, line 2), claude (anthropic, line 6), azure-gpt (azure, line 10)" in error
    assert "--skip-foreign" in error
    assert "wandb/openai/" in error


def test_mixed_providers_skipped() -> None:
    """11: with skip_foreign they are left out, each with a warning."""
    found = config("11-mixed-providers", skip_foreign=True)

    assert list(found.groups) == ["llama"]
    assert [text.partition(":")[0] for text in warnings(found)] == ["model_list[0]", "model_list[1]", "model_list[2]"]


def test_keys_in_the_wrong_section() -> None:
    """12: a master key under litellm_settings is refused, for LiteLLM is open with it."""
    first, second = said(report("12-wrong-section"))

    assert "7:3: litellm_settings.master_key:" in first
    assert "it belongs under general_settings" in first
    assert "8:3: litellm_settings.database_url:" in second
    assert "password" not in first + second


def test_misspelt_sections() -> None:
    """13: misspelt and misplaced sections are refused, with the nearest name or the right place."""
    first, second, third = said(report("13-misspelt"))

    assert first.endswith('1:1: model_lists: there is no such key; did you mean "model_list"?')
    assert second.endswith('6:1: general_setting: there is no such key; did you mean "general_settings"?')
    assert "11:3: litellm_settings.router_settings: there is no such key; it belongs at the left margin" in third


def test_what_assistants_make_up() -> None:
    """14: `${NAME}` and invented keys are refused, each with what to write."""
    first, second, third = said(report("14-invented"))

    assert "5:7: model_list[0].litellm_params.api_key:" in first
    assert '"${...}" is not expanded in a configuration; write os.environ/OPENAI_API_KEY' in first
    assert "7:1: routing: there is no such key" in second
    assert "11:1: fallbacks: there is no such key; it belongs under router_settings" in third


def test_callbacks_and_cache() -> None:
    """15: other callbacks and the cache are warned of, and prometheus is on."""
    found = config("15-callbacks-and-cache")

    assert found.server.callbacks == ("prometheus",)
    assert [text.partition(":")[0] for text in warnings(found)] == [
        "litellm_settings.success_callback",
        "litellm_settings.cache",
        "litellm_settings.cache_params",
    ]


def test_what_guards_is_never_dropped() -> None:
    """16: code that lets callers in, and guardrails, are refused."""
    first, second = said(report("16-custom-auth"))

    assert "6:1: guardrails: this is not supported" in first
    assert "11:3: general_settings.custom_auth: this is not supported" in second


def test_empty_sections() -> None:
    """17: empty sections are fine; that there are no models is said."""
    found = config("17-empty-sections")

    assert not found.groups
    assert warnings(found) == ["model_list: there are no models to serve"]
    assert found.match("anything") is None


def test_defaults_and_anchors() -> None:
    """18: fields for the body are kept apart as defaults and additions, and a merge takes what it does not set."""
    found = config("18-defaults-and-anchors")

    (qwen,) = found.groups["qwen"].deployments
    (short,) = found.groups["qwen-short"].deployments
    assert qwen.defaults == {"chat_template_kwargs": {"enable_thinking": False}, "max_tokens": 4096}
    assert qwen.extra_body == {"top_k": 20}
    assert short.defaults == {"chat_template_kwargs": {"enable_thinking": False}, "max_tokens": 256}
    assert qwen.price is None
