"""Runs with tools as events, blocking and async: what `run_tools(stream=True)` gives."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import Self

from ._core.usage import total_usage
from ._transport.clocks import Clocks
from ._transport.tool_running import run_round, run_round_async
from .exceptions import StreamInterruptedError
from .types.tools import ToolResultEvent

if TYPE_CHECKING:
    from decimal import Decimal

    from ._core.tool_loop import ToolLoop
    from .types import ChatCompletion, ChatEvent, CompletionUsage, CostDetails, ToolCompletion, ToolEvent, ToolStep


class Answer(Iterator["ChatEvent"], Protocol):
    """One answer of the model as it comes: what `chat.completions.stream()` gives, or looks like it."""

    @property
    def text(self) -> str: ...
    def get_final_completion(self) -> ChatCompletion: ...
    def close(self) -> None: ...


class AsyncAnswer(Protocol):
    """One answer of the model as it comes: what `chat.completions.stream()` gives, or looks like it."""

    def __aiter__(self) -> AsyncIterator[ChatEvent]: ...
    async def __anext__(self) -> ChatEvent: ...
    @property
    def text(self) -> str: ...
    async def get_final_completion(self) -> ChatCompletion: ...
    async def close(self) -> None: ...


class _Run:
    """What both kinds of stream know of their run."""

    def __init__(self, loop: ToolLoop) -> None:
        self._loop = loop
        self._clocks: Clocks | None = None
        self._latest: Answer | AsyncAnswer | None = None
        self._results: deque[ToolResultEvent] = deque()
        self._done = False
        self._closed = False

    @property
    def text(self) -> str:
        """The text of the answer that is being written; after the end, of the last one."""
        return "" if self._latest is None else self._latest.text

    @property
    def usage(self) -> CompletionUsage | None:
        """Token counts of the rounds that are over; `None` before the first is."""
        return total_usage(self._loop.rounds)

    @property
    def cost(self) -> Decimal | None:
        """What the rounds that are over cost, in US dollars; `None` where that is not known."""
        return self.cost_details.total

    @property
    def cost_details(self) -> CostDetails:
        """What the rounds that are over cost, split, or the reason why it is not known."""
        from ._money.cost import details_of_all

        return details_of_all(self._loop.rounds)

    @property
    def steps(self) -> tuple[ToolStep, ...]:
        """The calls that are over."""
        return self._loop.steps

    def _request(self) -> dict[str, Any]:
        """The arguments of the next call of the model."""
        if self._clocks is None:
            self._clocks = Clocks(self._loop.timeouts)
        return self._loop.request(self._clocks.elapsed)

    def _check_open(self) -> None:
        if self._closed:
            raise StreamInterruptedError(
                "this stream was closed before its end", hint="Leave its `with` only when it is done."
            )


class ToolStream(_Run):
    """A run with tools as it goes: iterate over it inside `with`.

    Its events are those of `chat.completions.stream()`, answer by answer, and a `tool.result` for each call when the
    calls of an answer are over. Leaving `with` ends the run. A loop that was left can be taken up again.

    An error has `.tool_run`: the rounds before it, with messages, steps and usage.
    """

    def __init__(self, loop: ToolLoop, begin: Callable[[dict[str, Any]], Answer]) -> None:
        super().__init__(loop)
        self._begin = begin
        self._answer: Answer | None = None

    def __iter__(self) -> Iterator[ToolEvent]:
        return self

    def __next__(self) -> ToolEvent:
        while not self._results:
            if self._done:
                raise StopIteration
            try:
                event = self._read()
            except Exception as error:
                self.close()
                raise self._loop.broken(error)  # noqa: B904  its cause is set where there is one
            except BaseException:
                self.close()
                raise
            if event is not None:
                return event
        return self._results.popleft()

    def _read(self) -> ChatEvent | None:
        """The next event of an answer; `None` after its end, when its calls are over."""
        with self._loop.within():
            answer = self._open()
            event = next(answer, None)
            if event is None:
                round = self._loop.take(answer.get_final_completion())
                self._answer = None
                if round is None:
                    self._done = True
                else:
                    run_round(round, self._loop)
                    self._done = not self._loop.finish(round)
                    self._results.extend(ToolResultEvent(step) for step in round.steps)
        return event

    def _open(self) -> Answer:
        self._check_open()
        if self._answer is None:
            self._answer = self._latest = self._begin(self._request())
        return self._answer

    @property
    def text_stream(self) -> Iterator[str]:
        """The pieces of all answers' text, and nothing else."""
        for event in self:
            if event.type == "content.delta":
                yield event.delta

    def until_done(self) -> Self:
        """This stream, read to its end.

        Raises:
            APIError: The run failed, or was closed before its end.
        """
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> ToolCompletion:
        """The last answer, with all that led to it; goes on with the run where it is not over.

        Raises:
            APIError: The run failed, or was closed before its end.
        """
        self.until_done()
        return self._loop.completion()

    def close(self) -> None:
        """Ends the run and frees its connection."""
        self._closed = True
        answer, self._answer = self._answer, None
        try:
            if answer is not None:
                answer.close()
        finally:
            self._loop.left()

    def __enter__(self) -> Self:
        try:
            with self._loop.within():
                self._open()
        except Exception as error:
            raise self._loop.broken(error)  # noqa: B904  its cause is set where there is one
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncToolStream(_Run):
    """A run with tools as it goes: iterate over it by `async for` inside `async with`.

    Its events are those of `chat.completions.stream()`, answer by answer, and a `tool.result` for each call when the
    calls of an answer are over. Leaving `async with` ends the run. A loop that was left can be taken up again.

    An error has `.tool_run`: the rounds before it, with messages, steps and usage.
    """

    def __init__(self, loop: ToolLoop, begin: Callable[[dict[str, Any]], Awaitable[AsyncAnswer]]) -> None:
        super().__init__(loop)
        self._begin = begin
        self._answer: AsyncAnswer | None = None

    def __aiter__(self) -> AsyncIterator[ToolEvent]:
        return self

    async def __anext__(self) -> ToolEvent:
        while not self._results:
            if self._done:
                raise StopAsyncIteration
            try:
                event = await self._read()
            except Exception as error:
                await self.close()
                raise self._loop.broken(error)  # noqa: B904  its cause is set where there is one
            except BaseException:
                await self.close()
                raise
            if event is not None:
                return event
        return self._results.popleft()

    async def _read(self) -> ChatEvent | None:
        """The next event of an answer; `None` after its end, when its calls are over."""
        with self._loop.within():
            answer = await self._open()
            event = await anext(answer, None)
            if event is None:
                round = self._loop.take(await answer.get_final_completion())
                self._answer = None
                if round is None:
                    self._done = True
                else:
                    await run_round_async(round, self._loop)
                    self._done = not self._loop.finish(round)
                    self._results.extend(ToolResultEvent(step) for step in round.steps)
        return event

    async def _open(self) -> AsyncAnswer:
        self._check_open()
        if self._answer is None:
            self._answer = self._latest = await self._begin(self._request())
        return self._answer

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The pieces of all answers' text, and nothing else."""
        return _Texts(self)

    async def until_done(self) -> Self:
        """This stream, read to its end.

        Raises:
            APIError: The run failed, or was closed before its end.
        """
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> ToolCompletion:
        """The last answer, with all that led to it; goes on with the run where it is not over.

        Raises:
            APIError: The run failed, or was closed before its end.
        """
        await self.until_done()
        return self._loop.completion()

    async def close(self) -> None:
        """Ends the run and frees its connection."""
        self._closed = True
        answer, self._answer = self._answer, None
        try:
            if answer is not None:
                await answer.close()
        finally:
            self._loop.left()

    async def __aenter__(self) -> Self:
        try:
            with self._loop.within():
                await self._open()
        except Exception as error:
            raise self._loop.broken(error)  # noqa: B904  its cause is set where there is one
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class _Texts(AsyncIterator[str]):
    """The text among the events of a run; no generator, since trio warns of one that a `break` leaves."""

    def __init__(self, stream: AsyncToolStream) -> None:
        self._stream = stream

    async def __anext__(self) -> str:
        async for event in self._stream:
            if event.type == "content.delta":
                return event.delta
        raise StopAsyncIteration
