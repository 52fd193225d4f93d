"""Who follows a chat call from its first sending to its end, beside the caller's hooks: accounts and traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from ..types import ChatCompletion, CompletionUsage, Meta
    from .settings import Settings


class Chat(NamedTuple):
    """A chat that is about to be sent."""

    settings: Settings
    """The client's."""
    model: str
    """The id that goes on the wire."""
    body: Mapping[str, Any]
    """The request's body, before it became JSON: messages may be models."""
    params: Mapping[str, Any]
    """What the caller gave beside model and messages, options of the call included."""
    base_url: str
    """Where it goes, without user and query."""
    stream: bool
    """Whether it goes over the wire as a stream."""


class Ending(NamedTuple):
    """How a chat ended."""

    error: BaseException | None
    """How it failed: an `APIError`, a cancellation, an interrupt; `None` for an answer and a stream that was left."""
    meta: Meta | None
    """Attempts and timings; `None` where nothing was sent."""
    usage: CompletionUsage | None
    """Token counts, where they came."""
    complete: bool
    """Whether the whole answer came; `False` after an error, and for a stream that was left before its end."""
    answer: Callable[[], ChatCompletion] | None
    """Makes the completion, or what arrived of it; `None` where nothing did."""


class Follower(Protocol):
    """Follows one chat. It never waits, and is called in the context and thread of whoever waits for the answer."""

    def begin(self) -> None:
        """Before the first attempt is sent. What it raises ends the call, and nothing is sent."""
        ...

    def end(self, ending: Ending) -> None:
        """Once, however the call ends, even if `begin()` was not reached. It raises nothing."""
        ...


def followers_of(chat: Chat) -> tuple[Follower, ...]:
    """Those of a new call, in the order in which they begin."""
    return () if trace is None else (trace(chat),)


trace: Callable[[Chat], Follower] | None = None
"""Makes what traces a chat; `None` while nothing is traced."""
