"""`router_settings`, `litellm_settings` and `general_settings`: what they say together, and what the server goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ..._network import Network
from ..._transport.tls import TLS
from ...exceptions import ConfigurationError
from ._addresses import sdk_hint
from ._checking import Fields, check, mapping
from ._config import ServerSettings, State
from ._findings import Findings, shown
from ._keys import find
from ._models import Secret
from ._references import Environment
from ._sections import General, LiteLLM, Router, Section
from ._sources import Sources
from ._tree import Item
from ._values import HEADER_NAME

_CALLBACKS: Final = ("prometheus", "otel")
_MB: Final = 1024 * 1024
NEVER_FORWARDED: Final = frozenset(
    {
        *("authorization", "x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"),
        *("openai-project", "openai-organization", "cookie", "proxy-authorization"),
        *("host", "connection", "content-length", "content-type", "transfer-encoding", "expect", "te", "upgrade"),
        *("accept-encoding", "content-encoding", "keep-alive", "proxy-connection", "trailer"),
    }
)
"""Headers of clients that no setting sends on."""
_DATABASES: Final = ("postgres", "postgresql", "sqlite")
_REDIS: Final = ("redis_host", "redis_port", "redis_password", "redis_url", "redis_db")


_SERVER: Final = {
    "max_request_bytes": "general.max_request_size_mb",
    "max_response_bytes": "general.max_response_size_mb",
    "key_max_parallel_requests": "general.max_parallel_requests",
    "max_parallel_requests": "general.global_max_parallel_requests",
    "max_in_flight": "general.max_in_flight_requests_per_worker",
    "max_queued": "general.max_queued_requests_per_worker",
    "queue_timeout": "general.admission_queue_timeout_seconds",
    "max_budget": "litellm.max_budget",
    "budget_duration": "litellm.budget_duration",
    "include_usage": "general.always_include_stream_usage",
    "reasoning_content": "general.reasoning_content",
    "key_header": "general.litellm_key_header_name",
    "user_header": "general.user_header_name",
    "enforce_user": "general.enforce_user_param",
    "enforced_params": "general.enforced_params",
    "reject_metadata_tags": "general.reject_clientside_metadata_tags",
    "call_id_in_errors": "general.include_call_id_in_error_body",
    "public_readiness_details": "general.allow_public_health_readiness_details",
    "metrics_need_key": "litellm.require_auth_for_metrics_endpoint",
    "allowed_ips": "general.allowed_ips",
    "health_checks": "general.background_health_checks",
    "health_check_interval": "general.health_check_interval",
    "health_check_routing": "general.enable_health_check_routing",
    "json_logs": "litellm.json_logs",
    "force_ipv4": "litellm.force_ipv4",
    "ssl_verify": "litellm.ssl_verify",
    "ssl_certificate": "litellm.ssl_certificate",
}
"""Attributes of `ServerSettings`, and the keys that they come from."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The three sections, checked."""

    router: Fields[Router]
    litellm: Fields[LiteLLM]
    general: Fields[General]


def sections(root: Mapping[str, Item], findings: Findings) -> Settings:
    """The three sections of a file, each checked by itself."""
    return Settings(
        check("router_settings", Router, mapping(root.get("router_settings"), findings), findings),
        check("litellm_settings", LiteLLM, mapping(root.get("litellm_settings"), findings), findings),
        check("general_settings", General, mapping(root.get("general_settings"), findings), findings),
    )


def server_settings(
    settings: Settings, environment: Environment, sources: Sources, findings: Findings
) -> ServerSettings:
    """What holds for all requests."""
    general, litellm = settings.general, settings.litellm
    values = found("server", _SERVER, settings, sources)
    if values.get("max_budget") == 0:  # LiteLLM's default, written out: no budget
        del values["max_budget"]
    for name in ("max_request_bytes", "max_response_bytes"):
        if name in values:
            values[name] = max(1, int(values[name] * _MB))
    if general.values.cancel_on_disconnect is False:
        findings.warn(general.get("cancel_on_disconnect"), "a client that leaves always ends its request here")
    if litellm.values.turn_off_message_logging is False:
        findings.warn(litellm.get("turn_off_message_logging"), "prompts are never logged here")
    if litellm.values.budget_duration is not None and litellm.values.max_budget is None:
        findings.error(litellm.get("budget_duration"), "there is no max_budget that it could renew")
    if others := [name for name in general.values.alerting or () if name != "webhook"]:
        findings.warn(general.get("alerting"), f"{', '.join(map(shown, others))} has no effect")
    _check_tls(litellm, findings)
    return ServerSettings(
        forward_headers=_forwarded(general, sources, findings),
        callbacks=_callbacks(litellm, sources, findings),
        cors_origins=_origins(general, environment, sources),
        trusted_proxies=_proxies(general, sources, findings),
        **values,
    )


