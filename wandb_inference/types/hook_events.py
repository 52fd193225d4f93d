"""What hooks are told: one record each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

    from ..exceptions import APIError, AttemptRecord
    from .meta import Meta
    from .usage import CompletionUsage


class SendEvent(NamedTuple):
    """A request that is about to be sent."""

    method: str
    """`POST` or `GET`."""
    url: str
    """Where to, with `***` for secrets in the query."""
    headers: dict[str, str]
    """Names in lower case, with `***` for what is secret; the client's key is not among them."""
    body: bytes | None
    """JSON, as it goes on the wire, with `***` for the client's key, should it be in there."""
    model: str | None
    """The model it is about; `None` for a list of models."""
    streamed: bool
    """Whether a stream was asked for."""
    number: int
    """Which attempt this is, counting from 1; a redirect belongs to the same one."""
    waited: float
    """Seconds waited before it."""

    def __repr__(self) -> str:
        body = None if self.body is None else f"<{len(self.body)} bytes>"
        return (
            f"SendEvent(method={self.method!r}, url={self.url!r}, headers={self.headers!r}, body={body}, "
            f"model={self.model!r}, streamed={self.streamed}, number={self.number}, waited={self.waited})"
        )


class AttemptEvent(NamedTuple):
    """An attempt of which it is known how it ended."""

    record: AttemptRecord
    """Outcome, status, request id and duration, as they are in `.meta.attempts`."""
    error: APIError | None
    """How it failed; `None` where it succeeded or was cancelled."""
    retry_in: float | None
    """Seconds until the next attempt; `None` where this was the last."""
    model: str | None
    """The model it is about; `None` for a list of models."""
    number: int
    """Which attempt it was, counting from 1."""


class DoneEvent(NamedTuple):
    """A call that is over."""

    model: str | None
    """The model it was about; `None` for a list of models."""
    meta: Meta | None
    """Attempts and timings, and status, request id and headers as far as they came; `None` where nothing was sent."""
    usage: CompletionUsage | None
    """Token counts, where they came."""
    error: BaseException | None
    """How it failed: an `APIError`, a cancellation, an interrupt; `None` for an answer and a stream that was left."""
    streamed: bool
    """Whether a stream was asked for."""
    complete: bool
    """Whether the whole answer came; `False` after an error, and for a stream that was left before its end."""
    answered: str | None = None
    """The model that the answer names: a LoRA's base, say. `None` where there is no answer."""

    @property
    def cost(self) -> Decimal | None:
        """What it cost, in US dollars; `None` where the token counts did not come, and where no price is known."""
        from .._money.cost import cost_of_call

        return cost_of_call(self)
