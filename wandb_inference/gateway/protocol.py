"""uvicorn's HTTP protocol with the limits that it lacks: sizes of heads, and clients that are too slow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .._transport.outbox import Outbox
from .call import CONNECTION, HANDED
from .cycle import Cycle, cycle_of, server_lines
from .express import Express, Handed

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from .app import Gateway

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request's head."""
MAX_HEADERS: Final = 256
"""Headers of a request."""
MAX_CONNECTIONS: Final = 20_000
HEAD_SECONDS: Final = 30.0
"""For a request's head, from the connection or the end of the last answer on it."""
STALL_SECONDS: Final = 30.0
"""Without a byte of a body."""
BODY_SECONDS: Final = 600.0
"""For a whole body."""
READER_SECONDS: Final = 60.0
"""Without a byte that the client takes of its answer."""
_LOOK: Final = 5.0

_BEHIND: Final = 8
"""Requests that may wait behind the one that is answered before no more is read of the connection."""
_MAX_REST: Final = 256 * 1024
"""Bytes within a body in pieces that are none of it: lengths and their extensions, and what follows the last piece."""
_PER_BYTE: Final = 8
"""More of them for each byte of the body: pieces may be as short as one byte."""

_DIGITS: Final = 18
"""Of a body's length at most: more would take long to read as a number."""

_OFFER: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})
"""Headers that offer another protocol. The connection is kept in any case: all that do so speak HTTP/1.1."""

_INVALID: Final = (b"400 Bad Request", b"Invalid HTTP request received.")
_MISTAKE: Final = (b"500 Internal Server Error", b"The gateway has made a mistake.")
_TOO_LARGE: Final = (b"431 Request Header Fields Too Large", b"The head of the request is too large.")


