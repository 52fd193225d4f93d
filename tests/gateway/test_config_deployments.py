"""Entries as deployments: whose model, at which address, with whose key and project, under which limits."""

from __future__ import annotations

import pickle
from decimal import Decimal
from pathlib import Path

import pytest
from config_files import ENVIRON, MASTER, MODEL, checked, loaded, mistake, said, warnings

from wandb_inference.gateway.config import ConfigFileError, Deployment, Duration, Secret, from_environment

DEFAULT = "https://api.inference.wandb.ai/v1"


def entry(params: str, *, name: str = "m", more: str = "") -> str:
    """A file with one entry."""
    return f'model_list:\n- model_name: "{name}"\n  litellm_params: {{{params}}}\n{more}'


def one(folder: Path, params: str, *, environ: dict[str, str] | None = None, more: str = "") -> Deployment:
    """The one deployment of a file with one entry."""
    (group,) = loaded(folder, entry(params, more=more), environ=environ).groups.values()
    (deployment,) = group.deployments
    return deployment


@pytest.mark.parametrize(
    ("params", "provider", "model", "base_url"),
    [
        ("model: wandb/openai/gpt-oss-20b", "wandb", "openai/gpt-oss-20b", DEFAULT),
        ("model: wandb/wandb/odd", "wandb", "wandb/odd", DEFAULT),
        ("model: wandb/Llama-3.1-8B-Instruct", "wandb", "meta-llama/Llama-3.1-8B-Instruct", DEFAULT),
        ("model: wandb/brand-new", "wandb", "brand-new", DEFAULT),
        (
            "model: wandb/Llama-3.1-8B-Instruct, api_base: 'http://localhost:8000/v1/'",
            "wandb",
            "Llama-3.1-8B-Instruct",
            "http://localhost:8000/v1",
        ),
        ("model: gpt-oss-20b, custom_llm_provider: wandb", "wandb", "openai/gpt-oss-20b", DEFAULT),
        ("model: wandb/x/y, custom_llm_provider: wandb", "wandb", "x/y", DEFAULT),
        ("model: openai/x/y, project: a/b", "wandb", "x/y", DEFAULT),
        ("model: openai/x/y, extra_headers: {openai-project: a/b}", "wandb", "x/y", DEFAULT),
        ("model: openai/x/y, base_url: 'https://api.inference.wandb.ai/v1'", "wandb", "x/y", DEFAULT),
        ("model: openai/x, api_base: 'http://other:1/v1', api_key: abcdef", "openai", "x", "http://other:1/v1"),
        (
            "model: x, custom_llm_provider: openai, api_base: 'http://other:1/v1', api_key: abcdef",
            "openai",
            "x",
            "http://other:1/v1",
        ),
    ],
)
def test_whose_model(params: str, provider: str, model: str, base_url: str, tmp_path: Path) -> None:
    """The provider is cut from the model once; at W&B's own address the catalogue completes short names."""
    deployment = one(tmp_path, params)

    assert (deployment.provider, deployment.model, deployment.base_url) == (provider, model, base_url)


