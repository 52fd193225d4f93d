"""How an emulator behaves, fixed when it is made."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ..catalogue import MODELS, ModelInfo, resolve_name

# LiteLLM's page on the provider uses these, and code that follows it sends them.
SHORT_NAMES = ("Llama-3.1-8B-Instruct", "Llama-3.1-70B-Instruct", "Mistral-7B-Instruct-v0.1")

_LORA = re.compile(r"wandb-artifact:///[^/]+/[^/]+/[^/:]+(:[^/:]+)?")

ReasoningField = Literal["reasoning", "reasoning_content"]


class Settings(NamedTuple):
    """An emulator's arguments; see `Emulator`."""

    api_key: str | None
    project: str | None
    require_project: bool
    seed: int
    latency: float
    tokens_per_second: float | None
    models: tuple[str, ...] | None
    concurrency_limit: int | None
    unsupported: frozenset[str]
    reasoning_field: ReasoningField
    context_window: int | None = None

    def __repr__(self) -> str:
        # Tracebacks with local variables would show the key.
        return f"Settings(project={self.project!r}, seed={self.seed})"

    @property
    def listed(self) -> tuple[str, ...]:
        """Ids that `GET /v1/models` lists."""
        if self.models is not None:
            return self.models
        return tuple(id for id, info in MODELS.items() if info.lifecycle != "retired")

    def serves(self, model: str) -> bool:
        """Whether an id answers: as the service, only to the letter."""
        if _LORA.fullmatch(model) or model in self.listed:
            return True
        return self.models is None and model in SHORT_NAMES

    def window(self, model: str) -> int | None:
        """Tokens of prompt and answer that a model takes; `None` where unknown."""
        return self.context_window or model_info(model).context


def model_info(model: str) -> ModelInfo:
    """What is known of a model that answers; the plainest there is where nothing is."""
    return MODELS.get(model) or MODELS.get(resolve_name(model) or "") or ModelInfo(model)
