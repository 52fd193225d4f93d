"""How long a check may take, and all of them."""

from __future__ import annotations

import time
from typing import Final

from ..._transport.clocks import Limit

WHOLE: Final = 60.0
"""Seconds for all checks together."""


class Patience:
    """Bounds each step by its own seconds, and all by those of the whole.

    Args:
        seconds: For all.
    """

    def __init__(self, seconds: float = WHOLE) -> None:
        self._whole = Limit(time.monotonic() + seconds, "deadline")

    def limit(self, seconds: float) -> Limit:
        """Until when a step that begins now may last."""
        return Limit(time.monotonic() + seconds, "deadline").earlier(self._whole)

    def seconds(self, seconds: float) -> float:
        """How long a step that begins now may last; never 0, which would be no limit to some."""
        due = self.limit(seconds).due or 0.0
        return max(due - time.monotonic(), 0.01)
