"""What all response models have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """What the server sends. Unknown fields are kept; instances do not change."""

    # `protected_namespaces`: servers send fields that start with `model_`.
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


def reasoning_of(extra: dict[str, Any] | None) -> str | None:
    """The thinking among a message's or delta's fields; `None` where there is none.

    The service's field is `reasoning` since April 2026 and was `reasoning_content` before; other servers use either.
    Neither is declared on the models, so that each comes back from `model_dump()` just as it was sent.
    """
    if extra:
        for name in ("reasoning", "reasoning_content"):
            value = extra.get(name)
            if isinstance(value, str) and value:
                return value
    return None
