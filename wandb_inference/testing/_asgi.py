"""The emulator on a port: an ASGI application that plays plans."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from itertools import chain
from typing import Any, TypeVar, cast

from ._plan import Break, Pause, Send
from ._requests import RecordedRequest
from ._service import Exchange, Service

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Sender = Callable[[Message], Awaitable[None]]

TRANSPORT = "wandb_inference.transport"
"""Key in the scope's `state` under which our server passes the connection's asyncio transport."""


class _ClientLeftError(Exception):
    """The client closed the connection."""


class _BrokenOffError(Exception):
    """The plan closed the connection."""


class EmulatorApp:
    """The service as a plain ASGI application, for any server."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Sender) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Sender) -> None:
        content = await _body(receive)
        if content is None:
            return
        exchange = self._service.begin(_recorded(scope, content))
        gone = asyncio.ensure_future(receive())
        try:
            with contextlib.suppress(_ClientLeftError, _BrokenOffError):
                await _play(exchange, scope, gone, send)
        finally:
            exchange.close("left")  # unless it was sent
            gone.cancel()


async def _play(exchange: Exchange, scope: Scope, gone: asyncio.Future[Message], send: Sender) -> None:
    plan = exchange.plan
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in plan.headers.items()]
    head: Message = {"type": "http.response.start", "status": plan.status, "headers": headers}
    for step, last in _with_last(chain(plan.before, [head], plan.body)):
        if isinstance(step, Pause):
            await asyncio.wait((gone,), timeout=step.seconds)
        else:
            await asyncio.sleep(0)  # everybody else gets a turn, and a client that left is noticed
        if gone.done():
            raise _ClientLeftError
        if last or isinstance(step, Break):
            exchange.close("sent")  # before it is, so that whoever has all of the answer finds it sent
        if isinstance(step, Send):
            await send({"type": "http.response.body", "body": step.data, "more_body": True})
        elif isinstance(step, Break):
            await _end_connection(step, scope, gone)
        elif not isinstance(step, Pause):
            await send(step)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _with_last(steps: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """The steps, each with whether it is the last."""
    ahead = iter(steps)
    step = next(ahead)
    for following in ahead:
        yield step, False
        step = following
    yield step, True


async def _end_connection(how: Break, scope: Scope, gone: asyncio.Future[Message]) -> None:
    state = cast("dict[str, object]", scope.get("state") or {})
    transport = state.get(TRANSPORT)
    if not isinstance(transport, asyncio.Transport):
        raise ConnectionResetError(f"{how.value} by a fault; under this server every fault closes the connection")
    if how is Break.CUT:
        transport.close()
    else:
        # A linger time of zero turns the close into a reset.
        connection = cast("socket.socket", transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    await asyncio.wait((gone,))
    raise _BrokenOffError


async def _lifespan(receive: Receive, send: Sender) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def _body(receive: Receive) -> bytes | None:
    """The request's body; `None` where the client left before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(cast("bytes", message.get("body", b"")))
        if not message.get("more_body", False):
            return b"".join(parts)


def _recorded(scope: Scope, content: bytes) -> RecordedRequest:
    headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
    return RecordedRequest(
        cast("str", scope["method"]),
        cast("str", scope["path"]),
        query=cast("bytes", scope.get("query_string", b"")).decode("ascii"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
        content=content,
        time=time.monotonic(),
    )
