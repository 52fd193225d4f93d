"""What both transports share: addresses, and the ends of exchanges in our own terms."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from .._checks import SHORTEST_KEY, shown_url
from .._core.wire import Failure, Reply, Request, default_port, origin
from .._network import DEFAULT, Network
from ..exceptions import ConfigurationError
from .clocks import ClockError, Clocks
from .decoding import DecodingError
from .http11 import ProtocolError, request_bytes
from .pool import Origin

if TYPE_CHECKING:
    from ..types.meta import Route

logger = logging.getLogger("wandb_inference")


PACE: Final = "wandb_inference_pace"
"""The name under which an answer of httpx (as an extension) or an error (as an attribute) tells its pace: what the wait
before the next attempt is multiplied by. Recordings do."""


class NotSentError(Exception):
    """There was no connection; `__cause__` says why.

    Args:
        proxy: The proxy that should have made it.
        permanent: Whether no other attempt can make one.
    """

    def __init__(self, proxy: str | None = None, *, permanent: bool = False) -> None:
        super().__init__("there was no connection")
        self.proxy = proxy
        self.permanent = permanent


CLOSED = "this client was closed"
"""Why a call ended that was in flight then."""

ERRORS: tuple[type[Exception], ...] = (ClockError, NotSentError, ProtocolError, DecodingError, OSError)
"""How an exchange can fail."""


class Target(NamedTuple):
    """Where a URL leads."""

    origin: Origin
    host: str
    path: str


@lru_cache(maxsize=256)
def target_of(url: str) -> Target:
    """Origin, Host header and path with query."""
    scheme, host, port = origin(url)
    if not host.isascii():
        host = host.encode("idna").decode()
    shown = f"[{host}]" if ":" in host else host
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Target(Origin(scheme, host, port), shown if port == default_port(scheme) else f"{shown}:{port}", path or "/")


class Wire(bytes):
    """A request as it goes on the wire; its `repr` shows nothing of it, as the key is in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


def wire_of(request: Request, key: str | None) -> Wire:
    """The request as it goes on the wire."""
    target = target_of(request.url)
    headers = [("host", target.host), *request.headers.items()]
    if key is not None:
        headers.append(("authorization", f"Bearer {key}"))
    return Wire(request_bytes(request.method, target.path, headers, request.body))


class Answer(NamedTuple):
    """The head of an answer."""

    status: int
    headers: Mapping[str, str]
    reused: bool | None
    """Whether it came on a connection that had been used before; `None` where that is not known."""
    route: Route = "direct"
    """Which way it came."""
    pace: float = 1.0
    """What the wait before the next attempt is multiplied by."""


