"""A model the service serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._wire import WireModel, meta_of

if TYPE_CHECKING:
    from .meta import Meta


class Model(WireModel):
    """An entry of `GET /models`."""

    id: str
    """What to give as `model`, case included."""
    object: str = "model"
    """What this is."""
    created: int = 0
    """When it was added, in seconds since 1970; the service sends 0 or nothing."""
    owned_by: str = ""
    """Who owns it."""

    @property
    def meta(self) -> Meta | None:
        """Request id, headers, attempts and timings of `retrieve()`; `None` for one of a list, which has them."""
        return meta_of(self)


class ModelList(WireModel):
    """The answer of `GET /models`."""

    data: list[Model]
    """The models, in the server's order."""
    object: str = "list"
    """What this is."""

    @property
    def meta(self) -> Meta | None:
        """Request id, headers, attempts and timings; `None` for a list that no call returned."""
        return meta_of(self)

    def __iter__(self) -> Iterator[Model]:  # type: ignore[override]  # over models, not over the fields of this one
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Model:
        return self.data[index]
