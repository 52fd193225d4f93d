"""Token counts of several answers, added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from ..types import ChatCompletion, CompletionUsage


def total_usage(completions: Iterable[ChatCompletion]) -> CompletionUsage | None:
    """The counts of all completions together; `None` where no server told any."""
    dumped = [completion.usage.model_dump() for completion in completions if completion.usage is not None]
    if len(dumped) < 2:
        return CompletionUsage.model_validate(dumped[0]) if dumped else None
    total: Mapping[str, object] = {}
    for usage in dumped:
        total = _added(total, usage)
    return CompletionUsage.model_validate(total)


def _added(one: Mapping[str, object], other: Mapping[str, object]) -> Mapping[str, object]:
    result = dict(one)
    for name, value in other.items():
        before = result.get(name)
        if isinstance(value, (int, float)) and isinstance(before, (int, float)) and not isinstance(value, bool):
            result[name] = before + value
        elif isinstance(value, Mapping) and isinstance(before, Mapping):
            result[name] = _added(cast("Mapping[str, object]", before), cast("Mapping[str, object]", value))
        elif value is not None:
            result[name] = value
    return result
