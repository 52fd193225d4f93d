"""A lock that neither forks nor finalizers turn into a trap."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

C = TypeVar("C")


class Locked(Generic[C]):
    """Takes changes from any thread, and whoever looks sees all of them.

    A change never waits: the thread that brings it may hold the lock already, where a finalizer, such as that of a
    stream that nobody read, interrupts it. A forked process gets a new lock: a thread that is not there may hold it.
    """

    __slots__ = ("__weakref__", "_lock", "_pending")

    def __init__(self) -> None:
        self._pending: deque[C] = deque()
        self._renew()
        _ALL.add(self)

    def _renew(self) -> None:
        self._lock = Lock()

    @abstractmethod
    def _apply(self, change: C) -> None:
        """Makes a change."""

    def _change(self, change: C) -> None:
        """Makes a change now, or before anybody looks."""
        self._pending.append(change)
        if self._lock.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._lock.release()

    @contextmanager
    def _looking(self) -> Generator[None, None, None]:
        """Nothing changes inside but by whoever looks."""
        with self._lock:
            self._catch_up()
            yield

    def _catch_up(self) -> None:
        while self._pending:
            self._apply(self._pending.popleft())

    @staticmethod
    def renew_all() -> None:
        """New locks for all."""
        for locked in _ALL:
            locked._renew()


_ALL: Final[WeakSet[Locked[Any]]] = WeakSet()

if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows has no fork
    os.register_at_fork(after_in_child=Locked.renew_all)
