"""Spans and measurements of chats."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

from . import _attributes, _content
from ._tracing import Current, context_of, harmless

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .._core.following import Chat, Ending
    from ..types import ChatCompletion, Meta
    from ._attributes import Attributes
    from ._tracing import Tracing


class ChatTrace:
    """The span of one chat, and what is measured of it.

    Args:
        tracing: How it is traced.
        chat: The chat.
    """

    def __init__(self, tracing: Tracing, chat: Chat) -> None:
        self._tracing = tracing
        self._chat = chat
        self._known = _attributes.of_call("chat", chat.model, chat.base_url)
        self._span: Span | None = None
        self._current: Current | None = None
        self._began = 0.0
        self._began_at = 0

    def begin(self) -> None:
        """Begins the span below the current one."""
        with harmless():
            self._begin()

    def _begin(self) -> None:
        chat = self._chat
        attributes: Attributes = {**self._known, **_attributes.of_request(chat)}
        self._began, self._began_at = time.perf_counter(), time.time_ns()
        span = self._tracing.start(f"chat {chat.model}", SpanKind.CLIENT, attributes)
        if span is None:
            return
        self._span = span
        if not chat.stream:
            # A stream ends somewhere else: in another task or thread, where nothing can be taken back.
            self._current = Current(span)
        if self._tracing.propagate:
            inject(chat.headers, context=context_of(span))
        if self._tracing.content and span.is_recording():
            span.set_attributes(_content.of_request(chat.body["messages"], chat.body.get("tools")))

    def end(self, ending: Ending) -> None:
        """Ends the span with what came of the call."""
        span = self._span
        if span is None:
            return
        seconds = time.perf_counter() - self._began
        if self._current is not None:
            self._current.take_back()
        with harmless():
            answer = ending.answer() if ending.answer is not None else None
            if span.is_recording():
                self._tell(span, ending, answer)
            self._measure(span, ending, answer, seconds)
        with harmless():
            span.end()

    def _tell(self, span: Span, ending: Ending, answer: ChatCompletion | None) -> None:
        if answer is not None:
            span.set_attributes(_attributes.of_answer(answer))
            if self._tracing.content:
                span.set_attributes(_content.of_answer(answer))
        if ending.usage is not None:
            span.set_attributes(_attributes.of_usage(ending.usage))
        if ending.meta is not None:
            span.set_attributes(_attributes.of_meta(ending.meta))
            self._tell_attempts(span, ending.meta)
        if ending.error is not None:
            self._tracing.fail(span, ending.error)
        elif not ending.complete:
            span.set_attribute("wandb_inference.stream.left", True)

    def _tell_attempts(self, span: Span, meta: Meta) -> None:
        """One event for each attempt, where there were several, at the time of its end."""
        if len(meta.attempts) < 2:
            return
        at = float(self._began_at)
        for number, record in enumerate(meta.attempts, 1):
            at += (record.waited + record.seconds) * 1e9
            attributes = _attributes.of_attempt(number, record, content=self._tracing.content)
            span.add_event("wandb_inference.attempt", attributes, min(int(at), time.time_ns()))

    def _measure(self, span: Span, ending: Ending, answer: ChatCompletion | None, seconds: float) -> None:
        tracing, within = self._tracing, context_of(span)
        known = dict(self._known)
        if answer is not None and answer.model:
            known["gen_ai.response.model"] = answer.model
        failed: Attributes = {} if ending.error is None else {"error.type": _attributes.type_of(ending.error)}
        tracing.duration.record(seconds, {**known, **failed}, within)
        if ending.meta is not None and ending.meta.to_first_token is not None:
            tracing.to_first_chunk.record(ending.meta.to_first_token, known, within)
        if ending.usage is not None:
            for kind, count in (("input", ending.usage.prompt_tokens), ("output", ending.usage.completion_tokens)):
                tracing.tokens.record(count, {**known, "gen_ai.token.type": kind}, within)
