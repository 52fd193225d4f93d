"""The keys of the file's root, `router_settings`, `litellm_settings`, `general_settings`, `keys`, `credential_list`."""

from __future__ import annotations

from typing import Final

from ._keys import Key, refused, taken, warned

_R: Final = "router_settings"
_L: Final = "litellm_settings"
_G: Final = "general_settings"

_NO_STATE: Final = "nothing is kept between processes: limits count per worker, and budgets begin anew at each start"
_NO_KEYS_STORE: Final = "keys and spend are not stored in a database: a key that is only there is not known"
_NO_LOG: Final = "no log of spend is written"
_NO_KEYS_MADE: Final = "no keys are made here: write them under `keys`"
_NO_ALERTS: Final = "no alerts are sent"
_PROBES: Final = "the probes ask for `GET /models`, which costs nothing; LiteLLM's pay for a completion each"
_NO_CACHE: Final = "has no effect: there is no cache of answers"
_NO_EFFECT: Final = "has no effect"
_LOGGING: Final = "has no effect: the command's `--debug` says what is logged"
_GUARDS: Final = "and to leave it out would let through what it is to stop"
_CODE: Final = f"no code of yours is run here, {_GUARDS}"
_SIGN_ON: Final = f"keys are the only way in here, {_GUARDS}"
_ROUTES: Final = "which paths are open is fixed here: health checks without a key, the admin's with the master key"

ROOT: Final[tuple[Key, ...]] = (
    *taken("root", "model_list", "the models, as LiteLLM writes them"),
    *taken("root", "models", "the models, in short: a name and where it leads", ours=True),
    *taken("root", "defaults", "parameters for all models", ours=True),
    *taken("root", "keys", "the clients' keys, without a database", ours=True),
    *taken("root", "router_settings litellm_settings general_settings", "see below"),
    *taken("root", "environment_variables", "set before `os.environ/` is looked up; in LiteLLM, after it"),
    *taken("root", "include", "more files; their lists are added, other values replace"),
    *taken("root", "credential_list", "named credentials for `litellm_credential_name`"),
    *refused("root", "guardrails policies", f"there are no guardrails here, {_GUARDS}"),
    *warned(
        "root",
        "mcp_servers vector_store_registry search_tools prompts agents assistant_settings files_settings "
        "finetune_settings callback_settings default_vertex_config worker_registry",
        _NO_EFFECT,
    ),
)

