"""The root of the errors, and the plain records they hold. Public in `wandb_inference.exceptions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

    from ._curl import SentRequest
    from .types import ChatCompletion, CompletionUsage, Meta
    from .types.cost import CostDetails
    from .types.tools import ToolCompletion

Clock = Literal["connect", "read", "write", "stall", "deadline"]
Outcome = Literal["not_sent", "unknown", "answered"]


class AttemptRecord(NamedTuple):
    """How one attempt of a call ended."""

    status: int | None
    """HTTP status of the answer; `None` where its head did not come."""
    error: str | None
    """What went wrong, in one line; `None` for the attempt that succeeded."""
    outcome: Outcome
    """`not_sent`: the server never saw the request. `unknown`: it was sent and no complete answer came, so it may have
    been billed; a stream that broke is one of these. `answered`: the server answered."""
    waited: float
    """Seconds waited before this attempt; 0.0 for the first."""
    seconds: float
    """Seconds from sending to the answer's headers, or to the failure."""
    request_id: str | None
    """The server's id of this attempt, where it sent one."""


class RequestProblem(NamedTuple):
    """One thing that is wrong with a request, or with an answer that is to be parsed."""

    path: str
    """Where: `messages[0].content[1].text`."""
    value: Any
    """What stood there; `None` where something is missing."""
    expected: str
    """What would have been right."""


def _revive(cls: type[APIError], args: tuple[object, ...], state: dict[str, object]) -> APIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class APIError(Exception):
    """Any failure of this package: catch it to catch them all.

    Args:
        message: What happened: the server's own words where it had any.
        hint: What to do about it.
    """

    message: str
    """What happened: the server's own words where it had any."""
    hint: str | None
    """What to do about it, where that is known."""
    attempts: tuple[AttemptRecord, ...] = ()
    """Every attempt of the call, in order; empty where nothing was sent."""
    partial: ChatCompletion | None = None
    """What had arrived, when the failure came after a stream's first chunk."""
    meta: Meta | None = None
    """Attempts and timings, and status, request id and headers as far as they came; `None` where nothing was sent."""
    tool_run: ToolCompletion | None = None
    """With `run_tools()`: the rounds before the failure, with messages, steps and usage; `None` if there were none."""
    _sent: SentRequest | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def text(self) -> str | None:
        """Text that had arrived before a stream broke; `None` where no stream had begun."""
        return None if self.partial is None else self.partial.text

    @property
    def usage(self) -> CompletionUsage | None:
        """Token counts that had arrived before a stream broke."""
        return None if self.partial is None else self.partial.usage

    @property
    def cost(self) -> Decimal | None:
        """What had arrived costs, in US dollars; `None` where its token counts did not come, or no price is known."""
        return self.cost_details.total

    @property
    def cost_details(self) -> CostDetails:
        """What had arrived costs, and attempts that may have been billed as `possible`."""
        from importlib import import_module

        details: CostDetails = import_module("._money.cost", __package__).details_of_failure(self)
        return details

    def as_curl(self) -> str | None:
        """The command that repeats the request, to be run in a POSIX shell; `None` where there was no request.

        It holds no secret: the key is `$WANDB_API_KEY`, and other headers and query parameters whose name says that
        they are secret are variables of the same name, as `$X_API_KEY`. The body stands in it whole.
        """
        if self._sent is None:
            return None
        from ._curl import command

        return command(self._sent)

    def __str__(self) -> str:
        what = self._what()
        if len(self.attempts) > 1:
            what += f" [{len(self.attempts)} attempts]"
        if self.hint is None:
            return what
        end = "" if what.endswith((".", "!", "?")) else "."
        return f"{what}{end} {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        # The default calls __init__ with `args` alone and would lose the keyword-only ones.
        return _revive, (type(self), self.args, self.__dict__)

    def _what(self) -> str:
        return self.message


for _public in (APIError, AttemptRecord, RequestProblem):
    _public.__module__ = "wandb_inference.exceptions"  # where tracebacks and pickles are to find them
