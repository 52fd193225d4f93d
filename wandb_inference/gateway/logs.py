"""The gateway's log: what happened to it, and never what clients said."""

from __future__ import annotations

import json
import logging
from typing import Any

_NAME = "wandb_inference.gateway"


def set_up_log(*, json_lines: bool, level: int) -> None:
    """Has the log written to the standard error, as lines for people or as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if json_lines else logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger(_NAME)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)


class _JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said)
