"""What a configuration says when all is checked and looked up: plain frozen data, for the router and the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from ._findings import Finding, hide
from ._matching import Match, Pattern
from ._models import Alias, Fallbacks, Group, Secret
from ._values import Duration

Strategy = Literal["simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing", "cost-based-routing"]


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """How deployments are chosen, and what happens when they fail."""

    strategy: Strategy = "simple-shuffle"
    latency_ttl: float = 3600.0
    """Seconds that a sample of latency counts."""
    latency_buffer: float = 0.0
    """Share of the lowest latency within which deployments count as equal."""
    latency_samples: int = 10
    ttft_percentile: float | None = None
    num_retries: int = 2
    retry_after: float = 0.0
    """Seconds to wait at least before a retry."""
    retry_policy: Mapping[str, int] = field(default_factory=dict[str, int])
    """Retries by LiteLLM's names of failures: `RateLimitErrorRetries`."""
    group_retry_policy: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    timeout: float = 600.0
    """Seconds for each step of an attempt."""
    stream_timeout: float | None = None
    """Seconds without data on a stream; `None`: as `timeout`."""
    deadline: float | None = 6000.0
    """Seconds for a whole request, retries and fallbacks included; LiteLLM's own longest."""
    retry_budget: float = 0.1
    """Retries at most, as a share of requests."""
    allowed_fails: int | None = None
    """`None`: the rules for rates of failure. LiteLLM's 3 means the same."""
    allowed_fails_policy: Mapping[str, int] = field(default_factory=dict[str, int])
    """Failures by LiteLLM's names: `RateLimitErrorAllowedFails`."""
    cooldown_time: float = 5.0
    disable_cooldowns: bool = False
    max_fallbacks: int = 5
    pre_call_checks: bool = False
    session_affinity: bool = False
    tag_filtering: bool = False
    tag_match_any: bool = True


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What holds for all requests."""

    max_request_bytes: int = 32 * 1024 * 1024
    max_response_bytes: int | None = None
    key_max_parallel_requests: int | None = None
    """Of each key that sets none itself."""
    max_parallel_requests: int | None = None
    """Of all together."""
    max_in_flight: int | None = None
    """Of one worker; `max_queued` more wait, `queue_timeout` seconds at most."""
    max_queued: int | None = None
    queue_timeout: float = 1.0
    max_budget: Decimal | None = None
    """Dollars that all together may spend per `budget_duration`."""
    budget_duration: Duration | None = None
    include_usage: bool = False
    """Whether streams end with the usage chunk unasked."""
    reasoning_content: bool = False
    """Whether answers have `reasoning_content` beside `reasoning`."""
    forward_headers: tuple[str, ...] = ()
    """Names of clients' headers to send on, in lower case; `x-*` for all of that form but keys and `x-stainless-*`."""
    key_header: str | None = None
    """One more header that a key may come in."""
    user_header: str | None = None
    enforce_user: bool = False
    enforced_params: tuple[str, ...] = ()
    reject_metadata_tags: bool = False
    call_id_in_errors: bool = False
    public_readiness_details: bool = False
    metrics_need_key: bool = True
    callbacks: tuple[str, ...] = ()
    """Of `prometheus` and `otel`, those that are asked for."""
    cors_origins: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    """Networks that may connect; none: all."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose `X-Forwarded-For` is believed; none: nobody's."""
    health_checks: bool = False
    health_check_interval: float = 300.0
    health_check_routing: bool = False
    json_logs: bool = False
    force_ipv4: bool = False
    ssl_verify: bool | str = True
    ssl_certificate: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class KeyRule:
    """A client's key, and what it may do."""

    name: str
    sha256: str
    """Hex digest of the key; the key itself is not kept."""
    models: tuple[str, ...] | None = None
    """Names and patterns; names of access groups stand here as the groups they hold. `None`: all."""
    rpm: int | None = None
    tpm: int | None = None
    max_parallel_requests: int | None = None
    max_budget: Decimal | None = None
    budget_duration: Duration | None = None
    expires: float | None = None
    """Seconds since 1970 from which it no longer holds."""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def allows(self, match: Match) -> bool:
        """Whether it may use the group that was asked for, under the name that it was asked by."""
        if self.models is None:
            return True
        return any(
            each in (match.asked, match.name, match.group.name) or ("*" in each and Pattern(each).tails(match.asked))
            for each in self.models
        )

    def __repr__(self) -> str:
        return hide(f"KeyRule({self.name!r})")


@dataclass(frozen=True, slots=True)
class State:
    """Where what is common to several processes would be kept; accepted, and not used yet."""

    database_url: Secret | None = None
    redis: Mapping[str, Secret] = field(default_factory=dict[str, Secret])


@dataclass(frozen=True, slots=True, repr=False)
class GatewayConfig:
    """A configuration that can be used: all references looked up, all names known."""

    groups: Mapping[str, Group]
    aliases: Mapping[str, Alias]
    fallbacks: Fallbacks
    router: RouterSettings
    server: ServerSettings
    keys: tuple[KeyRule, ...]
    master_key: Secret | None
    state: State
    environment: Mapping[str, Secret]
    """What `environment_variables` adds to the environment; put before `os.environ` by whoever reads variables."""
    access_groups: Mapping[str, tuple[str, ...]]
    """Names for several groups, from `model_info.access_groups`."""
    warnings: tuple[Finding, ...]
    sources: Mapping[str, str]
    """Where values came from, by their paths here: `models.fast[0].project` -> `config.yaml:7`, `router.timeout`,
    `master_key`; `environment WANDB_PROJECT`, `argument`. What is not named is a default."""
    files: tuple[Path, ...]
    """All files that were read; a watcher looks at these."""
    patterns: tuple[Pattern, ...] = field(default=(), compare=False)
    """The names of wildcard groups, the longest first."""

    @property
    def is_open(self) -> bool:
        """Whether any key will do, and none: only on loopback."""
        return self.master_key is None and not self.keys

    def match(self, name: str) -> Match | None:
        """The group for the name that a client asks for; `None` where there is none.

        An alias comes first, then the group of that name, then the wildcard with the most text of its own.
        """
        alias = self.aliases.get(name)
        model = name if alias is None else alias.model
        group = self.groups.get(model)
        if group is not None and not group.is_wildcard:
            return Match(group, name, model)
        for pattern in self.patterns:
            tails = pattern.tails(model)
            if tails is not None:
                return Match(self.groups[pattern.text], name, model, tails)
        return None

    def __repr__(self) -> str:
        return hide(f"GatewayConfig({len(self.groups)} models, {len(self.keys)} keys, files={[*map(str, self.files)]})")
