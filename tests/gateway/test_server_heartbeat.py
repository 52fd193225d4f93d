"""Signs of life on silent streams, and the end of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from wandb_inference.gateway.heartbeat import HEARTBEAT, Heartbeat


class Written:
    """A call that keeps what is written, or whose client takes nothing."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.data: list[bytes] = []

    async def write(self, data: bytes) -> None:
        """Keeps it."""
        while not self.takes:
            await asyncio.sleep(0.005)
        self.data.append(data)


async def test_nothing_after_the_end() -> None:
    """A sign of life that is due just as the stream ends is not sent any more."""
    call = Written()
    heart = Heartbeat(cast("Any", call), 0.02)
    await asyncio.sleep(0.05)
    assert set(call.data) == {HEARTBEAT}
    before = len(call.data)
    assert heart._timer is not None
    heart._timer.cancel()  # it rings here
    time.sleep(0.04)  # noqa: ASYNC251 - the loop is busy, and comes to it late
    heart._look()
    heart.stop()
    await asyncio.sleep(0.05)
    assert len(call.data) == before


async def test_a_client_that_takes_nothing() -> None:
    """One sign of life waits for it, not many, and none is left at the end."""
    call = Written(takes=False)
    heart = Heartbeat(cast("Any", call), 0.01)
    await asyncio.sleep(0.08)
    heart.stop()
    call.takes = True
    await asyncio.sleep(0.05)
    assert not call.data


async def test_never() -> None:
    """Zero seconds are none."""
    heart = Heartbeat(cast("Any", Written()), 0)
    heart.stop()
