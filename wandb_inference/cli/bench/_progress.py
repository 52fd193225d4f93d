"""How far a run is, in a line on the terminal that goes away at its end."""

from __future__ import annotations

import sys
import time
from typing import Final

from .._console import is_terminal
from ._plan import Plan
from ._samples import Level

_PAUSE: Final = 0.1
"""Seconds between two drawings."""
_ERASE: Final = "\r\x1b[K"


class Progress:
    """Draws on the standard error, and only where somebody looks at it.

    Args:
        plan: Of the run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._is_seen = is_terminal(sys.stderr)
        self._drawn = 0.0

    def tell(self, level: Level) -> None:
        """A call of this level has ended."""
        if not self._is_seen or time.monotonic() - self._drawn < _PAUSE:
            return
        self._drawn = time.monotonic()
        of = "" if self._plan.duration is not None else f" of {self._plan.requests}"
        failed = sum(level.errors.values())
        errors = f", {failed} failed" if failed else ""
        print(
            f"{_ERASE}{level.concurrency} in flight: {len(level.samples)}{of}{errors}",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """Takes the line away."""
        if self._drawn:
            print(_ERASE, end="", file=sys.stderr, flush=True)