MISTAKES = {
    "no provider": (
        "model: mystery-model",
        'model: "mystery-model" begins with no provider; write "wandb/mystery-model"',
    ),
    "a publisher": (
        "model: meta-llama/Llama-3.1-8B-Instruct",
        'begins with no provider; write "wandb/meta-llama/Llama-3.1-8B-Instruct"',
    ),
    "no model": ("rpm: 3", "model_list[0].litellm_params: there is no model; write model: wandb/<id>"),
    "no name": ("model: wandb/", '"wandb/" names no model after the provider'),
    "not text": ("model: 3", "model: 3 is not text: write it in quotes"),
    "empty": ("model: ''", 'model: "" is not a text of one character or more'),
    "OpenAI's own": ("model: openai/gpt-4o", "m (openai, line 2); take them out"),
    "another's": ("model: x, custom_llm_provider: azure", "m (azure, line 2); take them out"),
    "a star too many": ("model: wandb/*", '"*" has more * than the name "m"'),
    "no scheme": ("model: wandb/x, api_base: api.example/v1", 'api_base: "api.example/v1" has no scheme; write'),
    "an endpoint": ("model: wandb/x, api_base: 'http://x/v1/chat/completions'", "is an endpoint, not the base of all"),
    "the web site": ("model: wandb/x, api_base: 'https://wandb.ai'", "is not the inference API; the inference API is"),
    "a number": ("model: wandb/x, api_base: 7", "api_base: the value is of type int, not str"),
    "two addresses": (
        "model: wandb/x, api_base: 'http://a/v1', base_url: 'http://b/v1'",
        "base_url: another address is given in",
    ),
    "an address that is none": ("model: openai/x, api_base: 'http://[x'", "can't be read"),
    "an empty key": ("model: wandb/x, api_key: ''", "api_key: the value is empty"),
    "a key of nothing": ("model: wandb/x, api_key: ", "api_key: the value is empty"),
    "a key that is a number": ("model: wandb/x, api_key: 12", "api_key: the value is of type int, not str"),
    "Bearer": ("model: wandb/x, api_key: Bearer abc", 'api_key: the value begins with "Bearer"; give the key alone'),
    "a project of three": ("model: wandb/x, project: a/b/c", 'project: "a/b/c" is not of the form "team/project"'),
    "a project that is a number": ("model: wandb/x, project: 3", "project: the value is of type int"),
    "two projects": (
        "model: wandb/x, project: a/b, extra_headers: {OpenAI-Project: c/d}",
        "extra_headers.OpenAI-Project: another project is given in",
    ),
    "authorization": ("model: wandb/x, headers: {AUTHORIZATION: x}", "the key goes under api_key, not into a header"),
    "a header of ours": ("model: wandb/x, headers: {Host: x}", "the gateway sets this header itself"),
    "a header of two lines": ('model: wandb/x, headers: {A: "x\\ny"}', "headers to text that a header can hold"),
    "a header's name": ("model: wandb/x, headers: {'a b': x}", "a name has a character that none can have"),
    "a header that is a list": ("model: wandb/x, headers: {a: [x]}", "a mapping is not a mapping of headers to text"),
    "headers that are text": ("model: wandb/x, headers: a", "headers: a text is not a mapping"),
    "a wrong number": ("model: wandb/x, rpm: six", 'rpm: "six" is not a whole number, 1 or more'),
    "a number of nothing": ("model: wandb/x, rpm: 0", "rpm: 0 is not a whole number, 1 or more"),
    "half a request": ("model: wandb/x, rpm: 1.5", "rpm: 1.5 is not a whole number, 1 or more"),
    "true": ("model: wandb/x, rpm: true", "rpm: true is not a whole number, 1 or more"),
    "a number with signs": ("model: wandb/x, rpm: '1_000'", 'rpm: "1_000" is not a whole number, 1 or more'),
    "a seed": ("model: wandb/x, seed: x", 'seed: "x" is not a whole number'),
    "a weight": ("model: wandb/x, weight: -1", "weight: -1 is not a number, 0 or more"),
    "a list for a number": ("model: wandb/x, temperature: [1]", "temperature: a list is not a number"),
    "hot": ("model: wandb/x, temperature: hot", 'temperature: "hot" is not a number'),
    "a long number": (f"model: wandb/x, temperature: '{'1' * 70}'", "is not a number"),
    "no time": ("model: wandb/x, timeout: 0", "timeout: 0 is not a number of seconds above 0"),
    "a time of none": ("model: wandb/x, timeout: soon", 'timeout: "soon" is not a number of seconds above 0'),
    "a price": ("model: wandb/x, input_cost_per_token: -1", "-1 is not a number of dollars, 0 or more"),
    "a flag": ("model: wandb/x, logprobs: 'maybe'", 'logprobs: "maybe" is not true or false'),
    "a list": ("model: wandb/x, tags: {a: b}", "tags: a mapping is not a list"),
    "in a list": ("model: wandb/x, stop_token_ids: [1, x]", 'stop_token_ids[1]: "x" is not a whole number, 0 or more'),
    "in a mapping": ("model: wandb/x, logit_bias: {'5': x}", 'logit_bias.5: "x" is not a number'),
    "stop": ("model: wandb/x, stop: [1]", "stop: a list is not text or a list of texts"),
    "a span": (
        "model: wandb/x, max_budget: 1, budget_duration: 0d",
        '"0d" is not a span of time: 30s, 30m, 24h, 7d, 1w',
    ),
    "a span of a number": (
        "model: wandb/x, max_budget: 1, budget_duration: 5",
        "budget_duration: 5 is not a span of time",
    ),
    "a span of nothing": ("model: wandb/x, budget_duration: 1d", "there is no max_budget that it could renew"),
    "a pattern": (
        "model: wandb/x, tag_regex: ['(']",
        "tag_regex: entry 0 is no regular expression: missing ), unterminated subpattern",
    ),
    "a misspelt key": ("model: wandb/x, tempratur: 1", 'there is no such key; did you mean "temperature"?'),
    "an unknown key": (
        "model: wandb/x, qqq: 1",
        "there is no such key; fields for the request's body go under extra_body",
    ),
    "a key from elsewhere": (
        "model: wandb/x, master_key: 1",
        "there is no such key; it belongs under general_settings",
    ),
    "no name for a header": (
        'model: wandb/x, model_info: {id: "a\\nb"}',
        "is not a text without line breaks and the like",
    ),
    "no credential": ("model: wandb/x, litellm_credential_name: c", '"c" is not in credential_list'),
    "a credential that is a number": (
        "model: wandb/x, litellm_credential_name: 3",
        "3 is not text: write it in quotes",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tmp_path: Path) -> None:
    """Each mistake in an entry is one finding, at its line, that says what to write."""
    params, expected = MISTAKES[name]

    error = mistake(tmp_path, entry(params))

    assert error.startswith("config.yaml:3:")
    assert expected in error


ENTRIES = {
    "no name": ("- litellm_params: {model: wandb/x}", "2:5: model_list[0]: there is no model_name"),
    "no params": ("- model_name: m", "2:5: model_list[0]: there are no litellm_params; write litellm_params: {model:"),
    "empty params": (
        "- {model_name: m, litellm_params: }",
        "model_list[0]: there is no model; write model: wandb/<id>",
    ),
    "text for params": ("- {model_name: m, litellm_params: x}", "litellm_params: a text is not a mapping"),
    "text": ("- m", "2:5: model_list[0]: a text is not a mapping"),
    "a number for a name": (
        "- {model_name: 4, litellm_params: {model: wandb/x}}",
        "model_list[0].model_name: 4 is not text: write it in quotes",
    ),
    "a limit beside": (
        "- {model_name: m, rpm: 3, litellm_params: {model: wandb/x}}",
        "model_list[0].rpm: there is no such key; it belongs under litellm_params",
    ),
    "two infos": (
        "- {model_name: m, litellm_params: {model: wandb/x, model_info: {id: a}}, model_info: {id: b}}",
        "litellm_params.model_info: model_info is also beside litellm_params, in line 2",
    ),
    "a mode": (
        "- {model_name: m, litellm_params: {model: wandb/x}, model_info: {mode: embedding}}",
        'model_info.mode: "embedding" is none of chat',
    ),
    "a policy": (
        "- {model_name: m, litellm_params: {model: wandb/x}, "
        "model_info: {allowed_fails_policy: {RateLimitErorAllowedFails: 3}}}",
        'did you mean "RateLimitErrorAllowedFails"?',
    ),
    "a model_list of text": ("m", 'model_list: a text is not a list; its entries begin with "- "'),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_mistakes_around_an_entry(name: str, tmp_path: Path) -> None:
    """What is wrong with an entry as a whole is said once."""
    text, expected = ENTRIES[name]

    assert expected in mistake(tmp_path, f"model_list:\n  {text}\n")


def test_the_same_id_twice(tmp_path: Path) -> None:
    """An id is of one deployment."""
    text = "model_list:\n" + 2 * "- {model_name: m, litellm_params: {model: wandb/x}, model_info: {id: a}}\n"

    assert 'model_list[1].model_info.id: "a" is also an id in' in mistake(tmp_path, text)


def test_no_models_at_all(tmp_path: Path) -> None:
    """A file without models is a mistake, unless it says so."""
    assert mistake(tmp_path, "litellm_settings: {}\n") == (
        "config.yaml:1:1: there is no model_list; write model_list: [] to serve none"
    )
    assert warnings(loaded(tmp_path, "model_list:\n")) == ["model_list: there are no models to serve"]


def test_twins(tmp_path: Path) -> None:
    """Entries that are the same in all are warned of, and have ids of their own."""
    config = loaded(
        tmp_path, "model_list:\n" + 2 * "- {model_name: m, litellm_params: {model: wandb/x}, model_info: {a: b}}\n"
    )

    assert warnings(config) == ["model_list[1]: this is the same as the deployment in line 2"]
    first, second = config.groups["m"].deployments
    assert second.id == f"{first.id}-2"


def test_no_twins(tmp_path: Path) -> None:
    """What differs in its info, or has none, is no twin."""
    text = "model_list:\n- {model_name: m, litellm_params: {model: wandb/x}}\n"
    text += "- {model_name: m, litellm_params: {model: wandb/x}, model_info: {a: b}}\n"

    assert not warnings(loaded(tmp_path, text))


def test_ids(tmp_path: Path) -> None:
    """An id does not change with the key, and does with what the deployment is."""
    key = "model: wandb/x, api_key: os.environ/A_KEY"
    first, again = (one(tmp_path, key, environ={**ENVIRON, "A_KEY": f"a-key-{n}"}) for n in (1, 2))

    assert first.api_key != again.api_key
    assert first.id == again.id
    assert first.id != one(tmp_path, f"{key}, temperature: 0", environ={**ENVIRON, "A_KEY": "a-key"}).id
    assert one(tmp_path, "model: wandb/x, model_info: {id: mine}").id == "mine"


def test_the_environments_account(tmp_path: Path) -> None:
    """What an entry leaves out comes from where the SDK finds it, and the source says so."""
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password the-key-in-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    environ = {"WANDB_PROJECT": "project", "WANDB_ENTITY": "team", "WANDB_API_BASE": "http://localhost:9/v1"}

    config = loaded(tmp_path, entry("model: wandb/x"), environ=environ)

    (deployment,) = config.groups["m"].deployments
    assert deployment.api_key == Secret("the-key-in-netrc")
    assert (deployment.project, deployment.base_url) == ("team/project", "http://localhost:9/v1")
    assert config.sources["models.m[0].api_key"] == "netrc ~/.netrc (api.wandb.ai)"
    assert config.sources["models.m[0].project"] == "environment WANDB_PROJECT + environment WANDB_ENTITY"
    assert config.sources["models.m[0].base_url"] == "environment WANDB_API_BASE"


def test_no_account(tmp_path: Path) -> None:
    """What no source has is one mistake for all deployments, with what to do."""
    first, second = said(checked(tmp_path, MODEL, environ={}))

    assert first == (
        "config.yaml:4:21: model_list[0].litellm_params: there is no API key (nor for n in line 5); "
        "write api_key: os.environ/WANDB_API_KEY and set it, or run `wandb login`"
    )
    assert "there is no project (nor for n in line 5); write project: team/project, or set WANDB_PROJECT" in second


def test_an_environment_that_is_wrong(tmp_path: Path) -> None:
    """A variable that can't work is one mistake, however many deployments would use it."""
    error = mistake(tmp_path, MODEL, environ={**ENVIRON, "WANDB_API_BASE": "wandb.ai"})

    assert error.startswith('base_url "wandb.ai" (WANDB_API_BASE) has no scheme')


def test_a_project_alone(tmp_path: Path) -> None:
    """A project's name takes the team from the environment; without one it is refused."""
    assert one(tmp_path, "model: wandb/x, project: p", environ={**ENVIRON, "WANDB_ENTITY": "t"}).project == "t/p"
    error = mistake(tmp_path, entry("model: wandb/x, project: p"), environ={"WANDB_API_KEY": "the-key"})
    assert error.endswith('project: "p" names no team; write team/project, or set WANDB_ENTITY')
    error = mistake(tmp_path, entry("model: wandb/x, project: p"), environ={"WANDB_API_KEY": "Bearer x"})
    assert "begins with" in error


def test_no_project(tmp_path: Path) -> None:
    """An empty project says that none is to be sent."""
    assert one(tmp_path, "model: wandb/x, project: ''").project == ""


def test_a_value_from_the_environment_is_not_quoted(tmp_path: Path) -> None:
    """What a variable holds is in no message, and what is wrong with it is."""
    environ = {**ENVIRON, "BAD": "hunter2hunter2"}
    for key, expected in (
        ("rpm", "rpm: the value of environment BAD is not a whole number, 1 or more"),
        ("api_base", "api_base: the value of environment BAD has no scheme"),
    ):
        error = mistake(tmp_path, entry(f"model: wandb/x, {key}: os.environ/BAD"), environ=environ)

        assert error.endswith(expected)


def test_a_generic_service(tmp_path: Path) -> None:
    """Another service gets no project, is told of at start, and no key but its own."""
    config = loaded(tmp_path, entry("model: openai/x, api_base: 'http://other:1/v1'"))

    (deployment,) = config.groups["m"].deployments
    assert (deployment.api_key, deployment.project) == (None, None)
    first, second = sorted(warnings(config))
    assert (
        first == "model_list[0].litellm_params.api_base: this is not W&B's: its requests go there as to any "
        "OpenAI-compatible service, without a project"
    )
    assert second == "model_list[0].litellm_params: there is no api_key, so none is sent"


def test_headers(tmp_path: Path) -> None:
    """Headers of both spellings are sent; their values are not shown."""
    deployment = one(
        tmp_path,
        "model: wandb/x, project: a/b, headers: {A: 1, openai-project: a/b}, extra_headers: {B: two}, organization: o",
    )

    assert deployment.headers == {"A": "1", "B": "two", "OpenAI-Organization": "o"}
    assert "two" not in repr(deployment)


def test_organizations(tmp_path: Path) -> None:
    """A list of organizations makes a deployment of each."""
    config = loaded(tmp_path, entry("model: wandb/x, organization: [a, b], model_info: {id: mine}"))

    assert [each.headers for each in config.groups["m"].deployments] == [
        {"OpenAI-Organization": "a"},
        {"OpenAI-Organization": "b"},
    ]
    assert [each.id for each in config.groups["m"].deployments] == ["mine", "mine-2"]


def test_credentials(tmp_path: Path) -> None:
    """A credential's values count where the entry has none of its own."""
    credentials = (
        "credential_list: [{credential_name: c, credential_values: {project: a/b, api_key: the-other-key, rpm: 3}}]"
    )

    deployment = one(tmp_path, "model: wandb/x, litellm_credential_name: c, rpm: 5", more=credentials)

    assert deployment.api_key == Secret("the-other-key")
    assert (deployment.project, deployment.rpm) == ("a/b", 5)


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ("[{credential_values: {}}]", "credential_list[0]: there is no credential_name"),
        ("[{credential_name: c, credential_values: x}]", "credential_values: a text is not a mapping"),
        ("[{credential_name: c, credential_values: {api_ky: x}}]", 'did you mean "api_key"?'),
        ("[c]", "credential_list[0]: a text is not a mapping"),
    ],
)
def test_credentials_that_fail(credentials: str, expected: str, tmp_path: Path) -> None:
    """Credentials are checked as the parameters that they are."""
    assert any(expected in error for error in said(checked(tmp_path, f"{MODEL}\ncredential_list: {credentials}\n")))


