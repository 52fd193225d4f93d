"""Each row of LiteLLM's keys, and of ours: taken over, taken over with a word, warned of, or refused."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pydantic import BaseModel

from wandb_inference.gateway.config import _params as params
from wandb_inference.gateway.config import _sections as sections
from wandb_inference.gateway.config import check
from wandb_inference.gateway.config._keys import table

ENVIRON = {"WANDB_API_KEY": "a-key-of-the-account", "WANDB_PROJECT": "team/project", "A_KEY": "a-key-of-a-client-1"}
MASTER = "a-master-key-0123456789"
PEM = Path(__file__).parent.parent / "data"

T, N, W, R = "taken over", "taken over with a word", "warned of", "refused"


class Row(NamedTuple):
    """One key with a value that it may have, and what is to become of it."""

    section: str
    key: str
    value: Any
    verdict: str

    def __str__(self) -> str:
        return f"{self.section}.{self.key}"


P, MI, RS, LS, GS = "litellm_params", "model_info", "router_settings", "litellm_settings", "general_settings"

ROWS = [
    # model_list[].litellm_params
    Row(P, "model", "wandb/openai/gpt-oss-20b", T),
    Row(P, "api_base", "https://api.inference.wandb.ai/v1/", T),
    Row(P, "base_url", "https://api.inference.wandb.ai/v1", T),
    Row(P, "api_key", "os.environ/WANDB_API_KEY", T),
    Row(P, "project", "team/other", T),
    Row(P, "organization", "an-organization", T),
    Row(P, "organization", ["one", "two"], N),
    Row(P, "custom_llm_provider", "wandb", T),
    Row(P, "timeout", 30, T),
    Row(P, "stream_timeout", "2.5", T),
    Row(P, "max_retries", 2, W),
    Row(P, "num_retries", "2", T),
    Row(P, "rpm", "6", T),
    Row(P, "tpm", 1000, T),
    Row(P, "itpm", 1000, T),
    Row(P, "otpm", 1000, T),
    Row(P, "weight", 0.5, T),
    Row(P, "order", 1, T),
    Row(P, "max_parallel_requests", 4, T),
    Row(P, "cooldown_time", 30, T),
    Row(P, "input_cost_per_token", 6e-7, T),
    Row(P, "output_cost_per_token", "6e-07", T),
    Row(P, "cache_read_input_token_cost", 0.0000001, T),
    Row(P, "input_cost_per_second", 0.1, W),
    Row(P, "output_cost_per_second", 0.1, W),
    Row(P, "cache_creation_input_token_cost", 0.1, W),
    Row(P, "max_budget", 10, T),
    Row(P, "temperature", 0.7, T),
    Row(P, "max_tokens", 100, T),
    Row(P, "max_completion_tokens", 100, T),
    Row(P, "top_p", 0.9, T),
    Row(P, "n", 1, T),
    Row(P, "stop", ["END"], T),
    Row(P, "seed", 7, T),
    Row(P, "presence_penalty", -0.5, T),
    Row(P, "frequency_penalty", 0.5, T),
    Row(P, "logit_bias", {50256: -100}, T),
    Row(P, "logprobs", True, T),
    Row(P, "top_logprobs", 3, T),
    Row(P, "response_format", {"type": "json_object"}, T),
    Row(P, "tools", [{"type": "function", "function": {"name": "now"}}], T),
    Row(P, "tool_choice", "auto", T),
    Row(P, "parallel_tool_calls", False, T),
    Row(P, "functions", [{"name": "now"}], T),
    Row(P, "function_call", "auto", T),
    Row(P, "stream_options", {"include_usage": True}, T),
    Row(P, "modalities", ["text"], T),
    Row(P, "audio", {"voice": "alloy"}, T),
    Row(P, "prediction", {"type": "content", "content": "x"}, T),
    Row(P, "service_tier", "auto", T),
    Row(P, "store", False, T),
    Row(P, "verbosity", "low", T),
    Row(P, "web_search_options", {}, T),
    Row(P, "prompt_cache_key", "a-prefix", T),
    Row(P, "safety_identifier", "someone", T),
    Row(P, "user", "someone", T),
    Row(P, "metadata", {"team": "a"}, T),
    Row(P, "reasoning_effort", "low", T),
    Row(P, "chat_template_kwargs", {"enable_thinking": False}, T),
    Row(P, "top_k", 20, T),
    Row(P, "min_p", 0.1, T),
    Row(P, "repetition_penalty", 1.1, T),
    Row(P, "length_penalty", 1.1, T),
    Row(P, "min_tokens", 1, T),
    Row(P, "stop_token_ids", [1, 2], T),
    Row(P, "ignore_eos", True, T),
    Row(P, "include_stop_str_in_output", True, T),
    Row(P, "skip_special_tokens", True, T),
    Row(P, "spaces_between_special_tokens", True, T),
    Row(P, "truncate_prompt_tokens", -1, T),
    Row(P, "prompt_logprobs", 1, T),
    Row(P, "bad_words", ["x"], T),
    Row(P, "allowed_token_ids", [1], T),
    Row(P, "structured_outputs", {"choice": ["a"]}, T),
    Row(P, "guided_json", {"type": "object"}, T),
    Row(P, "guided_regex", "[a-z]+", T),
    Row(P, "guided_choice", ["a", "b"], T),
    Row(P, "guided_grammar", "root ::= 'a'", T),
    Row(P, "add_generation_prompt", True, T),
    Row(P, "continue_final_message", False, T),
    Row(P, "cache_salt", "some-salt", T),
    Row(P, "return_token_ids", True, T),
    Row(P, "extra_body", {"top_k": 20}, T),
    Row(P, "api_type", "x", R),
    Row(P, "tempratur", 0.3, R),
    Row(P, "extra_headers", {"X-Team": "a"}, T),
    Row(P, "headers", {"X-Team": "a"}, T),
    Row(P, "extra_headers", {"authorization": "Bearer x"}, R),
    Row(P, "default_headers", {"X-Team": "a"}, R),
    Row(P, "drop_params", True, T),
    Row(P, "additional_drop_params", ["temperature"], T),
    Row(P, "allowed_openai_params", ["seed"], T),
    Row(P, "tags", ["free"], W),
    Row(P, "tag_regex", ["^free"], W),
    Row(P, "model_info", {"id": "one"}, T),
    Row(P, "merge_reasoning_content_in_choices", True, W),
    Row(P, "configurable_clientside_auth_params", ["api_base"], R),
    Row(P, "mock_response", "hello", W),
    Row(P, "keepalive_seconds", 5, T),
    Row(P, "default_api_key_rpm_limit", 5, T),
    Row(P, "default_api_key_tpm_limit", 5, T),
    Row(P, "guardrails", ["pii"], R),
    Row(P, "caching", True, W),
    Row(P, "cache", True, W),
    Row(P, "region_name", "us-east-1", W),
    Row(P, "api_version", "2024-10-21", W),
    Row(P, "aws_region_name", "us-east-1", W),
    Row(P, "aws_access_key_id", "AKIA", R),
    Row(P, "aws_secret_access_key", "x", R),
    Row(P, "aws_session_token", "x", R),
    Row(P, "aws_role_name", "x", R),
    Row(P, "aws_session_name", "x", R),
    Row(P, "azure_client_secret", "x", R),
    Row(P, "azure_password", "x", R),
    Row(P, "azure_username", "x", R),
    Row(P, "client_secret", "x", R),
    Row(P, "client_id", "x", R),
    Row(P, "tenant_id", "x", R),
    Row(P, "watsonx_token", "x", R),
    Row(P, "azure_api_key", "x", R),
    Row(P, "use_litellm_proxy", True, W),
    Row(P, "max_file_size_mb", 1, W),
    Row(P, "some_cost", 1, W),
    Row(P, "vertex_project", "p", W),
    Row(P, "vertex_location", "l", W),
    Row(P, "vertex_credentials", "x", R),
    Row(P, "azure_deployment", "d", W),
    Row(P, "azure_ad_token", "x", R),
    Row(P, "rust", True, W),
    Row(P, "use_in_pass_through", True, W),
    # model_list[].model_info
    Row(MI, "id", "one", T),
    Row(MI, "mode", "chat", T),
    Row(MI, "mode", "embedding", R),
    Row(MI, "base_model", "openai/gpt-oss-20b", T),
    Row(MI, "max_tokens", 1000, T),
    Row(MI, "max_input_tokens", 1000, T),
    Row(MI, "max_output_tokens", 1000, T),
    Row(MI, "input_cost_per_token", 1e-7, T),
    Row(MI, "output_cost_per_token", 1e-7, T),
    Row(MI, "cache_read_input_token_cost", 1e-8, T),
    Row(MI, "tpm", 1000, T),
    Row(MI, "rpm", 10, T),
    Row(MI, "order", 1, T),
    Row(MI, "allowed_fails", 2, T),
    Row(MI, "allowed_fails_policy", {"RateLimitErrorAllowedFails": 10}, T),
    Row(MI, "cooldown_time", 3, T),
    Row(MI, "supports_vision", True, T),
    Row(MI, "access_groups", ["beta"], T),
    Row(MI, "team_id", "t", W),
    Row(MI, "tier", "free", W),
    Row(MI, "access_windows", [{}], W),
    Row(MI, "ptu_units", 1, W),
    Row(MI, "disable_background_health_check", True, T),
    Row(MI, "health_check_model", "x", T),
    Row(MI, "health_check_timeout", 5, T),
    Row(MI, "blocked", True, T),
    Row(MI, "description", "a model", T),
    Row(MI, "anything_else", {"x": 1}, T),
    # router_settings
    Row(RS, "routing_strategy", "simple-shuffle", T),
    Row(RS, "routing_strategy", "least-busy", T),
    Row(RS, "routing_strategy", "latency-based-routing", T),
    Row(RS, "routing_strategy", "usage-based-routing", T),
    Row(RS, "routing_strategy", "usage-based-routing-v2", T),
    Row(RS, "routing_strategy", "cost-based-routing", T),
    Row(RS, "routing_strategy", "provider-budget-routing", R),
    Row(RS, "routing_strategy", "lar1", R),
    Row(RS, "routing_strategy_args", {"ttl": 60, "lowest_latency_buffer": 0.2, "max_latency_list_size": 5}, T),
    Row(RS, "routing_groups", [{"group": "a"}], W),
    Row(RS, "num_retries", 3, T),
    Row(RS, "retry_after", 0.5, T),
    Row(RS, "retry_policy", {"RateLimitErrorRetries": 3}, T),
    Row(RS, "model_group_retry_policy", {"m": {"TimeoutErrorRetries": 0}}, T),
    Row(RS, "timeout", 60, T),
    Row(RS, "stream_timeout", 20, T),
    Row(RS, "allowed_fails", 5, T),
    Row(RS, "allowed_fails_policy", {"TimeoutErrorAllowedFails": 2}, T),
    Row(RS, "cooldown_time", 10, T),
    Row(RS, "disable_cooldowns", True, T),
    Row(RS, "fallbacks", [{"m": ["n"]}], T),
    Row(RS, "context_window_fallbacks", [{"m": ["n"]}], T),
    Row(RS, "content_policy_fallbacks", [{"*": ["n"]}], T),
    Row(RS, "default_fallbacks", ["n"], T),
    Row(RS, "max_fallbacks", 3, T),
    Row(RS, "model_group_alias", {"gpt-4": {"model": "m", "hidden": True}}, T),
    Row(RS, "enable_pre_call_checks", True, T),
    Row(RS, "optional_pre_call_checks", ["enforce_model_rate_limits", "session_affinity"], T),
    Row(RS, "optional_pre_call_checks", ["prompt_caching"], W),
    Row(RS, "enable_tag_filtering", True, T),
    Row(RS, "tag_filtering_match_any", False, T),
    Row(RS, "default_max_parallel_requests", 8, T),
    Row(RS, "default_litellm_params", {"temperature": 0}, T),
    Row(RS, "redis_host", "localhost", N),
    Row(RS, "redis_port", 6379, N),
    Row(RS, "redis_password", "a-password", N),
    Row(RS, "redis_url", "redis://localhost", N),
    Row(RS, "redis_db", 1, N),
    Row(RS, "redis_ssl", True, W),
    Row(RS, "cache_responses", True, W),
    Row(RS, "cache_kwargs", {"a": 1}, W),
    Row(RS, "caching_groups", [["a", "b"]], W),
    Row(RS, "client_ttl", 60, W),
    Row(RS, "enable_weighted_failover", True, T),
    Row(RS, "provider_budget_config", {"openai": {}}, R),
    Row(RS, "alerting_config", {"a": 1}, W),
    Row(RS, "assistants_config", {"a": 1}, W),
    Row(RS, "plugins", ["x"], W),
    Row(RS, "auto_router_config_path", "x", W),
    Row(RS, "set_verbose", True, W),
    Row(RS, "debug_level", "DEBUG", W),
    Row(RS, "health_check_interval", 10, R),
    Row(RS, "num_retires", 3, R),
    Row(RS, "deadline", 120, T),
    Row(RS, "retry_budget", 0.2, T),
    # litellm_settings
    Row(LS, "num_retries", 3, T),
    Row(LS, "request_timeout", 10, T),
    Row(LS, "fallbacks", [{"m": ["n"]}], T),
    Row(LS, "context_window_fallbacks", [{"m": ["n"]}], T),
    Row(LS, "content_policy_fallbacks", [{"m": ["n"]}], T),
    Row(LS, "default_fallbacks", ["n"], T),
    Row(LS, "allowed_fails", 2, T),
    Row(LS, "drop_params", True, T),
    Row(LS, "max_budget", 100, T),
    Row(LS, "json_logs", True, T),
    Row(LS, "ssl_verify", False, T),
    Row(LS, "ssl_verify", str(PEM / "authority.pem"), T),
    Row(LS, "ssl_certificate", str(PEM / "client.pem"), T),
    Row(LS, "callbacks", ["prometheus", "otel"], T),
    Row(LS, "success_callback", ["otel"], T),
    Row(LS, "failure_callback", "prometheus", T),
    Row(LS, "require_auth_for_metrics_endpoint", False, T),
    Row(LS, "turn_off_message_logging", True, T),
    Row(LS, "default_internal_user_params", {"max_budget": 1}, N),
    Row(LS, "upperbound_key_generate_params", {"max_budget": 1}, N),
    Row(LS, "default_key_generate_params", {"max_budget": 1}, N),
    Row(LS, "force_ipv4", True, T),
    Row(LS, "callbacks", ["langfuse"], W),
    Row(LS, "success_callback", ["datadog", "s3"], W),
    Row(LS, "failure_callback", ["sentry", "slack"], W),
    Row(LS, "service_callbacks", ["datadog"], W),
    Row(LS, "set_verbose", True, W),
    Row(LS, "cache", True, W),
    Row(LS, "cache_params", {"type": "redis"}, W),
    Row(LS, "redact_user_api_key_info", True, W),
    Row(LS, "langfuse_default_tags", ["x"], W),
    Row(LS, "modify_params", True, W),
    Row(LS, "enable_preview_features", True, W),
    Row(LS, "telemetry", True, W),
    Row(LS, "mcp_aliases", {"a": "b"}, W),
    Row(LS, "model_group_settings", {"a": 1}, W),
    Row(LS, "priority_reservation", {"prod": 0.9}, W),
    Row(LS, "priority_reservation_settings", {"a": 1}, W),
    Row(LS, "key_alias_pattern", "x", W),
    Row(LS, "guardrails", [{"pii": {}}], R),
    Row(LS, "post_call_rules", "rules.check", R),
    Row(LS, "custom_provider_map", [{"provider": "x"}], R),
    Row(LS, "callbacks", ["my_module.handler"], R),
    Row(LS, "user_url_validation", True, R),
    Row(LS, "master_key", MASTER, R),
    Row(LS, "database_url", "postgresql://localhost/x", R),
    Row(LS, "anything_else", 1, R),
    # general_settings
    Row(GS, "master_key", MASTER, T),
    Row(GS, "master_key", None, R),
    Row(GS, "master_key", "os.environ/NOT_SET", R),
    Row(GS, "database_url", "postgresql://u:p@localhost/x", N),
    Row(GS, "database_url", "sqlite:///x.db", N),
    Row(GS, "database_url", "mysql://localhost/x", R),
    Row(GS, "database_connection_pool_limit", 10, N),
    Row(GS, "database_connection_timeout", 60, N),
    Row(GS, "database_type", "prisma", W),
    Row(GS, "store_model_in_db", True, W),
    Row(GS, "max_parallel_requests", 10, T),
    Row(GS, "global_max_parallel_requests", 100, T),
    Row(GS, "max_in_flight_requests_per_worker", 100, T),
    Row(GS, "max_queued_requests_per_worker", 100, T),
    Row(GS, "admission_queue_timeout_seconds", 1, T),
    Row(GS, "max_request_size_mb", 1, T),
    Row(GS, "max_response_size_mb", 0.5, T),
    Row(GS, "cancel_on_disconnect", True, T),
    Row(GS, "cancel_on_disconnect", False, W),
    Row(GS, "always_include_stream_usage", True, T),
    Row(GS, "completion_model", "m", R),
    Row(GS, "forward_client_headers_to_llm_api", True, T),
    Row(GS, "forward_client_headers_to_llm_api", ["X-Trace"], T),
    Row(GS, "infer_model_from_keys", True, W),
    Row(GS, "background_health_checks", True, N),
    Row(GS, "health_check_interval", 300, N),
    Row(GS, "enable_health_check_routing", True, N),
    Row(GS, "litellm_key_header_name", "X-My-Key", T),
    Row(GS, "user_header_name", "X-User", T),
    Row(GS, "user_header_mappings", [{"header_name": "x"}], W),
    Row(GS, "enforce_user_param", True, T),
    Row(GS, "reject_clientside_metadata_tags", True, T),
    Row(GS, "enforced_params", ["user"], T),
    Row(GS, "store_prompts_in_spend_logs", True, N),
    Row(GS, "disable_spend_logs", True, N),
    Row(GS, "disable_error_logs", True, N),
    Row(GS, "maximum_spend_logs_retention_period", "30d", N),
    Row(GS, "allow_requests_on_db_unavailable", True, N),
    Row(GS, "fail_closed_budget_enforcement", True, N),
    Row(GS, "fail_closed_rate_limit_enforcement", True, N),
    Row(GS, "proxy_batch_write_at", 10, N),
    Row(GS, "user_api_key_cache_ttl", 60, W),
    Row(GS, "use_redis_transaction_buffer", True, W),
    Row(GS, "proxy_budget_rescheduler_min_time", 1, W),
    Row(GS, "proxy_budget_rescheduler_max_time", 1, W),
    Row(GS, "alerting", ["webhook"], N),
    Row(GS, "alerting_threshold", 300, N),
    Row(GS, "alert_to_webhook_url", {"budget_alerts": "https://x.example"}, N),
    Row(GS, "allow_public_health_readiness_details", True, T),
    Row(GS, "include_call_id_in_error_body", True, T),
    Row(GS, "allowed_ips", ["10.0.0.7", "10.0.0.0/8"], T),
    Row(GS, "trusted_proxy_ranges", ["10.0.0.0/8"], T),
    Row(GS, "use_x_forwarded_for", True, R),
    Row(GS, "public_routes", ["/x"], R),
    Row(GS, "admin_only_routes", ["/x"], R),
    Row(GS, "allowed_routes", ["/x"], R),
    Row(GS, "allowed_routes", [], R),
    Row(GS, "allow_client_side_credentials", True, R),
    Row(GS, "allow_client_side_credentials", False, T),
    Row(GS, "dangerously_permit_weak_or_unset_master_key", True, R),
    Row(GS, "custom_auth", "auth.check", R),
    Row(GS, "custom_sso", "sso.check", R),
    Row(GS, "custom_key_generate", "keys.make", R),
    Row(GS, "enable_jwt_auth", True, R),
    Row(GS, "litellm_jwtauth", {"a": 1}, R),
    Row(GS, "enable_oauth2_auth", True, R),
    Row(GS, "role_permissions", [{"a": 1}], R),
    Row(GS, "service_account_settings", {"a": 1}, R),
    Row(GS, "key_management_system", "aws_secret_manager", R),
    Row(GS, "pass_through_endpoints", [{"path": "/x"}], R),
    Row(GS, "ui_access_mode", "admin_only", W),
    Row(GS, "otel", True, W),
    Row(GS, "plugins", ["x"], W),
    Row(GS, "supported_db_objects", ["x"], W),
    Row(GS, "mcp_servers", ["x"], W),
    Row(GS, "max_failed_login_attempts", 3, W),
    Row(GS, "upload_file_size", 3, W),
    Row(GS, "master_ky", MASTER, R),
    Row(GS, "cors_origins", ["https://a.example"], T),
    Row(GS, "reasoning_content", True, T),
    # the root
    Row("", "environment_variables", {"A": "b"}, T),
    Row("", "include", [], T),
    Row(
        "",
        "credential_list",
        [{"credential_name": "c", "credential_values": {"project": "a/b"}, "credential_info": {}}],
        T,
    ),
    Row("", "guardrails", [{"guardrail_name": "pii"}], R),
    Row("", "policies", {"a": 1}, R),
    Row("", "mcp_servers", {"a": 1}, W),
    Row("", "vector_store_registry", ["x"], W),
    Row("", "search_tools", ["x"], W),
    Row("", "prompts", ["x"], W),
    Row("", "agents", ["x"], W),
    Row("", "assistant_settings", {"a": 1}, W),
    Row("", "files_settings", ["x"], W),
    Row("", "finetune_settings", ["x"], W),
    Row("", "callback_settings", {"a": 1}, W),
    Row("", "default_vertex_config", {"a": 1}, W),
    Row("", "worker_registry", ["x"], W),
    Row("", "models", {"fast": "openai/gpt-oss-20b"}, T),
    Row("", "defaults", {"temperature": 0}, T),
    Row("", "keys", [{"name": "a", "key": "os.environ/A_KEY"}], T),
    Row("", "anything_else", 1, R),
    Row("", "fallbacks", [{"model": "a"}], R),
    # keys[]
    Row("keys", "models", ["m"], T),
    Row("keys", "rpm", 10, T),
    Row("keys", "tpm", 1000, T),
    Row("keys", "max_parallel_requests", 2, T),
    Row("keys", "max_budget", 5, T),
    Row("keys", "expires", "2027-01-31", T),
    Row("keys", "metadata", {"team": "a"}, T),
    Row("keys", "modles", ["m"], R),
]


def configuration(row: Row) -> dict[str, Any]:
    """A configuration in which the row's key is the one thing of note."""
    params: dict[str, Any] = {"model": "wandb/openai/gpt-oss-20b"}
    entry: dict[str, Any] = {"model_name": "m", "litellm_params": params}
    other = {"model_name": "n", "litellm_params": {"model": "wandb/openai/gpt-oss-120b"}}
    found: dict[str, Any] = {"model_list": [entry, other], GS: {"master_key": MASTER}}
    if row.section == P:
        params[row.key] = row.value
    elif row.section == MI:
        entry[MI] = {row.key: row.value}
    elif row.section == "keys":
        found["keys"] = [{"name": "a", "key": "os.environ/A_KEY", row.key: row.value}]
    elif row.section:
        found[row.section] = {**found.get(row.section, {}), row.key: row.value}
    else:
        found[row.key] = row.value
    return found


