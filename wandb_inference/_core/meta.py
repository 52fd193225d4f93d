"""Outcomes to the record of how a call went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..types import Meta
from .wire import Failure, Reply

if TYPE_CHECKING:
    from .._money import Pricing
    from ..exceptions import AttemptRecord


def meta_from(
    outcome: Reply | Failure | None,
    attempts: Iterable[AttemptRecord],
    *,
    total: float | None,
    completion_tokens: int | None = None,
    to_first_token: float | None = None,
    pricing: Pricing | None = None,
) -> Meta:
    """How the call went.

    Args:
        outcome: How its last attempt ended; `None` where that is not known.
        attempts: All of them.
        total: Seconds it took; `None` while it runs.
        completion_tokens: Tokens of the answer, where they are known.
        to_first_token: Seconds until a stream's first token.
        pricing: What its tokens are priced by.
    """
    reply = outcome.answer if isinstance(outcome, Failure) else outcome
    if reply is None:
        queued = outcome.queued if outcome is not None else 0.0
        return Meta(None, None, {}, tuple(attempts), None, None, total, queued)
    return Meta(
        request_id=reply.request_id,
        status=reply.status,
        headers=dict(reply.headers),
        attempts=tuple(attempts),
        to_headers=reply.to_headers,
        to_first_token=to_first_token,
        total=total,
        queued=reply.queued,
        reused=reply.reused,
        completion_tokens=completion_tokens,
        route=reply.route,
        pricing=pricing,
    )
