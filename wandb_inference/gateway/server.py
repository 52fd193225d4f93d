"""The gateway's process: uvicorn around the application, signals, reloads, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, Final, NamedTuple, cast

import uvicorn

from .app import Gateway
from .config import ConfigFileError, GatewayConfig, ServerSettings, from_environment, load
from .protocol import GatewayProtocol
from .routing import share_of

logger = logging.getLogger("wandb_inference.gateway")

KEEP_ALIVE: Final = 75.0
"""Seconds that an idle connection of a client is kept: longer than balancers keep theirs, or they meet a closed one."""
_AFTER_DRAIN: Final = 2.0
"""Seconds for error events to reach their clients."""
_WATCH: Final = 1.0
"""Seconds between two looks at the files of the configuration."""
NOW: Final = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""What a worker is told to end at once by; on Windows, `terminate()` does."""
_COLLECT: Final = (10_000, 20, 20)
"""When garbage is collected. Requests leave few circles, and Python's own 700 looks for them every third request."""


class Source(NamedTuple):
    """Where the configuration comes from, so that it can be read again."""

    path: str | None
    """The file; `None`: the environment."""
    host: str
    skip_foreign: bool = False
    api_base: str | None = None

    def load(self) -> GatewayConfig:
        """The configuration.

        Raises:
            ConfigFileError: It can't be used.
        """
        if self.path is None:
            return from_environment(host=self.host, api_base=self.api_base)
        return load(self.path, host=self.host, skip_foreign=self.skip_foreign, api_base=self.api_base)


class Settings(NamedTuple):
    """How a process serves."""

    source: Source
    workers: int = 1
    drain: float = 30.0
    """Seconds that requests under way have to finish, once the process was told to end."""
    reload: bool = False
    """Whether the files of the configuration are watched."""
    parent: int = 0
    """The process whose worker this is: only it ends what is under way at once, and without it no worker goes on."""


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which drains before it ends.

    Args:
        gateway: The application.
        settings: How to serve.
        ready: Called once clients and signals are answered.
    """

    def __init__(self, gateway: Gateway, settings: Settings, ready: Callable[[], object] = int) -> None:
        super().__init__(
            uvicorn.Config(
                cast("Any", gateway),
                http=GatewayProtocol,
                ws="none",
                loop=loop_name(),
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=int(KEEP_ALIVE),
                timeout_graceful_shutdown=int(_AFTER_DRAIN),
                backlog=2048,
            )
        )
        self.gateway = gateway
        self.settings = settings
        self._at_start = gateway.config.server
        self._ready = ready
        self._drained_by: float | None = None
        self._interrupted_at: float | None = None
        self._files: dict[Path, tuple[int, ...]] = {}
        self._stamps = self._files
        self._looked_at = 0.0
        self._reloading: asyncio.Task[None] | None = None
        self._hung_up = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain; the second time, ends at once."""
        if self._drained_by is None:
            self._drained_by = monotonic() + self.settings.drain
            self.gateway.drain()
        elif not self.settings.parent:
            self.force_exit = True

    def end_now(self, *_: object) -> None:
        """Ends at once, as the parent says."""
        self.handle_exit(signal.SIGTERM, None)
        self.force_exit = True

    def hang_up(self, *_: object) -> None:
        """Has the configuration read again."""
        self._hung_up = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to serve."""
        await super().startup(sockets)
        self._files = self._stamps = self._watched(self.gateway.config.files)
        with contextlib.suppress(ValueError, AttributeError):  # not the main thread; Windows has none
            signal.signal(signal.SIGHUP, self.hang_up)
            if self.settings.parent:
                signal.signal(NOW, self.end_now)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        """What is to be done every tenth of a second; whether to end."""
        if self.settings.parent and self._drained_by is None and os.getppid() != self.settings.parent:
            self.handle_exit(signal.SIGTERM, None)  # nobody is there to tell it to end, or to read files again
        if self._drained_by is not None:
            self._drain(monotonic())
        elif (self._reloading is None or self._reloading.done()) and self._is_to_reload():
            self._hung_up = False
            self._reloading = asyncio.get_running_loop().create_task(self.reload())
        return await super().on_tick(counter)

    def _drain(self, now: float) -> None:
        if self.force_exit:
            self.gateway.interrupt()
            self.should_exit = True
        elif not self.gateway.calls and not self.server_state.tasks and not self._is_uploading():
            self.should_exit = True
        elif self._interrupted_at is not None:
            self.should_exit = now - self._interrupted_at >= _AFTER_DRAIN
        elif self._drained_by is not None and now >= self._drained_by:
            logger.warning("%d requests did not finish in time, and are ended", len(self.gateway.calls))
            self._interrupted_at = now
            self.gateway.interrupt()

    def _is_uploading(self) -> bool:
        return any(cast("GatewayProtocol", each).is_uploading for each in self.server_state.connections)

    def _is_to_reload(self) -> bool:
        return self._hung_up or (self.settings.reload and self._has_changed())

    def _has_changed(self) -> bool:
        now = monotonic()
        if now - self._looked_at < _WATCH:
            return False
        self._looked_at = now
        stamps, before = _stamps(self._files), self._stamps
        self._stamps = stamps
        if stamps == self._files or stamps != before:  # who writes a file may not be done with it
            return False
        self._files = stamps
        return True

    def _watched(self, files: Iterable[Path]) -> dict[Path, tuple[int, ...]]:
        """The files that a reload reads, and the name that was given: it may come to be another file's."""
        path = self.settings.source.path
        return _stamps([*files, *([] if path is None else [Path(path)])])

    async def reload(self) -> None:
        """Reads the configuration again, and goes on with it; with the last good one where it has mistakes."""
        try:
            # In a thread: files are slow, and requests don't wait.
            config = await asyncio.get_running_loop().run_in_executor(None, self.settings.source.load)
        except ConfigFileError as error:
            logger.error("the configuration stays as it was: %s", error)
            self.gateway.metrics.reloads.of("refused").value += 1
            self._files = self._stamps = self._watched((*self._files, *error.files))
            return
        except Exception:
            logger.exception("the configuration stays as it was: reading it failed with a mistake of the gateway's own")
            self.gateway.metrics.reloads.of("refused").value += 1
            return
        for finding in config.warnings:
            logger.warning("%s", finding)
        for name in _changed(self._at_start, config.server):
            logger.warning("%s stays as it was until the gateway starts again", name)
        self.gateway.configure(share_of(config, self.settings.workers))
        self._files = self._watched(config.files)
        self.gateway.metrics.reloads.of("taken").value += 1
        logger.warning("the configuration was read again")


