"""A server with canned answers, in a process of its own: it costs the clients nothing, and answers all of them alike.

One thread, sockets that never block, one `send()` for each write of an answer: as lean as Python gets, so that the
clients and not the server are what is measured. A stream alone is sent as fast as the socket takes it; of several at
once each gets one write in turn.

    python -m benchmarks.server [CERTIFICATE KEY]

prints two ports, one for the clients and a plain one for `/stats`, and serves until it is killed. Paths are those of
`canned.answer`; `/slow/` answers after 5 ms, so that many calls are really in flight, `/stats` says what the server
itself has used.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import cast

from . import canned, machine

DELAY = 0.005
"""Seconds that `/slow/` takes to answer."""

_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_IN_A_ROW = 64  # writes of a stream that is alone, between two looks at the other sockets


class Connection:
    """One client's connection."""

    def __init__(self, server: Server, link: socket.socket) -> None:
        self._server = server
        self._received = b""
        self._unsent: deque[bytes | memoryview] = deque()
        self.link = link

    def read(self) -> None:
        """Takes what has come, and answers each request once it is whole.

        Raises:
            OSError: The client has left.
        """
        with suppress(*_BLOCKED):
            while True:
                data = self.link.recv(65536)
                if not data:
                    raise ConnectionResetError
                self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            head = self._received[:end].lower()
            _, found, after = head.partition(b"content-length:")
            end += int(after.split(b"\r\n", 1)[0]) if found else 0
            if len(self._received) < end:
                return
            self._received = self._received[end:]
            self._server.answer(self, head.split(b" ", 2)[1].decode())

    def send(self, *writes: bytes) -> None:
        """Lines up what is to be sent."""
        self._unsent.extend(writes)

    def write(self, most: int) -> bool:
        """Whether there is more to send, after so many writes at most; no longer when the socket is full.

        Raises:
            OSError: The client has left.
        """
        unsent, send = self._unsent, self.link.send
        try:
            for _ in range(most):
                data = unsent[0]
                sent = send(data)
                if sent < len(data):
                    unsent[0] = memoryview(data)[sent:]
                else:
                    unsent.popleft()
        except IndexError:
            return False
        except _BLOCKED:
            self._server.wait_for_room(self)
            return False
        return bool(unsent)


class Server:
    """All connections of two ports: one for the clients, over TLS with a context, and a plain one beside it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._selector = selectors.DefaultSelector()
        self.ports = (self._listen(tls), self._listen(None))
        self._sending: dict[Connection, None] = {}
        self._delayed: deque[tuple[float, Connection, canned.Answer]] = deque()
        self._units = 0

    def _listen(self, tls: ssl.SSLContext | None) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener, tls))
        port: int = listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Serves for ever."""
        while True:
            self.step()

    def step(self) -> None:
        """Waits until there is something to do, and does it."""
        for key, events in self._selector.select(self._patience()):
            if not isinstance(key.data, Connection):
                key.data()
                continue
            connection = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    self._selector.modify(connection.link, selectors.EVENT_READ, connection)
                    self._sending[connection] = None
                if events & selectors.EVENT_READ:
                    connection.read()
            except OSError:
                self._drop(connection)
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            _, connection, answer = self._delayed.popleft()
            self._start(connection, answer)
        most = _IN_A_ROW if len(self._sending) == 1 else 1
        for connection in list(self._sending):
            try:
                if not connection.write(most):
                    self._sending.pop(connection, None)
            except OSError:
                self._drop(connection)

    def close(self) -> None:
        """Closes all sockets."""
        for key in list(self._selector.get_map().values()):
            cast("socket.socket", key.fileobj).close()
        self._selector.close()

    def answer(self, connection: Connection, path: str) -> None:
        """Answers one request, at once or later."""
        if path == "/stats":
            stats = {"cpu": time.process_time(), "units": self._units}
            self._start(connection, canned.Answer((canned.whole(json.dumps(stats).encode()),), 0))
        elif path.startswith("/slow/"):
            self._delayed.append((time.monotonic() + DELAY, connection, canned.answer(path)))
        else:
            self._start(connection, canned.answer(path))

    def wait_for_room(self, connection: Connection) -> None:
        """Goes on with this connection once its socket takes more."""
        self._selector.modify(connection.link, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    def _patience(self) -> float | None:
        if self._sending:
            return 0
        return max(0.0, self._delayed[0][0] - time.monotonic()) if self._delayed else None

    def _start(self, connection: Connection, answer: canned.Answer) -> None:
        if connection.link.fileno() < 0:  # gone while its answer was delayed
            return
        self._units += answer.units
        connection.send(*answer.writes)
        self._sending[connection] = None

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        with suppress(BlockingIOError):
            while True:
                link, _ = listener.accept()
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.setblocking(False)
                if tls:
                    # The handshake happens as a part of the first reads.
                    link = tls.wrap_socket(link, server_side=True, do_handshake_on_connect=False)
                self._selector.register(link, selectors.EVENT_READ, Connection(self, link))

    def _drop(self, connection: Connection) -> None:
        self._sending.pop(connection, None)
        if connection.link.fileno() >= 0:
            self._selector.unregister(connection.link)
            connection.link.close()


def main() -> None:
    """Serves until it is killed."""
    machine.pin(1)
    context = None
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = Server(context)
    print(*server.ports, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