def test_defaults_for_all(tmp_path: Path) -> None:
    """Parameters for all count last, and are written in one place."""
    config = loaded(tmp_path, f"{MODEL}\nrouter_settings: {{default_litellm_params: {{rpm: 3, temperature: 0}}}}\n")

    assert [group.deployments[0].rpm for group in config.groups.values()] == [3, 3]
    both = "defaults: {rpm: 1}\nrouter_settings: {default_litellm_params: {rpm: 3}}\n"
    assert "defaults: other defaults are in" in mistake(tmp_path, f"{MODEL}\n{both}")


def test_numbers(tmp_path: Path) -> None:
    """Limits, prices and times are taken as numbers or as the digits of some; `model_info` is a second place."""
    deployment = one(
        tmp_path,
        "model: wandb/x, rpm: '6', tpm: 10.0, input_cost_per_token: '6e-07', timeout: 2m, keepalive_seconds: 0,"
        "max_budget: 2.5, budget_duration: 1mo, default_api_key_rpm_limit: 3",
        more="  model_info: {rpm: 9, order: 2, output_cost_per_token: 0.0000001, allowed_fails: 2, blocked: true}\n",
    )

    assert (deployment.rpm, deployment.tpm, deployment.order) == (6, 10, 2)
    assert deployment.price is not None
    assert deployment.price.input_cost_per_token == Decimal("6e-7")
    assert deployment.price.output_cost_per_token == Decimal("1e-7")
    assert deployment.price.cache_read_input_token_cost is None
    assert (deployment.timeout, deployment.keepalive, deployment.key_rpm) == (120, 0, 3)
    assert deployment.max_budget == Decimal("2.5")
    assert deployment.budget_duration == Duration(1, "mo")
    assert deployment.budget_duration.seconds == 30 * 86_400
    assert (deployment.allowed_fails, deployment.blocked) == (2, True)


