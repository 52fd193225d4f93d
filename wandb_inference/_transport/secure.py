"""TLS over a blocking socket, its records in memory."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clocks import Limit

_AT_ONCE = 64 * 1024
"""Bytes that the system is asked for."""


class SecureSocket:
    """What a connection needs of a socket, over TLS.

    `ssl.SSLSocket` asks the system twice for each record, and a server that flushes sends a record for each event; here
    one question brings all that has arrived. Nor does OpenSSL know the number of the socket, from which it would read
    on after another thread has closed it and the number is another connection's.

    Args:
        plain: The connected socket.
        context: What the server's certificate is judged by.
        host: The name the certificate must be for.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._broken: ssl.SSLError | None = None
        self.settimeout = plain.settimeout
        self.shutdown = plain.shutdown
        self.close = plain.close

    def shake_hands(self, limit: Limit) -> None:
        """Agrees with the server on keys, step by step.

        One by one, since truststore's context holds a lock through each: a server that says nothing would stop the
        handshakes of all other threads, whose clocks could not ring meanwhile.
        """
        while True:
            self.settimeout(limit.left())
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send()
                self.settimeout(limit.left())
                self._receive()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._send()  # says why
                raise
            else:
                return self._send()

    def recv(self, size: int) -> bytes:
        """What has arrived, at least a byte; `b""` at the end, which may be that of the connection alone.

        Raises:
            OSError: The connection broke, what came is not TLS, or the timeout is over.
        """
        pieces: list[bytes] = []
        if self._broken is not None:
            raise self._broken
        while True:
            try:
                while piece := self.tls.read(size):
                    pieces.append(piece)
                return b"".join(pieces)
            except ssl.SSLWantReadError:
                self._send()
                if pieces:
                    return b"".join(pieces)
                self._receive()
            except ssl.SSLEOFError:
                return b"".join(pieces)
            except ssl.SSLError as error:
                if not pieces:
                    raise
                # What came before it is good.
                self._broken = error
                return b"".join(pieces)

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.tls.write(rest) :]
        self._send()

    def _receive(self) -> None:
        data = self._plain.recv(_AT_ONCE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _send(self) -> None:
        if self._outgoing.pending:
            self._plain.sendall(self._outgoing.read())
