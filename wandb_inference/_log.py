"""Logging: the logger `wandb_inference`, quiet unless the program or `WANDB_INFERENCE_LOG` asks for more."""

from __future__ import annotations

import logging

logger = logging.getLogger("wandb_inference")
logger.addHandler(logging.NullHandler())

_own: logging.Handler | None = None


def set_up(level: int | None) -> None:
    """Shows records from this level up on standard error; `None` changes nothing.

    Args:
        level: As in `logging`. Records never hold a key, a header's value, or a body.
    """
    global _own
    if level is None:
        return
    logger.setLevel(level)
    if _own is None:
        _own = logging.StreamHandler()
        _own.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(_own)
