"""Which deployments of a group could serve a request now, and the one that does."""

from __future__ import annotations

from collections.abc import Container, Sequence
from random import Random
from typing import NamedTuple

from ._group import Need, has_room
from ._state import DeploymentState, Seat
from ._strategies import Strategy, by_session


class Choice(NamedTuple):
    """How the deployments of a group stand to a request."""

    ready: list[Seat]
    """Could serve it now."""
    full: list[Seat]
    """Could if there were a place."""
    cooling: list[DeploymentState]
    """Are left alone for now."""
    short: list[DeploymentState]
    """Are at a limit."""


def sort_out(
    states: Sequence[DeploymentState],
    seats: Sequence[Seat],
    without: Container[DeploymentState],
    need: Need,
    now: float,
) -> Choice:
    """How deployments stand to a request.

    Args:
        states: The deployments.
        seats: Their places for the model that is asked for.
        without: Those that are out of the question.
        need: What the request takes.
        now: The time.
    """
    ready: list[Seat] = []
    full: list[Seat] = []
    cooling: list[DeploymentState] = []
    short: list[DeploymentState] = []
    for state, seat in zip(states, seats, strict=True):
        if without and state in without:
            continue
        if state.limits and not has_room(state, need, now):
            short.append(state)
        elif state.is_cooling(now):
            cooling.append(state)
        elif seat.waiting or not seat.is_free(now):
            full.append(seat)
        else:
            ready.append(seat)
    return Choice(ready, full, cooling, short)


def choose(
    ready: list[Seat], strategy: Strategy, random: Random, now: float, *, stream: bool, session: str | None
) -> Seat:
    """One of those that are ready: of the lowest order, the session's own, else by the strategy."""
    if len(ready) == 1:
        return ready[0]
    lowest = min([seat.state.order for seat in ready])
    first = [seat for seat in ready if seat.state.order == lowest]
    if len(first) == 1:
        return first[0]
    if session is not None:
        return by_session(first, session)
    return strategy(first, random, now, stream=stream)
