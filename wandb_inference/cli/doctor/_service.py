"""What the service says to this key and this project."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ..._checks import shown_url
from ...catalogue import MODELS, TABLE_DATE, known
from ...exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    NotFoundError,
)
from .._money import TEMPLATE_TOKENS, dollars, info_of
from ._finding import Finding

if TYPE_CHECKING:
    from ..._client import Client
    from ._patience import Patience

SECONDS: Final = 8.0
"""For one question to the service."""
STALE: Final = 120
"""Days after which the table of models is worth renewing: models come and go by the month."""

Listed: TypeAlias = "list[str] | APIError"


class Asked(NamedTuple):
    """What was said to the question for the models, and to the same asked in another way where that helps."""

    first: Listed
    without_project: Listed | None = None
    """After a 401: the same key, and no project."""
    under_v1: Listed | None = None
    """After a 404 or a page of HTML, where the base URL does not end in `/v1`: with it."""


def ask(client: Client, patience: Patience) -> Asked:
    """Asks for the models; where that fails, also what tells the reason."""
    first = _listed(client, patience)
    if isinstance(first, AuthenticationError) and client.project:
        return Asked(first, without_project=_listed(client.with_options(project=""), patience))
    if isinstance(first, (NotFoundError, APIResponseValidationError)) and not client.base_url.endswith("/v1"):
        return Asked(first, under_v1=_listed(client.with_options(base_url=f"{client.base_url}/v1"), patience))
    return Asked(first)


def _listed(client: Client, patience: Patience) -> Listed:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty list, which is a finding here
            found = client.models.list(deadline=patience.seconds(SECONDS))
    except APIError as error:
        return error
    return [model.id for model in found if model.status != "unlisted"]


def judge_models(asked: Asked, project: str | None, base_url: str, other_source: str | None) -> Finding:
    """What the answers say of key, project and base URL.

    Args:
        asked: The answers.
        project: What was sent.
        base_url: Whom was asked.
        other_source: Where another key lies that is not used.
    """
    first = asked.first
    if isinstance(first, list):
        if not first:
            fix = "Try again later; `wandb-inference models --offline` shows the table."
            return Finding("models", "warn", "the service lists none", fix)
        taken = "the key and the project" if project else "the key"
        return Finding("models", "ok", f"the service takes {taken}, and lists {len(first)} models")
    if isinstance(first, AuthenticationError):
        return _judge_refusal(asked, project, other_source)
    if isinstance(asked.under_v1, (list, AuthenticationError)):
        detail, fix = f"{_said(first)}; with /v1 there is an API", f"Write {shown_url(base_url)}/v1"
        return Finding("models", "fail", detail, fix, "base URL")
    return Finding("models", "fail", _said(first), first.hint)


def _judge_refusal(asked: Asked, project: str | None, other_source: str | None) -> Finding:
    if isinstance(asked.without_project, list):
        detail = f"the key is good, and the project is not: {project} does not exist for it, or may not use inference"
        fix = "Write team/project as in the address wandb.ai/team/project; the team may not be a personal account."
        return Finding("models", "fail", detail, fix, "project")
    fix = "Make a key at wandb.ai/settings, and set WANDB_API_KEY to it."
    if other_source is not None:
        fix = f"WANDB_API_KEY hides another key, in {other_source}: unset it to try that one. Else: {fix}"
    without = "" if asked.without_project is None else ", with and without the project"
    return Finding("models", "fail", f"the key is wrong: the service refuses it (401){without}", fix, "key")


def _said(error: APIError) -> str:
    """What happened, in one line."""
    if isinstance(error, APIStatusError):
        return f"{error.status_code}: {error.message}"
    return error.message


def judge_table(today: date, listed: list[str] | None, is_service: bool) -> Finding:
    """How old the package's table of models is, and what it misses.

    Args:
        today: The day.
        listed: What the server lists, if it was asked.
        is_service: Whether it is W&B's, which the table is about.
    """
    days = (today - date.fromisoformat(TABLE_DATE)).days
    unknown = [id for id in listed or () if is_service and known(id) is None]
    what = f"the table of models is of {TABLE_DATE}"
    if unknown:
        what += f", and does not know {', '.join(unknown[:3])}{' and others' if len(unknown) > 3 else ''}"
    if unknown or days > STALE:
        return Finding("catalogue", "warn", what, "For their prices and limits: pip install --upgrade wandb-inference")
    return Finding("catalogue", "ok", what)


def cheapest(listed: list[str] | None) -> str:
    """The id that a trial call costs least with."""
    priced: list[tuple[Decimal, str]] = []
    for info in MODELS.values():
        served = info.id in listed if listed else info.lifecycle != "retired"
        if served and info.input_price is not None and info.output_price is not None:
            priced.append((info.input_price + info.output_price, info.id))
    first = listed[0] if listed else next(iter(MODELS))
    return min(priced, default=(Decimal(0), first))[1]


def trial_cost(model: str) -> str:
    """What a trial call costs at most, for people; by the table."""
    info = info_of(model)
    if info is None or info.input_price is None or info.output_price is None:
        return "an unknown price"
    return f"at most {dollars((info.input_price * TEMPLATE_TOKENS + info.output_price) / 1_000_000)}"


def try_call(client: Client, model: str, patience: Patience, now: Callable[[], float]) -> Finding:
    """One call for one token, which is paid for."""
    began = now()
    try:
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Hi"}],
            max_tokens=1,
            deadline=patience.seconds(SECONDS + 2),
        )
    except APIConnectionError as error:
        return Finding("call", "fail", f"{model}: {_said(error)} (it may have cost {trial_cost(model)})", error.hint)
    except APIError as error:
        return Finding("call", "fail", f"{model}: {_said(error)}", error.hint)
    tokens = "" if answer.usage is None else f" with {answer.usage.total_tokens} tokens"
    costs = "an unknown price" if answer.cost is None else dollars(answer.cost)
    return Finding("call", "ok", f"{model} answered in {now() - began:.1f} s{tokens}, for {costs}")
