"""A model the service serves."""

from __future__ import annotations

from collections.abc import Iterator

from ._wire import WireModel


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


class ModelList(WireModel):
    """The answer of `GET /models`."""

    data: list[Model]
    """The models, in the server's order."""
    object: str = "list"
    """What this is."""

    def __iter__(self) -> Iterator[Model]:  # type: ignore[override]  # over models, not over the fields of this one
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Model:
        return self.data[index]
