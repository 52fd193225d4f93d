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
        )
        self._config.load()
        self._opened = opened
        self._socket = _listening(host, port)
        self.host, self.port = cast("tuple[str, int]", self._socket.getsockname()[:2])
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="wandb-emulator", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Close the port and every connection."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        state = ServerState()

        def protocol() -> _Protocol:
            connection = _Protocol(config=self._config, server_state=state, app_state={})
            connection.opened = self._opened
            return connection

        server = await self._loop.create_server(protocol, sock=self._socket)
        self._ready.set()
        await self._end.wait()
        server.close()
        for _ in range(3):  # turns of the loop until what was just accepted is a connection
            await asyncio.sleep(0)
        while state.connections or state.tasks:
            for connection in list(state.connections):
                cast("_Protocol", connection).transport.abort()
            await asyncio.sleep(0)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
