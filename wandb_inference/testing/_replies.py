"""Scripted answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TypedDict

from pydantic import TypeAdapter

from ._completion import Choice, call_tokens, tokens_of
from ._errors import error
from ._json import dumps
from ._plan import DONE, Plan, Send, event, events, json_answer, whole
from ._requests import RecordedRequest

_ANYTHING: TypeAdapter[object] = TypeAdapter(object)


class ReplyFields(TypedDict, total=False):
    """The keyword arguments of `Reply`."""

    text: str | None
    reasoning: str | None
    tool_calls: Sequence[tuple[str, Mapping[str, object] | str]]
    refusal: str | None
    finish_reason: str | None
    usage: Mapping[str, object] | None
    status: int
    headers: Mapping[str, str]
    json: object
    body: bytes | None
    content_type: str
    sse: bytes | None
    chunks: Sequence[Mapping[str, object]]
    delay: float
    tokens_per_second: float | None
    value: object
    max_tokens: int | None


@dataclass(frozen=True)
class Reply:
    """One answer, said beforehand: a completion; with `json`, `body`, `sse`, `chunks` or an error `status`, anything.

    A completion is streamed where a stream is asked for. It is sent as it was written: `max_tokens`, `stop` and the
    response format change nothing about it, and each of `n` choices is the same.

    Raises:
        ValueError: The fields contradict each other.
    """

    text: str | None = None
    """The answer's text."""
    _: KW_ONLY
    reasoning: str | None = None
    """The thinking before it."""
    tool_calls: Sequence[tuple[str, Mapping[str, object] | str]] = ()
    """Names and arguments of tool calls; arguments given as a string are sent as they stand, for JSON that is none. The
    next reply in the queue answers what the tools say."""
    refusal: str | None = None
    """The text of a refusal."""
    finish_reason: str | None = None
    """Why it ended; `None` means `tool_calls` where there are any, else `stop`."""
    usage: Mapping[str, object] | None = None
    """The `usage` object; `None` means counted."""
    status: int = 200
    """HTTP status. An error status without a body has the service's documented one."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers in addition to the usual ones, or in their place."""
    json: object = None
    """The body, as a JSON value."""
    body: bytes | None = None
    """The body, as it stands."""
    content_type: str = "text/plain; charset=utf-8"
    """Content type of `body`."""
    sse: bytes | None = None
    """The body of an event stream, as it stands."""
    chunks: Sequence[Mapping[str, object]] = ()
    """The chunks of a stream, each as it stands, for what no other reply does: answers that differ, tool calls mixed or
    without index. `[DONE]` follows."""
    delay: float = 0.0
    """Seconds before the answer begins, on top of the emulator's `latency`."""
    tokens_per_second: float | None = None
    """Pace of a completion; `None` means the emulator's."""
    value: object = None
    """The answer's text as what it means: a model, a dataclass or plain data, sent as JSON."""
    max_tokens: int | None = None
    """Tokens after which the answer breaks off, with `finish_reason="length"`; the request's own limit cuts nothing."""

    def __post_init__(self) -> None:
        said = [self.text, self.value, self.reasoning, self.refusal]
        completion = [*said, self.finish_reason, self.usage, self.max_tokens]
        kinds = {
            "a completion": bool(self.tool_calls) or any(part is not None for part in completion),
            "json": self.json is not None,
            "body": self.body is not None,
            "sse": self.sse is not None,
            "chunks": bool(self.chunks),
        }
        given = [kind for kind, present in kinds.items() if present]
        if len(given) > 1:
            raise ValueError(f"a reply is one of {' and '.join(given)}, not all of them")
        if self.status != 200 and "a completion" in given:
            raise ValueError(f"a completion has status 200, not {self.status}; give the body as json=")
        if self.text is not None and self.value is not None:
            raise ValueError("a reply is one of text and value, not both")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1 or None, not {self.max_tokens}")

    def choice(self) -> Choice:
        """The completion's answer."""
        calls = [(name, given if isinstance(given, str) else dumps(given).decode()) for name, given in self.tool_calls]
        text = self.text or ""
        if self.value is not None:
            text = _ANYTHING.dump_json(self.value, by_alias=True).decode()
        tokens = (
            *tokens_of("reasoning", self.reasoning or ""),
            *tokens_of("content", text),
            *tokens_of("refusal", self.refusal or ""),
            *call_tokens(calls),
        )
        if self.max_tokens is not None and len(tokens) > self.max_tokens:
            return Choice(tokens[: self.max_tokens], "length")
        return Choice(tokens, self.finish_reason or ("tool_calls" if calls else "stop"))

    def plan(self) -> Plan | None:
        """The answer, where it is no completion."""
        if self.sse is not None:
            # One step per event, so that a fault can strike between two of them.
            pieces = re.split(rb"(?<=\n\n)", self.sse)
            return events([Send(piece) for piece in pieces if piece], self.headers)._replace(status=self.status)
        if self.chunks:
            steps = [*(event(chunk) for chunk in self.chunks), Send(DONE)]
            return events(steps, self.headers)._replace(status=self.status)
        if self.json is not None:
            return json_answer(self.status, self.json, self.headers)
        if self.body is not None:
            return whole(self.status, self.body, self.content_type, self.headers)
        if self.status >= 400:
            return error(self.status, headers=self.headers)
        return whole(self.status, b"", self.content_type, self.headers) if self.status != 200 else None


When = Callable[[RecordedRequest], bool]
Answer = Reply | Callable[[RecordedRequest], "Reply | str"]


def is_chat(request: RecordedRequest) -> bool:
    """Whether a request is a chat completion."""
    return request.method == "POST" and request.path == "/v1/chat/completions"
