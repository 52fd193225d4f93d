"""What crosses the boundary between deciding and waiting. No object of the HTTP library has a name here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ..exceptions import Clock
    from ..exceptions import Outcome as Sent
    from ..types.meta import Route


class Timeouts(NamedTuple):
    """Seconds for each step; `None` waits for ever."""

    connect: float | None = 10.0
    read: float | None = 600.0
    stall: float | None = 120.0
    deadline: float | None = None


class Context(NamedTuple):
    """What an error's hint needs to know of the call. Nothing in it is secret."""

    base_url: str
    model: str | None = None
    project: str | None = None
    key_source: str = ""
    key_sent: bool = True
    """Whether the client's key goes along, and no header of the caller's own."""


def default_port(scheme: str) -> int:
    """The port of a URL that names none."""
    return 443 if scheme == "https" else 80


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454, 4): the port is the scheme's own where none is given.

    Raises:
        ValueError: It is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or default_port(parts.scheme)


class Request(NamedTuple):
    """A request, complete but for the key: that one is added by the transport and never seen here."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    timeouts: Timeouts
    context: Context
    stream: bool = False
    adaptive: bool = False
    """Whether it waits for a place in its model's window."""
    bare: bool = False
    """Whether nothing goes along that is not here: no key, cookie or project of an HTTP client of the caller's."""

    @property
    def address(self) -> str:
        """Host and port, for people to read."""
        _, host, port = origin(self.url)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Attempt(NamedTuple):
    """One sending of a request."""

    request: Request
    wait: float
    """Seconds to wait before sending; 0.0 for the first."""


class Reply(NamedTuple):
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """`b""` while the body is still open."""
    raw: object
    """The transport's own response; nobody above may look inside."""
    seconds: float
    """From sending to the headers."""
    to_headers: float
    """From the call's beginning to the headers."""
    elapsed: float
    """From the call's beginning to the end of what was read: the headers of a stream, else the body."""
    now: float
    """Wall-clock time, in seconds since 1970, to read dates in headers by."""
    queued: float = 0.0
    """Seconds spent in line for a turn."""
    reused: bool | None = None
    """Whether the connection had been used before; `None` where that is not known."""
    pause: float | None = None
    """For a call that its model's window let go too early: seconds before it comes back, without using up a retry."""
    hide: Callable[[bytes], bytes] | None = None
    """Takes the key out of what a stream's server repeats; `None` where there is nothing to take out."""
    route: Route = "direct"
    """Which way it came."""
    pace: float = 1.0
    """What the wait before the next attempt is multiplied by: 0.0 for an answer out of a recording, say."""

    @property
    def request_id(self) -> str | None:
        """The server's id of the request. The service documents none; these are the names in use."""
        for name in ("x-request-id", "request-id", "x-amzn-requestid", "cf-ray"):
            if self.headers.get(name):
                return self.headers[name]
        return None


class Failure(NamedTuple):
    """No answer."""

    cause: BaseException | None
    reason: str
    """Why, in a few words: `connection refused`."""
    sent: Sent
    """Whether the server may have seen the request."""
    clock: Clock | None
    """The clock that ran out, if one did."""
    permanent: bool
    """Whether trying again can't help: a certificate that does not fit, say."""
    seconds: float
    """From sending to the failure."""
    elapsed: float
    """Since the call began."""
    queued: float = 0.0
    """Seconds spent in line for a turn."""
    answer: Reply | None = None
    """The answer's head, where it had come."""
    is_own_proxy: bool = False
    """Whether the proxy, if there was one, is that of the client's `network`, not of the environment."""
    uds: str | None = None
    """The path of the Unix socket that stood in place of the server's host."""
    pace: float = 1.0
    """What the wait before the next attempt is multiplied by."""


Outcome: TypeAlias = "Reply | Failure"
