"""The ways to wait of trio. Loaded, and anyio with it, only in a run of trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio

from .clocks import ClockError, Limit
from .runs import Waiter, time_for

T = TypeVar("T")


class TrioRun:
    """The current run of trio.

    Args:
        lowlevel: The module `trio.lowlevel`; trio is no dependency of ours.
    """

    is_asyncio = False

    def __init__(self, lowlevel: Any) -> None:
        self._lowlevel = lowlevel
        self._token = lowlevel.current_trio_token()
        self._late: list[Callable[[], object]] = []

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return not self._call(_nothing)

    def waiter(self) -> Waiter:
        """A place in line for the current task."""
        return _TrioWaiter()

    async def sleep(self, seconds: float) -> None:
        """Sleeps."""
        await anyio.sleep(seconds)

    async def within(self, answer: Awaitable[T], limit: Limit) -> T:
        """The answer. Raises `ClockError` if it does not come in time."""
        with anyio.move_on_after(time_for(answer, limit)):
            return await answer
        raise ClockError(limit.clock)

    def soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether a task does what a destructor can't wait for: not where the run is over."""

        def start() -> None:
            try:
                self._lowlevel.spawn_system_task(function)
            except RuntimeError:
                # The run ends in this very moment, and closes every generator there is, without a warning if it's held.
                self._late.append(function)

        return self._call(start)

    def _call(self, function: Callable[[], None]) -> bool:
        """Whether the run goes on; it calls the function then."""
        try:
            self._token.run_sync_soon(function)
        except RuntimeError:  # trio.RunFinishedError
            return False
        return True


def _nothing() -> None: ...


class _TrioWaiter:
    __slots__ = ("_event", "called", "gone")

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.called = False
        self.gone = False

    def call(self) -> None:
        self.called = True
        self._event.set()

    async def wait(self, seconds: float | None) -> bool:
        try:
            with anyio.move_on_after(seconds):
                await self._event.wait()
        finally:
            self.gone = True
        return self.called
