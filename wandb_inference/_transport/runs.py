"""What differs between asyncio and trio: the few ways to wait that the clients need."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Protocol, TypeVar

from .clocks import ClockError, Limit

T = TypeVar("T")


class Waiter(Protocol):
    """A task in line for a turn."""

    @property
    def gone(self) -> bool:
        """Whether the task no longer waits."""
        ...

    @property
    def called(self) -> bool:
        """Whether its turn has come; it may be gone nevertheless, cancelled at that moment."""
        ...

    def call(self) -> None:
        """Its turn has come."""
        ...

    async def wait(self, seconds: float | None) -> bool:
        """Whether its turn came in time; `None` waits for ever."""
        ...


class Run(Protocol):
    """What runs the tasks: an event loop of asyncio, or a run of trio."""

    is_asyncio: bool
    """Whether connections of our own work here, and a generator may be left behind without a warning."""

    @property
    def ended(self) -> bool:
        """Whether it will never run another task."""
        ...

    def waiter(self) -> Waiter:
        """A place in line for the current task."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleeps."""
        ...

    async def within(self, answer: Awaitable[T], limit: Limit) -> T:
        """The answer. Raises `ClockError` if it does not come in time."""
        ...

    def soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether a task does what a destructor can't wait for: not where none can run. From any thread."""
        ...


def current() -> Hashable:
    """Asyncio's event loop or the token of trio's run that the current task belongs to."""
    trio = _trio()
    return asyncio.get_running_loop() if trio is None else trio.current_trio_token()


def current_run() -> Run:
    """The run that the current task belongs to."""
    trio = _trio()
    if trio is None:
        return AsyncioRun()
    from .trio_run import TrioRun

    return TrioRun(trio)


def _trio() -> Any:
    """`trio.lowlevel` in a task of trio, `None` elsewhere."""
    # Where nobody has imported trio, no task can be one of its. A loop of asyncio may run beside it all the same, or
    # host it (trio's guest mode): only trio knows.
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is None:
        return None
    try:
        lowlevel.current_task()
    except RuntimeError:
        return None
    return lowlevel


class AsyncioRun:
    """The current event loop of asyncio."""

    is_asyncio = True

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    @property
    def ended(self) -> bool:
        """Whether the loop is closed."""
        return self._loop.is_closed()

    def waiter(self) -> Waiter:
        """A place in line for the current task."""
        return _AsyncioWaiter(self._loop)

    async def sleep(self, seconds: float) -> None:
        """Sleeps."""
        await asyncio.sleep(seconds)

    async def within(self, answer: Awaitable[T], limit: Limit) -> T:
        """The answer. Raises `ClockError` if it does not come in time."""
        seconds = time_for(answer, limit)
        task = asyncio.ensure_future(answer)
        try:
            return await asyncio.wait_for(task, seconds)
        except (TimeoutError, asyncio.TimeoutError):
            # Not the time tells whose timeout it is: timers of uvloop can be a millisecond early.
            if not task.cancelled():
                raise
            raise ClockError(limit.clock) from None

    def soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether a task does what a destructor can't wait for: not where the loop stands still."""
        if self._loop.is_running():
            with contextlib.suppress(RuntimeError):  # it was closed in this very moment
                self._loop.call_soon_threadsafe(lambda: self._loop.create_task(function()))
                return True
        return False


class _AsyncioWaiter:
    __slots__ = ("_called", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._called: asyncio.Future[bool] = loop.create_future()

    @property
    def gone(self) -> bool:
        return self._called.done()

    @property
    def called(self) -> bool:
        return self._called.done() and not self._called.cancelled() and self._called.result()

    def call(self) -> None:
        self._called.set_result(True)

    async def wait(self, seconds: float | None) -> bool:
        timer = None if seconds is None else self._loop.call_later(seconds, self._give_up)
        try:
            return await self._called
        finally:
            if timer is not None:
                timer.cancel()

    def _give_up(self) -> None:
        if not self._called.done():
            self._called.set_result(False)


def time_for(answer: Awaitable[object], limit: Limit) -> float | None:
    """Seconds left for an answer; where none are, it is not begun.

    Raises:
        ClockError: None are.
    """
    try:
        return limit.left()
    except ClockError:
        if asyncio.iscoroutine(answer):
            answer.close()  # else Python warns that it was never awaited
        raise
