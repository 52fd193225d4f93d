"""The one retry loop, as a conversation with whoever owns the socket."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from random import random
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, urljoin

from ..exceptions import (
    APIError,
    APIResponseValidationError,
    AttemptRecord,
    BadRequestError,
    UnprocessableEntityError,
)
from .errors import connection_error, status_error
from .meta import meta_from
from .retry import RetryPolicy
from .wire import Attempt, Failure, Outcome, Reply, Request, origin

if TYPE_CHECKING:
    from ..exceptions import Outcome as Sent
    from .following import Ending, Follower
    from .hooks import Watch

E = TypeVar("E", bound=APIError)

Flow = Generator[Attempt, Outcome, Reply]

MAX_REDIRECTS = 5

_IN_URLS = "%:/?#[]@!$&'()*+,;="
"""What stands in a URL as it is, beside letters and digits: RFC 3986, 2.2."""


class Quirks:
    """What a server was found not to take. Shared by a client and its clones."""

    __slots__ = ("no_stream_options",)

    def __init__(self) -> None:
        self.no_stream_options = False


class Journal:
    """The attempts of one call, and what is left to it."""

    __slots__ = (
        "_pending",
        "error",
        "followers",
        "jitter",
        "key",
        "pace",
        "policy",
        "records",
        "refusals",
        "request",
        "resumed",
        "retries",
        "waited",
        "watch",
    )

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float] = random) -> None:
        self.policy = policy
        self.jitter = jitter
        self.records: list[AttemptRecord] = []
        self.retries = 0
        self.refusals = 0
        """Refusals that were no retries."""
        self.pace = 1.0
        """What the next wait is multiplied by: the last outcome's."""
        self.waited = 0.0
        """Seconds of the last wait."""
        self.resumed = 0.0
        """When the last attempt was to be sent, in seconds since the call began."""
        self.request: Request | None = None
        """What was sent last."""
        self.key: str | None = None
        """The client's key, where it is a text: what is kept of the request is kept without it."""
        self.error: APIError | None = None
        """How the last attempt failed, for the hooks."""
        self.watch: Watch | None = None
        """What tells the client's hooks of the call, where it has any."""
        self.followers: tuple[Follower, ...] = ()
        """Those who follow the call to its end."""
        self._pending: list[tuple[Follower, ...]] = []
        # Taken by whoever ends the call: a stream can be closed by two threads at the same time.

    def follow(self, followers: tuple[Follower, ...]) -> None:
        """Has the call followed, before it begins."""
        self.followers = followers
        self._pending = [followers]

    def begin(self) -> None:
        """The call is about to be sent, for the first time or again. Raises what a follower has against it."""
        followers, self.followers = self.followers, ()
        for follower in followers:
            follower.begin()

    def end(self, ending: Ending) -> None:
        """The call is over; the first who says so is heard."""
        try:
            followers = self._pending.pop()
        except IndexError:
            return
        for follower in followers:
            follower.end(ending)

    def failed(
        self,
        error: APIError,
        record: AttemptRecord,
        *,
        elapsed: float,
        deadline: float | None,
        final: bool,
        pause: float | None = None,
    ) -> float:
        """Seconds to wait before the next attempt. Raises `error`, which knows of the call, where there is none."""
        self.records.append(record._replace(error=error.message))
        self.complete(error)
        if pause is not None:
            delay = self.policy.comeback(pause, self.refusals, error, self.jitter())
        else:
            delay = None if final else self.policy.delay(self.retries, error, self.jitter())
        if delay is not None:
            delay *= self.pace
        if delay is None or (deadline is not None and elapsed + delay >= deadline):
            try:
                raise error
            finally:
                del error  # its traceback knows this frame: in a circle they would keep the client's connections
        self.waited, self.resumed = delay, elapsed + delay
        if self.watch is not None:
            self.error = error
        if pause is not None:
            self.refusals += 1
        else:
            self.retries += 1
        return delay

    def complete(self, error: E) -> E:
        """The error, knowing of the attempts and of the request."""
        error.attempts = tuple(self.records)
        if error.meta is not None:
            error.meta = replace(error.meta, attempts=error.attempts)
        if self.request is not None:
            from .redaction import sent_request  # which only errors need

            vars(error)["_sent"] = sent_request(self.request, self.key)
        return error

    def broke(self, error: E) -> E:
        """The error, after the last attempt, which had been answered, turned out to have failed."""
        record = self.records.pop()
        self.records.append(record._replace(error=error.message, outcome=outcome_of(error)))
        return self.complete(error)

    def gave_up(self, error: BaseException, elapsed: float) -> None:
        """The call ends in an error that no attempt led to: the client was closed between two of them, say."""
        if isinstance(error, APIError) and error.meta is None and self.records:
            error.meta = meta_from(None, (), total=elapsed)
            self.complete(error)
        self.fail(error, elapsed)

    def fail(self, error: BaseException, elapsed: float) -> None:
        """The call ends in an error; what is known of it is on the error itself."""
        if not self._pending:
            return
        from .following import Ending

        known = error if isinstance(error, APIError) else None
        meta = known.meta if known is not None else None
        records = self.records
        if not isinstance(error, Exception) and self.request is not None and elapsed >= self.resumed:
            # An attempt that was under way when the call was cancelled may have been billed like any that broke.
            seconds = elapsed - self.resumed
            records = [*records, AttemptRecord(None, type(error).__name__, "unknown", self.waited, seconds, None)]
        if meta is None and records:
            meta = meta_from(None, records, total=elapsed)
        partial = known.partial if known is not None else None
        answer = None if partial is None else lambda: partial
        self.end(Ending(error, meta, known.usage if known is not None else None, False, answer))


