"""What threads can do to each other's connections."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest

from wandb_inference._transport.clocks import Limit
from wandb_inference._transport.connection import Connection
from wandb_inference._transport.secure import SecureSocket

from .conftest import DATA, certified


def shaken(ours: socket.socket, theirs: socket.socket) -> tuple[SecureSocket, ssl.SSLSocket]:
    """Both sides over TLS."""
    secured: list[ssl.SSLSocket] = []
    server = threading.Thread(target=lambda: secured.append(certified().wrap_socket(theirs, server_side=True)))
    server.start()
    mine = SecureSocket(ours, ssl.create_default_context(cafile=DATA / "localhost.pem"), "localhost")
    mine.shake_hands(Limit(None, "connect"))
    server.join()
    return mine, secured[0]


def test_closed_while_another_thread_reads() -> None:
    """A TLS connection that is closed wakes the thread that reads from it, and reads from no other in its place."""
    ours, theirs = socket.socketpair()
    mine, other = shaken(ours, theirs)
    connection = Connection(mine)
    found: list[bytes] = []

    def read() -> None:
        with suppress(OSError):
            found.append(connection.read(Limit(None, "read")))

    reader = threading.Thread(target=read)
    with other:
        reader.start()
        time.sleep(0.02)  # until it waits
        connection.abort()
        reader.join(5)

    assert not reader.is_alive()
    assert found in ([], [b""])
    assert ours.fileno() == -1


def test_good_bytes_before_broken_ones() -> None:
    """What came in whole records before one that is none is handed over, and then the error, again and again."""
    ours, theirs = socket.socketpair()
    mine, other = shaken(ours, theirs)
    with other, ours:
        other.sendall(b"good")
        other.sendall(b"bytes")
        socket.socket.sendall(other, b"no record at all")
        time.sleep(0.02)  # until all of it is there

        assert mine.recv(1000) == b"goodbytes"
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                mine.recv(1000)
