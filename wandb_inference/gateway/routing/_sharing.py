"""The share of one of several workers in the limits of a configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from ..config import Deployment, GatewayConfig, Group, KeyRule, ServerSettings

T = TypeVar("T", Deployment, KeyRule, ServerSettings)

_COUNTS = ("rpm", "tpm", "itpm", "otpm", "max_parallel_requests", "key_rpm", "key_tpm", "key_max_parallel_requests")


def share_of(config: GatewayConfig, workers: int) -> GatewayConfig:
    """The configuration for one of so many workers, which count for themselves.

    Each holds its part of every limit and budget, rounded down, and one request at least: a limit below the number of
    workers lets through as many as there are workers. `max_in_flight` and `max_queued` are a worker's own already.
    """
    if workers <= 1:
        return config
    groups = {
        name: Group(group.name, tuple(_shared(each, workers) for each in group.deployments))
        for name, group in config.groups.items()
    }
    keys = tuple(_shared(rule, workers) for rule in config.keys)
    return replace(config, groups=groups, keys=keys, server=_shared(config.server, workers))


def _shared(part: T, workers: int) -> T:
    changes: dict[str, Any] = {}
    for name in _COUNTS:
        value = getattr(part, name, None)
        if value is not None:
            changes[name] = max(1, value // workers)
    if part.max_budget is not None:
        changes["max_budget"] = part.max_budget / workers
    return replace(part, **changes)
