"""Timeouts, retries and hooks as people give them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..exceptions import ConfigurationError
from .wire import Timeouts

if TYPE_CHECKING:
    from .settings import Settings

CHECKS = frozenset({"check_context", "check_model"})
"""Checks by the catalogue before anything is sent, which a client or a call can leave out."""

_FOR_EVER = 1e9
"""Seconds, thirty years: a socket's clock overflows at ten times as many."""


def timeouts(timeout: object, stall_timeout: object, deadline: object) -> Timeouts:
    """The clocks of a call, in seconds; `None`, infinity and more than thirty years wait for ever.

    Args:
        timeout: A number for connect and read alike, a pair of (connect, read), or an object with these two attributes,
            as HTTP libraries have.
        stall_timeout: Seconds without data on a stream.
        deadline: Seconds for everything.

    Raises:
        ConfigurationError: Not a positive number.
    """
    connect, read = _connect_and_read(timeout)
    return Timeouts(
        connect=_seconds("timeout", connect),
        read=_seconds("timeout", read),
        stall=_seconds("stall_timeout", stall_timeout),
        deadline=_seconds("deadline", deadline),
    )


def merged_timeouts(defaults: Timeouts, options: Mapping[str, Any]) -> Timeouts:
    """The clocks of a call: those among its options, else the client's."""
    if not any(name in options for name in ("timeout", "stall_timeout", "deadline")):
        return defaults
    return timeouts(
        options.get("timeout", (defaults.connect, defaults.read)),
        options.get("stall_timeout", defaults.stall),
        options.get("deadline", defaults.deadline),
    )


def retries(count: object) -> int:
    """How many attempts after the first.

    Raises:
        ConfigurationError: Not a whole number from 0 up.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ConfigurationError(
            f"max_retries is {count!r}", hint="Give a whole number from 0 up; 0 means one attempt."
        )
    return count


def connections(count: object) -> int:
    """How many calls may be in flight.

    Raises:
        ConfigurationError: Not a whole number from 1 up.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigurationError(f"max_connections is {count!r}", hint="Give a whole number from 1 up.")
    return count


def switch(name: str, value: object) -> bool:
    """Whether something is on.

    Raises:
        ConfigurationError: Neither true nor false.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}", hint="Give True or False.")
    return value


def hooked(settings: Settings, options: Mapping[str, Any], *, blocking: bool) -> Settings:
    """The settings with the hooks among some options.

    Args:
        settings: Those there are.
        options: By their names; a hook that is `None` removes one.
        blocking: Whether the client can't await.

    Raises:
        ConfigurationError: Not callable, or a coroutine function for a blocking client.
    """
    given = {name: options[name] for name in ("before_send", "on_attempt", "on_done") if name in options}
    if settings.hooks is None and all(hook is None for hook in given.values()):
        return settings
    from .hooks import hooks_of  # which few clients need

    return replace(settings, hooks=hooks_of(given, settings.hooks, blocking=blocking))


def _connect_and_read(timeout: object) -> tuple[object, object]:
    if isinstance(timeout, (tuple, list)):
        pair = cast("tuple[object, ...]", timeout)
        if len(pair) != 2:
            raise ConfigurationError(f"timeout is {pair!r}", hint="Give seconds, or the pair (connect, read).")
        return pair[0], pair[1]
    if hasattr(timeout, "connect") and hasattr(timeout, "read"):
        limits = cast("Any", timeout)
        return limits.connect, limits.read
    return timeout, timeout


def _seconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ConfigurationError(f"{name} is {value!r}", hint="Give seconds, more than 0, or None to wait for ever.")
    return None if value > _FOR_EVER else float(value)
