"""What crosses the boundary between the router, which decides, and the server, which waits. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, Union

from ..._core.errors import means_quota, read_body, stream_error
from ..._core.retry import retry_after
from ..._core.wire import Context
from ...exceptions import ConcurrencyLimitError, QuotaExceededError
from ..config import Deployment, KeyRule
from ..errors import GatewayError

if TYPE_CHECKING:
    from ._leases import Lease
    from ._line import Waiter


class Caller(NamedTuple):
    """Who asks."""

    name: str
    """What limits are counted under; the rule's name, for a key of the file."""
    rule: KeyRule | None = None
    """What the key may do; `None`: everything, as for the master key and where any key will do."""


class Wishes(NamedTuple):
    """What a request asks of the router."""

    prompt_tokens: int = 0
    """An estimate."""
    max_tokens: int | None = None
    """Tokens of the answer at most, where the request says so."""
    stream: bool = False
    fallbacks: tuple[str, ...] | None = None
    """Models to go on with; `None`: those of the configuration, `()`: none."""
    num_retries: int | None = None
    timeout: float | None = None
    """Seconds for each step of an attempt."""
    stream_timeout: float | None = None
    deadline: float | None = None
    """Seconds for the whole request."""
    tags: tuple[str, ...] = ()
    session: str | None = None
    """What requests have in common that are to go to the same deployment, if the configuration wants that."""
    user_agent: str = ""
    """For `tag_regex`, which looks at `User-Agent: <this>`."""
    choices: int = 1
    """Answers that are wanted."""


class Usage(NamedTuple):
    """What a request used."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt's."""
    cost: Decimal | None = None
    """Dollars; `None`: by the deployment's price."""


Kind = Literal["connection", "timeout", "status", "invalid", "stream"]


class Failure(NamedTuple):
    """How an attempt failed."""

    kind: Kind
    """No connection or none that lasted until an answer; too slow; an error of the service's; no answer at all, though
    a 200; broken off after the first data."""
    status: int = 0
    """The service's, for `status`."""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str = ""
    retry_after: float | None = None
    """Seconds."""
    quota: bool = False
    """Whether it is about credits, which no wait brings back."""
    crowded: bool = False
    """Whether it is about requests at the same time, of which this was one too many."""

    @classmethod
    def answered(cls, status: int, headers: Mapping[str, str], body: bytes, *, wall: float) -> Failure:
        """What an answer says that is no success; other statuses than those of errors make it no answer at all.

        Args:
            status: The status.
            headers: Names in lower case.
            body: What there is of it; JSON of every shape in use, text and HTML.
            wall: Seconds since 1970, for a `Retry-After` that is a date.
        """
        said = read_body(body, headers.get("content-type", ""))
        text = f"{said.message} {said.code} {said.type}".lower()
        quota = status == 402 or (status == 429 and means_quota(said))
        return cls(
            "status" if 400 <= status < 600 else "invalid",
            status,
            said.code,
            said.type,
            said.param,
            said.message or f"the service answered {status}",
            retry_after(headers, wall),
            quota,
            status == 429 and not quota and "concurren" in text,
        )

    @classmethod
    def told(cls, error: object) -> Failure:
        """What an error object says that came as the first event of a stream, or as a body under 200.

        Args:
            error: The JSON value, whole or its `error` alone.
        """
        said = stream_error(error, Context(""), headers={}, request_id=None)
        return cls(
            "status",
            said.status_code,
            said.code,
            said.type,
            said.param,
            said.message,
            quota=isinstance(said, QuotaExceededError),
            crowded=isinstance(said, ConcurrencyLimitError),
        )


class Pick(NamedTuple):
    """A deployment to call now."""

    deployment: Deployment
    model: str
    """The id to send."""
    group: str
    """The name of the group that serves it, which may be a fallback's."""
    timeout: float
    """Seconds for each step of the attempt."""
    stall: float
    """Seconds without data on a stream."""
    deadline: float | None
    """When the whole request has to be over, as `now` counts."""
    lease: Lease
    """What it holds until it is told how the attempt went."""


class Sleep(NamedTuple):
    """A pause before the next attempt."""

    seconds: float


class Queue(NamedTuple):
    """Nothing to do until `waiter.ready`, or until `waiter.deadline` is past; then `next()` tells more."""

    waiter: Waiter


class Finished(NamedTuple):
    """Nothing is left to try."""

    error: GatewayError


Step: TypeAlias = Union[Pick, Sleep, Queue, Finished]
