"""The text of a configuration: each value with where it came from, and no secret."""

from __future__ import annotations

from pathlib import Path

from config_files import ENVIRON, checked, loaded

from wandb_inference.gateway.config import from_environment, render

FILE = """
environment_variables: {WANDB_ENTITY: team}
models:
  fast: openai/gpt-oss-20b
  "odd: name":
    deployments:
      - model: zai-org/GLM-5.3
        project: other
        extra_headers: {X-Team: a-secret}
        extra_body: {top_k: 20, api_token: hunter2, a: [{password: hunter2, b: 1}]}
        model_info: {id: mine, blocked: true}
        input_cost_per_token: 6.0e-07
        temperature: 0.5
        tags: [a]
    fallbacks: [fast]
    aliases: [gpt-4]
router_settings:
  enable_tag_filtering: true
  optional_pre_call_checks: [session_affinity]
  model_group_alias: {gpt-5: {model: fast, hidden: true}}
  default_fallbacks: [fast]
  redis_password: hunter2
general_settings: {master_key: os.environ/MASTER, database_url: postgresql://u:hunter2@h/d}
keys:
- {name: someone, key: os.environ/A_KEY, models: [fast], max_budget: 5, metadata: {password: hunter2},
   expires: 2027-01-31}
"""

SHOWN = """
master_key: ***                                       # environment MASTER (config.yaml:23)
models:
  fast:
    - id: ID-OF-FAST
      model: openai/gpt-oss-20b                       # config.yaml:4
      provider: wandb
      base_url: https://api.inference.wandb.ai/v1     # default
      api_key: ***                                    # environment WANDB_API_KEY
      project: team/project                           # environment WANDB_PROJECT
  "odd: name":
    - id: mine
      model: zai-org/GLM-5.3                          # config.yaml:7
      provider: wandb
      base_url: https://api.inference.wandb.ai/v1     # default
      api_key: ***                                    # environment WANDB_API_KEY
      project: team/other                             # config.yaml:8
      headers.X-Team: ***                             # config.yaml:9
      tags: ["a"]                                     # config.yaml:14
      blocked: true                                   # config.yaml:11
      input_cost_per_token: 0.0000006                 # config.yaml:12
      defaults.temperature: 0.5                       # config.yaml:13
      extra_body.top_k: 20                            # config.yaml:10
      extra_body.api_token: ***                       # config.yaml:10
      extra_body.a: [{"password": "***", "b": 1}]     # config.yaml:10
      model_info.id: mine                             # config.yaml:11
      model_info.blocked: true                        # config.yaml:11
aliases:
  gpt-5: {"model": "fast", "hidden": true}            # config.yaml:20
  gpt-4: "odd: name"                                  # config.yaml:16
fallbacks:
  general:
    "odd: name": ["fast"]                             # config.yaml:15
  default: ["fast"]                                   # config.yaml:21
"""

KEYS = """
keys:
  - name: someone                                     # config.yaml:25
    key: ***                                          # environment A_KEY (config.yaml:25)
    models: ["fast"]                                  # config.yaml:25
    max_budget: 5                                     # config.yaml:25
    expires: "2027-01-31T00:00:00+00:00"              # config.yaml:26
    metadata: {"password": "***"}                     # config.yaml:25
state:
  database_url: ***                                   # config.yaml:23
  redis_password: ***                                 # config.yaml:22
environment_variables:
  WANDB_ENTITY: ***                                   # config.yaml:2
files:
  - config.yaml
"""


def test_the_text(tmp_path: Path) -> None:
    """Values stand in the order of the file, each with its place; secrets are stars."""
    environ = {**ENVIRON, "MASTER": "a-master-key-0123456", "A_KEY": "a-key-of-a-client-1"}
    config = loaded(tmp_path, FILE, environ=environ)

    text = render(config).replace(f"{tmp_path}/", "")

    fast = config.groups["fast"].deployments[0].id
    assert text.partition("router:\n")[0] == SHOWN.replace("ID-OF-FAST", fast).lstrip()
    assert "".join(text.partition("keys:\n")[1:]) == KEYS.lstrip()
    assert "  session_affinity: true                              # config.yaml:19\n" in text
    assert "  num_retries: 2                                      # default\n" in text
    assert "hunter" not in text
    assert "secret" not in text


def test_it_is_stable(tmp_path: Path) -> None:
    """The same files give the same text."""
    environ = {**ENVIRON, "MASTER": "a-master-key-0123456", "A_KEY": "a-key-of-a-client-1"}

    first, again = (checked(tmp_path, FILE, environ=environ).resolved for _ in range(2))

    assert first is not None
    assert again is not None
    assert render(first) == render(again)


def test_without_a_file(tmp_path: Path) -> None:
    """What comes from the environment alone is shown as well, and that it is open."""
    text = render(from_environment(ENVIRON, cwd=tmp_path, home=tmp_path))

    assert text.startswith(
        "master_key: none                                      # default\n# open: any key will do, and none\n"
    )
    assert '  "*":\n' in text
    assert "      project: team/project                           # environment WANDB_PROJECT\n" in text
    assert "files:" not in text


def test_another_service(tmp_path: Path) -> None:
    """Another service has neither project nor key, and nothing is shown in their place."""
    text = render(
        loaded(tmp_path, "models: {m: {model: openai/x, custom_llm_provider: openai, api_base: 'http://o/v1'}}\n")
    )

    assert "      provider: openai\n      base_url: http://o/v1                           # " in text
    assert "api_key" not in text
    assert "project:" not in text
