"""Scripted answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TypedDict

from ._completion import Choice, call_tokens, tokens_of
from ._errors import error
from ._json import dumps
from ._plan import Plan, Send, events, json_answer, whole
from ._requests import RecordedRequest


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
    delay: float
    tokens_per_second: float | None


@dataclass(frozen=True)
class Reply:
    """One answer, said beforehand: a completion, or with `json`, `body`, `sse` or an error `status` anything at all.

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
    delay: float = 0.0
    """Seconds before the answer begins, on top of the emulator's `latency`."""
    tokens_per_second: float | None = None
    """Pace of a completion; `None` means the emulator's."""

    def __post_init__(self) -> None:
        completion = [self.text, self.reasoning, self.refusal, self.finish_reason, self.usage]
        kinds = {
            "a completion": bool(self.tool_calls) or any(part is not None for part in completion),
            "json": self.json is not None,
            "body": self.body is not None,
            "sse": self.sse is not None,
        }
        given = [kind for kind, present in kinds.items() if present]
        if len(given) > 1:
            raise ValueError(f"a reply is one of {' and '.join(given)}, not all of them")
        if self.status != 200 and "a completion" in given:
            raise ValueError(f"a completion has status 200, not {self.status}; give the body as json=")

    def choice(self) -> Choice:
        """The completion's answer."""
        calls = [(name, given if isinstance(given, str) else dumps(given).decode()) for name, given in self.tool_calls]
        tokens = (
            *tokens_of("reasoning", self.reasoning or ""),
            *tokens_of("content", self.text or ""),
            *tokens_of("refusal", self.refusal or ""),
            *call_tokens(calls),
        )
        return Choice(tokens, self.finish_reason or ("tool_calls" if calls else "stop"))

    def plan(self) -> Plan | None:
        """The answer, where it is no completion."""
        if self.sse is not None:
            # One step per event, so that a fault can strike between two of them.
            pieces = re.split(rb"(?<=\n\n)", self.sse)
            return events([Send(piece) for piece in pieces if piece], self.headers)._replace(status=self.status)
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