def test_dropped_parameters(tmp_path: Path) -> None:
    """What is to be dropped is no default either; the switch for all is the module's unless the entry has one."""
    module = "litellm_settings: {drop_params: true}\n"
    both = "model: wandb/x, temperature: 0, additional_drop_params: [temperature], allowed_openai_params: [seed]"

    deployment = one(tmp_path, both, more=module)

    assert not deployment.defaults
    assert (deployment.drop, deployment.keep, deployment.drop_unsupported) == (("temperature",), ("seed",), True)
    assert not one(tmp_path, "model: wandb/x, drop_params: false", more=module).drop_unsupported


def test_an_empty_text_in_place_of_a_list(tmp_path: Path) -> None:
    """A text stands for a list of one; an empty one is a mistake at its own place."""
    text = "model_list:\n  - {model_name: m, litellm_params: {model: wandb/x, additional_drop_params: ''}}\n"

    [found] = [finding for finding in checked(tmp_path, text).findings if finding.severity == "error"]

    assert found.path == "model_list[0].litellm_params.additional_drop_params"
    assert found.line == 2
    assert found.message == '"" is not a text of one character or more'


def test_tags(tmp_path: Path) -> None:
    """With tag filtering on, tags are kept without a word."""
    deployment = one(
        tmp_path,
        "model: wandb/x, tags: [free], tag_regex: ['^f']",
        more="router_settings: {enable_tag_filtering: true, default_max_parallel_requests: 4}\n",
    )

    assert (deployment.tags, deployment.tag_regex, deployment.max_parallel_requests) == (("free",), ("^f",), 4)


