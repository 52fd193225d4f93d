"""Model names as people write them, made into the ids that the service knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .._checks import quoted
from ..exceptions import InvalidRequestError, RequestProblem

_LORA: Final = re.compile(r"wandb-artifact:///[^/\x00-\x1f]+/[^/\x00-\x1f]+/[^/:\s]+(?::[^/:\s]+)?")
_LORA_FORM: Final = "wandb-artifact:///team/project/name:version"


def resolve_model(model: object, *, default_host: bool, lookup: Callable[[str], str | None]) -> str:
    """The id to send: without white space around it and without LiteLLM's `wandb/` before it.

    Args:
        model: An id, a LoRA address (`wandb-artifact:///team/project/name:version`), or on the default host a name
            without its provider.
        default_host: Whether the catalogue's names hold.
        lookup: Gives the full id of a name without a provider; `None` where there is none, which leaves the name as it
            is: the service's answer then says which models there are.

    Raises:
        InvalidRequestError: Not a string, empty, or a LoRA address of the wrong form.
    """
    if not isinstance(model, str):
        raise _invalid(model, f"model is of type {type(model).__name__}", "a model id as a string")
    name = model.strip().removeprefix("wandb/").strip()
    if not name:
        raise _invalid(model, "model is empty", "a model id")
    if name.lower().startswith("wandb-artifact:"):
        if not _LORA.fullmatch(name):
            raise _invalid(model, f"model {quoted(name)} is no LoRA address", _LORA_FORM)
        return name
    if default_host and "/" not in name:
        return lookup(name) or name
    return name


def _invalid(model: object, what: str, expected: str) -> InvalidRequestError:
    return InvalidRequestError(
        what, hint=f"Expected {expected}.", errors=[RequestProblem(path="model", value=model, expected=expected)]
    )
