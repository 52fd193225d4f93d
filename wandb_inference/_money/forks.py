"""Locks that a fork leaves usable."""

from __future__ import annotations

import os
from threading import Lock
from typing import Final
from weakref import WeakSet


class Locked:
    """Has a lock, which a forked process gets anew: a thread that is not there may have held it."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._renew()
        _OWNERS.add(self)

    def _renew(self) -> None:
        self._lock = Lock()

    @staticmethod
    def renew_all() -> None:
        """New locks for all."""
        for owner in _OWNERS:
            owner._renew()


_OWNERS: Final[WeakSet[Locked]] = WeakSet()

if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows has no fork
    os.register_at_fork(after_in_child=Locked.renew_all)
