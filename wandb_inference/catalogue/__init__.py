"""What is known of the service's models without asking it: a dated table, and look-ups in it."""

from __future__ import annotations

from ._lookup import known, resolve_name, successor_of, suggest
from ._model_info import Lifecycle, ModelInfo, Reasoning
from ._table import MODELS, SOURCES, TABLE_DATE

__all__ = [
    "MODELS",
    "SOURCES",
    "TABLE_DATE",
    "Lifecycle",
    "ModelInfo",
    "Reasoning",
    "known",
    "resolve_name",
    "successor_of",
    "suggest",
]
