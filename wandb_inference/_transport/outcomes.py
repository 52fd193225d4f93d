"""What both transports share: clocks, requests for httpx, and its answers and errors in our own terms."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import httpx

from .._checks import shown_url
from .._core.wire import Failure, Reply, Request
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from ..exceptions import Clock

logger = logging.getLogger("wandb_inference")

ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
"""All that httpx lets through. The last stands for TLS and socket errors that it does not map."""

# Raised before the request is on its way, and for a request that no server could get.
_CONNECTING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_UNFIT = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)


class Clocks(NamedTuple):
    """Where the clocks of one call stand."""

    started: float
    """When the call began, by `time.monotonic`."""
    deadline: float | None
    """When it must end, by the same clock."""

    @classmethod
    def start(cls, deadline: float | None) -> Clocks:
        """Clocks that start now."""
        now = time.monotonic()
        return cls(now, None if deadline is None else now + deadline)

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, 0.0 at least; `None` without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


def timeout_for(request: Request, clocks: Clocks) -> httpx.Timeout:
    """The steps' limits, none longer than what is left of the whole."""
    connect, read, stall, _ = request.timeouts
    left = clocks.left
    wait = _least(read, stall if request.stream else None, left)
    # No limit on the wait for a free connection: waiting in line is no failure.
    return httpx.Timeout(connect=_least(connect, left), read=wait, write=_least(read, left), pool=left)


def _least(*limits: float | None) -> float | None:
    finite = [limit for limit in limits if limit is not None and limit != float("inf")]
    return min(finite, default=None)


def reply(response: httpx.Response, body: bytes, began: float, answered: float, clocks: Clocks) -> Reply:
    """The answer in our own terms.

    Args:
        response: httpx's.
        body: What was read of it.
        began: When it was sent, by `time.monotonic`.
        answered: When its headers were there.
        clocks: The call's.
    """
    return Reply(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=body,
        raw=response,
        seconds=answered - began,
        to_headers=answered - clocks.started,
        elapsed=clocks.elapsed,
        now=time.time(),
    )


def failure(
    error: BaseException | None,
    request: Request,
    began: float,
    clocks: Clocks,
    *,
    clock: Clock | None = None,
    proxy: str | None = None,
) -> Failure:
    """No answer, in our own terms.

    Args:
        error: What httpx raised; `None` where a clock of our own ran out.
        request: What was sent.
        began: When it was sent, by `time.monotonic`.
        clocks: The call's.
        clock: The clock of our own.
        proxy: The proxy in between.
    """
    if isinstance(error, httpx.TimeoutException):
        clock = _clock(error, request, clocks)
    links = list(_chain(error))
    reason = f"{clock} timeout" if error is None or clock else why(error)
    is_tls = any(isinstance(link, ssl.SSLError) for link in links)
    if proxy is not None and isinstance(error, _CONNECTING) and not is_tls:
        # Else the message would blame the server, which was not asked yet.
        reason = f"through the proxy {shown_url(proxy)}: {reason}"
    return Failure(
        cause=error,
        reason=reason,
        sent="not_sent" if isinstance(error, (*_CONNECTING, *_UNFIT)) else "unknown",
        clock=clock,
        permanent=isinstance(error, _UNFIT) or any(isinstance(link, ssl.SSLCertVerificationError) for link in links),
        seconds=time.monotonic() - began,
        elapsed=clocks.elapsed,
    )


def _clock(error: httpx.TimeoutException, request: Request, clocks: Clocks) -> Clock:
    left = clocks.left
    if left is not None and left < 0.01:
        return "deadline"
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return "connect"
    if isinstance(error, httpx.WriteTimeout):
        return "write"
    read, stall = request.timeouts.read, request.timeouts.stall
    return "stall" if request.stream and stall is not None and (read is None or stall <= read) else "read"


def why(error: BaseException) -> str:
    """Why there is no answer, in a few words: the innermost cause that says more than its wrapper."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"its certificate does not hold: {link.verify_message or link}"
        if isinstance(link, ssl.SSLError):
            return f"TLS failed: {link.reason or link}"
        if isinstance(link, socket.gaierror):
            return f"its name can't be resolved ({link.strerror or link})"
        if isinstance(link, ConnectionRefusedError):
            return "connection refused"
        if isinstance(link, ConnectionResetError):
            return "connection reset by the server"
    text = " ".join(str(error).split())
    if "[Errno -" in text or "getaddrinfo" in text or "nodename nor servname" in text:
        return f"its name can't be resolved ({text})"
    if "Connection refused" in text:
        return "connection refused"
    return text or type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its causes, and the members of groups among them."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        link = pending.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        pending += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]


def closed(is_own: bool) -> ConfigurationError:
    """The error of a call whose connections are closed.

    Args:
        is_own: Whether they are ours, not the caller's.
    """
    what = "This client" if is_own else "The http_client of this client"
    return ConfigurationError(f"{what} is closed", hint="Make a new one, or close it later.")


def log_outcome(outcome: Reply | Failure, request: Request) -> None:
    """One line at level DEBUG: no header, no body, and of the URL neither user nor query."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    parts = urlsplit(request.url)
    result = f"{outcome.status} {outcome.request_id or ''}".strip() if isinstance(outcome, Reply) else outcome.reason
    logger.debug("%s %s%s: %s after %.3f s", request.method, request.address, parts.path, result, outcome.seconds)


def log_wait(seconds: float) -> None:
    """One line at level INFO before a retry."""
    logger.info("trying again in %.2f s", seconds)
