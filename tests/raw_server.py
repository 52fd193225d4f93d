"""A server that says exactly what a test tells it to, byte for byte."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from typing_extensions import Self

Script = Callable[["Peer"], None]


class Peer:
    """The client, as a script sees it."""

    def __init__(self, connection: socket.socket, server: RawServer) -> None:
        self.connection = connection
        self.server = server

    def request(self) -> bytes:
        """One whole request; `b""` where the client has left."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            piece = self.connection.recv(65536)
            if not piece:
                return b""
            body += piece
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return head + b"\r\n\r\n" + body

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Sends each piece in a packet of its own."""
        for piece in pieces:
            self.connection.sendall(piece)
            if pause:
                time.sleep(pause)

    def reset(self) -> None:
        """Breaks the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.close()

    def wait_for_end(self) -> bool:
        """Whether the client closed the connection, within five seconds."""
        self.connection.settimeout(5)
        try:
            while self.connection.recv(65536):
                pass
        except ConnectionError:
            return True
        except OSError:
            return False
        return True


class RawServer:
    """Runs a script for each connection, the last one for all that follow.

    Args:
        *scripts: One for each connection.
        tls: The server's side of it.
        host: Where it listens.
        window: Bytes that the system takes before a script reads them; by default megabytes.
    """

    def __init__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", window: int | None = None
    ) -> None:
        self.scripts = list(scripts)
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self.left = threading.Event()
        self.errors: list[BaseException] = []
        self.host = host
        self._listener = socket.create_server((host, 0), backlog=128)
        if window is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/v1"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)
        # Not before: TLS would go on with the number of a closed socket, which may be another's by then.
        for connection in self._open:
            connection.close()

    def hang_up(self) -> None:
        """Ends every connection."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection, script)

    def _serve(self, connection: socket.socket, script: Script) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            script(Peer(connection, self))
        except OSError:
            pass
        except BaseException as error:  # shown by the test that looks for it
            self.errors.append(error)
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def head(status: int = 200, *headers: str, kind: str = "application/json") -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def whole(body: bytes, status: int = 200, *headers: str, kind: str = "application/json") -> bytes:
    """A whole answer."""
    return head(status, f"Content-Length: {len(body)}", *headers, kind=kind) + body


def chunked(*pieces: bytes, end: bool = True) -> Iterable[bytes]:
    """The body's pieces, each as a chunk of its own."""
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if end:
        yield b"0\r\n\r\n"


STREAM_HEAD = head(200, "Transfer-Encoding: chunked", kind="text/event-stream")


def answering(*answers: bytes) -> Script:
    """A script that answers one request after the other, with the last answer for all that follow."""

    def script(peer: Peer) -> None:
        number = 0
        while peer.request():
            peer.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def sending(*pieces: bytes, pause: float = 0.0) -> Script:
    """A script that takes one request, sends these pieces, and closes."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*pieces, pause=pause)

    return script


def calls_and_streams(answer: bytes, *events: bytes) -> Script:
    """A script that answers calls with an answer, and streams with a stream."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            if b"text/event-stream" in request:
                peer.send(STREAM_HEAD, *chunked(*events))
            else:
                peer.send(answer)

    return script


def streaming(*pieces: bytes, end: bool = True, then: Script | None = None) -> Script:
    """A script that answers one request with a stream."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(STREAM_HEAD, *chunked(*pieces, end=end))
            if then is not None:
                then(peer)
            if not end:
                return

    return script
