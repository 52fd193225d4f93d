"""Who follows a chat call from its first sending to its end, beside the caller's hooks: accounts and traces.

Traces also follow runs of several calls, and the functions that a run calls.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from .._money.account import Account
from .validate import to_json

if TYPE_CHECKING:
    from .._money import Pricing
    from ..types import ChatCompletion, CompletionUsage, Meta
    from ..types.tools import ToolStep
    from .settings import Settings
    from .tool_calls import Outcome, Planned


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
    headers: dict[str, str]
    """What is sent with it, without the key: a follower may add to it before the first sending."""
    pricing: Pricing
    """What it is priced by."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of its prompt, about, by its bytes; pictures and the template's marks have a measure of their own."""
        from .trimming import size_of  # which only budgets ask

        size = sum(size_of(message) for message in self.body["messages"])
        size += sum(len(to_json(self.body[name])) for name in ("tools", "functions") if self.body.get(name))
        return self.tokens(size)

    @staticmethod
    def tokens(size: int) -> int:
        """Tokens in some bytes of text, about."""
        from .trimming import RATE

        return ceil(size * RATE)


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
    follow = trace  # read once: another thread may end the tracing
    account = Account(chat)
    return (account,) if follow is None else (follow(chat), account)


trace: Callable[[Chat], Follower] | None = None
"""Makes what traces a chat; `None` while nothing is traced."""


class Run(NamedTuple):
    """Calls that belong together."""

    function: Literal["parse", "run_tools"]
    """What the caller called."""
    settings: Settings
    """The client's."""
    model: object
    """Who is asked, as the caller wrote it."""
    messages: Sequence[Any]
    """What was said before: mappings."""
    tools: Sequence[Mapping[str, Any]]
    """What can be called, as it stands in requests."""


class RunFollower(Protocol):
    """Follows a run. It never waits, and raises nothing of its own."""

    def within(self) -> AbstractContextManager[object]:
        """Where what happens belongs to the run, again and again; the first begins it, and an error inside ends it."""
        ...

    def answered(self, answer: ChatCompletion) -> None:
        """The model has answered."""
        ...

    def called(self, steps: Sequence[ToolStep]) -> None:
        """The calls of an answer are over."""
        ...

    def end(self, *, complete: bool) -> None:
        """The run is over, or was left before its end. Nothing happens where it has ended."""
        ...


def follower_of(run: Run) -> RunFollower | None:
    """That of a new run."""
    return None if runs is None else runs(run)


def within(follower: RunFollower | None) -> AbstractContextManager[object]:
    """A part of a run."""
    return _NOBODY if follower is None else follower.within()


@contextmanager
def whole(follower: RunFollower | None) -> Generator[None, None, None]:
    """A run from its beginning to its end."""
    with within(follower):
        yield
    if follower is not None:
        follower.end(complete=True)


_NOBODY = nullcontext()

runs: Callable[[Run], RunFollower | None] | None = None
"""Makes what traces a run; `None` while nothing is traced."""

functions: Callable[[Planned], AbstractContextManager[Callable[[Outcome], Outcome]]] | None = None
"""Makes what traces a call of a function: it is called inside, and the outcome goes through what is entered. `None`
while nothing is traced."""
