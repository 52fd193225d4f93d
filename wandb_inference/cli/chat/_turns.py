"""One question and its answer, with the calls of tools between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..._core.tool_loop import ToolLoop
from ..._history import settings_of
from ..._transport.tool_running import THREADS, run_round
from ...exceptions import ToolRoundsExceededError
from ._status import Answer

if TYPE_CHECKING:
    from ..._conversation import Conversation
    from ...types import ChatCompletion, ToolRequest, ToolStep
    from ._display import Display
    from ._tools import AnyTool

MAX_ROUNDS = 20
"""Answers that one question may lead to, tools between them; who is asked before each call stops earlier."""


def still_running() -> bool:
    """Whether there are tools that Ctrl-C has left to themselves: a thread can't be stopped."""
    return any(thread.name.startswith(THREADS) for thread in threading.enumerate())


class Turns:
    """Asks, and shows what comes as it comes.

    Args:
        conversation: Where the history is kept.
        display: Where answers are shown.
        approve: Asked before each call of a tool.
        on_step: Told of each call that is over.
        tell: Told of each answer that is over.
        stream: Whether answers come as they are written.
    """

    def __init__(
        self,
        conversation: Conversation,
        display: Display,
        *,
        approve: Callable[[ToolRequest], bool | str],
        on_step: Callable[[ToolStep], object],
        tell: Callable[[Answer], object],
        stream: bool = True,
    ) -> None:
        self.conversation = conversation
        self.tools: list[AnyTool] = []
        self._display = display
        self._approve = approve
        self._on_step = on_step
        self._tell = tell
        self._stream = stream

    def ask(self, content: Any, **params: Any) -> None:
        """Asks, and goes on until the model calls no more tools.

        Whatever ends it, an error or Ctrl-C, what had come is shown and stays in the conversation.

        Raises:
            KeyboardInterrupt: The user stopped it.
            APIError: What `Conversation.say` raises.
        """
        if not self.tools:
            self._one(content, params)
            return
        conversation = self.conversation
        loop = ToolLoop(
            settings_of(conversation),
            model=conversation.model,
            messages=conversation.messages,
            tools=self.tools,
            max_rounds=MAX_ROUNDS,
            on_error="tell",
            approve=self._approve,
            on_step=self._on_step,
            parallel=True,
            stream=self._stream,
            params={name: value for name, value in conversation.params.items() if name == "tool_choice"},
            blocking=True,
        )
        while True:
            request = self._next(loop)
            self._one(content, {**params, "tools": request["tools"], "tool_choice": request.get("tool_choice")})
            if conversation.last is None or not self._calls(loop):
                return
            content = None

    @staticmethod
    def _next(loop: ToolLoop) -> dict[str, Any]:
        try:
            return loop.request(0.0)
        except ToolRoundsExceededError as error:
            error.hint = "Say anything to let it go on."
            raise

    def _calls(self, loop: ToolLoop) -> bool:
        """Makes the calls of the last answer, and puts them into the conversation; whether there were any.

        Calls that were not over when Ctrl-C came are told as such: a history with an open call is refused.
        """
        conversation = self.conversation
        before = len(loop.messages)
        assert conversation.last is not None
        round = loop.take(conversation.last)
        if round is None:
            return False
        try:
            run_round(round, loop)
        finally:
            stopped = [round.interrupted(planned) for planned in round.planned if not round.is_over(planned)]
            loop.finish(round)
            conversation.messages[-1:] = loop.messages[before:]
            for step in stopped:
                self._on_step(step)
        return True

    def _one(self, content: Any, params: dict[str, Any]) -> None:
        """One answer."""
        display = self._display
        display.begin()
        try:
            if self._stream and not params.get("final_only"):
                self._streamed(content, params)
            else:
                self._whole(self.conversation.say(content, stream=False, **params))
        finally:
            display.end()

    def _whole(self, completion: ChatCompletion) -> None:
        choice = completion.choices[0]
        self._display.thought(choice.message.reasoning or "")
        self._display.said(choice.message.text or choice.message.refusal or "")
        self._display.end()
        self._tell(Answer(completion.usage, completion.meta, completion.cost, finish_reason=choice.finish_reason))

    def _streamed(self, content: Any, params: dict[str, Any]) -> None:
        display = self._display
        stopped = True
        finish_reason = None
        with self.conversation.say(content, stream=True, **params) as stream:
            try:
                for chunk in stream:
                    for choice in chunk.choices:
                        display.thought(choice.delta.reasoning or "")
                        display.said(choice.delta.text or choice.delta.refusal or "")
                        finish_reason = choice.finish_reason or finish_reason
                stopped = False
            except Exception:
                stopped = False
                raise
            finally:
                stream.close()
                display.end()
                self._tell(Answer(stream.usage, stream.meta, stream.cost, stopped, finish_reason))
