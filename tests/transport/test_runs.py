"""Waiting within a limit."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from wandb_inference._transport import runs, trio_run
from wandb_inference._transport.clocks import ClockError, Limit

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Both."""
    return request.param


async def never() -> None:
    """Does not come."""
    await anyio.sleep(30)


async def failing() -> None:
    """Has a timeout of its own."""
    raise TimeoutError("mine")


async def test_early_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that rings a little before the clock says so, as uvloop's do, is still the clock's."""
    for module in (runs, trio_run):
        monkeypatch.setattr(module, "time_for", lambda answer, limit: 0.01)
    with pytest.raises(ClockError, match="deadline"):
        await runs.current_run().within(never(), Limit(time.monotonic() + 20, "deadline"))


@pytest.mark.parametrize("seconds", [None, 20])
async def test_a_timeout_of_its_own(seconds: float | None) -> None:
    """What the answer itself fails with stays what it is."""
    limit = Limit(None if seconds is None else time.monotonic() + seconds, "deadline")
    with pytest.raises(TimeoutError, match="mine"):
        await runs.current_run().within(failing(), limit)
