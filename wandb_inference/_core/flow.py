"""The one retry loop, as a conversation with whoever owns the socket."""

from __future__ import annotations

from collections.abc import Callable, Generator
from random import random
from typing import NamedTuple
from urllib.parse import quote, urljoin

from ..exceptions import APIError, AttemptRecord, BadRequestError, UnprocessableEntityError
from .errors import connection_error, status_error
from .retry import RetryPolicy
from .wire import Attempt, Outcome, Reply, Request, origin

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

    __slots__ = ("jitter", "policy", "records", "retries")

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float] = random) -> None:
        self.policy = policy
        self.jitter = jitter
        self.records: list[AttemptRecord] = []
        self.retries = 0

    def failed(
        self, error: APIError, record: AttemptRecord, *, elapsed: float, deadline: float | None, final: bool
    ) -> float:
        """Seconds to wait before the next attempt. Raises `error`, with the attempts on it, where there is none."""
        self.records.append(record._replace(error=error.message))
        error.attempts = tuple(self.records)
        delay = None if final else self.policy.delay(self.retries, error, self.jitter())
        if delay is None or (deadline is not None and elapsed + delay >= deadline):
            raise error
        self.retries += 1
        return delay


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
    deadline = request.timeouts.deadline
    wait = 0.0
    redirects = 0
    if broken is not None:
        # Its headers had been good, so its record knows of no failure yet; and a server that accepted may bill.
        record = journal.records.pop()._replace(outcome="unknown")
        wait = journal.failed(broken.error, record, elapsed=broken.elapsed, deadline=deadline, final=False)
    while True:
        outcome = yield Attempt(request, wait)
        error: APIError
        if isinstance(outcome, Reply):
            record = AttemptRecord(outcome.status, None, "answered", wait, outcome.seconds, outcome.request_id)
            if outcome.status < 300:
                journal.records.append(record)
                return outcome
            target = redirect_target(request.url, outcome)
            if target is not None and redirects < MAX_REDIRECTS:
                redirects += 1
                request = request._replace(url=target)
                wait = 0.0
                continue
            error = status_error(outcome, request)
            final = False
        else:
            record = AttemptRecord(None, None, outcome.sent, wait, outcome.seconds, None)
            error = connection_error(outcome, request)
            final = outcome.permanent
        wait = journal.failed(error, record, elapsed=outcome.elapsed, deadline=deadline, final=final)


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
