"""Models that the service has no longer, or not for long, told before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..catalogue import TABLE_DATE, known, suggest
from ..catalogue._lookup import never_served
from ..exceptions import ModelNotFoundError

if TYPE_CHECKING:
    from ..catalogue import ModelInfo
    from .settings import Settings

_FINE = ("general-availability", "experimental")

_TABLE = f"table of {TABLE_DATE}"


def check_served(model: str, settings: Settings) -> None:
    """Return unless the table says that the service does not have a model; a deprecated one is warned of once.

    Another server may well have it, and is asked.

    Args:
        model: The id that is to be sent.
        settings: The client's.

    Raises:
        ModelNotFoundError: It is retired, or the service never had it. Nothing was sent, so there is no request id.
    """
    info = known(model)
    if info is not None and info.lifecycle in _FINE:
        return
    if not settings.config.on_default_host:
        return
    if info is None:
        if never_served(model):
            raise _not_found(f"the service has no {model}", model)
    elif info.lifecycle == "retired":
        since = f" since {info.retired_on}" if info.retired_on else ""
        raise _not_found(f"{info.id} is retired{since}", model, info.successor)
    else:
        settings.notices.once(_warning(info))


def _not_found(what: str, model: str, successor: str | None = None) -> ModelNotFoundError:
    near = [id for id in suggest(model) if id != model]
    if successor:
        todo = f"Use {successor}."
    elif near:
        todo = f"The nearest of those it has: {', '.join(near)}."
    else:
        todo = "`client.models.list()` shows what there is."
    return ModelNotFoundError(
        f"{what} ({_TABLE}); nothing was sent",
        suggestions=near,
        successor=successor,
        hint=f"{todo} If the service has it after all, give check_model=False.",
    )


def _warning(info: ModelInfo) -> str:
    since = f" since {info.deprecated_on}" if info.deprecated_on else ""
    until = f", and to be retired on {info.retired_on}" if info.retired_on else ", and will be retired"
    todo = f": use {info.successor}" if info.successor else ""
    return f"{info.id} is deprecated{since}{until} ({_TABLE}){todo}."
