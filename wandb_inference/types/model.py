"""A model the service serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, cast

from ._wire import WireModel, meta_of

if TYPE_CHECKING:
    from decimal import Decimal

    from ..catalogue import Lifecycle, ModelInfo
    from .meta import Meta

ModelSource = Literal["live", "feed", "table"]
"""Who names a model: the server's own list, the service's public feed, the table that ships with the package."""

ModelStatus = Literal["served", "unlisted", "retired"]
"""`served`: the server names it. `unlisted`: it lives by the feed or the table, and the server's list lacks it.
`retired`: the service's list still names it, and it is retired by the feed or the table."""

# What servers call the window in their lists: vLLM, OpenRouter, Groq.
_WINDOWS = ("max_model_len", "context_length", "context_window")


class Model(WireModel):
    """An entry of `GET /models`, and what is known of it besides.

    The fields are the server's. The rest is of the table and, where it was asked for, the feed, which tell of W&B's
    service; it is neither dumped nor compared.
    """

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

    @property
    def info(self) -> ModelInfo | None:
        """What the table and the feed know of it, the feed first; `None` where neither knows it."""
        return cast("ModelInfo | None", vars(self).get("_info"))

    @property
    def sources(self) -> tuple[ModelSource, ...]:
        """Who names it: `live`, `feed`, `table`, in this order; empty for one that no call returned."""
        return cast("tuple[ModelSource, ...]", vars(self).get("_sources", ()))

    @property
    def status(self) -> ModelStatus:
        """Whether to count on it: `served`, `unlisted` or `retired`; see `ModelStatus`."""
        return cast("ModelStatus", vars(self).get("_status", "served"))

    @property
    def context(self) -> int | None:
        """Tokens of prompt and answer together, by the server or else by what is known; `None` where unknown."""
        said = self.__pydantic_extra__ or {}
        for name in _WINDOWS:
            value = said.get(name)
            if isinstance(value, int) and value > 0:
                return value
        return self.info and self.info.context

    @property
    def max_output(self) -> int | None:
        """Tokens of the longest answer; `None` where unknown."""
        return self.info and self.info.max_output

    @property
    def input_price(self) -> Decimal | None:
        """US dollars for a million tokens of input; `None` where unknown."""
        return self.info and self.info.input_price

    @property
    def output_price(self) -> Decimal | None:
        """US dollars for a million tokens of output, thinking included; `None` where unknown."""
        return self.info and self.info.output_price

    @property
    def cached_price(self) -> Decimal | None:
        """US dollars for a million tokens of input found in the cache; `None` where no discount is known."""
        return self.info and self.info.cached_price

    @property
    def lifecycle(self) -> Lifecycle | None:
        """Its stage at W&B's service, from `experimental` to `retired`; `None` where unknown."""
        return self.info and self.info.lifecycle

    @property
    def successor(self) -> str | None:
        """The id that replaces it at W&B's service, where one was named."""
        return self.info and self.info.successor

    def __str__(self) -> str:
        known = [f"{self.context:,} tokens"] if self.context else []
        if self.info is not None:
            info = self.info
            if info.prices is not None:
                known.append(f"${info.prices[0]} in and ${info.prices[1]} out for a million")
            known += [
                name for name, has in (("vision", info.vision), ("tools", info.tools), ("LoRA", info.lora)) if has
            ]
            if info.reasoning != "none":
                known.append(f"thinking {info.reasoning}")
            if info.lifecycle != "general-availability":
                known.append(info.lifecycle + (f" (now {info.successor})" if info.successor else ""))
        if self.status == "unlisted":
            known.append("not in the server's list")
        return f"{self.id}: {', '.join(known)}" if known else self.id


class ModelList(WireModel):
    """The answer of `GET /models`: iterate over it, or take `.data`."""

    data: list[Model]
    """The server's models, in its order; on the service's own host, those follow that its list lacks."""
    object: str = "list"
    """What this is."""

    @property
    def meta(self) -> Meta | None:
        """Request id, headers, attempts and timings; `None` for a list that no call returned."""
        return meta_of(self)

    @property
    def sources(self) -> tuple[ModelSource, ...]:
        """Who was asked; `feed` is missing where it was not wanted, or did not answer."""
        return cast("tuple[ModelSource, ...]", vars(self).get("_sources", ()))

    @property
    def served(self) -> list[Model]:
        """Those that the server names and that are not retired."""
        return [model for model in self.data if model.status == "served"]

    def __iter__(self) -> Iterator[Model]:  # type: ignore[override]  # over models, not over the fields of this one
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Model:
        return self.data[index]


def with_info(
    model: Model, info: ModelInfo | None, sources: tuple[ModelSource, ...], status: ModelStatus = "served"
) -> Model:
    """The same model, with what is known of it."""
    vars(model).update(_info=info, _sources=sources, _status=status)
    return model


def with_models(models: ModelList, data: list[Model], sources: tuple[ModelSource, ...]) -> ModelList:
    """The list with other models, and with who was asked for them."""
    models = models.model_copy(update={"data": data})
    vars(models)["_sources"] = sources
    return models
