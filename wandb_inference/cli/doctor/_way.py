"""The way to a server, step by step: names, connection, proxy, TLS, and one question that needs no key.

Each step ends within its seconds, whatever the other side does.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from ..._transport.clocks import ClockError, Limit
from ..._transport.pool import Origin
from ..._transport.secure import SecureSocket
from ..._version import __version__

NAMES: Final = 5.0
"""Seconds for a look-up."""
CONNECT: Final = 8.0
"""Seconds for a connection, over all of the addresses."""
HANDSHAKE: Final = 8.0
"""Seconds for TLS, and for the answer of a proxy."""
_HEAD: Final = 64 * 1024
"""Bytes of an answer's head at most."""


class ProxyRefusal(Exception):
    """The proxy did not let us through.

    Args:
        status: What it answered; 0 for what is no HTTP.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Answer(NamedTuple):
    """The head of an answer, and when it came."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    at: float
    """Seconds since 1970 by this machine's clock, half-way between question and answer."""


def look_up(host: str, port: int, seconds: float = NAMES) -> list[str]:
    """The addresses of a host, in the system's order.

    Raises:
        OSError: There are none, or `TimeoutError` where no answer came in time.
    """
    found: list[list[str] | OSError] = []

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.append(list(dict.fromkeys(str(info[4][0]) for info in infos)))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else OSError(str(error)))

    # No resolver takes a timeout; what hangs is left behind, and ends with the process.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def connect(addresses: list[str], port: int, until: Limit) -> tuple[socket.socket, str]:
    """A connection, and the address that took it.

    Raises:
        OSError: None did; the last one's error.
    """
    failure: OSError = TimeoutError()
    for place, address in enumerate(addresses):
        try:
            share = (until.left() or 0.0) / (len(addresses) - place)
            return socket.create_connection((address, port), share), address
        except OSError as error:
            failure = error
    raise failure


def pass_proxy(connection: socket.socket, proxy: str, origin: Origin, until: Limit) -> None:
    """Has an HTTP proxy open the way to a server (RFC 9110, 9.3.6).

    Raises:
        ProxyRefusal: It did not.
        OSError: The connection broke.
        ClockError: No answer came in time.
    """
    parts, host = urlsplit(proxy), _bracketed(origin.host)
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}")
    status, _ = _exchange(connection, lines, until)
    if status != 200:
        raise ProxyRefusal(status)


def shake_hands(connection: socket.socket, context: ssl.SSLContext, host: str, until: Limit) -> SecureSocket:
    """TLS over the connection.

    Raises:
        ssl.SSLError: The two could not agree, or the certificate does not hold.
        OSError: The connection broke.
        ClockError: It took too long.
    """
    secure = SecureSocket(connection, context, host)
    secure.shake_hands(until)
    return secure


def unverified() -> ssl.SSLContext:
    """A context that takes any certificate, to look at one that does not hold. Nothing secret may go over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask_head(connection: Any, base_url: str, through_proxy: bool, until: Limit) -> Answer:
    """The head of the answer to a question without a key.

    Args:
        connection: A socket, or TLS over one.
        base_url: Whom to ask.
        through_proxy: Whether an HTTP proxy reads the question, which wants the whole URL.
        until: When to give up.

    Raises:
        OSError: The connection broke.
        ClockError: It took too long.
    """
    parts = urlsplit(base_url)
    target = base_url if through_proxy else parts.path or "/"
    name = f"wandb-inference/{__version__}"  # the service's edge refuses some user agents
    lines = [f"HEAD {target} HTTP/1.1", f"Host: {parts.netloc}", f"User-Agent: {name}", "Connection: close"]
    began = time.time()
    status, headers = _exchange(connection, lines, until)
    return Answer(status, headers, (began + time.time()) / 2)


def let_go(connection: Any) -> None:
    """Closes a connection that may be broken."""
    with suppress(OSError):
        connection.close()


def _exchange(connection: Any, lines: list[str], until: Limit) -> tuple[int, dict[str, str]]:
    connection.settimeout(until.left())
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD:
        connection.settimeout(until.left())
        try:
            piece = connection.recv(4096)
        except TimeoutError:
            raise ClockError(until.clock) from None
        if not piece:
            break
        head += piece
    first, *rest = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    match = re.match(r"HTTP/1\.[01] (\d{3})", first)
    pairs = (line.partition(":") for line in rest)
    return int(match[1]) if match else 0, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