def state(settings: Settings, environment: Environment, sources: Sources, findings: Findings) -> State:
    """Where what is common to several processes would be kept."""
    general, router = settings.general, settings.router
    url, item = general.values.database_url, general.get("database_url")
    if item is not None and url is not None:
        sources.note("state.database_url", item)
        if url.partition(":")[0] not in _DATABASES:
            findings.error(item, "this is no address of PostgreSQL or SQLite", "write postgresql://... or sqlite://...")
    elif url := environment.get("DATABASE_URL"):
        sources.note("state.database_url", environment.origin("DATABASE_URL"))
        findings.warn(None, f"DATABASE_URL is set, but {find_notice()}")
    redis = {
        name: Secret(str(getattr(router.values, name))) for name in _REDIS if getattr(router.values, name) is not None
    }
    for name in redis:
        sources.note(f"state.{name}", router.get(name))
    return State(Secret(url) if url else None, redis)


def find_notice() -> str:
    """What one must know who names a database."""
    key = find("general_settings", "database_url")
    return str(key and key.notice)


def found(prefix: str, wanted: Mapping[str, str], settings: Settings, sources: Sources) -> dict[str, Any]:
    """The values that are given, by attribute; the first place that has one counts."""
    values: dict[str, Any] = {}
    for attribute, places in wanted.items():
        for place in places.split():
            section, _, key = place.partition(".")
            fields: Fields[Section] = getattr(settings, section)
            value = getattr(fields.values, key)
            if value is not None:
                several = isinstance(value, list)
                values[attribute] = tuple(cast("Any", value)) if several else value
                sources.note(f"{prefix}.{attribute}", fields.get(key))
                break
    return values


def _forwarded(general: Fields[General], sources: Sources, findings: Findings) -> tuple[str, ...]:
    given: bool | list[str] | None = general.values.forward_client_headers_to_llm_api
    sources.note("server.forward_headers", general.get("forward_client_headers_to_llm_api"))
    if not isinstance(given, list):
        return ("x-*",) if given else ()
    names = tuple(name.strip().lower() for name in given)
    item = general.get("forward_client_headers_to_llm_api")
    if odd := [name for name in names if not HEADER_NAME.fullmatch(name)]:
        findings.error(item, f"{', '.join(map(shown, odd))} can't be the name of a header")
    own = general.values.litellm_key_header_name
    private = NEVER_FORWARDED if own is None else NEVER_FORWARDED | {own.lower()}
    if never := [name for name in names if name in private]:  # what a * stands for is looked at with each request
        findings.error(item, f"{', '.join(never)}: never sent on, for it says whose request it is or where it ends")
    return names


def _check_tls(litellm: Fields[LiteLLM], findings: Findings) -> None:
    for name, option in (("ssl_verify", "verify"), ("ssl_certificate", "cert")):
        value = getattr(litellm.values, name)
        if isinstance(value, str):
            try:
                TLS(Network(verify=value) if option == "verify" else Network(cert=value)).context()
            except ConfigurationError as error:
                findings.error(litellm.get(name), error.message.replace(f"network.{option}", "this"), sdk_hint(error))


def _callbacks(litellm: Fields[LiteLLM], sources: Sources, findings: Findings) -> tuple[str, ...]:
    wanted: list[str] = []
    for key in ("callbacks", "success_callback", "failure_callback"):
        item = litellm.get(key)
        given: list[str] = getattr(litellm.values, key) or []
        code = [name for name in given if "." in name]
        others = [name for name in given if name not in _CALLBACKS and name not in code]
        if code:
            findings.error(item, f"{', '.join(map(shown, code))} is code of yours, and none is run here")
        if others:
            findings.warn(item, f"{', '.join(map(shown, others))} has no effect; there are {' and '.join(_CALLBACKS)}")
        if ours := [name for name in given if name in _CALLBACKS]:
            sources.note("server.callbacks", item)
            wanted += ours
    return tuple(dict.fromkeys(wanted))


def _origins(general: Fields[General], environment: Environment, sources: Sources) -> tuple[str, ...]:
    given = general.values.cors_origins
    if given is not None:
        sources.note("server.cors_origins", general.get("cors_origins"))
        return tuple(given)
    listed = environment.get("LITELLM_CORS_ORIGINS")
    if not listed:
        return ()
    sources.note("server.cors_origins", environment.origin("LITELLM_CORS_ORIGINS"))
    return tuple(origin.strip() for origin in listed.split(",") if origin.strip())


def _proxies(general: Fields[General], sources: Sources, findings: Findings) -> tuple[str, ...]:
    ranges = general.values.trusted_proxy_ranges
    if not general.values.use_x_forwarded_for:
        return ()
    if not ranges:
        findings.error(
            general.get("use_x_forwarded_for"),
            "anyone can write X-Forwarded-For, so it is believed of proxies alone that are named",
            "write trusted_proxy_ranges: [10.0.0.0/8] beside it, with your proxy's network",
        )
        return ()
    sources.note("server.trusted_proxies", general.get("trusted_proxy_ranges"))
    return tuple(ranges)
