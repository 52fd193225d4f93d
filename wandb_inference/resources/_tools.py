"""`run_tools()`, blocking and async."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from typing_extensions import Unpack

from .._transport.clocks import Clocks
from ..types.chat_params import ToollessChatParams
from ..types.messages import MessageParam
from ._awaiting import NotAwaited
from ._signature import with_parameters

if TYPE_CHECKING:
    from .._core.settings import Settings
    from .._core.tool_loop import ToolLoop
    from .._core.tools import Tool
    from .._tool_stream import Answer, AsyncAnswer, AsyncToolStream, ToolStream
    from ..types import ToolCompletion, ToolRequest, ToolStep

Tools: TypeAlias = "Iterable[Callable[..., Any] | Tool[..., Any] | Mapping[str, Any]]"


class ToolRuns:
    """Runs with tools."""

    _settings: Settings
    create: Any
    stream: Any

    @overload
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], bool | str] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: Literal[False] = False,
        **params: Unpack[ToollessChatParams],
    ) -> ToolCompletion: ...
    @overload
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], bool | str] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: Literal[True],
        **params: Unpack[ToollessChatParams],
    ) -> ToolStream: ...
    @overload
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], bool | str] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: bool,
        **params: Unpack[ToollessChatParams],
    ) -> ToolCompletion | ToolStream: ...
    @with_parameters(ToollessChatParams, owner="Completions")
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], bool | str] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: bool = False,
        **params: Unpack[ToollessChatParams],
    ) -> Any:
        """The model's answer after it has called functions: asks, makes the calls, tells the results, and asks again.

        Calls of one answer are made at the same time, in threads, and told in order. What a function raises is told to
        the model, by type and message; so are a tool that does not exist, with the names of those that do, and
        arguments that don't fit, with their schema. Text and content parts are told as they are, all else as JSON.

        Args:
            model: Who is asked, as for `create()`.
            messages: What was said so far, oldest first.
            tools: Functions with type hints, tools made by `tool()`, and mappings for those that you run: the run ends
                where the model calls one, with the call on `.pending`.
            max_rounds: Answers asked for at most; at least 1.
            on_error: `tell` tells the model what a function raised; `raise` raises it, after the answer's last call.
            approve: Asked before each call, one at a time: `True` allows it, `False` or the reason why not is told.
            on_step: Called with each call that is over, as soon as it is.
            parallel: Whether calls of one answer are made at the same time; if not, one after another, here.
            stream: Whether to get events as they happen: a context manager to loop over.
            **params: See `wandb_inference.types.ChatParams`. A `tool_choice` that forces a call holds for the first
                answer. `deadline` holds for the whole run; it interrupts the model, and no function.

        What `approve` and `on_step` raise ends the run. Every error has `.tool_run`, where an answer had come: a
        `ToolCompletion` of the rounds before it.

        Raises:
            ToolRoundsExceededError: The model still called tools after `max_rounds` answers.
            TypeError: A keyword that does not exist.
            InvalidRequestError: A request that can't be sent as it is, or a function that can't be a tool.
            APIError: What `create()` raises.
        """
        from .._core.tool_loop import ToolLoop
        from .._transport.tool_running import run_round

        loop = ToolLoop(
            self._settings,
            model=model,
            messages=messages,
            tools=tools,
            max_rounds=max_rounds,
            on_error=on_error,
            approve=approve,
            on_step=on_step,
            parallel=parallel,
            stream=stream,
            params=params,
            blocking=True,
        )
        if stream:
            from .._tool_stream import ToolStream

            return ToolStream(loop, self._answer)
        clocks = Clocks(loop.timeouts)
        try:
            with loop.within():
                while True:
                    round = loop.take(self.create(**loop.request(clocks.elapsed)))
                    if round is None:
                        return loop.completion()
                    run_round(round, loop)
                    if not loop.finish(round):
                        return loop.completion()
        except Exception as error:
            raise loop.broken(error)  # noqa: B904  its cause is set where there is one

    def _answer(self, request: dict[str, Any]) -> Answer:
        """One answer as events."""
        answer: Answer = self.stream(**request).__enter__()
        return answer


class AsyncToolRuns:
    """Runs with tools."""

    _settings: Settings
    create: Any
    stream: Any

    @overload
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], Any] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: Literal[False] = False,
        **params: Unpack[ToollessChatParams],
    ) -> Coroutine[Any, Any, ToolCompletion]: ...
    @overload
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], Any] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: Literal[True],
        **params: Unpack[ToollessChatParams],
    ) -> AsyncToolStream: ...
    @overload
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], Any] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: bool,
        **params: Unpack[ToollessChatParams],
    ) -> Coroutine[Any, Any, ToolCompletion] | AsyncToolStream: ...
    @with_parameters(ToollessChatParams, owner="AsyncCompletions")
    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam],
        tools: Tools,
        max_rounds: int = 10,
        on_error: Literal["tell", "raise"] = "tell",
        approve: Callable[[ToolRequest], Any] | None = None,
        on_step: Callable[[ToolStep], object] | None = None,
        parallel: bool = True,
        stream: bool = False,
        **params: Unpack[ToollessChatParams],
    ) -> Any:
        """The model's answer after it has called functions: asks, makes the calls, tells the results, and asks again.

        To be awaited; not so with `stream=True`, which gives an async context manager. Calls of one answer are made at
        the same time, async functions as tasks and blocking ones in threads, and told in order. A cancellation cancels
        the tasks; threads go on, and nobody waits for them. What a function raises is told to the model, by type and
        message; so are a tool that does not exist, with the names of those that do, and arguments that don't fit, with
        their schema. Text and content parts are told as they are, all else as JSON.

        Args:
            model: Who is asked, as for `create()`.
            messages: What was said so far, oldest first.
            tools: Functions with type hints, tools made by `tool()`, and mappings for those that you run: the run ends
                where the model calls one, with the call on `.pending`.
            max_rounds: Answers asked for at most; at least 1.
            on_error: `tell` tells the model what a function raised; `raise` raises it, after the answer's last call.
            approve: Asked before each call, one at a time: `True` allows it, `False` or the reason why not is told.
            on_step: Called with each call that is over, as soon as it is. Both may be async.
            parallel: Whether calls of one answer are made at the same time; if not, one after another.
            stream: Whether to get events as they happen: an async context manager to loop over.
            **params: See `wandb_inference.types.ChatParams`. A `tool_choice` that forces a call holds for the first
                answer. `deadline` holds for the whole run; it interrupts the model, and no function.

        What `approve` and `on_step` raise ends the run. Every error has `.tool_run`, where an answer had come: a
        `ToolCompletion` of the rounds before it.

        Raises:
            ToolRoundsExceededError: The model still called tools after `max_rounds` answers.
            TypeError: A keyword that does not exist.
            InvalidRequestError: A request that can't be sent as it is, or a function that can't be a tool.
            APIError: What `create()` raises.
        """
        from .._core.tool_loop import ToolLoop

        loop = ToolLoop(
            self._settings,
            model=model,
            messages=messages,
            tools=tools,
            max_rounds=max_rounds,
            on_error=on_error,
            approve=approve,
            on_step=on_step,
            parallel=parallel,
            stream=stream,
            params=params,
            blocking=False,
        )
        if stream:
            from .._tool_stream import AsyncToolStream

            return AsyncToolStream(loop, self._answer)
        return NotAwaited(self._run(loop), "run_tools")

    async def _run(self, loop: ToolLoop) -> ToolCompletion:
        from .._transport.tool_running import run_round_async

        clocks = Clocks(loop.timeouts)
        try:
            with loop.within():
                while True:
                    round = loop.take(await self.create(**loop.request(clocks.elapsed)))
                    if round is None:
                        return loop.completion()
                    await run_round_async(round, loop)
                    if not loop.finish(round):
                        return loop.completion()
        except Exception as error:
            raise loop.broken(error)  # noqa: B904  its cause is set where there is one

    async def _answer(self, request: dict[str, Any]) -> AsyncAnswer:
        """One answer as events."""
        answer: AsyncAnswer = await self.stream(**request).__aenter__()
        return answer
