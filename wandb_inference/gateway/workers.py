"""Several processes on one port, each with a part of all limits."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from types import FrameType
from typing import Final, NamedTuple

from .config import GatewayConfig
from .logs import set_up_log
from .server import NOW, Settings, serve

logger = logging.getLogger("wandb_inference.gateway")

_PAUSE: Final = 0.2
_QUICK: Final = 2.0
"""Seconds. A worker that ends sooner than that would end again: all of them end then."""


def work(config: GatewayConfig, settings: Settings, listener: socket.socket, level: int, ready: Event) -> None:
    """One worker's whole life."""
    set_up_log(json_lines=config.server.json_logs, level=level)
    serve(config, settings, listener, ready.set)


class _Worker(NamedTuple):
    process: BaseProcess
    ready: Event
    began: float


class Workers:
    """As many processes as there are to be; one that dies is replaced.

    Args:
        config: The configuration.
        settings: How they serve.
        listener: The socket that they share.
    """

    def __init__(self, config: GatewayConfig, settings: Settings, listener: socket.socket) -> None:
        self._config = config
        self._settings = settings
        self._listener = listener
        self._context = multiprocessing.get_context("spawn")
        self._running: list[_Worker] = []
        self._unread: set[int | None] = set()  # ids of processes whose configuration may be an older one
        self._ends = 0  # how often all were told to end
        self._told: dict[int | None, int] = {}  # and each of them, by the id of its process

    def run(self) -> int:
        """Runs them until a signal ends them; the exit code."""
        handlers = {"SIGINT": self._end, "SIGTERM": self._end, "SIGHUP": self._hang_up}
        numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
        before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
        code = 0
        try:
            for _ in range(self._settings.workers):
                self._start()
            while self._running:
                time.sleep(_PAUSE)
                code = max(code, self._look())
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        return code

    def _start(self) -> _Worker:
        ready = self._context.Event()
        # Not what it finds itself: it may begin when nobody is there any more.
        settings = self._settings._replace(parent=os.getpid())
        arguments = (self._config, settings, self._listener, logger.getEffectiveLevel(), ready)
        process = self._context.Process(target=work, args=arguments)
        process.start()
        worker = _Worker(process, ready, time.monotonic())
        self._running.append(worker)
        return worker

    def _look(self) -> int:
        """Replaces workers that died; the exit code if they can't live."""
        code = 0
        for worker in list(self._running):
            process = worker.process
            if process.is_alive():
                self._tell(worker)
                continue
            process.join()
            self._running.remove(worker)
            if self._ends:
                continue
            if time.monotonic() - worker.began < _QUICK:
                logger.error("a worker ended right after its start, with code %s: all end", process.exitcode)
                self._end(signal.SIGTERM, None)
                code = 1
            else:
                logger.error("a worker ended, with code %s, and is replaced", process.exitcode)
                self._unread.add(self._start().process.pid)  # the file may have changed since
        return code

    def _tell(self, worker: _Worker) -> None:
        """Passes a signal on. Not where it comes in: a worker may be just about to be one of those that run."""
        pid = worker.process.pid
        if self._told.get(pid, 0) < self._ends:
            self._told[pid] = self._ends
            # Its own signal: what ends a group of processes, from a terminal or systemd, reaches the worker as well.
            if self._ends > 1 and pid is not None and worker.ready.is_set():
                os.kill(pid, NOW)
            else:
                worker.process.terminate()
        elif pid is not None and pid in self._unread and worker.ready.is_set():
            # Before, it would die of the signal.
            self._unread.discard(pid)
            os.kill(pid, signal.SIGHUP)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self._unread |= {worker.process.pid for worker in self._running}

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ends += 1
