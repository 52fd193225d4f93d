"""Requests as the emulator saw them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, cast

from .._checks import without_data
from ._json import as_dict, as_list, as_str, loads


class RecordedHeaders(dict[str, str]):
    """Header values by name in lower case. The `repr`, and so every failed assertion, hides the key."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            name = name.lower()
            self[name] = f"{self[name]}, {value}" if name in self else value

    def __repr__(self) -> str:
        return repr({name: "***" if name == "authorization" else value for name, value in self.items()})


class RecordedRequest:
    """One request that reached the emulator."""

    method: str
    """`GET`, `POST`, ..."""
    path: str
    """The path with `/v1`, decoded, without the query."""
    query: str
    """What stood after the `?`; empty where there was none."""
    headers: RecordedHeaders
    """Header values by name in lower case; the `repr` hides the key."""
    content: bytes
    """The body as it came."""
    body: Any
    """The body as parsed JSON; `None` where it is none."""
    time: float
    """Seconds on the monotonic clock when it was complete: two requests' difference is the wait between them."""
    status: int
    """HTTP status of the answer; 0 while there is none."""
    outcome: Literal["open", "sent", "left"]
    """`open`: the answer is under way. `sent`: it was played to its end, faults included. `left`: the client was faster
    to leave."""

    __slots__ = ("body", "content", "headers", "method", "outcome", "path", "query", "status", "time")

    def __init__(
        self, method: str, path: str, *, query: str, headers: Iterable[tuple[str, str]], content: bytes, time: float
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = RecordedHeaders(headers)
        self.content = content
        self.body = loads(content)
        self.time = time
        self.status = 0
        self.outcome = "open"

    @property
    def model(self) -> str | None:
        """The model asked for; `None` where the body names none."""
        return as_str(as_dict(self.body).get("model")) or None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages sent, each an object; empty where there are none."""
        return cast("list[dict[str, Any]]", as_list(as_dict(self.body).get("messages")))

    @property
    def project(self) -> str | None:
        """The `OpenAI-Project` header; `None` where none was sent."""
        return self.headers.get("openai-project")

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return as_dict(self.body).get("stream") is True

    def __repr__(self) -> str:
        body = without_data(repr(self.body))
        return f"RecordedRequest({self.method} {self.path}, headers={self.headers!r}, body={body})"
