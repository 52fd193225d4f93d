"""Spans of runs of several calls, and of the functions that they call."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from .._core.build import model_id
from ..exceptions import APIError
from . import _attributes, _content
from ._attributes import Attributes, of_call
from ._tracing import clean, current, harmless

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .._core.following import Run
    from .._core.tool_calls import Outcome, Planned
    from ..types import ChatCompletion
    from ..types.tools import ToolStep
    from ._tracing import Tracing

_NAMES = {"run_tools": "invoke_agent", "parse": "parse"}
_REFUSED = ("unknown", "invalid", "denied")


class RunTrace:
    """The span of a run. It has no token counts: those are its chats', and would count twice.

    Args:
        tracing: How it is traced.
        run: The run.
    """

    def __init__(self, tracing: Tracing, run: Run) -> None:
        self._tracing = tracing
        self._run = run
        self._messages: Sequence[Any] = list(run.messages)  # what was said before the run, which adds to it
        self._span: Span | None = None
        self._open: list[Span] = []
        self._answers = 0
        self._calls = 0
        self._last: ChatCompletion | None = None

    @contextmanager
    def within(self) -> Generator[None, None, None]:
        """Has the run's span as the current one; the first time begins it, and an error ends it."""
        if self._span is None:
            with harmless():
                self._begin()
        span = self._span
        if span is None:
            yield
            return
        try:
            with current(span):
                yield
        except BaseException as error:
            self._end(error, complete=False)
            raise

    def _begin(self) -> None:
        run, tracing = self._run, self._tracing
        name = _NAMES[run.function]
        attributes: Attributes = {}
        if name == "invoke_agent":
            attributes = of_call(name, _id_of(run), run.settings.config.base_url)
        span = tracing.start(name, SpanKind.INTERNAL, attributes)
        if span is None:
            return
        self._span = span
        self._open.append(span)
        if tracing.content and span.is_recording() and name == "invoke_agent":
            span.set_attributes(_content.of_request(self._messages, run.tools))

    def answered(self, answer: ChatCompletion) -> None:
        """Counts the model's answers; the last is the run's."""
        self._answers += 1
        self._last = answer

    def called(self, steps: Sequence[ToolStep]) -> None:
        """Counts calls; one that was refused has no span, but an event."""
        self._calls += len(steps)
        if self._span is None:
            return
        with harmless():
            for step in steps:
                if step.outcome in _REFUSED:
                    self._span.add_event("wandb_inference.tool_refused", self._of_refused(step))

    def _of_refused(self, step: ToolStep) -> Attributes:
        found: Attributes = {
            "gen_ai.tool.name": clean(step.name),
            "gen_ai.tool.call.id": clean(step.call.id),
            "wandb_inference.tool.outcome": step.outcome,
        }
        if self._tracing.content:
            found["wandb_inference.tool.error"] = clean(step.error or "")
        return found

    def end(self, *, complete: bool) -> None:
        """Ends the span, where it is open."""
        self._end(None, complete=complete)

    def _end(self, error: BaseException | None, *, complete: bool) -> None:
        try:
            span = self._open.pop()  # a stream can be closed by two threads at the same time
        except IndexError:
            return
        with harmless():
            if span.is_recording():
                self._tell(span, error, complete)
        with harmless():
            span.end()

    def _tell(self, span: Span, error: BaseException | None, complete: bool) -> None:
        if self._answers:
            span.set_attribute("wandb_inference.rounds", self._answers)
            span.set_attribute("wandb_inference.tool_calls", self._calls)
        if self._last is not None:
            answer = _attributes.of_answer(self._last)
            answer.pop("gen_ai.response.id", None)  # the chat's, which is another span
            span.set_attributes(answer)
            if self._tracing.content:
                span.set_attributes(_content.of_answer(self._last))
        if error is not None:
            self._tracing.fail(span, error)
        elif not complete:
            span.set_attribute("wandb_inference.stream.left", True)

    def __del__(self) -> None:
        self.end(complete=False)  # a stream of events that was dropped, and not closed


def _id_of(run: Run) -> str:
    try:
        return model_id(run.settings, run.model)
    except APIError:  # which the first call raises, too
        return clean(str(run.model))


@contextmanager
def function_trace(tracing: Tracing, planned: Planned) -> Generator[Callable[[Outcome], Outcome], None, None]:
    """Has a function called in a span of its own.

    Args:
        tracing: How it is traced.
        planned: The call.
    """
    span: Span | None = None
    with harmless():
        span = tracing.start(f"execute_tool {planned.tool.name}", SpanKind.INTERNAL, _of_function(tracing, planned))
    if span is None:
        yield lambda outcome: outcome
        return

    def hear(outcome: Outcome) -> Outcome:
        with harmless():
            if outcome.error is not None:
                tracing.fail(span, outcome.error)
            elif tracing.content:
                span.set_attribute("gen_ai.tool.call.result", _content.told(outcome.content))
        return outcome

    try:
        with current(span):
            yield hear
    except BaseException as error:
        with harmless():
            tracing.fail(span, error)
        raise
    finally:
        with harmless():
            span.end()


def _of_function(tracing: Tracing, planned: Planned) -> Attributes:
    tool = planned.tool
    found: Attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.name,
        "gen_ai.tool.call.id": clean(planned.request.call.id),
        "gen_ai.tool.type": "function",
    }
    if tool.description:
        found["gen_ai.tool.description"] = clean(tool.description)
    if tracing.content:
        found["gen_ai.tool.call.arguments"] = clean(planned.request.call.function.arguments)
    return found