KEYS: Final[tuple[Key, ...]] = (
    *taken(
        _R,
        "routing_strategy",
        "`simple-shuffle`, `least-busy`, `latency-based-routing`, `usage-based-routing` (and `-v2`), "
        "`cost-based-routing`",
    ),
    *taken(_R, "routing_strategy_args", "of `latency-based-routing`"),
    *warned(_R, "routing_groups", "has no effect: one strategy holds for all groups"),
    *taken(_R, "num_retries", "attempts after the first; 2. Before `litellm_settings`"),
    *taken(_R, "retry_after", "seconds to wait at least"),
    *taken(_R, "retry_policy model_group_retry_policy", "retries by kind of failure"),
    *taken(_R, "timeout", "seconds for each step of an attempt; 600"),
    *taken(_R, "stream_timeout", "seconds without data on a stream; as `timeout`"),
    *taken(_R, "allowed_fails allowed_fails_policy", "failures before a deployment is left out for a while"),
    *taken(_R, "cooldown_time", "seconds that it is left out; 5"),
    *taken(_R, "disable_cooldowns", "never leave one out"),
    *taken(_R, "fallbacks", "`[{group: [groups]}]`; `*` for all"),
    *taken(_R, "context_window_fallbacks", "the same, for prompts that are too long"),
    *taken(_R, "content_policy_fallbacks", "the same, for answers that a filter stopped"),
    *taken(_R, "default_fallbacks", "for groups that no other list names"),
    *taken(_R, "max_fallbacks", "the longest chain of them; 5"),
    *taken(_R, "model_group_alias", "`{alias: group}`, or `{alias: {model: group, hidden: true}}`"),
    *taken(_R, "enable_pre_call_checks", "leave out deployments whose context is too small, by an estimate"),
    *taken(_R, "optional_pre_call_checks", "`enforce_model_rate_limits` (always on), `session_affinity`; others warn"),
    *taken(_R, "enable_tag_filtering tag_filtering_match_any", "route by tags"),
    *taken(_R, "default_max_parallel_requests", "for deployments that don't set it"),
    *taken(_R, "default_litellm_params", "parameters for all models"),
    *taken(_R, "redis_host redis_port redis_password redis_url redis_db", "where state is shared", _NO_STATE),
    *warned(_R, "redis_*", _NO_EFFECT),
    *warned(_R, "cache_responses cache_kwargs caching_groups client_ttl", _NO_CACHE),
    *taken(_R, "enable_weighted_failover", "always: the rest of a group is tried before its fallbacks"),
    *refused(_R, "provider_budget_config", "one provider has no budget apart; `max_budget` limits models and keys"),
    *warned(_R, "alerting_config assistants_config plugins *_router* set_verbose debug_level", _NO_EFFECT),
    *taken(_R, "deadline", "seconds for a whole request, retries and fallbacks included; 6000", ours=True),
    *taken(_R, "retry_budget", "retries at most, as a share of requests; 0.1", ours=True),
    *taken(_L, "num_retries", "as in `router_settings`, which comes first"),
    *taken(_L, "request_timeout", "as `router_settings.timeout`, which comes first"),
    *taken(
        _L,
        "fallbacks context_window_fallbacks content_policy_fallbacks default_fallbacks allowed_fails",
        "as in `router_settings`; in both and different is an error",
    ),
    *taken(_L, "drop_params", "drop parameters that W&B does not take"),
    *taken(_L, "max_budget budget_duration", "dollars that all may spend together, and per which time"),
    *taken(_L, "json_logs", "logs as JSON"),
    *taken(_L, "ssl_verify", "`false`, or a file of certificates"),
    *taken(_L, "ssl_certificate", "a client's certificate"),
    *taken(
        _L,
        "callbacks success_callback failure_callback",
        "`prometheus`, `otel`; other names warn, code is refused",
    ),
    *taken(_L, "require_auth_for_metrics_endpoint", "whether `/metrics` needs the master key; `true`"),
    *taken(_L, "turn_off_message_logging", "always: prompts are not logged"),
    *taken(
        _L,
        "default_internal_user_params upperbound_key_generate_params default_key_generate_params",
        "limits of keys that are made",
        _NO_KEYS_MADE,
    ),
    *taken(_L, "force_ipv4", "connect by IPv4 alone, where no proxy is between"),
    *warned(_L, "cache cache_params", _NO_CACHE),
    *warned(_L, "set_verbose", _LOGGING),
    *warned(
        _L,
        "service_callbacks redact_user_api_key_info langfuse_default_tags modify_params enable_preview_features "
        "telemetry mcp_* model_group_settings priority_reservation* key_alias_pattern",
        _NO_EFFECT,
    ),
    *refused(_L, "guardrails", f"there are no guardrails here, {_GUARDS}"),
    *refused(_L, "post_call_rules custom_provider_map", _CODE),
    *refused(_L, "user_url_*", "no address from a request is ever fetched here"),
    *refused(_L, "master_key database_url", "has no effect here, in LiteLLM neither", belongs=_G, off=False),
    *taken(_G, "master_key", "the admin's key, for all models; else `LITELLM_MASTER_KEY`"),
    *taken(_G, "database_url", "`postgresql://...` or `sqlite://...`; else `DATABASE_URL`", _NO_KEYS_STORE),
    *taken(_G, "database_connection_pool_limit database_connection_timeout", "of the database", _NO_KEYS_STORE),
    *warned(_G, "database_*", _NO_EFFECT),
    *warned(_G, "store_model_in_db", "has no effect: models are in this file alone"),
    *taken(_G, "max_parallel_requests", "of each key"),
    *taken(_G, "global_max_parallel_requests", "of all together"),
    *taken(_G, "max_in_flight_requests_per_worker max_queued_requests_per_worker", "what is more gets a 503"),
    *taken(_G, "admission_queue_timeout_seconds", "the longest wait in that line; 1"),
    *taken(_G, "max_request_size_mb", "enforced here; 32"),
    *taken(_G, "max_response_size_mb", "enforced here; no limit"),
    *taken(_G, "cancel_on_disconnect", "always: a client that leaves ends its request"),
    *taken(_G, "always_include_stream_usage", "send the usage chunk unasked"),
    *refused(
        _G, "completion_model", "it would replace the model of every request; an alias gives a model one more name"
    ),
    *taken(
        _G,
        "forward_client_headers_to_llm_api",
        "`true`: clients' `x-*` headers but for keys and `x-stainless-*`; or a list of names",
    ),
    *warned(_G, "infer_model_from_keys", _NO_EFFECT),
    *taken(_G, "background_health_checks health_check_interval enable_health_check_routing", "probes", _PROBES),
    *taken(_G, "litellm_key_header_name", "one more header that a key may come in"),
    *taken(_G, "user_header_name", "the header with the end user's name"),
    *warned(_G, "user_header_mappings", "has no effect; `user_header_name` names one header"),
    *taken(_G, "enforce_user_param", "each request needs `user`"),
    *taken(_G, "reject_clientside_metadata_tags", "requests must not carry `metadata.tags`"),
    *taken(_G, "enforced_params", "parameters that each request needs"),
    *taken(
        _G,
        "store_prompts_in_spend_logs disable_spend_logs disable_error_logs maximum_spend_logs_retention_period "
        "proxy_batch_write_at",
        "the log of spend",
        _NO_LOG,
    ),
    *taken(
        _G,
        "allow_requests_on_db_unavailable fail_closed_budget_enforcement fail_closed_rate_limit_enforcement",
        "what holds when the database is gone",
        _NO_KEYS_STORE,
    ),
    *warned(_G, "user_api_key_cache_ttl use_redis_transaction_buffer", _NO_EFFECT),
    *warned(_G, "proxy_budget_rescheduler_*", "has no effect: budgets are renewed on the minute"),
    *taken(_G, "alerting", "`webhook`; other ways warn", _NO_ALERTS),
    *taken(_G, "alerting_threshold alert_to_webhook_url", "of alerts", _NO_ALERTS),
    *taken(_G, "allow_public_health_readiness_details", "details of readiness without a key"),
    *taken(_G, "include_call_id_in_error_body", "the request's id in errors"),
    *taken(_G, "use_x_forwarded_for", "take the client's address from that header; needs `trusted_proxy_ranges`"),
    *taken(_G, "trusted_proxy_ranges", "the proxies that are believed"),
    *taken(_G, "allowed_ips", "addresses and networks that may connect"),
    *refused(_G, "public_routes admin_only_routes", _ROUTES),
    *refused(_G, "allowed_routes", _ROUTES, off=False),
    *refused(
        _G, "allow_client_side_credentials", "clients never choose where their request goes, or whose key it uses"
    ),
    *refused(_G, "dangerously_permit_weak_or_unset_master_key", "on loopback no key is needed, and elsewhere one is"),
    *refused(_G, "custom_auth custom_key_generate", _CODE),
    *refused(
        _G,
        "custom_sso enable_jwt_auth litellm_jwtauth enable_oauth2_auth role_permissions service_account_settings",
        _SIGN_ON,
    ),
    *refused(_G, "key_management_*", "keys come from the environment; os.environ/NAME"),
    *refused(_G, "pass_through_endpoints", "requests go to the models' addresses alone"),
    *warned(
        _G,
        "ui_access_mode otel plugins supported_db_objects mcp_* max_*login* *_file_*",
        _NO_EFFECT,
    ),
    *taken(_G, "cors_origins", "sites whose pages may call; else `LITELLM_CORS_ORIGINS`; none", ours=True),
    *taken(_G, "reasoning_content", "answers have `reasoning_content` beside `reasoning`, as LiteLLM's", ours=True),
    *taken("credential_list", "credential_name", "what `litellm_credential_name` says"),
    *taken("credential_list", "credential_values", "`api_key`, `api_base`, `project` and the like"),
    *taken("credential_list", "credential_info", "kept"),
    *taken("keys", "name", "the key's name in figures and logs", ours=True),
    *taken("keys", "key", "`os.environ/NAME`, or `sha256: <hex>`", ours=True),
    *taken("keys", "models", "the models it may use, groups of `access_groups`, patterns; all", ours=True),
    *taken("keys", "rpm tpm", "requests and tokens a minute", ours=True),
    *taken("keys", "max_parallel_requests", "requests at a time", ours=True),
    *taken("keys", "max_budget budget_duration", "dollars it may spend, and per which time: `1d`, `1mo`", ours=True),
    *taken("keys", "expires", "the day, or the time, from which it no longer holds", ours=True),
    *taken("keys", "metadata", "kept", ours=True),
)
