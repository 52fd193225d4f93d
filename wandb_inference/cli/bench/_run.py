"""The calls: as many in flight as a level says, each streamed and timed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, cast

from ...exceptions import APIConnectionError, APIError, APIStatusError, InternalServerError, RateLimitError
from ._plan import Plan, Purse
from ._samples import Level, Sample

if TYPE_CHECKING:
    from ..._client import AsyncClient

_PAUSE: Final = 0.2
"""Seconds after a failure, where the server names none: a limit is no reason to ask as fast as the network can."""


class Run:
    """A run of a plan: its results grow while it goes on, and stay when it is interrupted.

    Args:
        plan: What to measure.
        client: Whom to ask; without retries, since each would hide a failure.
        tell: Called after each call with the level and the number of its calls so far.
    """

    def __init__(self, plan: Plan, client: AsyncClient, tell: Callable[[Level], None]) -> None:
        self.levels: list[Level] = []
        self.purse = Purse(plan.max_cost, plan.call_bound)
        self.failure: APIError | None = None
        """What ended the run: an error that would meet every further call."""
        self.out_of_money = False
        """Whether `max_cost` ended it."""
        self._plan, self._client, self._tell = plan, client, tell

    async def go(self) -> None:
        """Makes the calls. Ctrl-C cancels them.

        Raises:
            asyncio.CancelledError: By Ctrl-C.
        """
        _heed_ctrl_c(cast("asyncio.Task[None]", asyncio.current_task()))
        async with self._client:
            await self._level(Level(1), iter(range(self._plan.warmup)))
            for concurrency in self._plan.levels:
                if self._is_over:
                    return
                level = Level(concurrency)
                self.levels.append(level)
                await self._level(level, self._turns())

    @property
    def _is_over(self) -> bool:
        return self.out_of_money or self.failure is not None

    def _turns(self) -> Iterator[object]:
        """One for each call of a level."""
        if self._plan.duration is None:
            yield from range(self._plan.requests)
            return
        ends = perf_counter() + self._plan.duration
        while perf_counter() < ends:
            yield None

    async def _level(self, level: Level, turns: Iterator[object]) -> None:
        began = perf_counter()
        await asyncio.gather(*(self._work(level, turns, began) for _ in range(level.concurrency)))

    async def _work(self, level: Level, turns: Iterator[object], began: float) -> None:
        for _ in turns:
            if self._is_over:
                return
            if not self.purse.reserve():
                self.out_of_money = True
                return
            cost: Decimal | None = None
            try:
                sample, error = await self._call()
                cost = sample.cost
            finally:
                self.purse.settle(cost)
            level.samples.append(sample)
            level.seconds = perf_counter() - began
            self._tell(level)
            if error is not None:
                if _is_lasting(error):
                    self.failure = error
                await asyncio.sleep(min(getattr(error, "retry_after", None) or _PAUSE, 5.0))

    async def _call(self) -> tuple[Sample, APIError | None]:
        plan = self._plan
        salt: dict[str, Any] = {"cache_salt": os.urandom(8).hex()} if plan.fresh else {}
        began = perf_counter()
        try:
            stream = await self._client.chat.completions.create(
                model=plan.model,
                messages=[{"role": "user", "content": plan.prompt}],
                max_tokens=plan.max_tokens,
                stream=True,
                **salt,
            )
            times = [perf_counter() async for chunk in stream if chunk.text or chunk.reasoning]
        except APIError as error:
            return Sample(perf_counter() - began, error=type(error).__name__, message=str(error)), error
        usage = stream.usage
        return Sample(
            seconds=perf_counter() - began,
            first=times[0] - began if times else None,
            gaps=tuple(after - before for before, after in pairwise(times)),
            tokens=len(times) if usage is None else usage.completion_tokens,
            cost=stream.cost,
        ), None


def _heed_ctrl_c(task: asyncio.Task[None]) -> None:
    """Has Ctrl-C cancel a task, as asyncio does since Python 3.11: before, it would end whichever task was running."""
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # on Windows, and outside the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)


def _is_lasting(error: APIError) -> bool:
    """Whether the next call would fail in the same way."""
    if isinstance(error, (RateLimitError, InternalServerError)):
        return False
    if isinstance(error, APIStatusError):
        return error.status_code not in (408, 409)
    return not isinstance(error, APIConnectionError)
