"""What happens in a run with tools: each call, and the answer at the end."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, cast

from .completion import ChatCompletion, ToolCall
from .events import ChatEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

ToolOutcome: TypeAlias = Literal["answered", "failed", "invalid", "unknown", "denied"]


@dataclass(frozen=True)
class ToolRequest:
    """A call that is about to be made, for whoever approves it."""

    round: int
    """In which round, counting from 1."""
    call: ToolCall
    """The call as the model wrote it."""
    arguments: Mapping[str, Any]
    """What the function is going to get: validated, and without what the model left to its defaults."""

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.call.function.name


@dataclass(frozen=True)
class ToolStep:
    """A call that is over. Pickles whole; a result that can't be pickled then becomes what the model was told."""

    round: int
    """In which round, counting from 1."""
    call: ToolCall
    """The call as the model wrote it, with an id of ours where the server sent none."""
    outcome: ToolOutcome
    """`answered`; `failed`: the function raised; `invalid`: arguments that don't fit; `unknown`: no such tool;
    `denied`: not approved."""
    arguments: dict[str, Any] | None
    """What the function got; `None` where the model's arguments did not fit."""
    result: Any
    """What the function returned; `None` where it returned nothing, or was not called."""
    error: str | None
    """What went wrong, in words; `None` where nothing did."""
    content: str | list[dict[str, Any]]
    """What the model was told."""
    seconds: float
    """Time the function took; 0.0 where it was not called."""
    traceback: str | None = field(default=None, repr=False, compare=False)
    """Where the function, or a validator of its arguments, failed, as Python prints it; the model is not told."""

    @property
    def name(self) -> str:
        """The name that the model called."""
        return self.call.function.name

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        try:
            pickle.dumps(self.result)
        except Exception:  # whatever an object's own pickling raises
            state["result"] = self.content
        return state


@dataclass(frozen=True, slots=True)
class ToolResultEvent:
    """A call is over. Those of a round come in the order of its calls, when all are over."""

    step: ToolStep
    """The call, and what came of it."""
    type: Literal["tool.result"] = field(default="tool.result", init=False, repr=False)


ToolEvent: TypeAlias = Union[ChatEvent, ToolResultEvent]
"""Any event of a run with tools: one of a stream, or a tool's result."""


class ToolCompletion(ChatCompletion):
    """The last answer of a run with tools, and all that led to it. `usage` adds up every round."""

    # These lie beside the fields, as `_meta` does: neither dumped nor compared, and kept by `pickle`.

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The whole history, this answer included: append to it and go on with it."""
        return cast("list[dict[str, Any]]", self.__dict__["_messages"])

    @property
    def steps(self) -> tuple[ToolStep, ...]:
        """Every call that was made or refused: round by round, in the order in which the model made them."""
        return cast("tuple[ToolStep, ...]", self.__dict__["_steps"])

    @property
    def rounds(self) -> tuple[ChatCompletion, ...]:
        """Every answer as it came, this one last."""
        return cast("tuple[ChatCompletion, ...]", self.__dict__["_rounds"])

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """Calls left to you: of tools that were given as mappings. Append an answer to each, and go on."""
        return cast("tuple[ToolCall, ...]", self.__dict__["_pending"])