def joined(headers: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> dict[str, str]:
    """The headers as a mapping; those of the same name joined as RFC 9110, 5.3 says."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def without_key(answer: Answer, body: bytes, key: str | None) -> tuple[Answer, bytes]:
    """Head and body without the key, which some servers repeat in their refusals: it would end up in an error."""
    if key is None or len(key) < SHORTEST_KEY:
        return answer, body
    body = body.replace(key.encode(), b"***")
    if any(key in value for value in answer.headers.values()):
        answer = answer._replace(headers={name: value.replace(key, "***") for name, value in answer.headers.items()})
    return answer, body


def hiding(key: str | None) -> Callable[[bytes], bytes] | None:
    """What takes the key out of a server's words; `None` where there is none, or one too short to be told from them."""
    if key is None or len(key) < SHORTEST_KEY:
        return None

    def hide(data: bytes) -> bytes:
        return data.replace(key.encode(), b"***")

    return hide


def reply(
    answer: Answer,
    body: bytes,
    raw: object,
    began: float,
    answered: float,
    clocks: Clocks,
    hide: Callable[[bytes], bytes] | None = None,
) -> Reply:
    """The answer in the core's terms.

    Args:
        answer: Its head.
        body: What was read of its body.
        raw: The exchange, for whoever reads the rest.
        began: When it was sent, by `time.monotonic`.
        answered: When its headers were there.
        clocks: The call's.
        hide: What takes the key out of the rest.
    """
    return Reply(
        status=answer.status,
        headers=answer.headers,
        body=body,
        raw=raw,
        seconds=answered - began,
        to_headers=answered - clocks.started,
        elapsed=clocks.elapsed,
        now=time.time(),
        queued=clocks.queued,
        reused=answer.reused,
        hide=hide,
        route=answer.route,
        pace=answer.pace,
    )


def failure(
    error: Exception,
    began: float,
    clocks: Clocks,
    answer: Answer | None = None,
    answered: float = 0.0,
    network: Network = DEFAULT,
    *,
    is_closed: bool = False,
) -> Failure:
    """No answer, in the core's terms.

    Args:
        error: One of `ERRORS`.
        began: When the request was sent, by `time.monotonic`.
        clocks: The call's.
        answer: The answer's head, where it had come.
        answered: When it had.
        network: How connections are made.
        is_closed: Whether the client was closed meanwhile, and the connection with it: no fault of the server's.
    """
    clock = None
    cause: BaseException = error
    # Ours only wrap what httpx raised, where it did: that is the cause to show.
    while isinstance(cause, (NotSentError, ClockError, ProtocolError)):
        clock = cause.clock if isinstance(cause, ClockError) else clock
        if cause.__cause__ is None:
            break
        cause = cause.__cause__
    reason = f"{clock} timeout" if clock else why(cause)
    links = list(chain(cause))
    unsent = error if isinstance(error, NotSentError) else None
    if unsent and unsent.proxy and not any(isinstance(link, ssl.SSLError) for link in links):
        # Else the message would blame the server, which was not asked yet.
        reason = f"through the proxy {shown_url(unsent.proxy)}: {reason}"
    is_closed = is_closed and clock is None
    if is_closed:
        reason = CLOSED
    return Failure(
        cause=cause,
        reason=reason,
        sent="not_sent" if unsent else "unknown",
        clock=clock,
        permanent=is_closed
        or bool(unsent and unsent.permanent)
        or any(isinstance(link, ssl.SSLCertVerificationError) or _wants_certificate(link) for link in links),
        seconds=time.monotonic() - began,
        elapsed=clocks.elapsed,
        queued=clocks.queued,
        answer=None if answer is None else reply(answer, b"", None, began, answered, clocks),
        is_own_proxy=network.proxy is not None,
        uds=None if network.uds is None else str(network.uds),
        pace=getattr(cause, PACE, 1.0),
    )


def closed(is_own: bool) -> ConfigurationError:
    """The error of a call whose connections are closed.

    Args:
        is_own: Whether they are ours, not the caller's.
    """
    what = "This client" if is_own else "The http_client of this client"
    return ConfigurationError(f"{what} is closed", hint="Make a new one, or close it later.")


def why(error: BaseException) -> str:
    """Why there is no answer, in a few words: the innermost cause that says more than its wrapper."""
    for link in chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            # aiohttp derives errors of its own from these two, without their attributes.
            return f"its certificate does not hold: {getattr(link, 'verify_message', '') or link}"
        if _wants_certificate(link):
            return "it asks for a client certificate"
        if isinstance(link, ssl.SSLError):
            return f"TLS failed: {getattr(link, 'reason', '') or link}"
        if isinstance(link, socket.gaierror):
            return f"its name can't be resolved ({link.strerror or link})"
        if isinstance(link, ConnectionRefusedError):
            return "connection refused"
        if isinstance(link, (ConnectionResetError, BrokenPipeError)):
            return "connection reset by the server"
    # h11 quotes a line as the object it has it in.
    text = re.sub(r"bytearray\(b(.*)\)", r"\1", " ".join(str(error).split()))
    # httpx's errors have their cause in words alone, where it was no single one.
    if "[Errno -" in text or "getaddrinfo" in text:
        return f"its name can't be resolved ({text})"
    return "connection refused" if "Connection refused" in text else text or type(error).__name__


def _wants_certificate(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and error.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def chain(error: BaseException | None) -> Iterator[BaseException]:
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


def log_outcome(outcome: Reply | Failure, request: Request) -> None:
    """One line at level DEBUG: no header, no body, and of the URL neither user nor query."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    path = urlsplit(request.url).path
    result = f"{outcome.status} {outcome.request_id or ''}".strip() if isinstance(outcome, Reply) else outcome.reason
    logger.debug("%s %s%s: %s after %.3f s", request.method, request.address, path, result, outcome.seconds)


def log_wait(seconds: float) -> None:
    """One line at level INFO before a retry."""
    logger.info("trying again in %.2f s", seconds)
