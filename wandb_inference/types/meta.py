"""How a call went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from .rate_limit import RateLimit, read_rate_limit

if TYPE_CHECKING:
    from .._money import Pricing
    from ..exceptions import AttemptRecord

Route: TypeAlias = Literal["direct", "proxy", "httpx", "http_client"]
"""Which way a call went: `direct`, over a connection of our own; `proxy`; `httpx`, for HTTP/2, Unix sockets and mocks;
`http_client`, through the caller's own."""


@dataclass(frozen=True)
class Meta:
    """How a call went. All times are seconds from the call's start, waits and retries included."""

    request_id: str | None
    """The server's id of the request, where it sent one: quote it to support."""
    status: int | None
    """HTTP status of the last attempt's answer; `None` where none came."""
    headers: dict[str, str]
    """Response headers, names in lower case; empty where none came."""
    attempts: tuple[AttemptRecord, ...]
    """Every attempt, in order; the rest of this record is about the last."""
    to_headers: float | None
    """Until the answer's headers were there; `None` where none came."""
    to_first_token: float | None
    """Until a stream's first chunk with text, thinking or a tool call; `None` without a stream, or before it."""
    total: float | None
    """Until the answer was complete, the call failed or the stream closed; `None` while it runs."""
    queued: float = 0.0
    """Spent in line, because `max_connections` calls were in flight, or as many of the model as `adaptive_concurrency`
    allows; no timeout but the deadline counts it."""
    reused: bool | None = None
    """Whether the connection had served an earlier call; `None` where that is not known, as through a proxy."""
    completion_tokens: int | None = None
    """Tokens of the answer, where the usage is known."""
    route: Route = "direct"
    """Which way the call went: `direct`, over a connection of our own; through a `proxy`; through `httpx` for HTTP/2, a
    Unix socket or a mock; or through your own `http_client`."""
    pricing: Pricing | None = field(default=None, repr=False, compare=False)
    """What its tokens are priced by: see `cost_details` of the answer."""

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the server says about its rate limits; `None` where it says nothing."""
        return read_rate_limit(self.headers)

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of the answer per second of generation; `None` while unknown.

        The time counts from the first token of a stream, else from the start of the last attempt, waits left out.
        """
        if self.completion_tokens is None or self.total is None:
            return None
        began = self.to_first_token
        tokens = self.completion_tokens
        if began is None:
            began = (self.to_headers or 0.0) - self.attempts[-1].seconds if self.attempts else 0.0
        else:
            tokens -= 1  # the first one marks the start of the clock
        seconds = self.total - began
        return tokens / seconds if seconds > 0 and tokens > 0 else None
