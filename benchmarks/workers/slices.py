"""What a worker measures: one slice after the other of the same work."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

MODEL = "meta-llama/Llama-3.1-8B-Instruct"


class Slice(NamedTuple):
    """What one slice of work cost."""

    cost: float
    """For each call or chunk, in the unit of the row."""
    units: int
    """Calls or chunks."""
    characters: int
    """Text received. Where it differs between peers, they did not do the same."""


Work = AbstractContextManager[Callable[[], Slice]]
"""Entered once, it has a client ready; each call does a slice."""


class Count:
    """What has come, in units and characters."""

    def __init__(self) -> None:
        self.units = 0
        self.characters = 0
        self._pending = b""

    def add(self, text: str | None) -> None:
        """One call or chunk."""
        self.units += 1
        self.characters += len(text or "")

    def join(self, other: Count) -> None:
        """All that another has counted."""
        self.units += other.units
        self.characters += other.characters

    def feed(self, piece: bytes) -> None:
        """A piece of a stream, as a bare library hands it over: split, and the JSON of each chunk read."""
        *events, self._pending = (self._pending + piece).split(b"\n\n")
        for event in events:
            if event != b"data: [DONE]":
                self.add(json.loads(event[6:])["choices"][0]["delta"].get("content"))


def request(*, stream: bool) -> dict[str, Any]:
    """A request of about 700 bytes."""
    messages = [
        {"role": "system", "content": "You answer briefly. " * 15},
        {"role": "user", "content": "Name a prime above one hundred, please. " * 5},
    ]
    return {"model": MODEL, "messages": messages, "temperature": 0.7, **({"stream": True} if stream else {})}


class Clock:
    """Processor time of this process, user and system, since it was made; the garbage was collected first."""

    def __init__(self) -> None:
        gc.collect()
        self._started = time.process_time()

    def slice(self, count: Count, scale: float = 1e6) -> Slice:
        """What it cost since then: seconds for each unit, times `scale`."""
        return Slice((time.process_time() - self._started) / count.units * scale, count.units, count.characters)
