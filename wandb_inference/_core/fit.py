"""Whether a chat may fit its model's context window, decided at once for those that are short."""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue import known

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
    info = known(model)
    if info is None or info.context is None:
        return
    # A window of whole thousands is a rounded label: what is said to be 128k may be 131,072.
    window = info.context if info.context % 1000 else info.context * 1024 // 1000
    answer = min((value for name in ANSWER_LIMITS if isinstance(value := body.get(name), int)), default=0)
    # Each word that would be counted has two bytes at least.
    if size // 2 + answer <= window:
        return
    from .long_prompts import check_long  # which most programs never need

    check_long(body, info.id, window, answer)
