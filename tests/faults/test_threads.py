"""What threads can do to each other's connections."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

from wandb_inference._transport.clocks import Limit
from wandb_inference._transport.connection import Connection

from .conftest import DATA, certified


class Lingering:
    """A socket whose reader takes a while to come back."""

    def __init__(self, secure: ssl.SSLSocket) -> None:
        self.secure = secure
        self.inside = threading.Event()
        self.is_out = False

    def recv(self, size: int) -> bytes:
        self.inside.set()
        try:
            return self.secure.recv(size)
        finally:
            time.sleep(0.05)
            self.is_out = True

    def close(self) -> None:
        assert self.is_out
        self.secure.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.secure, name)


def shaken(ours: socket.socket, theirs: socket.socket) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Both sides over TLS."""
    secured: list[ssl.SSLSocket] = []
    server = threading.Thread(target=lambda: secured.append(certified().wrap_socket(theirs, server_side=True)))
    server.start()
    context = ssl.create_default_context(cafile=DATA / "localhost.pem")
    mine = context.wrap_socket(ours, server_hostname="localhost")
    server.join()
    return mine, secured[0]


def test_closed_while_another_thread_reads() -> None:
    """A TLS connection is closed when the thread that reads from it has come out.

    TLS goes on reading from the number of the socket, which may be another connection's as soon as it is closed: that
    one's answer would lack a few bytes.
    """
    mine, theirs = shaken(*socket.socketpair())
    connection = Connection(mine)
    connection._socket = lingering = Lingering(mine)  # type: ignore[assignment]

    def read() -> None:
        with suppress(OSError):
            connection.read(Limit(None, "read"))

    reader = threading.Thread(target=read)
    with theirs:
        reader.start()
        lingering.inside.wait(5)
        time.sleep(0.01)  # until it waits
        connection.abort()
        reader.join(5)

    assert not reader.is_alive()
    assert mine.fileno() == -1
