"""Names: groups, wildcards, aliases, fallbacks, our short form, and settings that are in two places."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_files import ENVIRON, MODEL, checked, loaded, mistake, said, warnings

from wandb_inference.gateway.config import Fallbacks
from wandb_inference.gateway.config._matching import Pattern


@pytest.mark.parametrize(
    ("pattern", "name", "tails"),
    [
        ("wandb/*", "wandb/a/b", ("a/b",)),
        ("wandb/*", "wandb/", None),
        ("wandb/*", "openai/a", None),
        ("*", "a", ("a",)),
        ("*", "", None),
        ("a*z", "abcz", ("bc",)),
        ("a*z", "az", None),
        ("a*z", "abc", None),
        ("a*a", "a", None),
        ("*/*", "a/b/c", ("a", "b/c")),
        ("*/*", "ab", None),
        ("a*b*c", "a1b2c", ("1", "2")),
        ("a*b*c", "a1bc", None),
        ("a*b*c", "abb2c", ("b", "2")),
        ("a*b*c", "a1b2", None),
        ("exact", "exact", ()),
        ("exact", "exactly", None),
    ],
)
def test_patterns(pattern: str, name: str, tails: tuple[str, ...] | None) -> None:
    """Each star stands for one character or more."""
    assert Pattern(pattern).tails(name) == tails


@pytest.mark.parametrize(
    ("pattern", "tails", "filled"),
    [("wandb/*", ("a",), "wandb/a"), ("x", ("a",), "x"), ("*/*", ("a", "b"), "a/b"), ("*-*", ("a",), "a-*")],
)
def test_filling(pattern: str, tails: tuple[str, ...], filled: str) -> None:
    """What the stars stand for is put in, one after another."""
    assert Pattern(pattern).fill(tails) == filled


def test_who_matches(tmp_path: Path) -> None:
    """Exact names come before patterns, patterns with more text before others, aliases before all."""
    config = loaded(
        tmp_path,
        """
