"""Who of those that could serve a request does. Ties are always broken by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from random import Random
from typing import Final, Protocol

from ..config import Deployment, RouterSettings
from ._state import DeploymentState, Seat

_INFINITE: Final = Decimal("Infinity")


class Strategy(Protocol):
    """Chooses one of several places; there are two at least, and all of them are free."""

    def __call__(self, seats: Sequence[Seat], random: Random, now: float, *, stream: bool) -> Seat:
        """The place to take."""
        ...


def shares(deployments: Sequence[Deployment]) -> list[float]:
    """Shares under simple-shuffle: `weight` if any has one, else `rpm`, else `tpm`, else all the same.

    One without the figure that counts gets nothing, as long as there is another.
    """
    found: tuple[list[float | int | None], ...] = (
        [each.weight for each in deployments],
        [each.rpm for each in deployments],
        [each.tpm for each in deployments],
    )
    counted = next((figures for figures in found if any(figures)), None)
    return [1.0] * len(deployments) if counted is None else [figure or 0.0 for figure in counted]


def simple_shuffle(seats: Sequence[Seat], random: Random, now: float, *, stream: bool) -> Seat:
    """By chance, in proportion to the shares."""
    at = random.random() * sum([seat.state.share for seat in seats])
    for seat in seats:
        at -= seat.state.share
        if at < 0.0:
            return seat
    return seats[int(random.random() * len(seats))]  # nobody has a share


def least_busy(seats: Sequence[Seat], random: Random, now: float, *, stream: bool) -> Seat:
    """The one with the fewest requests in flight."""
    return _least(seats, random, [seat.state.in_flight for seat in seats])


def by_usage(seats: Sequence[Seat], random: Random, now: float, *, stream: bool) -> Seat:
    """The one with the fewest tokens in the last minute."""
    return _least(seats, random, [seat.state.tokens.used(now) for seat in seats])


def by_cost(seats: Sequence[Seat], random: Random, now: float, *, stream: bool) -> Seat:
    """The cheapest; one whose price nobody knows comes last."""
    prices = [_INFINITE if seat.rate is None else seat.rate.prompt + seat.rate.completion for seat in seats]
    return _least(seats, random, prices)


def by_latency(seats: Sequence[Seat], random: Random, now: float, *, stream: bool, settings: RouterSettings) -> Seat:
    """One of which nothing is known yet; else of those within the buffer, of two by chance the less busy."""
    figures = [
        seat.state.latency.seconds(now, settings.latency_ttl, stream=stream, percentile=settings.ttft_percentile)
        for seat in seats
    ]
    unknown = [seat for seat, figure in zip(seats, figures, strict=True) if figure is None]
    if unknown:
        # All at once on one of which nothing is known would be a gamble.
        return least_busy(unknown, random, now, stream=stream)
    known = [math.inf if figure is None else figure for figure in figures]
    most = min(known) * (1 + settings.latency_buffer)
    near = [seat for seat, figure in zip(seats, known, strict=True) if figure <= most]
    return least_busy(random.sample(near, 2) if len(near) > 2 else near, random, now, stream=stream)


def strategy_of(settings: RouterSettings) -> Strategy:
    """The strategy that the settings name."""
    if settings.strategy == "latency-based-routing":
        return partial(by_latency, settings=settings)
    return _STRATEGIES[settings.strategy]


_STRATEGIES: Final[dict[str, Strategy]] = {
    "simple-shuffle": simple_shuffle,
    "least-busy": least_busy,
    "usage-based-routing": by_usage,
    "cost-based-routing": by_cost,
}


def by_session(seats: Sequence[Seat], session: str) -> Seat:
    """The same place for the same session as long as it is there, and shares as under simple-shuffle.

    Weighted rendezvous hashing: nothing is kept, and a place that goes away moves its own sessions alone.
    """
    best, most = seats[0], -1.0
    for seat in seats:
        digest = blake2b(f"{session}\0{seat.state.deployment.id}".encode("utf-8", "surrogatepass"), digest_size=7)
        draw = (int.from_bytes(digest.digest(), "big") + 1) / (2**56 + 1)
        score = seat.state.share / -math.log(draw)
        if score > most:
            best, most = seat, score
    return best


def _least(seats: Sequence[Seat], random: Random, figures: Sequence[int] | Sequence[Decimal]) -> Seat:
    least = min(figures)
    near = [seat for seat, figure in zip(seats, figures, strict=True) if figure == least]
    return near[0] if len(near) == 1 else near[int(random.random() * len(near))]


def least_bad(states: Sequence[DeploymentState]) -> list[DeploymentState]:
    """Of those that are all cooling, the ones to try.

    Failures of a deployment's own are better than its credential's, and sooner is better than later.
    """

    def badness(state: DeploymentState) -> tuple[bool, float]:
        return any(breaker.until for breaker in state.breakers[1:]), state.cools_until()

    least = min(map(badness, states))
    return [state for state in states if badness(state) == least]
