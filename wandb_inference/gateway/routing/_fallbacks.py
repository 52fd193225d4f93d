"""Which groups to go on with when one has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..config import GatewayConfig, Match
from ..errors import GatewayError
from ._retrying import is_content_policy, is_context, where
from ._values import Failure

Cause = Literal["general", "context_window", "content_policy"]


def cause_of(failure: Failure | None, error: GatewayError) -> Cause | None:
    """What kind of failure it is; `None` for one that other models would meet as well.

    Args:
        failure: The service's; `None` for what the gateway itself found.
        error: The same as the client would get it.
    """
    if failure is None:
        if error.code == "context_length_exceeded":
            return "context_window"
        return None if error.status == 400 else "general"
    if is_context(failure):
        return "context_window"
    if is_content_policy(failure):
        return "content_policy"
    return None if where(failure) == "nowhere" else "general"


def following(config: GatewayConfig, match: Match, own: Sequence[Match] | None, cause: Cause | None) -> list[Match]:
    """The groups to go on with, in their order.

    Args:
        config: The configuration.
        match: The group that failed.
        own: Those that the request names, in place of the configuration's.
        cause: Why it failed. Without a list for just that, the general one counts.
    """
    if cause is None:
        return []
    if own is not None:
        return list(own)
    names = (match.asked, match.name, match.group.name)
    found = config.fallbacks.of(*names, kind=cause) or config.fallbacks.of(*names)
    return [each for each in map(config.match, found) if each is not None]
