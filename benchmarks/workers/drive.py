"""A worker: one peer, one row, a slice for each line on standard input. Runs in that peer's environment.

Prints `ready` and then each slice as JSON.
"""

from __future__ import annotations

import json
import sys

from benchmarks import machine

from . import blocking, memory, waiting
from .blocking import CALLS, STREAMS
from .slices import Work


def work(row: str, peer: str, url: str) -> Work:
    """What a row measures.

    Args:
        row: The row's key.
        peer: The library to drive.
        url: The base URL, whose path says how the server answers.
    """
    kind, _, detail = row.partition(" ")
    if kind == "call":
        return blocking.repeated(peer, url, blocking.caller, CALLS)
    if kind in {"async", "uvloop"}:
        in_flight = int(detail)
        loops = "uvloop" if kind == "uvloop" else "asyncio"
        return waiting.concurrent(peer, url, waiting.caller, in_flight, max(2, 2 * CALLS // in_flight), loops)
    if kind in {"single", "burst"} and detail == "blocking":
        return blocking.repeated(peer, url, blocking.streamer, STREAMS)
    if kind in {"single", "burst"}:
        return waiting.concurrent(peer, url, waiting.streamer, 1, STREAMS)
    if kind == "streams":
        return waiting.concurrent(peer, url, waiting.streamer, int(detail), 1)
    if kind == "first":
        return blocking.first_chunk(peer, url)
    if kind == "logprobs":
        return blocking.parsing(peer, url, 3)
    return {
        "idle size": memory.idle_size,
        "idle time": memory.idle_time,
        "growth calls": memory.calls,
        "growth clones": memory.clones,
        "growth cancelled": memory.cancelled,
    }[row](peer, url)


def main() -> None:
    """Measures until standard input ends."""
    machine.pin(0)
    with work(*sys.argv[1:]) as measure:
        print(json.dumps("ready"), flush=True)
        for _ in sys.stdin:
            print(json.dumps(measure()), flush=True)


if __name__ == "__main__":
    main()
