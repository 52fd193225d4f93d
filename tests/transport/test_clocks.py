"""The clocks of a call."""

from __future__ import annotations

import time

import pytest

from wandb_inference._core.wire import Timeouts
from wandb_inference._transport.clocks import ClockError, Clocks, Limit


def test_limits() -> None:
    """Each step has its clock, and the deadline is over all of them."""
    clocks = Clocks(Timeouts(connect=1, read=50, stall=20, deadline=None))

    assert [clocks.limit(name).clock for name in ("connect", "read", "write", "stall")] == [
        "connect",
        "read",
        "write",
        "stall",
    ]
    assert clocks.deadline is None
    assert clocks.elapsed >= 0

    short = Clocks(Timeouts(connect=1, read=50, stall=20, deadline=10))
    assert [short.limit(name).clock for name in ("connect", "read", "write", "stall")] == [
        "connect",
        "deadline",
        "deadline",
        "deadline",
    ]


def test_no_limit() -> None:
    """`None` waits for ever."""
    clocks = Clocks(Timeouts(None, None, None, None))

    assert clocks.limit("read") == Limit(None, "read")
    assert clocks.limit("read").left() is None


def test_left() -> None:
    """What is left shrinks, and then is an error that names the clock."""
    assert 0 < (Limit(time.monotonic() + 5, "read").left() or 0) <= 5
    with pytest.raises(ClockError) as caught:
        Limit(time.monotonic() - 1, "stall").left()
    assert caught.value.clock == "stall"


def test_earlier() -> None:
    """The stricter of two limits holds; none is the laxest."""
    soon, late, never = Limit(1, "read"), Limit(2, "stall"), Limit(None, "deadline")

    assert soon.earlier(late) == late.earlier(soon) == soon
    assert never.earlier(late) == late.earlier(never) == late
