"""How deployments are chosen and retried, by `router_settings` and `litellm_settings`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

from ._checking import Fields, one_of, quote, read, without_none
from ._config import RouterSettings, Strategy
from ._findings import Findings, nearest, shown
from ._sections import Router, StrategyArgs
from ._settings import Settings, found
from ._sources import Sources
from ._tree import Item

_KINDS: Final = (
    "BadRequestError",
    "AuthenticationError",
    "TimeoutError",
    "RateLimitError",
    "ContentPolicyViolationError",
    "InternalServerError",
)
RETRIES: Final = tuple(f"{kind}Retries" for kind in _KINDS)
"""The names in a `retry_policy`."""
FAILS: Final = tuple(f"{kind}AllowedFails" for kind in _KINDS)
"""The names in an `allowed_fails_policy`."""

_STRATEGIES: Final = (
    "simple-shuffle",
    "least-busy",
    "latency-based-routing",
    "usage-based-routing",
    "usage-based-routing-v2",
    "cost-based-routing",
)
_NOT_OURS: Final = ("provider-budget-routing", "lar1")
_ALWAYS: Final = frozenset({"enforce_model_rate_limits", "session_affinity"})

_ROUTER: Final = {
    "num_retries": "router.num_retries litellm.num_retries",
    "retry_after": "router.retry_after",
    "retry_policy": "router.retry_policy",
    "group_retry_policy": "router.model_group_retry_policy",
    "timeout": "router.timeout litellm.request_timeout",
    "stream_timeout": "router.stream_timeout",
    "deadline": "router.deadline",
    "retry_budget": "router.retry_budget",
    "allowed_fails": "router.allowed_fails litellm.allowed_fails",
    "allowed_fails_policy": "router.allowed_fails_policy",
    "cooldown_time": "router.cooldown_time",
    "disable_cooldowns": "router.disable_cooldowns",
    "max_fallbacks": "router.max_fallbacks",
    "pre_call_checks": "router.enable_pre_call_checks",
    "tag_filtering": "router.enable_tag_filtering",
    "tag_match_any": "router.tag_filtering_match_any",
}
"""Attributes of `RouterSettings`, and the keys that they come from, the first that is given."""

_ARGUMENTS: Final = {
    "ttl": "latency_ttl",
    "lowest_latency_buffer": "latency_buffer",
    "max_latency_list_size": "latency_samples",
    "ttft_percentile": "ttft_percentile",
}
"""Arguments of the strategy, and the attributes of `RouterSettings` that they set."""


def router_settings(settings: Settings, sources: Sources, findings: Findings) -> RouterSettings:
    """How deployments are chosen and retried."""
    router = settings.router
    values = found("router", _ROUTER, settings, sources)
    for name in ("retry_policy", "allowed_fails_policy"):
        policy_names(router.get(name), RETRIES if name == "retry_policy" else FAILS, findings)
    groups = router.get("model_group_retry_policy")
    for policy in groups.entries.values() if groups else ():
        policy_names(policy, RETRIES, findings)
    checks = router.values.optional_pre_call_checks or []
    if others := [name for name in checks if name not in _ALWAYS]:
        findings.warn(router.get("optional_pre_call_checks"), f"{', '.join(map(shown, others))} has no effect")
    if "session_affinity" in checks:
        sources.note("router.session_affinity", router.get("optional_pre_call_checks"))
    if values.get("allowed_fails") == 3:  # LiteLLM takes its default, written out, for left out
        del values["allowed_fails"]
    return RouterSettings(
        strategy=_strategy(router, sources, findings),
        session_affinity="session_affinity" in checks,
        **values,
        **_arguments(router, findings),
    )


def policy_names(item: Item | None, names: tuple[str, ...], findings: Findings) -> None:
    """Notes the names in a policy that stand for no kind of failure."""
    for name, entry in item.entries.items() if item else ():
        one_of(replace(entry, value=name, origin=None), names, findings)


def _strategy(router: Fields[Router], sources: Sources, findings: Findings) -> Strategy:
    item = router.get("routing_strategy")
    if item is not None and item.value in _NOT_OURS:
        findings.error(item, f"{quote(item)} is not supported", f"there are {', '.join(_STRATEGIES)}")
    elif item is not None and one_of(item, _STRATEGIES, findings):
        sources.note("router.strategy", item)
        return cast("Strategy", str(item.value).removesuffix("-v2"))
    return "simple-shuffle"


def _arguments(router: Fields[Router], findings: Findings) -> dict[str, Any]:
    items = router.get("routing_strategy_args")
    entries = dict(items.entries) if items else {}
    for name in [name for name in entries if name not in _ARGUMENTS]:
        findings.error(
            entries.pop(name),
            f"there is no such argument; there are {', '.join(_ARGUMENTS)}",
            nearest(name, _ARGUMENTS),
        )
    values = read(StrategyArgs, entries, findings).values
    return without_none({attribute: getattr(values, name) for name, attribute in _ARGUMENTS.items()})
