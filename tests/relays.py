"""Servers that pass connections on: proxies of each kind, and a Unix socket. And a server of HTTP/2."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
from typing_extensions import Self

Opening = Callable[[socket.socket], tuple[str, int]]


class Listener(ABC):
    """Accepts connections, and serves each in a thread."""

    def __init__(self, listener: socket.socket | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.connections = 0

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for connection in self._open:
            connection.close()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            try:
                self.serve(connection)
            finally:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @abstractmethod
    def serve(self, connection: socket.socket) -> None:
        """What is done with a connection."""


class Relay(Listener):
    """Passes connections on to where their first bytes say."""

    def __init__(
        self, opening: Opening, listener: socket.socket | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(listener, tls)
        self._opening = opening

    def serve(self, connection: socket.socket) -> None:
        with socket.create_connection(self._opening(connection)) as onward:
            while True:
                waiting = getattr(connection, "pending", int)()
                ready = [connection] if waiting else select.select([connection, onward], [], [])[0]
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    (onward if source is connection else connection).sendall(data)


class Connect:
    """The opening of an HTTP proxy: a CONNECT request."""

    def __init__(self, hosts: dict[str, str] | None = None) -> None:
        self.hosts = hosts or {}
        self.heads: list[bytes] = []

    @property
    def user(self) -> str:
        """User name and password of the last request."""
        [line] = [line for line in self.heads[-1].split(b"\r\n") if line.lower().startswith(b"proxy-authorization")]
        return b64decode(line.split()[-1]).decode()

    def __call__(self, connection: socket.socket) -> tuple[str, int]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        self.heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return self.hosts.get(host, host.strip("[]")), int(port)


class Socks:
    """The opening of a SOCKS5 proxy (RFC 1928), with user name and password where they are offered (RFC 1929)."""

    def __init__(self, hosts: dict[str, str] | None = None) -> None:
        self.hosts = hosts or {}
        self.asked: list[str] = []
        self.users: list[tuple[str, str]] = []

    def __call__(self, connection: socket.socket) -> tuple[str, int]:
        def take(count: int) -> bytes:
            return connection.recv(count, socket.MSG_WAITALL)

        methods = take(take(2)[1])
        if 2 in methods:
            connection.sendall(b"\x05\x02")
            name = take(take(2)[1]).decode()
            self.users.append((name, take(take(1)[0]).decode()))
            connection.sendall(b"\x01\x00")
        else:
            connection.sendall(b"\x05\x00")
        kind = take(4)[3]
        host = take(take(1)[0]).decode() if kind == 3 else socket.inet_ntoa(take(4))
        (port,) = struct.unpack("!H", take(2))
        self.asked.append(host)
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return self.hosts.get(host, host), port


def unix_relay(path: Path, port: int) -> Relay:
    """A Unix socket in front of a server."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return Relay(lambda connection: ("127.0.0.1", port), listener)


class Http2Server(Listener):
    """Answers each request over HTTP/2 with these pieces, a stream with those; each in a frame of its own."""

    def __init__(
        self, tls: ssl.SSLContext, answer: list[bytes], events: list[bytes], pause: float = 0.0, hang: bool = False
    ) -> None:
        tls.set_alpn_protocols(["h2", "http/1.1"])
        super().__init__(tls=tls)
        self.answer = answer
        self.events = events
        self.pause = pause
        self.hang = hang
        self.headers: list[dict[str, str]] = []

    @property
    def base_url(self) -> str:
        return f"https://127.0.0.1:{self.port}/v1"

    def serve(self, connection: socket.socket) -> None:
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        connection.sendall(http.data_to_send())
        bodies: dict[int, bytes] = {}
        while data := connection.recv(65536):
            for event in http.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.headers.append(dict(event.headers))
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded) and not self.hang:
                    self._reply(http, connection, event.stream_id, b'"stream":true' in bodies.pop(event.stream_id))
            connection.sendall(http.data_to_send())

    def _reply(self, http: Any, connection: socket.socket, stream: int, is_stream: bool) -> None:
        kind = "text/event-stream" if is_stream else "application/json"
        http.send_headers(stream, [(":status", "200"), ("content-type", kind)])
        for piece in self.events if is_stream else self.answer:
            http.send_data(stream, piece)
            connection.sendall(http.data_to_send())
            time.sleep(self.pause)
        http.end_stream(stream)
