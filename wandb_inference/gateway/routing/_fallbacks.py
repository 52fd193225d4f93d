"""Which groups to go on with when one has failed."""

from __future__ import annotations

from collections import deque
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


class Trail:
    """The groups that a request goes through, each once.

    Args:
        config: The configuration.
        first: The group that was asked for.
        own: Those that the request names, in place of the configuration's; `None`: it names none.
        most: How many to go on to.
    """

    __slots__ = ("_config", "_most", "_own", "_pending", "_visited", "taken")

    def __init__(self, config: GatewayConfig, first: Match, own: Sequence[Match] | None, most: int) -> None:
        self.taken = 0
        """Groups that were gone on to."""
        self._config = config
        self._own = own
        self._most = most
        self._pending: deque[Match] = deque()
        self._visited = {first.name}

    def goes_on(self, match: Match, cause: Cause | None) -> bool:
        """Whether there is another group to go on to from this one, if it fails for this cause."""
        return self.taken < self._most and bool(self._pending or self._new(match, cause))

    def next(self, match: Match, cause: Cause | None) -> Match | None:
        """The group to go on to from this one, which failed for this cause."""
        if self.taken >= self._most:
            return None
        for each in self._new(match, cause):
            self._visited.add(each.name)
            self._pending.append(each)
        if not self._pending:
            return None
        self.taken += 1
        return self._pending.popleft()

    def _new(self, match: Match, cause: Cause | None) -> list[Match]:
        # The request's own list is there once; a group that was gone on to has no say in it.
        if self._own is not None and self.taken:
            return []
        return [each for each in following(self._config, match, self._own, cause) if each.name not in self._visited]


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
