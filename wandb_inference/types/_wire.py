"""What all response models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from .meta import Meta

M = TypeVar("M", bound=BaseModel)


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


def with_meta(answer: M, meta: Meta | None) -> M:
    """The same answer, knowing how its call went."""
    # Beside the fields, where `functools.cached_property` would put it: neither dumped nor compared.
    vars(answer)["_meta"] = meta
    return answer


def meta_of(answer: BaseModel) -> Meta | None:
    """How the call of an answer went; `None` for one that no call returned."""
    return cast("Meta | None", vars(answer).get("_meta"))
