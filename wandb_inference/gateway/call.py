"""One request as the server has it: its head, its body, its end, and whether the client is still there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any, Final, Literal, Protocol

from .answers import Headers, request_id, split
from .errors import too_large

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Reason = Literal["left", "drained"]

CONNECTION: Final = "wandb_inference.connection"
"""The name in `scope["state"]` under which a server of ours gives its side of the connection."""

HANDED: Final = "wandb_inference.handed"
"""The name in `scope` of a request that a task is to go on with."""


class Connection(Protocol):
    """What a server of ours can do beyond ASGI."""

    left: Callable[[], None] | None
    """Called when the client leaves."""
    is_gone: bool
    """Whether it has."""

    def answer(self, head: bytes, body: bytes) -> bool:
        """Writes a whole answer of status 200 at once; whether it could be."""
        ...


_NO_STATE: Final[dict[str, Any]] = {}


class ClientLeftError(Exception):
    """The client is gone."""


class Call:
    """One request.

    Args:
        headers: The request's, names in lower case; of those that are there twice, the last.
        connection: A server of ours.
    """

    scope: Scope
    status = 0
    """The status that was sent; 0 before."""
    is_over = False
    more_headers: Headers = ()
    reason: Reason | None = None
    _receive: Receive
    _send: Send
    _task: asyncio.Task[Any] | None = None
    _watch: asyncio.Task[None] | None = None

    def __init__(self, headers: dict[bytes, bytes], connection: Connection | None = None) -> None:
        self.started = monotonic()
        self.headers = headers
        self.id = request_id(headers) or b"%024x" % random.getrandbits(96)
        self._connection = connection

    @classmethod
    def of(cls, scope: Scope, receive: Receive, send: Send) -> Call:
        """One that ASGI brought."""
        call = cls(dict(scope["headers"]), scope.get("state", _NO_STATE).get(CONNECTION))
        call.attach(scope, receive, send)
        return call

    def attach(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Goes on by ASGI's ways.

        Args:
            scope: What ASGI says of it.
            receive: Brings its body, and tells that the client has left.
            send: Takes the answer.
        """
        self.scope = scope
        self._receive = receive
        self._send = send

    async def body(self, limit: int) -> bytes:
        """The request's body.

        Raises:
            GatewayError: It is larger than the limit. The rest is dropped as it comes: closing would take the answer
                from a client that is still sending.
            ClientLeftError: The client left within it.
        """
        length = self.headers.get(b"content-length")
        if length is not None and length.isdigit() and (len(length) > 18 or int(length) > limit):
            raise too_large(limit)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body
        pieces = [body]
        size = len(body)
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise too_large(limit)
        return b"".join(pieces)

    def watch(self) -> None:
        """From here on the task of this request is cancelled when the client leaves. The body has been read."""
        self._task = asyncio.current_task()
        if self.reason is not None and self._task is not None:  # it was stopped before there was a task
            self._task.cancel()
        if self._connection is None:
            self._watch = asyncio.ensure_future(self._look())
        elif self._connection.is_gone:
            self._leave()
        else:
            self._connection.left = self._leave

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self.stop("left")

    def stop(self, reason: Reason) -> None:
        """Cancels the task of this request, unless it is over."""
        if not self.is_over and self.reason is None:
            self.reason = reason
            if self._task is not None:
                self._task.cancel()

    def stopped(self) -> None:
        """Says that the cancellation was taken note of."""
        getattr(self._task, "uncancel", int)()  # Python 3.10 has none, and does not count

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the head of the answer."""
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self.more_headers]})

    async def write(self, data: bytes) -> None:
        """Sends a piece of the body, and waits while the client takes no more."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Sends the rest of the body."""
        # Before: its end wakes the watcher, for whom a request that is over and a client that left look the same.
        self.is_over = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Sends a whole answer."""
        self.status = status
        headers = [*headers, (b"content-length", b"%d" % len(body)), *self.more_headers]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.is_over = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def respond_lines(self, head: bytes, body: bytes) -> None:
        """Sends a whole answer of status 200, whose headers are written already, as lines."""
        if self._connection is not None and not self.more_headers and self._connection.answer(head, body):
            self.status = 200
            self.is_over = True
            return
        await self.respond(200, split(head), body)

    def close(self) -> None:
        """Ends the watch."""
        self.is_over = True
        self._task = None  # which holds this one: in circles they would stay until the next collection
        if self._watch is not None:
            self._watch.cancel()
        elif self._connection is not None and self._connection.left == self._leave:
            self._connection.left = None  # the next request's stays: a stream is over for its client first