def _changed(before: ServerSettings, after: ServerSettings) -> list[str]:
    """What of the configuration is taken once, at the start, and is another now."""
    names = ("ssl_verify", "ssl_certificate", "force_ipv4", "json_logs")
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    return changed + ["callbacks: [otel]"] * (("otel" in before.callbacks) != ("otel" in after.callbacks))


def loop_name() -> str:
    """The event loop to run on: uvloop, where there is one."""
    return "asyncio" if sys.platform == "win32" else "uvloop"


def listen(host: str, port: int) -> socket.socket:
    """The socket that clients connect to.

    Raises:
        OSError: The address can't be had.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # "localhost" may be ::1 first, where clients that call 127.0.0.1 find nobody.
    family, kind, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, kind)
    try:
        # On Windows it would let another process take the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name == "posix"))
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def serve(config: GatewayConfig, settings: Settings, listener: socket.socket, ready: Callable[[], object] = int) -> int:
    """Serves until a signal ends it; the exit code.

    Args:
        config: The configuration.
        settings: How to serve.
        listener: Where clients connect.
        ready: Called once clients and signals are answered.
    """
    server = GatewayServer(Gateway(share_of(config, settings.workers)), settings, ready)
    gc.collect()
    gc.freeze()  # what is there now stays: no collection has to look at it again
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECT)
    try:
        server.run([listener])
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    return 0


def _stamps(files: Iterable[Path]) -> dict[Path, tuple[int, ...]]:
    """Which files they are, when they were changed, and how large they are; those that are not there have no size."""
    return dict(_stamp(path) for path in files)


def _stamp(path: Path) -> tuple[Path, tuple[int, ...]]:
    try:
        found = os.stat(path)
    except OSError:
        return path, (0, -1)
    return path, (found.st_ino, found.st_mtime_ns, found.st_size)