def path_of(row: Row) -> str:
    """The path of the row's key, as findings have it."""
    above = {P: f"model_list[0].{P}.", MI: f"model_list[0].{MI}.", "keys": "keys[0].", "": ""}
    return above.get(row.section, f"{row.section}.") + row.key


def ids() -> list[str]:
    """A name for each row, also for the second of the same key."""
    seen: dict[str, int] = {}
    found = []
    for row in ROWS:
        seen[str(row)] = seen.get(str(row), 0) + 1
        found.append(str(row) if seen[str(row)] == 1 else f"{row}-{seen[str(row)]}")
    return found


@pytest.mark.parametrize("row", ROWS, ids=ids())
def test_each_key_has_its_verdict(row: Row, tmp_path: Path) -> None:
    """A key is taken over without a word, or one finding names it with its line."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(configuration(row), sort_keys=False))
    lines = file.read_text().splitlines()

    report = check(file, environ=ENVIRON)

    path = path_of(row)
    about = [
        finding
        for finding in report.findings
        if finding.path == path or finding.path.startswith((f"{path}.", f"{path}["))
    ]
    others = [finding for finding in report.findings if finding not in about]
    assert not others, others
    assert (report.resolved is None) == (row.verdict == R)
    if row.verdict == T:
        assert not about
    else:
        (finding,) = about
        assert finding.severity == ("error" if row.verdict == R else "warning")
        assert finding.file == str(file)
        assert finding.line is not None
        assert finding.path.rpartition(".")[2] in lines[finding.line - 1]


def may_be_off(row: Row) -> bool:
    """Whether the row's key is one that has no effect, or is refused, but for a value that says that it is not used."""
    key = table()[row.section or "root"].get(row.key)  # type: ignore[index]
    return key is not None and key.verdict != "T" and key.off