def test_another_address_for_all(tmp_path: Path) -> None:
    """One address can take the place of all W&B ones, by argument or by the variable, and not of others'."""
    other = "{model_name: o, litellm_params: {model: openai/x, api_base: 'http://o/v1', api_key: some-key}}"
    text = f"{MODEL}  - {other}\n{MASTER}"

    by_argument = loaded(tmp_path, text, api_base="http://localhost:8000/v1/")
    by_variable = loaded(
        tmp_path, text, environ={**ENVIRON, "WANDB_INFERENCE_GATEWAY_API_BASE": "http://127.0.0.1:1/v1"}
    )

    assert [group.deployments[0].base_url for group in by_argument.groups.values()] == [
        "http://localhost:8000/v1",
        "http://localhost:8000/v1",
        "http://o/v1",
    ]
    assert by_argument.sources["models.m[0].base_url"] == "argument"
    assert by_variable.groups["m"].deployments[0].base_url == "http://127.0.0.1:1/v1"
    assert "WANDB_INFERENCE_GATEWAY_API_BASE is set: all W&B models are asked at" in str(by_variable.warnings[0])
    assert mistake(tmp_path, text, api_base="localhost").startswith('base_url "localhost" (argument) has no scheme')


def test_without_a_file(tmp_path: Path) -> None:
    """The account of the environment serves all its models, under both spellings."""
    config = from_environment(ENVIRON, cwd=tmp_path, home=tmp_path)

    for name in ("openai/gpt-oss-20b", "wandb/openai/gpt-oss-20b", "wandb/gpt-oss-20b"):
        match = config.match(name)
        assert match is not None
        assert match.upstream_id(match.group.deployments[0]) == "openai/gpt-oss-20b"
    assert config.is_open
    assert config.sources["models.*[0].project"] == "environment WANDB_PROJECT"
    assert "models.*[0].model" not in config.sources


