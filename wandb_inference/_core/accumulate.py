"""Chunks to the completion they add up to."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from ..types import ChatCompletion, CompletionUsage
from ..types.chunk import ChatCompletionChunk, ChunkChoice, Delta
from .growing_calls import GrowingCall, grow
from .reading import UnreadableError, mend

_THINKING = ("reasoning", "reasoning_content")
_TEXT_ALONE = {"content"}


class _Answer:
    """One of the `n` answers as it grows."""

    __slots__ = (
        "calls",
        "content",
        "extra",
        "finish_reason",
        "function_call",
        "logprobs",
        "message_extra",
        "refusal",
        "role",
        "thinking",
        "token_ids",
    )

    def __init__(self) -> None:
        self.role = "assistant"
        self.content: list[str] = []
        self.refusal: list[str] = []
        self.thinking: dict[str, list[str]] = {}
        self.calls: list[GrowingCall] = []
        self.function_call: GrowingCall | None = None
        self.finish_reason: str | None = None
        self.logprobs: dict[str, list[Any]] | None = None
        self.token_ids: list[int] | None = None
        self.message_extra: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}

    def add_delta(self, delta: Delta) -> None:
        # Most deltas hold text alone: one look at the names that came, instead of one at each field.
        if delta.__pydantic_fields_set__ != _TEXT_ALONE:
            self._add_rest(delta)
        elif delta.content is not None:
            self.content.append(delta.content)

    def add(self, choice: ChunkChoice) -> None:
        extra = choice.__pydantic_extra__
        if extra:
            if "message" in extra:
                _read_message_as_delta(choice, extra)
            self.extra.update(extra)
        self.add_delta(choice.delta)
        if choice.finish_reason is not None:
            self.finish_reason = choice.finish_reason
        if choice.logprobs is not None:
            self._add_logprobs(choice)
        if choice.token_ids is not None:
            self.token_ids = self.token_ids or []
            self.token_ids.extend(choice.token_ids)

    def _add_rest(self, delta: Delta) -> None:
        if delta.content is not None:
            self.content.append(delta.content)
        if delta.__pydantic_extra__:
            self._add_extra(delta.__pydantic_extra__)
        if delta.tool_calls:
            for call in delta.tool_calls:
                grow(self.calls, call)
        if delta.role:
            self.role = delta.role
        if delta.refusal is not None:
            self.refusal.append(delta.refusal)
        if delta.function_call is not None:
            self.function_call = self.function_call or GrowingCall(None)
            self.function_call.add(delta.function_call)

    def _add_extra(self, extra: dict[str, Any]) -> None:
        for name, value in extra.items():
            if name in _THINKING and isinstance(value, str):
                self.thinking.setdefault(name, []).append(value)
            elif value is not None:
                self.message_extra[name] = value

    def _add_logprobs(self, choice: ChunkChoice) -> None:
        assert choice.logprobs is not None
        if self.logprobs is None:
            self.logprobs = {}
        for name in ("content", "refusal"):
            tokens = getattr(choice.logprobs, name)
            if tokens is not None:
                self.logprobs.setdefault(name, []).extend(tokens)

    def dump(self, index: int) -> dict[str, Any]:
        content: str | None = "".join(self.content) if self.content else None
        message: dict[str, Any] = {"role": self.role, "content": content}
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        for name, pieces in self.thinking.items():
            message[name] = "".join(pieces)
        if self.calls or self.thinking or self.refusal:
            # An empty text beside something else is how a stream says null.
            message["content"] = content or None
        if self.calls:
            message["tool_calls"] = [call.dump() for call in sorted(self.calls, key=lambda call: call.index or 0)]
        if self.function_call is not None:
            message["function_call"] = self.function_call.dump()["function"]
        message |= self.message_extra
        choice = {**self.extra, "index": index, "message": message, "finish_reason": self.finish_reason}
        if self.logprobs is not None:
            choice["logprobs"] = self.logprobs
        if self.token_ids is not None:
            choice["token_ids"] = self.token_ids
        return choice


def _read_message_as_delta(choice: ChunkChoice, extra: dict[str, Any]) -> None:
    """What the choice adds, taken from a `message` where there is no `delta`: some servers send that in streams too."""
    message: object = extra["message"]
    if isinstance(message, dict) and "delta" not in choice.model_fields_set:
        with suppress(UnreadableError):
            # In place, because nobody has seen the chunk yet.
            vars(choice)["delta"] = mend(Delta, cast("object", message))
            choice.model_fields_set.add("delta")
            del extra["message"]


class ChatAccumulator:
    """Folds chunks into the completion they add up to. Linear in the length of the stream."""

    def __init__(self) -> None:
        self._answers: dict[int, _Answer] = {}
        self._head: dict[str, Any] = {}
        self.usage: CompletionUsage | None = None

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Takes the next chunk, before anyone has seen it: appends to lists, parses nothing."""
        choices = chunk.choices
        for choice in choices:
            answer = self._answers.get(choice.index)
            if answer is None:
                answer = self._answers[choice.index] = _Answer()
                self._add_head(chunk)
            answer.add(choice)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if not choices:
            self._add_head(chunk)

    def add_delta(self, index: int, delta: Delta) -> None:
        """Takes the next chunk of an answer that has begun, where it holds nothing new but its delta."""
        self._answers[index].add_delta(delta)

    def _add_head(self, chunk: ChatCompletionChunk) -> None:
        for name in ("id", "created", "model", "system_fingerprint", "service_tier", "prompt_token_ids"):
            value = getattr(chunk, name)
            if value and not self._head.get(name):
                self._head[name] = value
        if chunk.__pydantic_extra__:
            self._head = {**chunk.__pydantic_extra__, **self._head}

    def is_finished(self, answers: int = 1) -> bool:
        """Whether all answers that began have said why they ended, and so many there are at least."""
        reasons = [answer.finish_reason for answer in self._answers.values()]
        return len(reasons) >= answers and None not in reasons

    @property
    def text(self) -> str:
        """The first answer's text so far."""
        return "".join(self._answers[min(self._answers)].content) if self._answers else ""

    def snapshot(self) -> ChatCompletion:
        """What has arrived so far, as a completion: joins and validates, so call it when you need it."""
        choices = [self._answers[index].dump(index) for index in sorted(self._answers)]
        return mend(ChatCompletion, {**self._head, "choices": choices, "usage": self.usage})
