"""Writes that go out together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Outbox:
    """Puts writes off to the end of the event loop's turn.

    A write wakes its reader, often on a core that sleeps, which can cost more than all else about it. A server that
    answers many requests in one turn pays that once for all of them. The order of writes to one transport stays, as
    long as all of them go through here or are a turn apart.

    Args:
        soon: Calls a function at the end of this turn: the event loop's `call_soon`.
    """

    __slots__ = ("_soon", "_waiting")

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Writes these bytes by the end of this turn, unless the transport is closed until then."""
        if not self._waiting:
            self._soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Writes at once what waits."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
