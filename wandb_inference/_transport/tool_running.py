"""Makes a round's calls, blocking and async."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Coroutine
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

from .._core import following
from .._core.tool_calls import Outcome, Planned, Round, content_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .._core.tool_loop import ToolLoop
    from ..types import ToolStep

MAX_THREADS = 32
"""Calls of blocking functions at the same time, in one round."""

THREADS = "wandb_inference-tool"
"""How the names of the threads begin in which they are made."""

_LOOKS: Final = 0.2
"""Seconds after which a wait begins anew: Ctrl-C that comes in the instant in which one begins is seen when it ends."""


def run_round(round: Round, loop: ToolLoop) -> None:
    """Makes the calls of a round. Several are made in threads of their own; a single one in the caller's.

    What `approve` and `on_step` raise ends it. Calls in threads can't be stopped, and nobody waits for them then.
    """
    for step in round.refused:
        _tell(loop, step)
    allowed: list[Planned] = []
    for planned in round.planned:
        if loop.approve is not None:
            denied = round.judged(planned, _answer("approve", loop.approve(planned.request)))
            if denied is not None:
                _tell(loop, denied)
                continue
        allowed.append(planned)
    if len(allowed) > 1 and loop.parallel:
        _run_together(round, allowed, loop)
    else:
        for planned in allowed:
            round.begin(planned)
            _tell(loop, round.ran(planned, _invoke(planned)))


def _run_together(round: Round, allowed: list[Planned], loop: ToolLoop) -> None:
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
    from contextvars import copy_context

    pool = ThreadPoolExecutor(min(len(allowed), MAX_THREADS), THREADS)
    try:
        futures: dict[Future[Outcome], Planned] = {}
        for planned in allowed:
            round.begin(planned)
            futures[pool.submit(copy_context().run, _invoke, planned)] = planned
        running = set(futures)
        while running:
            over, running = wait(running, _LOOKS, FIRST_COMPLETED)
            for future in over:
                _tell(loop, round.ran(futures[future], future.result()))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _invoke(planned: Planned) -> Outcome:
    follow = following.functions
    if follow is None:
        return _call(planned)
    with follow(planned) as heard:
        return heard(_call(planned))


def _call(planned: Planned) -> Outcome:
    began = time.perf_counter()
    try:
        result = _answer(f"the tool {planned.tool.name!r}", planned.tool.function(**planned.request.arguments))
        content = content_of(result, planned.tool.name)
    except (Exception, SystemExit) as error:
        return Outcome("", None, _failure(error), time.perf_counter() - began)
    return Outcome(content, result, None, time.perf_counter() - began)


def _failure(error: Exception | SystemExit) -> Exception:
    """What a call failed by. A tool that ends its program, as scripts do, ends its own call alone; Ctrl-C ends all."""
    if isinstance(error, Exception):
        return error
    failure = RuntimeError(f"the tool called sys.exit({'' if error.code is None else repr(error.code)})")
    failure.__cause__ = error
    return failure.with_traceback(error.__traceback__)


def _tell(loop: ToolLoop, step: ToolStep) -> None:
    if loop.on_step is not None:
        _answer("on_step", loop.on_step(step))


def _answer(whose: str, answer: Any) -> Any:
    """What a function returned, if it is nothing to be awaited."""
    if isinstance(answer, Awaitable):
        if isinstance(answer, Coroutine):
            cast("Coroutine[Any, Any, object]", answer).close()  # else Python warns that it was never awaited
        raise TypeError(f"{whose} returned something to be awaited: Client awaits nothing; AsyncClient does")
    return answer


async def run_round_async(round: Round, loop: ToolLoop) -> None:
    """Makes the calls of a round: async functions as tasks, blocking ones in threads.

    What `approve` and `on_step` raise, and a cancellation, cancel the tasks that run. Threads can't be stopped, and
    nobody waits for them then.
    """
    for step in round.refused:
        await _tell_async(loop, step)
    allowed: list[Planned] = []
    for planned in round.planned:
        if loop.approve is not None:
            denied = round.judged(planned, await _awaited(loop.approve(planned.request)))
            if denied is not None:
                await _tell_async(loop, denied)
                continue
        allowed.append(planned)
    # In a group even if there is one, so that a call that cancels itself is told from a run that is cancelled.
    for batch in [allowed] if loop.parallel else [[planned] for planned in allowed]:
        await _run_together_async(round, batch, loop)


async def _run_together_async(round: Round, batch: list[Planned], loop: ToolLoop) -> None:
    import anyio

    failures: list[Exception] = []
    turn = anyio.Lock()

    async def run(planned: Planned) -> None:
        round.begin(planned)
        outcome = await _invoke_async(planned)
        try:
            async with turn:
                await _tell_async(loop, round.ran(planned, outcome))
        except Exception as error:  # raised outside the group, which would wrap it
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for planned in batch:
            group.start_soon(run, planned)
    if failures:
        raise failures[0]
    for planned in batch:
        await _settle(round, planned, loop)


async def _settle(round: Round, planned: Planned, loop: ToolLoop) -> None:
    """Tells of a call whose task was cancelled from outside of its function, and ended without a word."""
    if not round.is_over(planned):
        cancelled = RuntimeError("the call was cancelled")
        await _tell_async(loop, round.ran(planned, Outcome("", None, cancelled, 0.0)))


async def _invoke_async(planned: Planned) -> Outcome:
    follow = following.functions
    if follow is None:
        return await _call_async(planned)
    with follow(planned) as heard:
        return heard(await _call_async(planned))


async def _call_async(planned: Planned) -> Outcome:
    from anyio import current_effective_deadline, get_cancelled_exc_class, to_thread

    function = partial(planned.tool.function, **planned.request.arguments)
    began = time.perf_counter()
    try:
        if planned.tool.is_async:
            result = await function()
        else:
            result = await _awaited(await to_thread.run_sync(function, abandon_on_cancel=True))
        content = content_of(result, planned.tool.name)
    except (Exception, SystemExit) as error:
        return Outcome("", None, _failure(error), time.perf_counter() - began)
    except get_cancelled_exc_class() as error:
        # Whoever cancels the run cancels the scope around its calls, which then has no time left: so say asyncio from
        # Python 3.10 on, where tasks do not tell yet, and trio. Else only this call, or what it waits for, was.
        if current_effective_deadline() == -inf:
            raise
        cancelled = RuntimeError("the call was cancelled")
        cancelled.__cause__ = error
        return Outcome("", None, cancelled, time.perf_counter() - began)
    return Outcome(content, result, None, time.perf_counter() - began)


async def _tell_async(loop: ToolLoop, step: ToolStep) -> None:
    if loop.on_step is not None:
        await _awaited(loop.on_step(step))


async def _awaited(answer: Any) -> Any:
    return await answer if isinstance(answer, Awaitable) else answer  # pyright: ignore[reportUnknownVariableType]