@pytest.mark.parametrize("row", [row for row in ROWS if may_be_off(row) and row.value], ids=str)
def test_what_is_switched_off_is_no_news(row: Row, tmp_path: Path) -> None:
    """`guardrails: null` or `cache: false` says that it is not used."""
    file = tmp_path / "config.yaml"
    for value in (None, False, [], ""):
        file.write_text(yaml.safe_dump(configuration(row._replace(value=value))))

        assert not check(file, environ=ENVIRON).findings


MODELS: dict[str, type[BaseModel]] = {
    "root": sections.Root,
    "model_list": params.Entry,
    "litellm_params": params.Params,
    "model_info": params.Info,
    "router_settings": sections.Router,
    "litellm_settings": sections.LiteLLM,
    "general_settings": sections.General,
    "credential_list": params.Credential,
    "keys": sections.ClientKey,
    "models": params.Short,
}


@pytest.mark.parametrize("section", sorted(MODELS))
def test_the_table_and_the_models_agree(section: str) -> None:
    """What is taken over has a field, and each field is in the table."""
    taken = {name for name, key in table()[section].items() if key.verdict == "T" and "*" not in name}  # type: ignore[index]

    assert taken == set(MODELS[section].model_fields)


def test_every_key_of_the_table_has_a_row() -> None:
    """The rows above leave out no key but those that others show."""
    shown = {(row.section or "root", row.key) for row in ROWS}
    elsewhere = {
        ("root", "model_list"),
        ("root", RS),
        ("root", LS),
        ("root", GS),
        (P, "budget_duration"),
        (P, "litellm_credential_name"),
        (LS, "budget_duration"),
        ("keys", "name"),
        ("keys", "key"),
        ("keys", "budget_duration"),
    }
    missing = [
        (section, name)
        for section, keys in table().items()
        for name in keys
        if section not in ("model_list", "credential_list", "models")
        and (section, name) not in elsewhere
        and not any(known == section and fnmatchcase(key, name) for known, key in shown)
    ]

    assert not missing
