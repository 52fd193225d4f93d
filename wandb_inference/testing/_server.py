"""A server in a thread of its own: uvicorn's HTTP protocol on a loop that starts and ends within milliseconds."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, cast

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState
except ImportError as error:
    raise ImportError('the emulator needs a server to open a port: pip install "wandb-inference[emulator]"') from error

from ._asgi import TRANSPORT, EmulatorApp

# uvicorn's own loggers are the user's: a server of theirs may write to them.
_LOGGER = logging.getLogger("wandb_inference.emulator")


class _Protocol(H11Protocol):
    """One connection, whose transport the application can get at."""

    opened: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        # asyncio does this by itself only where the socket was told its protocol; without it an event waits for the
        # acknowledgement of the one before.
        connection = cast("socket.socket", transport.get_extra_info("socket"))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.logger, self.access_log = _LOGGER, False
        self.app_state = {**self.app_state, TRANSPORT: transport}
        self.opened()


class Server:
    """An application on a port, until `close()`.

    `uvicorn.Server` is left out: it looks every 0.1 s whether it should end, and waits for clients to leave.

    Raises:
        OSError: The address can't be bound.
    """

    def __init__(self, app: EmulatorApp, host: str, port: int, opened: Callable[[], None]) -> None:
        self._config = uvicorn.Config(
            cast("Any", app),
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=60,  # as long as a client would keep it: uvicorn's 5 s cut into slow tests
        )
        self._config.load()
        self._opened = opened
        self._socket = _listening(host, port)
        self.host, self.port = cast("tuple[str, int]", self._socket.getsockname()[:2])
        self._socket.setblocking(False)
        # Of its own kind, whatever the process prefers elsewhere: faults need a real socket.
        self._loop = asyncio.SelectorEventLoop()
        self._end = asyncio.Event()
        self._state = ServerState()
        self._opening: set[asyncio.Task[object]] = set()
        self._thread = threading.Thread(target=self._run, name="wandb-emulator", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and every connection."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        # Accepting by hand: asyncio's own server loses a connection that comes in while it closes.
        self._loop.add_reader(self._socket, self._accept)
        await self._end.wait()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        while self._opening or self._state.connections or self._state.tasks:
            for connection in list(self._state.connections):
                cast("_Protocol", connection).transport.abort()
            await asyncio.sleep(0)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # the client was gone before it was let in
            return
        connection.setblocking(False)
        opening = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def _protocol(self) -> _Protocol:
        connection = _Protocol(config=self._config, server_state=self._state, app_state={})
        connection.opened = self._opened
        return connection


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
