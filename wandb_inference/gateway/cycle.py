"""Requests that do without ASGI as uvicorn's protocol knows them, and the way back to ASGI."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState


class _Never:
    """An event that nobody waits for."""

    def set(self) -> None:
        """Nothing."""


class Cycle:
    """A request that does without ASGI, and its answer: what uvicorn looks at in its own."""

    message_event: ClassVar = _Never()
    response_started: ClassVar = False
    scope: ClassVar = {"method": "POST"}
    more_body = True
    response_complete = False
    disconnected = False

    def __init__(self, url: bytes, headers: list[tuple[bytes, bytes]], fields: dict[bytes, bytes], keep: bool) -> None:
        self.url = url
        self.headers = headers
        self.fields = fields
        self.keep_alive = keep
        self.pieces: list[bytes] = []


def cycle_of(protocol: HttpToolsProtocol, request: Cycle, body: bytes, more: dict[str, Any]) -> RequestResponseCycle:
    """Uvicorn's own cycle for a request, which a task can go on with.

    Args:
        protocol: The connection.
        request: The request.
        body: What the task is to read as its body.
        more: For its scope.
    """
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": protocol.config.asgi_version, "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": request.url.decode(),
        "raw_path": request.url,
        "query_string": b"",
        "root_path": protocol.root_path,
        "scheme": protocol.scheme,
        "server": protocol.server,
        "client": protocol.client,
        "headers": request.headers,
        "state": protocol.app_state.copy(),
        **more,
    }
    cycle = RequestResponseCycle(
        scope=cast("Any", scope),
        transport=protocol.transport,
        flow=protocol.flow,
        logger=protocol.logger,
        access_logger=protocol.access_logger,
        access_log=protocol.access_log,
        default_headers=protocol.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=request.keep_alive,
        on_response=protocol.on_response_complete,
    )
    cycle.body += body
    cycle.more_body = False
    cycle.disconnected = request.disconnected
    cycle.message_event.set()
    return cycle


_latest: tuple[object, bytes] = (None, b"")


def server_lines(state: ServerState) -> bytes:
    """The server's own headers, as lines. The server makes a new list of them each second, for the date."""
    global _latest
    headers = state.default_headers
    made, lines = _latest
    if made is not headers:
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        _latest = headers, lines
    return lines
