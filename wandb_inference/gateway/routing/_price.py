"""What a deployment's tokens cost."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from ..._money.price import table_price
from ...catalogue import known
from ..config import Deployment


class Rate(NamedTuple):
    """Dollars for a token."""

    prompt: Decimal
    completion: Decimal
    cached: Decimal

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> Decimal:
        """Dollars for so many tokens; the cached ones are some of the prompt's."""
        if not cached_tokens:
            return prompt_tokens * self.prompt + completion_tokens * self.completion
        cached = min(cached_tokens, prompt_tokens)
        return (prompt_tokens - cached) * self.prompt + cached * self.cached + completion_tokens * self.completion


def rate_of(deployment: Deployment, model: str) -> Rate | None:
    """What tokens of a model cost at a deployment; `None` where neither the configuration nor the table says."""
    given = deployment.price
    listed = table_price(str(deployment.model_info.get("base_model") or model).removeprefix("wandb/"))
    prompt = None if given is None else given.input_cost_per_token
    completion = None if given is None else given.output_cost_per_token
    cached = None if given is None else given.cache_read_input_token_cost
    if listed is not None:
        prompt = listed.input_cost_per_token if prompt is None else prompt
        completion = listed.output_cost_per_token if completion is None else completion
        if cached is None and (given is None or given.input_cost_per_token is None):
            cached = listed.cache_read_input_token_cost
    if prompt is None and completion is None:
        return None
    prompt = prompt or Decimal(0)
    return Rate(prompt, completion or Decimal(0), prompt if cached is None else cached)


def window_of(deployment: Deployment, model: str) -> int | None:
    """Tokens of a prompt that fit at most; `None` where nobody says."""
    info = deployment.model_info
    given = info.get("max_input_tokens") or info.get("max_tokens")
    if isinstance(given, int):
        return given
    listed = known(str(info.get("base_model") or model).removeprefix("wandb/"))
    return None if listed is None else listed.context
