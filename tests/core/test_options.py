from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest

from wandb_inference._core.options import connections, merged_timeouts, retries, timeouts
from wandb_inference._core.wire import Timeouts
from wandb_inference.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("timeout", "connect", "read"),
    [
        (5, 5.0, 5.0),
        (0.5, 0.5, 0.5),
        (None, None, None),
        ((3, 60), 3.0, 60.0),
        ([3, None], 3.0, None),
        (httpx.Timeout(7.0, connect=2.0), 2.0, 7.0),
        (SimpleNamespace(connect=None, read=4), None, 4.0),
        (float("inf"), None, None),
        (1e12, None, None),
        (10**400, None, None),
    ],
)
def test_timeout(timeout, connect, read):
    """One number holds for connecting and reading, a pair or an HTTP library's object for each."""
    assert timeouts(timeout, 1, 2) == Timeouts(connect, read, 1.0, 2.0)


@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", True, [], {}, (1, "2"), (0, 1), object()])
def test_wrong_timeouts(value):
    """What is no positive number of seconds is refused."""
    with pytest.raises(ConfigurationError, match="timeout is "):
        timeouts(value, None, None)


def test_wrong_pairs():
    """A pair has two."""
    with pytest.raises(ConfigurationError) as caught:
        timeouts((1, 2, 3), None, None)

    assert caught.value.hint == "Give seconds, or the pair (connect, read)."


@pytest.mark.parametrize("name", ["stall_timeout", "deadline"])
def test_other_clocks(name):
    """The other clocks are checked in the same way, and named."""
    with pytest.raises(ConfigurationError, match=f"^{name} is -1"):
        timeouts(1, **{"stall_timeout": None, "deadline": None, name: -1})


def test_a_calls_own():
    """A call's own clocks replace the client's, `None` included; the others stay."""
    defaults = Timeouts(1.0, 2.0, 3.0, 4.0)

    assert merged_timeouts(defaults, {}) is defaults
    assert merged_timeouts(defaults, {"max_retries": 1}) is defaults
    assert merged_timeouts(defaults, {"timeout": 9}) == Timeouts(9.0, 9.0, 3.0, 4.0)
    assert merged_timeouts(defaults, {"stall_timeout": None}) == Timeouts(1.0, 2.0, None, 4.0)
    assert merged_timeouts(defaults, {"deadline": 9}) == Timeouts(1.0, 2.0, 3.0, 9.0)


@pytest.mark.parametrize("count", [0, 1, 10**9])
def test_retries(count):
    """Any whole number from 0 up will do."""
    assert retries(count) == count


@pytest.mark.parametrize("count", [-1, 1.0, "2", None, True])
def test_wrong_retries(count):
    """Anything else is refused."""
    with pytest.raises(ConfigurationError) as caught:
        retries(count)

    assert str(caught.value) == f"max_retries is {count!r}. Give a whole number from 0 up; 0 means one attempt."


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", None, True])
def test_wrong_connections(count):
    """At least one call must be able to be in flight."""
    assert connections(1) == 1
    with pytest.raises(ConfigurationError) as caught:
        connections(count)

    assert str(caught.value) == f"max_connections is {count!r}. Give a whole number from 1 up."