def test_without_a_file_or_an_account(tmp_path: Path) -> None:
    """Without key and project, or on an address that others reach, it is refused with all there is to do."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nproject = alone\n")
    with pytest.raises(ConfigFileError, match="the environment can't be used for the gateway: 3 mistakes") as raised:
        from_environment({}, host="0.0.0.0", cwd=tmp_path, home=tmp_path)

    first, warning, *others = [str(finding) for finding in raised.value.findings]
    assert "names no team" in warning
    assert [first, *others] == [
        'without a file the gateway serves this machine alone, and "0.0.0.0" can be reached from others; '
        "write a file with a master_key, and name it by --config",
        "there is no API key; set WANDB_API_KEY, or run `wandb login`",
        "there is no project; set WANDB_PROJECT=team/project",
    ]
    with pytest.raises(ConfigFileError, match="has no scheme"):
        from_environment({"WANDB_API_BASE": "x"}, cwd=tmp_path, home=tmp_path)


def test_pickling(tmp_path: Path) -> None:
    """A configuration travels to workers whole; a secret shows itself only when asked."""
    config = loaded(tmp_path, f"{MODEL}{MASTER}")

    again = pickle.loads(pickle.dumps(config))

    assert again == config
    assert again.match("m") is not None
    assert again.master_key.matches("a-master-key-0123456789")
    assert not again.master_key.matches("another")
    assert f"{again.master_key} {again.master_key!r}" == "*** ***"
    assert hash(again.master_key) == hash(config.master_key)
    assert again.master_key != "a-master-key-0123456789"
    assert "2 models" in repr(again)
    assert "1 deployments" in repr(again.groups["m"])
