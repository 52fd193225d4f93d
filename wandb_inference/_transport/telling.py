"""Calls the hooks, blocking and async. What they raise is logged, and the call goes on: it has been paid for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .._core.hooks import Notice, Notices, Watch
    from .clocks import Clocks

M = TypeVar("M", bound="BaseModel")

logger = logging.getLogger("wandb_inference")

GRACE = 5.0
"""Seconds that async hooks have to hear of a call that is being cancelled."""


def tell(notices: Notices) -> None:
    """Calls the hooks; one that would have to be awaited is logged as an error."""
    for notice in notices:
        try:
            answer = notice.hook(notice.event)
            if isinstance(answer, Awaitable):
                if isinstance(answer, Coroutine):
                    answer.close()  # else Python warns that it was never awaited
                raise TypeError("it returned an awaitable, and nothing can be awaited here")
        except Exception:
            _log(notice)


async def tell_async(notices: Notices, error: BaseException | None = None) -> None:
    """Calls the hooks, and awaits what they return.

    Args:
        notices: What to tell.
        error: What the call ends with.
    """
    if not notices:
        return
    if isinstance(error, GeneratorExit):
        tell(notices)  # the coroutine is being thrown away, and may not wait any more
    elif error is None or isinstance(error, Exception):
        await _tell(notices)
    else:
        import anyio

        # In a cancelled scope nothing but this can wait.
        with anyio.move_on_after(GRACE, shield=True):
            await _tell(notices)


async def _tell(notices: Notices) -> None:
    for notice in notices:
        try:
            answer = notice.hook(notice.event)
            if isinstance(answer, Awaitable):
                await answer
        except Exception:
            _log(notice)


def _log(notice: Notice) -> None:
    logger.exception("the hook %s failed", notice.name)


def told(watch: Watch, clocks: Clocks, read: Callable[[], M]) -> M:
    """What `read` makes of a whole answer, after the hooks were told of it or of the error that it raises."""
    try:
        answer = read()
    except BaseException as error:
        tell(watch.done(error, clocks.elapsed))
        raise
    tell(watch.answered(answer, clocks.elapsed))
    return answer


async def told_async(watch: Watch, clocks: Clocks, read: Callable[[], M]) -> M:
    """The twin of `told`."""
    try:
        answer = read()
    except BaseException as error:
        await tell_async(watch.done(error, clocks.elapsed))
        raise
    await tell_async(watch.answered(answer, clocks.elapsed))
    return answer
