"""What is known of the service's models without asking it: a dated table, and look-ups in it."""

from __future__ import annotations

from ._lookup import known, resolve_name, successor_of, suggest
from ._table import MODELS, TABLE_DATE, Lifecycle, ModelInfo, Reasoning

__all__ = [
    "MODELS",
    "TABLE_DATE",
    "Lifecycle",
    "ModelInfo",
    "Reasoning",
    "known",
    "resolve_name",
    "successor_of",
    "suggest",
]
