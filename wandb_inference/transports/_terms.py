"""Requests, clocks and errors in httpx's terms and in ours. Without any waiting."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import httpx

from .._core.wire import Timeouts, default_port
from .._transport.clocks import ClockError, Clocks, Limit
from .._transport.http11 import Head, ProtocolError
from .._transport.outcomes import NotSentError
from .._transport.pool import Origin
from .._transport.uploads import Framing, LocalProtocolError, request_head

if TYPE_CHECKING:
    from ..exceptions import Clock

_FOR_EVER: Final = 1e9
"""Seconds, thirty years: a socket's clock overflows at ten times as many."""

_TIMEOUTS: Final[Mapping[str, type[httpx.TimeoutException]]] = {
    "connect": httpx.ConnectTimeout,
    "write": httpx.WriteTimeout,
    "read": httpx.ReadTimeout,
}

_LAST_EVENT: Final = b"[DONE]"

TAIL: Final = 16
"""Bytes at the end of a body that `ends_events` looks at."""


class Steps(Clocks):
    """The clocks of a request of httpx: one for each step, and none for all.

    Args:
        request: With its timeouts among the extensions, where there are any.
    """

    __slots__ = ("pool", "write")

    def __init__(self, request: httpx.Request) -> None:
        given = cast("Mapping[str, float | None]", request.extensions.get("timeout") or {})
        connect, read, self.write, self.pool = (
            None if seconds is None or seconds > _FOR_EVER else seconds
            for seconds in map(given.get, ("connect", "read", "write", "pool"))
        )
        super().__init__(Timeouts(connect, read, stall=None, deadline=None))

    def seconds(self, clock: Clock) -> float | None:
        """What a step may take."""
        return self.write if clock == "write" else getattr(self.timeouts, clock)

    def limit(self, clock: Clock) -> Limit:
        """Until when a step that begins now may last."""
        seconds = self.seconds(clock)
        return Limit(None if seconds is None else time.monotonic() + seconds, clock)

    @property
    def queue(self) -> Clocks:
        """The clock of the wait for a turn, which begins now."""
        return Clocks(Timeouts(None, None, None, deadline=self.pool))


class Outgoing:
    """A request as it goes on the wire.

    Args:
        request: The request.

    Raises:
        httpx.LocalProtocolError: It can't be sent as it is.
    """

    def __init__(self, request: httpx.Request) -> None:
        self._request = request
        target = cast("bytes", request.extensions.get("target", request.url.raw_path))
        with self._refusing():
            self._framing = Framing(request.headers.raw)
            self.wire = request_head(request.method.encode("utf-8"), target, self._framing.headers)
            """The request, up to a body that comes piece by piece."""
        self.keep = self._framing.keep
        """Whether the connection stays open after the answer, as far as the request is concerned."""
        self.streams = not isinstance(request.stream, httpx.ByteStream)
        """Whether the body comes piece by piece."""
        self.broken: Exception | None = None
        """What the caller's own stream raised, which is no error of the connection's."""
        if isinstance(request.stream, httpx.ByteStream):
            self.wire += b"".join(map(self.piece, request.stream)) + self.end()

    def piece(self, data: bytes) -> bytes:
        """A piece of the body as it goes on the wire; `b""` where nothing does.

        Raises:
            httpx.LocalProtocolError: It goes beyond the length that the headers tell.
        """
        with self._refusing():
            return self._framing.piece(data)

    def end(self) -> bytes:
        """What follows the body.

        Raises:
            httpx.LocalProtocolError: The body is shorter than the headers tell.
        """
        with self._refusing():
            return self._framing.end()

    @contextmanager
    def _refusing(self) -> Generator[None, None, None]:
        try:
            yield
        except LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error), request=self._request) from None


def origin_of(request: httpx.Request) -> Origin:
    """Where a request leads.

    Raises:
        TypeError: It is another library's.
        httpx.UnsupportedProtocol: Not over HTTP.
    """
    if not isinstance(cast("object", request), httpx.Request):
        library = type(request).__module__.partition(".")[0]
        raise TypeError(
            f"a request of {library}, where this transport carries those of httpx: make the client with httpx"
        )
    url = request.url
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise httpx.UnsupportedProtocol(
            f"a URL of scheme {url.scheme!r} and host {url.host!r}, where http or https and a host are needed",
            request=request,
        )
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or default_port(url.scheme))


def queue_timeout(request: httpx.Request, steps: Steps) -> httpx.PoolTimeout:
    """The error of a request whose turn did not come in time."""
    return httpx.PoolTimeout(
        f"no turn within {steps.pool} s: as many requests are in flight as may be", request=request
    )


def response(head: Head, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> httpx.Response:
    """The response, its body still open."""
    return httpx.Response(
        head.status,
        headers=head.headers,
        stream=stream,
        extensions={"http_version": head.version, "reason_phrase": head.reason},
    )


def ends_events(tail: bytes) -> bool:
    """Whether what came last says that no more events come, so that only the body's terminator is missing."""
    return tail.rstrip().endswith(_LAST_EVENT)


def as_httpx(error: Exception, request: httpx.Request, steps: Steps, *, is_sending: bool = False) -> httpx.RequestError:
    """The error as httpx has it.

    Args:
        error: One of `outcomes.ERRORS`, but for those of decoding.
        request: What was sent.
        steps: Its clocks.
        is_sending: Whether the server had not taken the whole request.
    """
    cause = (error.__cause__ or error) if isinstance(error, NotSentError) else error
    if isinstance(cause, ClockError):
        return _TIMEOUTS[cause.clock](f"{cause.clock} timeout after {steps.seconds(cause.clock)} s", request=request)
    text = str(cause) or type(cause).__name__
    if isinstance(error, NotSentError):
        return httpx.ConnectError(text, request=request)
    if is_sending:
        return httpx.WriteError(text, request=request)
    return (httpx.RemoteProtocolError if isinstance(error, ProtocolError) else httpx.ReadError)(text, request=request)
