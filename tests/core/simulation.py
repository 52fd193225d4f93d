"""Servers and clients in virtual time: what a window does, without a clock and without waiting."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import NamedTuple

from wandb_inference._core.adaptive import Verdict, Window

Latency = Callable[[Random, int], float]
"""Seconds of an answer, from chance and from the number of calls that the server has with it."""


class Ended(NamedTuple):
    """What a simulation came to."""

    seconds: float
    refused: int
    finished: list[float]
    """When each call was answered, in this order."""
    limits: list[int]
    """The window after each answer."""
    failed: int
    """Calls that were refused with a window of 1 as often as there are retries."""
    waited: list[int]
    """By how many other calls each call was overtaken."""


def run(
    calls: int,
    capacity: Callable[[float], float],
    latency: Latency,
    *,
    seed: int = 0,
    refusal_seconds: float = 0.02,
    most: int = 1000,
    window: Window | None = None,
    retries: int = 2,
) -> Ended:
    """So many calls at once through one window, to a server that refuses beyond its capacity at the time."""
    chance = Random(seed)
    window = window or Window(most)
    events: list[tuple[float, int, Callable[[], None]]] = []
    order = count()
    now = 0.0
    busy = 0
    refused = failed = 0
    returning: deque[tuple[int, int, int]] = deque()
    fresh = deque((call, 0, 0) for call in range(calls))
    finished: list[float] = []
    limits: list[int] = []
    ended: list[int] = []

    def later(seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(events, (now + seconds, next(order), what))

    def pump() -> None:
        nonlocal busy
        while returning or fresh:
            ticket = window.enter()
            if ticket is None:
                return
            call, refusals, used = (returning or fresh).popleft()
            if busy >= capacity(now):
                later(refusal_seconds, lambda t=ticket, c=call, r=refusals, u=used: turned_away(t, c, r, u))
            else:
                busy += 1
                seconds = latency(chance, busy)
                later(seconds, lambda t=ticket, c=call, s=seconds: answered(t, c, s))

    def answered(ticket, call, seconds) -> None:
        nonlocal busy
        busy -= 1
        window.leave(ticket, "answered", seconds)
        finished.append(now)
        ended.append(call)
        limits.append(window.limit)
        pump()

    def turned_away(ticket, call, refusals, used) -> None:
        nonlocal refused, failed
        refused += 1
        verdict: Verdict = "refused"
        pause = window.leave(ticket, verdict)
        if pause is None:
            used += 1
            if used > retries:
                failed += 1
                pump()
                return
            pause = 0.5
        else:
            pause *= 2**refusals
            refusals += 1
        later(pause * (1 - chance.random() / 2), lambda: back(call, refusals, used))
        pump()

    def back(call, refusals, used) -> None:
        returning.append((call, refusals, used))
        pump()

    pump()
    while events:
        now, _, what = heapq.heappop(events)
        what()
    assert window.in_flight == 0
    late = [max(0, place - call) for place, call in enumerate(ended)]
    return Ended(now, refused, finished, limits, failed, late)