def outcome_of(error: APIError) -> Sent:
    """What an answer was that had begun well: one that came whole but was none, or one that may have been billed."""
    return "answered" if isinstance(error, APIResponseValidationError) else "unknown"


class Broken(NamedTuple):
    """How a stream that had been accepted broke, before its first chunk was handed over."""

    error: APIError
    elapsed: float


def request_flow(request: Request, journal: Journal, broken: Broken | None = None) -> Flow:
    """One API call. Yields an `Attempt`; expects the `Outcome` of sending it.

    Returns the first reply with a status below 300, or raises the `APIError` of the last attempt.

    Args:
        request: What to send.
        journal: The attempts so far; those of this flow are added.
        broken: How the last attempt ended, where a stream comes back to be tried again.
    """
    if journal.followers:
        journal.begin()
    deadline = request.timeouts.deadline
    wait = 0.0
    redirects = 0
    if broken is not None:
        # Its headers had been good, so its record knows of no failure yet; and a server that accepted may bill.
        record = journal.records.pop()._replace(outcome=outcome_of(broken.error))
        wait = journal.failed(broken.error, record, elapsed=broken.elapsed, deadline=deadline, final=False)
    while True:
        journal.request = request
        outcome = yield Attempt(request, wait)
        journal.pace = outcome.pace
        is_loop = False
        if isinstance(outcome, Reply):
            if outcome.status < 300:
                journal.records.append(_record(outcome, wait))
                return outcome
            target = redirect_target(request.url, outcome)
            is_loop = target is not None and redirects == MAX_REDIRECTS
            if target is not None and not is_loop:
                redirects += 1
                request = request._replace(url=target)
                wait = 0.0
                continue
        wait = journal.failed(
            _error(outcome, request, redirects if is_loop else 0),
            _record(outcome, wait),
            elapsed=outcome.elapsed,
            deadline=deadline,
            final=isinstance(outcome, Failure) and outcome.permanent,
            pause=outcome.pause if isinstance(outcome, Reply) else None,
        )


def _record(outcome: Outcome, wait: float) -> AttemptRecord:
    if isinstance(outcome, Reply):
        return AttemptRecord(outcome.status, None, "answered", wait, outcome.seconds, outcome.request_id)
    head = outcome.answer
    status, request_id = head and head.status, head and head.request_id
    return AttemptRecord(status, None, outcome.sent, wait, outcome.seconds, request_id)


def _error(outcome: Outcome, request: Request, redirects: int) -> APIError:
    if isinstance(outcome, Reply):
        error: APIError = status_error(outcome, request, redirects)
    else:
        error = connection_error(outcome, request)
    error.meta = meta_from(outcome, (), total=outcome.elapsed)
    return error


def stream_flow(
    asking: Request, plain: Request, journal: Journal, quirks: Quirks, broken: Broken | None = None
) -> Flow:
    """A streamed call that asks for usage, and does without where the server refuses to be asked.

    Args:
        asking: The request with `stream_options`.
        plain: The same without.
        journal: The attempts so far.
        quirks: Where a refusal is remembered.
        broken: How the last attempt ended, where a stream comes back to be tried again.
    """
    if quirks.no_stream_options:
        return (yield from request_flow(plain, journal, broken))
    try:
        return (yield from request_flow(asking, journal, broken))
    except (BadRequestError, UnprocessableEntityError) as error:
        # Not in the body: servers that answer 422 quote the whole request in it.
        said = f"{error.message} {error.param}"
        if "stream_options" not in said and "include_usage" not in said:
            raise
        journal.error = error.with_traceback(None)
    reply = yield from request_flow(plain, journal)
    quirks.no_stream_options = True
    return reply


def redirect_target(url: str, reply: Reply) -> str | None:
    """Where a 307 or 308 leads, if that is the same origin: the key goes to no other."""
    location = reply.headers.get("location")
    if reply.status not in (307, 308) or not location:
        return None
    try:
        # Headers are read as Latin-1: what no request line takes is written as the bytes that came.
        target = quote(urljoin(url, location), safe=_IN_URLS, encoding="latin-1")
        return target if origin(target) == origin(url) else None
    except ValueError:  # no URL
        return None
