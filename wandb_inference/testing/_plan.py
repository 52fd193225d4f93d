"""What the server is going to do about one request, as data.

An answer is a `Plan`: computed by plain functions, then played by a shell that waits (`_transport.py` in process,
`_asgi.py` on a port). Faults change plans, so that they work alike on every answer and in both shells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from ._json import dumps

FOREVER = 86_400.0
"""Seconds of a pause that has no end: a day, since no clock takes infinity everywhere."""

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


class Send(NamedTuple):
    """Body bytes that leave at once, on their own."""

    data: bytes


class Pause(NamedTuple):
    """Nothing for so many seconds."""

    seconds: float


class Break(Enum):
    """A connection that ends before the answer does."""

    CUT = "cut"
    """The server closes it."""
    RESET = "reset"
    """The server resets it (TCP RST)."""
    REFUSE = "refuse"
    """The server never took it; on a port, where it is too late to refuse, a reset."""


Step = Send | Pause | Break


class Plan(NamedTuple):
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: Iterable[Step]
    """Consumed once; may have no end."""
    before: tuple[Pause | Break, ...] = ()
    """What happens before the status line."""

    @property
    def streams(self) -> bool:
        """Whether the body is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")


def whole(status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Plan:
    """An answer that comes in one piece."""
    fixed = {"content-type": content_type, "content-length": str(len(body))}
    return Plan(status, {**fixed, **(headers or {})}, (Send(body),) if body else ())


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Plan:
    """An answer in JSON."""
    return whole(status, dumps(body), "application/json", headers)


def events(steps: Iterable[Step], headers: Mapping[str, str] | None = None) -> Plan:
    """An answer that streams events."""
    fixed = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Plan(200, {**fixed, **(headers or {})}, steps)


def event(data: object) -> Send:
    """One event that carries a JSON value."""
    return Send(b"data: " + dumps(data) + b"\n\n")
