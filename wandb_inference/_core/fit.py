"""Whether a chat may fit its model's context window, decided at once for those that are short."""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue import MODELS, known

_SMALLEST = min(info.context for info in MODELS.values() if info.context is not None)

ANSWER_LIMITS = ("max_tokens", "max_completion_tokens")
"""Fields of a body that say how long the answer may be."""


def check_fit(body: Mapping[str, object], size: int, model: str) -> None:
    """Return unless a chat can't fit the window that the table gives the model.

    Args:
        body: The request's.
        size: Its bytes as JSON.
        model: The id that is sent.

    Raises:
        InvalidRequestError: It can't; `.errors` has the numbers.
    """
    answer = 0
    for name in ANSWER_LIMITS:
        asked = body.get(name)
        if isinstance(asked, int):
            answer = asked if not answer else min(answer, asked)
    # Each word that would be counted has two bytes at least. Nearly all requests end here.
    most = size // 2 + answer
    if most <= _SMALLEST:
        return
    info = known(model)
    if info is None or info.context is None:
        return
    # A window of whole thousands is a rounded label: what is said to be 128k may be 131,072.
    window = info.context if info.context % 1000 else info.context * 1024 // 1000
    if most <= window:
        return
    from .long_prompts import check_long  # which most programs never need

    check_long(body, info.id, window, answer)
