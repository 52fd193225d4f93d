"""Blocking connections."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

from .clocks import ClockError, Clocks, Limit
from .secure import SecureSocket

if TYPE_CHECKING:
    from .dialing import Dialer
    from .pool import Origin

READ_SIZE = 64 * 1024

WRITE_SIZE = 16 * 1024
"""What goes out in one step: a record of TLS (RFC 8446, 5.1), whose sending Python can't stop in the middle."""


class Connection:
    """One connection. Each step takes its limit, and raises `ClockError` beyond it, `OSError` if it breaks."""

    __slots__ = ("_pid", "_socket")

    def __init__(self, connected: socket.socket | SecureSocket) -> None:
        self._socket = connected
        self._pid = os.getpid()

    @classmethod
    def open(cls, origin: Origin, limit: Limit, dialer: Dialer) -> Connection:
        """A new connection; the limit holds for name look-up, TCP and TLS together."""
        context = dialer.tls.context() if origin.scheme == "https" else None
        error: OSError | None = None
        for family, kind, protocol, _, address in _addresses(origin.host, origin.port, limit):
            plain = socket.socket(family, kind, protocol)
            try:
                dialer.tune(plain)
                plain.settimeout(limit.left())
                plain.connect(address)
                if context is None:
                    return cls(plain)
                secure = SecureSocket(plain, context, origin.host)
                secure.shake_hands(limit)
                dialer.check(secure.tls)
                return cls(secure)
            except BaseException as reason:
                plain.close()
                if isinstance(reason, TimeoutError):
                    raise ClockError(limit.clock) from None
                # Another address may answer where this one does not; one that answers wrongly is answer enough.
                if isinstance(reason, ssl.SSLError) or not isinstance(reason, OSError):
                    raise
                error = reason
        try:
            raise error or OSError(f"{origin.host} has no address")
        finally:
            del error  # its traceback knows this frame: a circle

    @property
    def usable(self) -> bool:
        """Whether an idle connection is still good: silent, and not closed by the peer."""
        self._socket.settimeout(0)
        try:
            # Through TLS where there is TLS: a session ticket that waits there is none of the peer's words.
            self._socket.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def write(self, data: bytes, clocks: Clocks) -> None:
        """Sends all of it. The clock of writing holds for each piece that the peer takes, the deadline for all."""
        for at in range(0, len(data), WRITE_SIZE):
            limit = clocks.limit("write")
            try:
                self._socket.settimeout(limit.left())
                self._socket.sendall(data[at : at + WRITE_SIZE])
            except TimeoutError:
                raise ClockError(limit.clock) from None

    def read(self, limit: Limit) -> bytes:
        """What has arrived, at least a byte; `b""` at the end."""
        try:
            self._socket.settimeout(limit.left())
            return self._socket.recv(READ_SIZE)
        except TimeoutError:
            raise ClockError(limit.clock) from None

    def abort(self) -> None:
        """Closes it in the middle of an answer, and wakes a thread that waits for more."""
        if self._pid == os.getpid():  # after a fork it is the parent's, which goes on with it
            self.interrupt()
        self._socket.close()

    def interrupt(self) -> None:
        """Ends it for whoever uses it: a thread that waits is woken. Closing it is theirs, who may be about to read."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes it at once, without TLS's farewell: that would wait, and after a fork would end the parent's."""
        self._socket.close()


def _addresses(host: str, port: int, limit: Limit) -> list[Any]:
    """The host's addresses. The look-up itself can't be stopped, so a limited one is left behind in a thread."""
    left = limit.left()
    if left is None:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=look_up, name="wandb_inference-dns", daemon=True)
    thread.start()
    thread.join(left)
    if not found:
        raise ClockError(limit.clock)
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])
