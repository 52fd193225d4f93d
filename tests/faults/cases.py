"""Tables of faults: what the server does, and what the caller gets, for calls and for streams."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from conftest import ask, texts
from raw_server import Peer, Script

from wandb_inference import APIConnectionError, APIError, APITimeoutError

COMPLETION = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
EVENTS = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n',
    b"data: [DONE]\n\n",
)

SLACK = 1.5
"""Seconds that an end may come after its clock. The promise is 0.2; a machine that is busy with other things adds."""


class Good(NamedTuple):
    """A good answer to what was asked, for a server to spoil."""

    body: bytes
    kind: str
    """Its media type."""
    half: int
    """Bytes of it after which it is of no use: half a completion; one event, and a half."""

    @classmethod
    def of(cls, request: bytes) -> Good:
        """The good answer to a request."""
        if b"accept: text/event-stream" in request.lower():
            return cls(b"".join(EVENTS), "text/event-stream", len(EVENTS[0]) + 20)
        return cls(COMPLETION, "application/json", len(COMPLETION) // 2)

    def head(self, *headers: str, start: str = "HTTP/1.1 200 OK") -> bytes:
        """The head of an answer."""
        return "\r\n".join([start, f"Content-Type: {self.kind}", *headers, "", ""]).encode("latin-1")

    def whole(self, *headers: str, start: str = "HTTP/1.1 200 OK", body: bytes | None = None) -> bytes:
        """A whole answer with a length."""
        body = self.body if body is None else body
        return self.head(f"Content-Length: {len(body)}", *headers, start=start) + body


Serve = Callable[[Peer, Good], None]


class Case(NamedTuple):
    """One fault."""

    name: str
    serve: Serve
    """What the server does with a request that it has read."""
    call: str | type[APIError] = APIConnectionError
    """What a call gets: its text, or an error of this very class."""
    stream: str | type[APIError] | None = None
    """What a stream gets, where it is something else."""
    says: str = ""
    """A pattern that is found in the error."""
    ends: bool = False
    """Whether the server then closes the connection."""
    kept: bool | None = None
    """Whether the connection takes another request; if not said, where there was an answer."""
    settings: dict[str, Any] = {}
    """The client's."""
    clock: str | None = None
    """The clock that ends it."""


def by_path(cases: Sequence[Case]) -> Script:
    """A script that serves each request as the case whose number begins its path, and others well."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            found = re.match(rb"POST /([0-9]+)/", request)
            if found is None:
                peer.send(Good.of(request).whole())
                continue
            case = cases[int(found[1])]
            case.serve(peer, Good.of(request))
            if case.ends:
                return

    return script


async def outcome(client: Any, asks: str, **params: Any) -> Any:
    """The text that a call or a stream ends with, or its error."""
    try:
        if asks == "call":
            return (await ask(client, **params)).text
        return "".join(await texts(await ask(client, stream=True, **params)))
    except APIError as error:
        return error


def check(got: Any, expected: str | type[APIError], says: str = "", clock: str | None = None) -> None:
    """Fails unless a text or an error is the one that was expected."""
    if isinstance(expected, str):
        assert got == expected, repr(got)
        return
    assert type(got) is expected, repr(got)
    assert re.search(says, str(got)), str(got)
    assert len(got.attempts) == 1
    if isinstance(got, APITimeoutError):
        assert got.clock == clock, str(got)
        assert isinstance(got, TimeoutError)
    else:
        assert clock is None, str(got)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails unless what is done ends when its clock does."""
    began = time.monotonic()
    yield
    on_time(time.monotonic() - began, seconds)


def on_time(took: float, seconds: float) -> None:
    """Fails unless something that took so long ended when its clock did."""
    assert seconds - 0.02 <= took <= seconds + SLACK, f"{took:.3f} s with a clock of {seconds} s"