@lru_cache(maxsize=1)
def _outbox(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The one that all connections of the server share."""
    return Outbox(loop.call_soon)


_mistakes = logging.getLogger("wandb_inference.gateway")
_logger = logging.getLogger("wandb_inference.gateway.http")
_logger.setLevel(logging.CRITICAL + 1)  # garbage that strangers send is no news


_EXPRESS: Final = frozenset({b"/v1/chat/completions", b"/chat/completions"})
"""Where requests may come that do without ASGI. These paths are the same, decoded or not."""


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a client. A timer looks at it every few seconds, so that requests set none.

    The application knows it by `scope["state"]`: it is told that the client has left, and can answer in one write.
    """

    left: Callable[[], None] | None = None
    """Called when the client leaves before its answer is complete."""
    is_gone = False
    _clock: asyncio.TimerHandle | None = None
    _in_head = True
    _head = 0
    _rest = 0
    _upgrades = False
    _line = b""
    _refusal = _INVALID
    _reads = 0
    _seen: tuple[int, int] = (0, 0)
    _since = 0.0
    _phase = ""
    _began = 0.0
    _outbox: Outbox
    _quick: Cycle
    """The request that does without ASGI, if there is one under way."""
    _uploads = False
    """Whether its body is on its way."""
    _front: RequestResponseCycle | None = None
    """The request that is answered, where others wait behind it."""
    _gateway: Gateway

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(cast("asyncio.Transport", transport))
        self.logger, self.access_log = _logger, False
        self.app_state = {**self.app_state, CONNECTION: self}
        self._outbox = _outbox(self.loop)
        self._gateway = cast("Any", self.app)
        if len(self.connections) > MAX_CONNECTIONS:
            self.transport.abort()
            return
        self._began = self._since = self.loop.time()
        self._clock = self.loop.call_later(_LOOK, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        super().connection_lost(exc)
        self.is_gone = True
        # In circles all of it would stay until garbage is collected, bodies included.
        self.app_state.pop(CONNECTION, None)
        self.scope = cast("Any", None)
        front: Any
        for front in (self._front, self.cycle):
            if front is not None:
                front.disconnected = True  # uvicorn says so to the last one alone
                front.message_event.set()
                front.scope.get("state", {}).pop(CONNECTION, None)
        self._front = None
        while self.pipeline:
            cast("Any", self.pipeline.pop()[0]).on_response = int  # no way back to here
        left, self.left = self.left, None
        if left is not None:
            left()

    def data_received(self, data: bytes) -> None:
        """Bytes of requests have arrived."""
        self._reads += 1
        if self._in_head:
            self._head += len(data)
        elif not self._uploads:
            self._rest += len(data)
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._goes_on(error, data):
                self._refuse(*self._reason(error))
                return
        if self._in_head and self._head > MAX_HEAD:
            self._refuse(*_TOO_LARGE)
        elif self._rest > _MAX_REST:
            self.transport.abort()

    def _goes_on(self, error: Exception, data: bytes) -> bool:
        """Whether what the parser does not take is the offer of another protocol, which is passed over."""
        if not isinstance(error, HttpParserUpgrade):
            return False
        # It is offered, not demanded; Java's client does so with each first request. The parser takes what follows for
        # that protocol, so a new one gets the request without the offer.
        self.parser = HttpRequestParser(self)
        try:
            self.parser.feed_data(self._plain_head() + data[error.args[0] :])
        except (HttpParserError, HttpParserUpgrade):
            return False
        return True

    def _reason(self, error: Exception) -> tuple[bytes, bytes]:
        """What a client is told whose bytes end the parser."""
        if isinstance(error, HttpParserCallbackError) and self._refusal is _INVALID:
            # Nothing that a client sends makes our own functions fail.
            _mistakes.error("a request ended with a mistake of the gateway's own", exc_info=error.__context__)
            return _MISTAKE
        return self._refusal

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._upgrades = False
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of a request."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        if len(self.headers) > MAX_HEADERS or (self._head > MAX_HEAD and self._size_of_head() > MAX_HEAD):
            self._refusal = _TOO_LARGE
            raise ValueError  # ends the parser, which makes it an error of its own
        if self.parser.should_upgrade():
            self._upgrades = True
            self._line = b"%b %b HTTP/%b" % (
                self.parser.get_method(),
                self.url,
                self.parser.get_http_version().encode(),
            )
            return
        self._in_head = False
        self._head = self._rest = 0
        if not self._begin():
            before: Any = self.cycle
            if before is not None and not before.response_complete and not self.pipeline:
                self._front = before
            url, headers = self.url, self.headers
            super().on_message_begin()
            self.url, self.headers = url, headers
            self.scope["headers"] = headers
            self.expect_100_continue = any(
                name == b"expect" and value.lower() == b"100-continue" for name, value in headers
            )
            super().on_headers_complete()
            if 0 < len(self.pipeline) <= _BEHIND:
                self.flow.resume_reading()  # uvicorn stops here, and would not see the client leave
        self.headers = []  # what comes after a body in pieces is no part of the head, whatever it says

    def on_body(self, body: bytes) -> None:
        """A part of a body has arrived."""
        if self._uploads:
            self._quick.pieces.append(body)
        else:
            self._rest -= (_PER_BYTE + 1) * len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is there."""
        self._in_head = True
        if self._uploads:
            self._uploads = False
            quick = self._quick
            quick.more_body = False
            pieces = quick.pieces
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if not Express.take(self._gateway, self, quick.fields, body):
                self._to_task(body, {})
        elif not self._upgrades:
            super().on_message_complete()

    @property
    def is_uploading(self) -> bool:
        """Whether a request is on its way that no task knows of yet."""
        return self._uploads

    def shutdown(self) -> None:
        """Has the connection end, with the answer that is under way if there is one."""
        if self._uploads:
            self.transport.close()
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        """An answer is there. What uvicorn does, but for its timer: a connection has one already."""
        if self.pipeline:
            self._front = self.pipeline[-1][0]
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            if not self.transport.is_closing():
                self.flow.resume_reading()

    def hand_over(self, handed: Handed) -> None:
        """Has a task go on with a request."""
        self._to_task(b"", {HANDED: handed})

    def _begin(self) -> bool:
        """Whether a request whose head is there does without ASGI."""
        parser = self.parser
        before: Any = self.cycle  # none before the first request, whatever uvicorn's types say
        if (
            self.url not in _EXPRESS
            or (before is not None and not before.response_complete)
            or self.flow.write_paused
            or parser.get_method() != b"POST"
        ):
            return False
        headers = self.headers
        fields = dict(headers)
        length = fields.get(b"content-length", b"")
        if (
            len(fields) != len(headers)
            or not length.isdigit()
            or len(length) > _DIGITS
            or int(length) > self._gateway.express_bytes
            or b"expect" in fields
            or (b"connection" in fields and parser.get_http_version() != "1.1")
        ):
            return False
        self._quick = quick = Cycle(self.url, headers, fields, parser.should_keep_alive())
        self.cycle = cast("Any", quick)
        self._uploads = True
        return True

    def _to_task(self, body: bytes, more: dict[str, Any]) -> None:
        """Has a task answer the request under way."""
        quick = self._quick
        cycle = cycle_of(self, quick, body, more)
        if self.cycle is cast("Any", quick):
            self.cycle = cycle
        else:
            self._front = cycle
        task = self.loop.create_task(cycle.run_asgi(cast("Any", self._gateway)))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def answer(self, head: bytes, body: bytes) -> bool:
        """Writes a whole answer of status 200 at once; whether it could be, and need not be sent by ASGI's ways.

        Args:
            head: The lines of its headers, but for the body's length and the server's own.
            body: The body.
        """
        cycle = cast("Any", self.cycle)
        # With requests waiting behind this one, `cycle` is the last of them, and not the one that is answered.
        is_other = bool(self.pipeline) or cycle.scope["method"] == "HEAD"
        if is_other or cycle.disconnected or cycle.response_started or self.flow.write_paused:
            return False
        for name, value in cycle.default_headers:
            head += b"%b: %b\r\n" % (name, value)
        cycle.response_started = cycle.response_complete = True
        answer = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b"
        self._write(answer % (head, len(body), body), keep_alive=cycle.keep_alive)
        cycle.message_event.set()
        cycle.on_response()
        return True

    def reply(self, head: bytes, body: bytes) -> None:
        """Writes the whole answer of status 200 to the request that does without ASGI.

        Args:
            head: The lines of its headers, but for the body's length and the server's own.
            body: The body.
        """
        quick, state = self._quick, self.server_state
        quick.response_complete = True
        answer = b"HTTP/1.1 200 OK\r\n%b%bcontent-length: %d\r\n\r\n%b" % (head, server_lines(state), len(body), body)
        self._write(answer, keep_alive=quick.keep_alive)
        self.on_response_complete()

    def _write(self, answer: bytes, *, keep_alive: bool) -> None:
        """Writes a whole answer, unless the client is gone."""
        if keep_alive:
            self._outbox.put(self.transport, answer)
        else:
            self._outbox.put(self.transport, answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            self._outbox.flush()
            self.transport.close()

    def _plain_head(self) -> bytes:
        """The head of the request without the offer of another protocol."""
        lines = [b"%b: %b" % header for header in self.headers if header[0] not in _OFFER]
        return b"\r\n".join([self._line, *lines, b"", b""])

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, status: bytes, why: bytes) -> None:
        """Closes the connection, with a word on why unless an answer is on its way, which it would end up in."""
        self._outbox.flush()  # answers that are complete come first
        if self.transport.is_closing():
            return
        cycle = cast("Any", self.cycle)
        if not self.pipeline and (cycle is None or not cycle.response_started or cycle.response_complete):
            answer = b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            self.transport.write(answer % (status, len(why), why))
        self.transport.close()

    def _look(self) -> None:
        """Closes the connection of a client that keeps the gateway waiting."""
        now = self.loop.time()
        phase, limit = self._wait()
        progress = (self._reads if phase != "head" else 0, self._buffered() if phase == "reader" else 0)
        if phase != self._phase:
            self._phase, self._began = phase, now - _LOOK
            self._since = self._began
        elif progress != self._seen:
            self._since = now
        self._seen = progress
        is_slow = limit is not None and now - self._since >= limit
        if is_slow or (phase == "body" and now - self._began >= BODY_SECONDS):
            self.transport.abort()
            return
        self._clock = self.loop.call_later(_LOOK, self._look)

    def _wait(self) -> tuple[str, float | None]:
        """What the connection waits for, and how long it may without any progress."""
        cycle = cast("Any", self.cycle)
        if self.flow.write_paused:
            return "reader", READER_SECONDS
        if cycle is None or (cycle.response_complete and self._in_head):
            idle = ("idle", float(self.timeout_keep_alive))
            return ("head", HEAD_SECONDS) if cycle is None or self._head else idle
        return ("body", STALL_SECONDS) if cycle.more_body else ("answer", None)

    def _buffered(self) -> int:
        return self.transport.get_write_buffer_size()
