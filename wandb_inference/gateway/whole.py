"""A whole answer on its way through, under the client's name for the model."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from .relay import add_reasoning_content, rename, usage_of
from .routing import Usage


class Answer(NamedTuple):
    """What the client gets of it."""

    body: bytes
    usage: Usage | None
    """What was used; `None` where the service says nothing of it."""


def read_answer(raw: bytes, name: str, *, reasoning_content: bool) -> Answer | None:
    """An answer that the service sent whole; `None` where that is none.

    Args:
        raw: The body as it came.
        name: The client's name for the model.
        reasoning_content: Whether to add that beside `reasoning`.
    """
    try:
        value: Any = from_json(raw)
    except ValueError:
        return None
    content: dict[str, Any] = value
    if not isinstance(value, dict) or "choices" not in value:
        return None
    usage = usage_of(content.get("usage"))
    if reasoning_content and add_reasoning_content(content):
        return Answer(to_json({**content, "model": name}), usage)
    return Answer(rename(raw, content, name), usage)
