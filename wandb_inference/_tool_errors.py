"""The error of runs with tools: a part of `exceptions`, whose name it bears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._failure import APIError

if TYPE_CHECKING:
    from .types import CompletionUsage
    from .types.tools import ToolCompletion


class ToolRoundsExceededError(APIError):
    """The model still called tools when `max_rounds` answers had been asked for. What was done is on `.tool_run`.

    The calls of the last answer have been made, so that `.tool_run.messages` can be gone on with as they are.

    Args:
        message: How many rounds there were.
        hint: What to do about it.
        tool_run: What was done.
    """

    __module__ = "wandb_inference.exceptions"

    def __init__(self, message: str, *, hint: str | None = None, tool_run: ToolCompletion | None = None) -> None:
        super().__init__(message, hint=hint)
        self.tool_run = tool_run
        if tool_run is not None:
            self.meta = tool_run.meta

    @property
    def text(self) -> str | None:
        """The last answer's text."""
        return super().text if self.tool_run is None else self.tool_run.text

    @property
    def usage(self) -> CompletionUsage | None:
        """Token counts of all rounds together."""
        return super().usage if self.tool_run is None else self.tool_run.usage