model_list:
  - {model_name: "*", litellm_params: {model: wandb/*}}
  - {model_name: "a/*", litellm_params: {model: wandb/first/*}}
  - {model_name: "a/*/c", litellm_params: {model: wandb/*/second}}
  - {model_name: "a/b/c", litellm_params: {model: wandb/third}}
  - {model_name: "gen/*", litellm_params: {model: openai/*, api_base: "http://o/v1", api_key: some-key}}
router_settings:
  model_group_alias: {gpt-4: a/b/c, gpt-5: {model: some/thing, hidden: true}, "a/b/c": {model: a/x}}
""",
    )

    def upstream(name: str) -> str:
        match = config.match(name)
        assert match is not None
        return match.upstream_id(match.group.deployments[0])

    assert [upstream(name) for name in ("zzz", "a/x", "a/x/c", "a/b/c", "gpt-4", "gpt-5", "gen/wandb/x")] == [
        "zzz",
        "first/x",
        "x/second",
        "first/x",
        "third",
        "some/thing",
        "wandb/x",
    ]
    assert config.aliases["gpt-5"].hidden
    assert warnings(config)[1:] == [
        'router_settings.model_group_alias.a/b/c.model: the alias "a/b/c" hides the model of that name'
    ]


ROUTES = {
    "an alias to nothing": (
        "router_settings: {model_group_alias: {gpt-4: mm}}",
        'router_settings.model_group_alias.gpt-4: there is no model "mm"; did you mean "m"?',
    ),
    "an alias to an alias": (
        "router_settings: {model_group_alias: {a: m, b: a}}",
        'model_group_alias.b: there is no model "a"; an alias can\'t lead to an alias',
    ),
    "an alias to a number": ("router_settings: {model_group_alias: {a: 4}}", "an alias leads to the name of a model"),
    "an alias without model": (
        "router_settings: {model_group_alias: {a: {hidden: true}}}",
        "an alias leads to the name of a model",
    ),
    "an alias's flag": (
        "router_settings: {model_group_alias: {a: {model: m, hidden: yes please}}}",
        'hidden: "yes please" is not true or false',
    ),
    "an alias's key": (
        "router_settings: {model_group_alias: {a: {model: m, hiden: true}}}",
        'hiden: "hiden" is none of model, hidden; did you mean "hidden"?',
    ),
    "aliases in a list": ("router_settings: {model_group_alias: [a]}", "model_group_alias: a list is not a mapping"),
    "a fallback of nothing": (
        "router_settings: {fallbacks: [{ghost: [m]}]}",
        'fallbacks[0].ghost: there is no model "ghost"',
    ),
    "a fallback to nothing": (
        "router_settings: {fallbacks: [{m: [nowhere]}]}",
        'fallbacks[0].m[0]: there is no model "nowhere"',
    ),
    "itself": ("router_settings: {fallbacks: [{m: [m]}]}", 'fallbacks[0].m[0]: "m" is its own fallback'),
    "with parameters": (
        "router_settings: {fallbacks: [{m: [{model: n}]}]}",
        "a fallback with parameters of its own is not supported; write a name",
    ),
    "a number": ("router_settings: {fallbacks: [{m: [3]}]}", "fallbacks[0].m[0]: 3 is no model's name"),
    "a name alone": ("router_settings: {fallbacks: [{m: n}]}", "fallbacks[0].m: a text is not a list"),
    "a mapping": (
        "router_settings: {fallbacks: {m: [n]}}",
        "fallbacks: this is a mapping, not a list of mappings; write fallbacks: [{model: [another]}]",
    ),
    "names": ("router_settings: {fallbacks: [n]}", "fallbacks[0]: a text is not a mapping of a model to a list"),
    "twice": (
        "router_settings: {fallbacks: [{m: [n]}, {m: [n]}]}",
        '"m" has fallbacks in line 7 already',
    ),
    "two places": (
        "router_settings: {fallbacks: [{m: [n]}]}\nlitellm_settings: {fallbacks: [{n: [m]}]}",
        "litellm_settings.fallbacks: other fallbacks are in",
    ),
    "a default to nothing": ("litellm_settings: {default_fallbacks: [q]}", 'there is no model "q"'),
    "a chain": (
        "router_settings: {max_fallbacks: 0, context_window_fallbacks: [{m: [n]}]}",
        "this leads to 1 models one after another, and at most 0 are tried; shorten it, or raise",
    ),
    "a strategy": (
        "router_settings: {routing_strategy: simple-shufle}",
        '"simple-shufle" is none of simple-shuffle, least-busy',
    ),
    "a strategy of ours not": (
        "router_settings: {routing_strategy: lar1}",
        '"lar1" is not supported; there are simple-',
    ),
    "a strategy that is a list": ("router_settings: {routing_strategy: [a]}", "routing_strategy: a list is not text"),
    "an argument": (
        "router_settings: {routing_strategy_args: {tttl: 3}}",
        "routing_strategy_args.tttl: there is no such argument; there are ttl, lowest_latency_buffer",
    ),
    "an argument's type": ("router_settings: {routing_strategy_args: {ttl: x}}", 'ttl: "x" is not a number of seconds'),
    "a policy": (
        "router_settings: {retry_policy: {RateLimitRetries: 3}}",
        'retry_policy.RateLimitRetries: "RateLimitRetries" is none of BadRequestErrorRetries',
    ),
    "a policy's number": (
        "router_settings: {retry_policy: {RateLimitErrorRetries: x}}",
        'retry_policy.RateLimitErrorRetries: "x" is not a whole number, 0 or more',
    ),
    "a group's policy": (
        "router_settings: {model_group_retry_policy: {m: {Retries: 3}}}",
        'model_group_retry_policy.m.Retries: "Retries" is none of',
    ),
    "a section of text": ("router_settings: least-busy", "router_settings: a text is not a mapping"),
    "a budget's span": ("litellm_settings: {budget_duration: 1d}", "there is no max_budget that it could renew"),
    "a secret of the wrong type": (
        "router_settings: {redis_password: 12345678}",
        "router_settings.redis_password: (not shown) is not text: write it in quotes",
    ),
    "ssl": ("litellm_settings: {ssl_verify: 3}", "ssl_verify: 3 is not true, false or the name of a file"),
    "callbacks": ("litellm_settings: {callbacks: [3]}", "callbacks[0]: 3 is not text"),
    "headers": (
        "general_settings: {forward_client_headers_to_llm_api: all}",
        '"all" is not true, false or a list of names',
    ),
    "no header": (
        "general_settings: {forward_client_headers_to_llm_api: [X-Trace, 'a b']}",
        '"a b" can\'t be the name of a header',
    ),
    "the key's own header": (
        "general_settings: {litellm_key_header_name: X-Key, forward_client_headers_to_llm_api: [X-Key]}",
        "x-key: never sent on, for it says whose request it is or where it ends",
    ),
    "headers that say who asks": (
        "general_settings: {forward_client_headers_to_llm_api: [Authorization, x-trace]}",
        "authorization: never sent on, for it says whose request it is or where it ends",
    ),
    "a key's header": (
        "general_settings: {litellm_key_header_name: 'my key'}",
        'litellm_key_header_name: "my key" is not the name of a header',
    ),
    "an alias with a star": (
        "router_settings: {model_group_alias: {'gpt-*': m}}",
        'the alias "gpt-*" stands for itself alone; a model\'s name may have a *',
    ),
    "a group's policy for none": (
        "router_settings: {model_group_retry_policy: {mm: {TimeoutErrorRetries: 3}}}",
        'model_group_retry_policy.mm: there is no model "mm"; did you mean "m"?',
    ),
    "addresses": (
        "general_settings: {allowed_ips: [home]}",
        'allowed_ips[0]: "home" is not an address or a network, as 10.0.0.7 or 10.0.0.0/8',
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_names_and_settings_that_fail(name: str, tmp_path: Path) -> None:
    """Each is one mistake at its line, with what to write."""
    text, expected = ROUTES[name]

    error = mistake(tmp_path, f"{MODEL}{text}\n")

    assert error.startswith(("config.yaml:7:", "config.yaml:8:", "config.yaml:9:"))
    assert expected in error


def test_fallbacks(tmp_path: Path) -> None:
    """A group's own list counts, then that of all, then the default; none of them leads back to the group."""
    config = loaded(
        tmp_path,
        f"""{MODEL}
  - {{model_name: "w/*", litellm_params: {{model: wandb/*}}}}
router_settings:
  fallbacks: [{{m: [n, n]}}, {{w/x: [m]}}]
  default_fallbacks: [n]
  content_policy_fallbacks: [{{"*": [m, w/y]}}]
litellm_settings:
  default_fallbacks: [n]
""",
    )

    fallbacks = config.fallbacks
    assert [fallbacks.of(name) for name in ("m", "n", "w/x", "w/z")] == [("n",), (), ("m",), ("n",)]
    assert fallbacks.of("w/x", "w/*") == ("m",)
    assert fallbacks.of("m", kind="content_policy") == ("w/y",)
    assert fallbacks.of("m", kind="context_window") == ()
    assert Fallbacks().of("m") == ()


def test_chains_that_meet(tmp_path: Path) -> None:
    """A model that is reached by two ways counts once."""
    others = "".join(f"  - {{model_name: {name}, litellm_params: {{model: wandb/x}}}}\n" for name in "op")
    chains = "fallbacks: [{m: [n, o]}, {n: [p]}, {o: [p]}]"

    assert loaded(tmp_path, f"{MODEL}{others}router_settings: {{max_fallbacks: 3, {chains}}}\n").fallbacks.general
    assert "this leads to 3 models" in mistake(
        tmp_path, f"{MODEL}{others}router_settings: {{max_fallbacks: 2, {chains}}}\n"
    )


def test_circles(tmp_path: Path) -> None:
    """Models that lead to each other are common, and are warned of once."""
    config = loaded(tmp_path, f"{MODEL}router_settings: {{fallbacks: [{{m: [n]}}, {{n: [m]}}]}}\n")

    assert warnings(config) == [
        'router_settings.fallbacks[0].m: "m" and "n" lead to each other; each is tried once a request'
    ]


def test_what_was_skipped_is_followed_nowhere(tmp_path: Path) -> None:
    """What leads to a model that was left out is left out with it; a key that names only such models gets none."""
    report = checked(
        tmp_path,
        f"""{MODEL}
  - {{model_name: gone, litellm_params: {{model: azure/x, aws_access_key_id: x, api_key: os.environ/NOT_SET}}}}
router_settings:
  fallbacks: [{{m: [gone, n]}}, {{gone: [m]}}]
  model_group_alias: {{gpt-4: gone}}
keys:
  - {{name: a, key: os.environ/A_KEY, models: [gone]}}
general_settings: {{master_key: a-master-key-0123456}}
""",
        environ={**ENVIRON, "A_KEY": "a-key-of-a-client-1"},
        skip_foreign=True,
    )

    config = report.resolved
    assert config is not None, said(report)
    assert config.fallbacks.general == {"m": ("n",)}
    assert not config.aliases
    assert config.keys[0].models == ("gone",)
    assert warnings(config) == [
        'model_list[2]: "gone" is left out: its provider is "azure"',
        'router_settings.fallbacks[0].m[0]: "gone" was left out, and this fallback with it',
        'router_settings.fallbacks[1].gone: "gone" is left out, and its fallbacks with it',
        'router_settings.model_group_alias.gpt-4: "gone" was left out, and this alias with it',
    ]


def test_all_skipped(tmp_path: Path) -> None:
    """When nothing is left, that is said."""
    config = loaded(tmp_path, "model_list: [{model_name: gone, litellm_params: {model: azure/x}}]\n", skip_foreign=True)

    assert "model_list: there are no models to serve" in warnings(config)


def test_the_short_form(tmp_path: Path) -> None:
    """A name and where it leads; a mapping for more, a list for several, and fallbacks and aliases beside them."""
    config = loaded(
        tmp_path,
        """
defaults:
  temperature: 0
models:
  fast: openai/gpt-oss-20b
  short: gpt-oss-20b
  long: wandb/openai/gpt-oss-20b
  limited: {model: openai/gpt-oss-120b, rpm: 6, project: team/other, model_info: {description: a}}
  several: [openai/gpt-oss-20b, {model: openai/gpt-oss-120b, order: 2}]
  smart:
    deployments:
      - {model: zai-org/GLM-5.3, weight: 3}
      - {model: zai-org/GLM-5.3, weight: 1, project: team/other}
    fallbacks: [fast]
    aliases: [gpt-4, gpt-5]
  other: {model: x, custom_llm_provider: openai, api_base: "http://o/v1", api_key: some-key, fallbacks: fast}
  "*": "*"
""",
    )

    models = {name: [each.model for each in group.deployments] for name, group in config.groups.items()}
    assert models == {
        "fast": ["openai/gpt-oss-20b"],
        "short": ["openai/gpt-oss-20b"],
        "long": ["openai/gpt-oss-20b"],
        "limited": ["openai/gpt-oss-120b"],
        "several": ["openai/gpt-oss-20b", "openai/gpt-oss-120b"],
        "smart": ["zai-org/GLM-5.3", "zai-org/GLM-5.3"],
        "other": ["x"],
        "*": ["*"],
    }
    assert [each.weight for each in config.groups["smart"].deployments] == [3, 1]
    assert config.groups["fast"].deployments[0].defaults == {"temperature": 0}
    assert config.fallbacks.general == {"smart": ("fast",), "other": ("fast",)}
    assert {name: alias.model for name, alias in config.aliases.items()} == {"gpt-4": "smart", "gpt-5": "smart"}
    assert config.sources["models.fast[0].model"].endswith("config.yaml:5")


SHORT = {
    "a list": ("models: [a]", "models: a list is not a mapping"),
    "a number": ("models: {a: 3}", "models.a: 3 is no model; write the model's id, or a mapping with model: in it"),
    "nothing": ("models: {a: }", "models.a: nothing is no model"),
    "in a list": ("models: {a: [3]}", "models.a[0]: 3 is no model"),
    "no model": ("models: {a: {rpm: 3}}", "models.a: there is no model"),
    "beside deployments": (
        "models: {a: {deployments: [x/y], rpm: 3}}",
        "models.a.rpm: this stands beside deployments; write rpm into each of them, or under defaults",
    ),
    "a misspelt key": ("models: {a: {model: x/y, rmp: 3}}", 'models.a.rmp: there is no such key; did you mean "rpm"?'),
    "fallbacks": ("models: {a: {model: x/y, fallbacks: 3}}", "models.a.fallbacks: 3 is not a list of names"),
    "a fallback": ("models: {a: {model: x/y, fallbacks: [b]}}", 'models.a.fallbacks[0]: there is no model "b"'),
    "both fallbacks": (
        "models: {a: {model: x/y, fallbacks: [b]}, b: x/y}\nrouter_settings: {fallbacks: [{a: [b]}]}",
        'models.a.fallbacks: fallbacks of "a" are also under router_settings',
    ),
    "an alias": ("models: {a: {model: x/y, aliases: [b, 3]}}", "models.a.aliases: a list is not a list of names"),
    "an alias twice": (
        "models: {a: {model: x/y, aliases: [c]}, b: {model: x/y, aliases: [c]}}",
        'models.b.aliases[0]: "c" already leads to "a"',
    ),
    "placeholders": ("models: {a: 'x/{model}'}", '"x/{model}" has a placeholder that is never filled in; write "x/*"'),
}


@pytest.mark.parametrize("name", SHORT)
def test_the_short_form_that_fails(name: str, tmp_path: Path) -> None:
    """The short form has its mistakes too."""
    text, expected = SHORT[name]

    assert expected in mistake(tmp_path, f"{text}\n")


def test_both_forms(tmp_path: Path) -> None:
    """A name that is in both forms has the deployments of both."""
    config = loaded(tmp_path, f"{MODEL}models: {{m: openai/gpt-oss-120b}}\n")

    assert [each.model for each in config.groups["m"].deployments] == ["openai/gpt-oss-20b", "openai/gpt-oss-120b"]


def test_precedence(tmp_path: Path) -> None:
    """The router's settings come before the module's; LiteLLM's default of allowed fails, written out, is none."""
    both = "router_settings: {num_retries: 1, timeout: 5, allowed_fails: 3}\n"
    both += "litellm_settings: {num_retries: 4, request_timeout: 9, allowed_fails: 7}\n"
    config = loaded(tmp_path, f"{MODEL}{both}")

    assert (config.router.num_retries, config.router.timeout, config.router.allowed_fails) == (1, 5, None)
    config = loaded(tmp_path, f"{MODEL}litellm_settings: {{num_retries: 4, request_timeout: 9, allowed_fails: 7}}\n")
    assert (config.router.num_retries, config.router.timeout, config.router.allowed_fails) == (4, 9, 7)


def test_settings(tmp_path: Path) -> None:
    """Settings come over under our names, with units that the code counts in."""
    config = loaded(
        tmp_path,
        f"""{MODEL}
router_settings:
  routing_strategy: latency-based-routing
  routing_strategy_args: {{ttl: 60, lowest_latency_buffer: 0.2}}
  optional_pre_call_checks: [session_affinity]
litellm_settings: {{max_budget: 10, budget_duration: 7d, turn_off_message_logging: false, callbacks: [otel]}}
general_settings:
  max_request_size_mb: 1.5
  max_response_size_mb: 2
  forward_client_headers_to_llm_api: [X-Trace]
  use_x_forwarded_for: true
  trusted_proxy_ranges: [10.0.0.1/8]
  alerting: [slack, webhook]
  cors_origins: [https://a.example]
""",
    )

    router, server = config.router, config.server
    assert (router.strategy, router.latency_ttl, router.latency_buffer) == ("latency-based-routing", 60, 0.2)
    assert router.session_affinity
    assert (server.max_request_bytes, server.max_response_bytes) == (1572864, 2097152)
    assert server.forward_headers == ("x-trace",)
    assert server.trusted_proxies == ("10.0.0.0/8",)
    assert server.cors_origins == ("https://a.example",)
    assert server.callbacks == ("otel",)
    assert str(server.budget_duration) == "7d"
    assert "litellm_settings.turn_off_message_logging: prompts are never logged here" in warnings(config)
    assert 'general_settings.alerting: "slack" has no effect' in warnings(config)


def test_a_budget_of_nothing_is_none(tmp_path: Path) -> None:
    """LiteLLM's default for all, written out, is no budget."""
    assert loaded(tmp_path, f"{MODEL}litellm_settings: {{max_budget: 0}}\n").server.max_budget is None


def test_settings_of_the_environment(tmp_path: Path) -> None:
    """CORS and the database may come from the variables that LiteLLM reads."""
    environ = {
        **ENVIRON,
        "LITELLM_CORS_ORIGINS": "https://a.example, https://b.example,",
        "DATABASE_URL": "postgresql://u:p@h/d",
    }

    config = loaded(tmp_path, MODEL, environ=environ)

    assert config.server.cors_origins == ("https://a.example", "https://b.example")
    assert config.sources["server.cors_origins"] == "environment LITELLM_CORS_ORIGINS"
    assert config.state.database_url is not None
    assert config.state.database_url.reveal() == "postgresql://u:p@h/d"
    assert any("DATABASE_URL is set, but keys and spend are not stored" in text for text in warnings(config))
