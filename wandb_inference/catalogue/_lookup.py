"""Look-ups by a name that may be short, mis-cased, misspelt or retired."""

from __future__ import annotations

import re
from difflib import get_close_matches

from ._model_info import ModelInfo
from ._table import MODELS


def known(model: str) -> ModelInfo | None:
    """The table's entry for an id, whatever its case; `None` where there is none."""
    return MODELS.get(model) or _BY_LOWER_ID.get(model.lower())


def resolve_name(name: str) -> str | None:
    """The full id of a name without its provider (`Llama-3.1-8B-Instruct`); `None` where the table has none.

    A retired model resolves too: the error then leads to its successor, instead of an unknown name to nothing.
    """
    return _BY_NAME.get(name.lower())


def successor_of(model: str) -> str | None:
    """The id that replaced a retired model; `None` for a living or unknown one, or where none was named."""
    info = known(model)
    return info.successor if info else None


def never_served(name: str) -> bool:
    """Whether this is a name without provider that is in use for the service, which never had the model."""
    return name.lower() in _IN_PLACE_OF


def suggest(model: str) -> tuple[str, ...]:
    """Up to three living ids near this one, best first: of a like name, else of its family, else of its maker."""
    wanted = model.lower()
    if in_place := _IN_PLACE_OF.get(wanted.rpartition("/")[2]):
        return in_place
    by_name = {id.lower().rpartition("/")[2]: id for id in _LIVING_IDS}
    by_id = {id.lower(): id for id in _LIVING_IDS}
    near = [by_id[match] for match in get_close_matches(wanted, by_id, n=3, cutoff=0.6)]
    near += [by_name[match] for match in get_close_matches(wanted.rpartition("/")[2], by_name, n=3, cutoff=0.6)]
    if not near:
        maker, _, name = wanted.rpartition("/")
        family = _FAMILY.match(name)
        near = [id for id in _LIVING_IDS if family and family[0] in id.lower()]
        near = near or [id for id in _LIVING_IDS if maker and id.lower().startswith(f"{maker}/")]
    return tuple(dict.fromkeys(near))[:3]


# LiteLLM's page on the service has the first of these names. Nothing of their makers is served; living models of their
# size stand in.
_SMALL = ("meta-llama/Llama-3.1-8B-Instruct", "ibm-granite/granite-4.2-8b")
_IN_PLACE_OF = {"mistral-7b-instruct-v0.1": _SMALL, "phi-4-mini-instruct": _SMALL}

_FAMILY = re.compile(r"[a-z]{3,}")

_LIVING_IDS = [model.id for model in MODELS.values() if model.lifecycle != "retired"]
_BY_LOWER_ID = {id.lower(): model for id, model in MODELS.items()}
_BY_NAME = {id.lower().rpartition("/")[2]: id for id in MODELS}
