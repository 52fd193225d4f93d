"""How connections are made: their TLS, and the options of their sockets."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from ..exceptions import ConfigurationError
from .tls import TLS

if TYPE_CHECKING:
    from .._network import Network
    from .outbox import Outbox

SocketOption: TypeAlias = "tuple[int, int, int]"

_PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
"""Seconds of silence before a probe and between two; unanswered ones until the peer counts as dead. Systems differ in
the names they have."""


class Dialer:
    """Makes the connections of one client alike.

    Args:
        network: The client's.
        outbox: Where short requests of asyncio's connections are collected; by default each is written at once.
        family: Which addresses asyncio's connections go to, as `socket.AF_INET`; by default to any.

    Raises:
        ConfigurationError: A file or package that a setting needs is not there.
    """

    def __init__(self, network: Network, outbox: Outbox | None = None, family: int = 0) -> None:
        if network.uds is not None and not hasattr(socket, "AF_UNIX"):
            raise ConfigurationError(
                "network.uds is given, and Python has no Unix sockets on this system", hint="Connect to a port."
            )
        self.network = network
        self.outbox = outbox
        self.family = family
        self.tls = TLS(network)
        self.options = _options(network.tcp_nodelay, network.tcp_keepalive)

    def tune(self, connection: socket.socket) -> None:
        """Sets the options of a connection's socket."""
        for option in self.options:
            connection.setsockopt(*option)

    def check(self, secure: Any) -> None:
        """Makes sure that a new TLS connection speaks HTTP/1.1, as ours do.

        Raises:
            ConfigurationError: The caller's own context offered HTTP/2, and the server took it.
        """
        if self.tls.given is not None and secure.selected_alpn_protocol() == "h2":
            raise ConfigurationError(
                "network.verify is an SSLContext that offers HTTP/2, and the server chose it",
                hint='Give http2=True as well, or call set_alpn_protocols(["http/1.1"]).',
            )


@lru_cache(maxsize=4)
def _options(nodelay: bool, keepalive: bool) -> tuple[SocketOption, ...]:
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay))]  # said in any case: asyncio sets it by itself
    if keepalive:
        options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
        options += [
            (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _PROBES if hasattr(socket, name)
        ]
    return tuple(options)
