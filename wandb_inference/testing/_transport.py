"""The emulator in process: a transport for `httpx.Client` and `httpx.AsyncClient`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Literal, cast

import anyio
import anyio.lowlevel
import httpx

from ._plan import FOREVER, Break, Pause, Send, Step
from ._requests import RecordedRequest
from ._service import Exchange, Service

# What the same events on a real connection become in httpx over httpcore, before and after the headers.
_EARLY: dict[Break, tuple[type[httpx.TransportError], str]] = {
    Break.CUT: (httpx.RemoteProtocolError, "Server disconnected without sending a response."),
    Break.RESET: (httpx.ReadError, "[Errno 104] Connection reset by peer"),
    Break.REFUSE: (httpx.ConnectError, "[Errno 111] Connection refused"),
}
_LATE: dict[Break, tuple[type[httpx.TransportError], str]] = {
    **_EARLY,
    Break.CUT: (httpx.RemoteProtocolError, "peer closed connection without sending complete message body"),
}


class EmulatorTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries an emulator's answers to `httpx.Client(transport=...)` and `httpx.AsyncClient(transport=...)`.

    Whatever the host of a request, the emulator answers it. Faults become the exceptions that httpx raises for them
    on a real connection, and pauses end in `httpx.ReadTimeout` where the request's own read timeout is shorter.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The emulator's answer; its body is played as it is read."""
        exchange = self._service.begin(_recorded(request, request.read()))
        try:
            for move in _moves(exchange.plan.before, request, _EARLY):
                time.sleep(cast("float", move))
        except BaseException as error:
            exchange.close(_outcome(error))
            raise
        return _response(exchange, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The emulator's answer; its body is played as it is read."""
        exchange = self._service.begin(_recorded(request, await request.aread()))
        try:
            await anyio.lowlevel.checkpoint()  # as on a network, everybody else gets a turn
            for move in _moves(exchange.plan.before, request, _EARLY):
                await anyio.sleep(cast("float", move))
        except BaseException as error:
            exchange.close(_outcome(error))
            raise
        return _response(exchange, request)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, exchange: Exchange, request: httpx.Request) -> None:
        self._exchange = exchange
        self._steps = iter(exchange.plan.body)
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        for move in _moves(self._steps, self._request, _LATE):
            if isinstance(move, bytes):
                yield move
            else:
                time.sleep(move)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for move in _moves(self._steps, self._request, _LATE):
            if isinstance(move, bytes):
                await anyio.lowlevel.checkpoint()
                yield move
            else:
                await anyio.sleep(move)

    def close(self) -> None:
        # A client that stops at `[DONE]` had everything.
        self._exchange.close("sent" if next(self._steps, None) is None else "left")

    async def aclose(self) -> None:
        self.close()


def _moves(
    steps: Iterable[Step], request: httpx.Request, breaks: Mapping[Break, tuple[type[httpx.TransportError], str]]
) -> Iterator[bytes | float]:
    """What to do next: hand over these bytes, or sleep so many seconds. Raises what ends the connection."""
    timeouts = cast("dict[str, float | None]", request.extensions.get("timeout", {}))
    patience = timeouts.get("read")
    patience = FOREVER if patience is None else patience
    left = patience
    for step in steps:
        if isinstance(step, Send):
            left = patience
            yield step.data
        elif isinstance(step, Pause):
            yield min(step.seconds, left)
            if step.seconds > left:
                raise httpx.ReadTimeout("The read operation timed out", request=request)
            left -= step.seconds
        else:
            kind, text = breaks[step]
            raise kind(text, request=request)


def _outcome(error: BaseException) -> Literal["sent", "left"]:
    return "sent" if isinstance(error, (httpx.NetworkError, httpx.ProtocolError)) else "left"


def _recorded(request: httpx.Request, content: bytes) -> RecordedRequest:
    return RecordedRequest(
        request.method,
        request.url.path,
        query=request.url.query.decode("ascii"),
        headers=request.headers.multi_items(),
        content=content,
        time=time.monotonic(),
    )


def _response(exchange: Exchange, request: httpx.Request) -> httpx.Response:
    plan = exchange.plan
    extensions = {"http_version": b"HTTP/1.1"}
    return httpx.Response(
        plan.status, headers=dict(plan.headers), stream=_Body(exchange, request), extensions=extensions
    )
