"""What type checkers make of the catalogue, and of lists of models. Checked, never run."""

from __future__ import annotations

from decimal import Decimal

from typing_extensions import assert_type

from wandb_inference import AsyncClient, Client, completion
from wandb_inference.catalogue import MODELS, SOURCES, Lifecycle, ModelInfo, Reasoning, known, suggest
from wandb_inference.testing import Emulator
from wandb_inference.types import Model, ModelList
from wandb_inference.types.model import ModelSource, ModelStatus

client = Client(check_model=False, check_context=False)

models = client.models.list(feed=True, timeout=5)
assert_type(models, ModelList)
assert_type(models.sources, tuple[ModelSource, ...])
assert_type(models.served, list[Model])
assert_type(models[0].info, ModelInfo | None)
assert_type(models[0].status, ModelStatus)
assert_type(models[0].lifecycle, Lifecycle | None)
assert_type(models[0].context, int | None)
assert_type(models[0].max_output, int | None)
assert_type(models[0].input_price, Decimal | None)
assert_type(models[0].successor, str | None)
assert_type(client.models.retrieve("m", feed=Emulator().feed_url).cached_price, Decimal | None)

assert_type(MODELS, dict[str, ModelInfo])
assert_type(SOURCES, dict[str, str])
assert_type(suggest("m"), tuple[str, ...])
if (info := known("m")) is not None:
    assert_type(info.input_price, Decimal | None)
    assert_type(info.prices, tuple[str, str, str | None] | None)
    assert_type(info.tools, bool | None)
    assert_type(info.retired_on, str | None)
    assert_type(info.reasoning, Reasoning)

client.with_options(check_context=True, check_model=None)
client.chat.completions.create(model="m", messages=[], check_context=False, check_model=None)
completion("wandb/m", [], check_model=False)
client.models.list(feed=3)  # type: ignore[arg-type]
client.with_options(check_context="no")  # type: ignore[arg-type]
client.chat.completions.create(model="m", messages=[], check_context="no")  # type: ignore[call-overload]


async def waiting(client: AsyncClient) -> None:
    assert_type(await client.models.list(feed="https://example.com/feed"), ModelList)
    assert_type(await client.models.retrieve("m"), Model)
