"""One turn of a conversation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ._core.trimming import size_of, size_of_tools

if TYPE_CHECKING:
    from .types import ChatCompletion, ChatParams


class Turn:
    """Something that is being said, until its answer is there or was given up."""

    def __init__(
        self,
        end: Callable[[Turn, ChatCompletion | None, bool], None],
        model: str,
        messages: list[Any],
        new: list[Any],
        left_out: Mapping[int, Any],
        params: ChatParams,
    ) -> None:
        self.model = model
        self.new = new
        self.left_out = left_out
        self.params = params
        self.messages = [message for index, message in enumerate(messages) if index not in left_out]
        self._end = end
        # A stream can be closed by one thread while another comes to its end.
        self._once = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._once.locked()

    @property
    def size(self) -> int:
        """What was sent, in bytes that count."""
        return sum(map(size_of, self.messages)) + size_of_tools(cast("dict[str, Any]", self.params))

    def end(self, completion: ChatCompletion | None, *, cut: bool = False) -> None:
        """Puts what was said and answered into the history; where nothing was answered, all stays as it was.

        Args:
            completion: The answer; `None` where there is none.
            cut: Whether it did not come to its end.
        """
        if self._once.acquire(blocking=False):
            self._end(self, completion, cut)
