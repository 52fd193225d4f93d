"""Who gets a turn, and which connection: decided in constant time, without any waiting.

Nothing here walks over connections or asks a socket. A connection that died while idle says so itself (async) or is
asked when it is taken (blocking).
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

KEEPALIVE: Final = 20.0
"""Seconds a connection may be idle. Balancers in front of services give up after 30 to 60 and more."""

DRAIN_BYTES: Final = 64 * 1024
DRAIN_SECONDS: Final = 0.2
"""What may be read of a body after its last event, so that the connection can be used again: the few bytes of the
terminator. A peer that sends more, or nothing, costs this much at most, and its connection."""


class Origin(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


class Waiting(Protocol):
    """Someone who waits for a turn."""

    @property
    def gone(self) -> bool:
        """Whether they no longer wait."""
        ...


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Closes it at once."""
        ...


W = TypeVar("W", bound=Waiting)
C = TypeVar("C", bound=Closable)


class Turns(Generic[W]):
    """A fair queue in front of a number of places: nobody overtakes.

    Args:
        limit: How many may be in at a time.
    """

    __slots__ = ("_room", "_waiting")

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._waiting: deque[W] = deque()

    def enter(self) -> bool:
        """Whether there was a place, and nobody waits for it; it is taken then."""
        if self._room and not self._waiting:
            self._room -= 1
            return True
        return False

    def wait(self, who: W) -> None:
        """Lines up."""
        self._waiting.append(who)

    def leave(self) -> W | None:
        """Gives a place up: to the first who still waits, who is returned to be told, else to whoever comes."""
        while self._waiting:
            who = self._waiting.popleft()
            if not who.gone:
                return who
        self._room += 1
        return None

    def end(self) -> list[W]:
        """Empties the line; those who still waited are returned to be told."""
        waiting = [who for who in self._waiting if not who.gone]
        self._waiting.clear()
        return waiting


class Idle(Generic[C]):
    """Connections that nobody uses, the warmest on top.

    Args:
        limit: How many are kept.
        keepalive: Seconds each is kept; `None` for ever.
    """

    def __init__(self, limit: int, keepalive: float | None = KEEPALIVE) -> None:
        self._limit = limit
        self._keepalive = math.inf if keepalive is None else keepalive
        self._stacks: dict[Origin, deque[tuple[C, float]]] = {}
        self._count = 0

    def take(self, origin: Origin, now: float) -> C | None:
        """The connection that was used last; `None` where all are too old, or there is none."""
        stack = self._stacks.get(origin)
        if not stack:
            return None
        if now - stack[-1][1] >= self._keepalive:
            self.clear(origin)
            return None
        self._count -= 1
        return stack.pop()[0]

    def put(self, origin: Origin, connection: C, now: float) -> None:
        """Keeps a connection for later, or closes it where there are enough."""
        stack = self._stacks.get(origin)
        if stack is None:
            stack = self._stacks[origin] = deque()
        # The coldest leave as others come, so that what the server has closed long ago does not pile up.
        while stack and now - stack[0][1] >= self._keepalive:
            self._count -= 1
            stack.popleft()[0].close()
        if self._count >= self._limit:
            connection.close()
            return
        stack.append((connection, now))
        self._count += 1

    def clear(self, origin: Origin | None = None) -> None:
        """Closes all connections to this origin, or all there are.

        One that turned out dead speaks for the others: after a server's restart or a laptop's sleep they would fail one
        by one.
        """
        for stack in [self._stacks.pop(origin, deque())] if origin else list(self._stacks.values()):
            self._count -= len(stack)
            for connection, _ in stack:
                connection.close()
        if origin is None:
            self._stacks.clear()
