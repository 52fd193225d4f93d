"""How many calls of a model run at the same time."""

from __future__ import annotations

from typing import NamedTuple


class Concurrency(NamedTuple):
    """The calls of one model, at one moment; see `Client.concurrency`."""

    limit: int
    """How many may be in flight, as far as was found out; at least 1."""
    in_flight: int
    """How many are, open streams included."""
    waiting: int
    """How many wait in line for a place."""
    refused: int
    """How many attempts the server has refused as too many, so far."""
