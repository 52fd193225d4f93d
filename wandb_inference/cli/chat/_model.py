"""Which model is asked where none is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ...exceptions import InvalidRequestError, NotFoundError

DEFAULT: Final = "openai/gpt-oss-120b"
"""Who answers where nobody else is named: among the cheapest of the service's models, and good at most things."""

VARIABLE: Final = "WANDB_INFERENCE_MODEL"

_SHOWN = 20


def plain(id: str) -> str:
    """An id without the `wandb/` that LiteLLM writes before it, which is no part of it."""
    return id.strip().removeprefix("wandb/") or id


def choose(named: str | None, variable: str | None, list_models: Callable[[], Sequence[str]] | None) -> str:
    """The model to ask: the one named, else that of `WANDB_INFERENCE_MODEL`, else one that the server has.

    Args:
        named: What the command line says.
        variable: What the environment says.
        list_models: Asks the server for its models; `None` on W&B's own, where the default is known to be.

    Raises:
        InvalidRequestError: The server has several, or has no list of them.
        APIError: It does not answer, or refuses.
    """
    if named or variable:
        return plain(named or variable or "")
    if list_models is None:
        return DEFAULT
    how = f"Name one by --model, or set {VARIABLE}."
    try:
        models = list_models()
    except NotFoundError as error:
        problem = f"No model is named, and the server does not list its own: {error}"
        raise InvalidRequestError(problem, hint=how) from error
    if DEFAULT in models:
        return DEFAULT
    if len(models) == 1:
        return models[0]
    if not models:
        raise InvalidRequestError("No model is named, and the server lists none", hint=how)
    shown = "".join(f"\n  {model}" for model in models[:_SHOWN])
    more = f"\n  and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
    raise InvalidRequestError(f"No model is named. {how} The server has {len(models)}:{shown}{more}")
