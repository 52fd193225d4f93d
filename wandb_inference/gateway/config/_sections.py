"""The sections of a file as pydantic models: a field for each key that is taken over, `None` where it is left out."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from ._values import (
    Count,
    Dollars,
    Flag,
    HeaderName,
    Json,
    Moment,
    Name,
    Network,
    Pause,
    Positive,
    Seconds,
    Share,
    Size,
    Span,
    Text,
    Texts,
    wanted,
)


def are_texts(value: object) -> bool:
    """Whether a value is a list of texts, none of them empty."""
    return isinstance(value, list) and all(isinstance(each, str) and each for each in cast("list[object]", value))


def _not_empty(value: list[str]) -> list[str]:
    if not value:
        raise wanted("a list of one address or more: nobody could connect")
    return value


def _flag_or_text(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool) or (isinstance(value, str) and value.strip()):
        return value
    raise wanted("true, false or the name of a file")


def _flag_or_texts(value: object) -> object:
    if isinstance(value, bool):
        return value
    if are_texts(value):
        return value
    raise wanted("true, false or a list of names")


class Section(BaseModel):
    """What may stand in one section."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=(), hide_input_in_errors=True)


class Root(Section):
    """The file itself: sections, each looked at on its own."""

    model_list: Any = None
    models: Any = None
    defaults: Any = None
    keys: Any = None
    router_settings: Any = None
    litellm_settings: Any = None
    general_settings: Any = None
    environment_variables: Any = None
    include: Any = None
    credential_list: Any = None


class Router(Section):
    """`router_settings`."""

    routing_strategy: Text | None = None
    routing_strategy_args: Json | None = None
    num_retries: Count | None = None
    retry_after: Pause | None = None
    retry_policy: dict[str, Count] | None = None
    model_group_retry_policy: dict[str, dict[str, Count]] | None = None
    timeout: Seconds | None = None
    stream_timeout: Seconds | None = None
    allowed_fails: Count | None = None
    allowed_fails_policy: dict[str, Count] | None = None
    cooldown_time: Pause | None = None
    disable_cooldowns: Flag | None = None
    fallbacks: Any = None
    context_window_fallbacks: Any = None
    content_policy_fallbacks: Any = None
    default_fallbacks: Any = None
    max_fallbacks: Count | None = None
    model_group_alias: Json | None = None
    enable_pre_call_checks: Flag | None = None
    optional_pre_call_checks: Texts | None = None
    enable_tag_filtering: Flag | None = None
    tag_filtering_match_any: Flag | None = None
    default_max_parallel_requests: Positive | None = None
    default_litellm_params: Any = None
    redis_host: Text | None = None
    redis_port: Positive | None = None
    redis_password: Text | None = None
    redis_url: Text | None = None
    redis_db: Count | None = None
    enable_weighted_failover: Flag | None = None
    deadline: Seconds | None = None
    retry_budget: Share | None = None


class StrategyArgs(Section):
    """`routing_strategy_args`."""

    ttl: Seconds | None = None
    lowest_latency_buffer: Share | None = None
    max_latency_list_size: Positive | None = None
    ttft_percentile: Share | None = None


class LiteLLM(Section):
    """`litellm_settings`."""

    num_retries: Count | None = None
    request_timeout: Seconds | None = None
    fallbacks: Any = None
    context_window_fallbacks: Any = None
    content_policy_fallbacks: Any = None
    default_fallbacks: Any = None
    allowed_fails: Count | None = None
    drop_params: Flag | None = None
    max_budget: Dollars | None = None
    budget_duration: Span | None = None
    json_logs: Flag | None = None
    ssl_verify: Annotated[Any, BeforeValidator(_flag_or_text)] = None
    ssl_certificate: Text | None = None
    callbacks: Texts | None = None
    success_callback: Texts | None = None
    failure_callback: Texts | None = None
    require_auth_for_metrics_endpoint: Flag | None = None
    turn_off_message_logging: Flag | None = None
    default_internal_user_params: Json | None = None
    upperbound_key_generate_params: Json | None = None
    default_key_generate_params: Json | None = None
    force_ipv4: Flag | None = None


class General(Section):
    """`general_settings`."""

    master_key: Any = None
    database_url: Text | None = None
    database_connection_pool_limit: Positive | None = None
    database_connection_timeout: Seconds | None = None
    max_parallel_requests: Positive | None = None
    global_max_parallel_requests: Positive | None = None
    max_in_flight_requests_per_worker: Positive | None = None
    max_queued_requests_per_worker: Count | None = None
    admission_queue_timeout_seconds: Pause | None = None
    max_request_size_mb: Size | None = None
    max_response_size_mb: Size | None = None
    cancel_on_disconnect: Flag | None = None
    always_include_stream_usage: Flag | None = None
    forward_client_headers_to_llm_api: Annotated[Any, BeforeValidator(_flag_or_texts)] = None
    background_health_checks: Flag | None = None
    health_check_interval: Seconds | None = None
    enable_health_check_routing: Flag | None = None
    litellm_key_header_name: HeaderName | None = None
    user_header_name: HeaderName | None = None
    enforce_user_param: Flag | None = None
    reject_clientside_metadata_tags: Flag | None = None
    enforced_params: Texts | None = None
    store_prompts_in_spend_logs: Flag | None = None
    disable_spend_logs: Flag | None = None
    disable_error_logs: Flag | None = None
    maximum_spend_logs_retention_period: Span | None = None
    proxy_batch_write_at: Seconds | None = None
    allow_requests_on_db_unavailable: Flag | None = None
    fail_closed_budget_enforcement: Flag | None = None
    fail_closed_rate_limit_enforcement: Flag | None = None
    alerting: Texts | None = None
    alerting_threshold: Seconds | None = None
    alert_to_webhook_url: Json | None = None
    allow_public_health_readiness_details: Flag | None = None
    include_call_id_in_error_body: Flag | None = None
    use_x_forwarded_for: Flag | None = None
    trusted_proxy_ranges: list[Network] | None = None
    allowed_ips: Annotated[list[Network], AfterValidator(_not_empty)] | None = None
    cors_origins: Texts | None = None
    reasoning_content: Flag | None = None


class ClientKey(Section):
    """An entry of `keys`."""

    name: Name | None = None
    key: Any = None
    models: Texts | None = None
    rpm: Positive | None = None
    tpm: Positive | None = None
    max_parallel_requests: Positive | None = None
    max_budget: Dollars | None = None
    budget_duration: Span | None = None
    expires: Moment | None = None
    metadata: Json | None = None
