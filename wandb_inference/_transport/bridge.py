"""The way through httpx: for a client of the caller's own, for proxies, and while a mock stands in its place.

Whatever looks like httpx will do, so that its successors work too: errors are told apart by the names of their classes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from .clocks import ClockError, Clocks, Limit
from .http11 import ProtocolError
from .outcomes import PACE, Answer, NotSentError, closed
from .pool import DRAIN_BYTES, DRAIN_SECONDS

if TYPE_CHECKING:
    import httpx

    from .._core.wire import Request
    from ..types.meta import Route

CLOSE_SECONDS = 1.0
"""What closing may take under a cancellation, from which it is shielded."""


def translated(error: Exception, clocks: Clocks, *, stream: bool, proxy: str | None = None) -> NoReturn:
    """Raises httpx's error as one of ours, and any other (from a hook of the caller's, say) as it is."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if "TimeoutException" in names:
        rung = ClockError(_clock(names, clocks, stream=stream))
        if names & {"ConnectTimeout", "PoolTimeout"}:
            rung.__cause__ = error
            raise NotSentError(proxy) from rung
        raise rung from error
    if names & {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"}:
        raise NotSentError(proxy, permanent=True) from error
    if names & {"ConnectError", "ProxyError"}:
        raise NotSentError(proxy) from error
    if names & {"HTTPError", "StreamError", "RequestError", "OSError"}:
        raise ProtocolError(str(error)) from error
    raise error


def _clock(names: set[str], clocks: Clocks, *, stream: bool) -> Any:
    if clocks.deadline is not None and time.monotonic() >= clocks.deadline - 0.01:
        return "deadline"
    if names & {"ConnectTimeout", "PoolTimeout"}:
        return "connect"
    if "WriteTimeout" in names:
        return "write"
    timeouts = clocks.timeouts
    stalls = stream and timeouts.stall is not None and (timeouts.read is None or timeouts.stall <= timeouts.read)
    return "stall" if stalls else "read"


def arguments(request: Request, key: str | None, clocks: Clocks) -> dict[str, Any]:
    """What `build_request` takes.

    Raises:
        NotSentError: The deadline is over.
    """
    headers = request.headers
    if key is not None:
        headers = {**headers, "authorization": f"Bearer {key}"}
    connect, read, stall, _ = clocks.timeouts
    try:
        left = Limit(clocks.deadline, "deadline").left()
    except ClockError as error:
        raise NotSentError from error
    steps = [connect, _least(read, stall if request.stream else None), read, None]
    return {
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "content": request.body,
        # Connect, read, write, and the wait for a connection. httpx fixes them here for the whole exchange.
        "timeout": tuple(_least(step, left) for step in steps),
    }


def prepared(http: Any, request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """What `send` takes: the request as httpx builds it, and how it goes.

    Args:
        http: The client.
        request: What is to be sent.
        given: What `build_request` takes.
    """
    built = http.build_request(**given)
    how = {"request": built, "stream": True, "follow_redirects": False}
    if request.bare:
        # Headers, cookies, query and user of a client of the caller's are for another host.
        for name in {*built.headers} - {*request.headers, "host", "connection"}:
            del built.headers[name]
        built.url = type(built.url)(request.url)
        how["auth"] = None
    return how


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def answered(error: Exception) -> Any:
    """The response of an error that has one: of a hook of the caller's that calls `raise_for_status()`."""
    return getattr(error, "response", None)


def answer_of(response: httpx.Response, proxy: str | None, is_own: bool) -> Answer:
    """The head of httpx's response."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    route: Route = "http_client" if not is_own else "proxy" if proxy else "httpx"
    return Answer(response.status_code, headers, None, route, response.extensions.get(PACE, 1.0))


class HttpxExchange:
    """A request and its answer over a blocking client."""

    def __init__(
        self, http: httpx.Client, request: Request, key: str | None, clocks: Clocks, proxy: str | None, is_own: bool
    ) -> None:
        self._clocks = clocks
        self._stream = request.stream
        try:
            self._response = http.send(**prepared(http, request, arguments(request, key, clocks)))
        except Exception as error:
            if http.is_closed:
                raise closed(is_own) from None
            self._response = answered(error) or translated(error, clocks, stream=request.stream, proxy=proxy)
        self._pieces: Iterator[bytes] = self._response.iter_bytes()
        self.answer = answer_of(self._response, proxy, is_own)

    def read(self, stall: Limit | None) -> bytes:
        """The next bytes of the body; `b""` at the end. Between two of them the clocks are looked at, not within."""
        limit = self._clocks.limit("read").earlier(stall)
        limit.left()
        try:
            return next(self._pieces, b"")
        except Exception as error:
            translated(error, self._clocks, stream=self._stream)

    def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        self._response.close()


class AsyncHttpxExchange:
    """A request and its answer over an async client.

    Args:
        clocks: The call's.
        stream: Whether a stream was asked for.
        is_asyncio: Whether a generator may be left behind without a warning.
    """

    answer: Answer

    def __init__(self, clocks: Clocks, *, stream: bool, is_asyncio: bool = True) -> None:
        self._clocks = clocks
        self._stream = stream
        self._is_asyncio = is_asyncio
        self._ended = False

    async def send(
        self, http: httpx.AsyncClient, request: Request, key: str | None, proxy: str | None, is_own: bool
    ) -> None:
        """Sends the request, and waits for the head of the answer."""
        import anyio

        given = arguments(request, key, self._clocks)
        with anyio.move_on_after(Limit(self._clocks.deadline, "deadline").left()):
            try:
                self._response = await http.send(**prepared(http, request, given))
            except Exception as error:
                if http.is_closed:
                    raise closed(is_own) from None
                self._response = answered(error) or translated(error, self._clocks, stream=self._stream, proxy=proxy)
            self._pieces: AsyncIterator[bytes] = self._response.aiter_bytes()
            self.answer = answer_of(self._response, proxy, is_own)
            return
        raise ClockError("deadline")

    async def read(self, stall: Limit | None) -> bytes:
        """The next bytes of the body; `b""` at the end."""
        import anyio

        limit = self._clocks.limit("read").earlier(stall)
        with anyio.move_on_after(limit.left()):
            try:
                piece = await anext(self._pieces, b"")
            except Exception as error:
                translated(error, self._clocks, stream=self._stream)
            self._ended = not piece
            return piece
        raise ClockError(limit.clock)

    async def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up where bytes are left on it.

        Args:
            drain: Whether the last event has come, so that only the terminator is missing: it is waited for, shortly.
        """
        import anyio

        try:
            if drain:
                with anyio.move_on_after(DRAIN_SECONDS):
                    await self._skip()
        finally:
            # Trio cancels a cancelled task again wherever it waits.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                if not self._is_asyncio:
                    # Of each of httpx's generators trio would warn. A read that is cancelled at once ends them all.
                    with anyio.CancelScope() as scope:
                        scope.cancel()
                        await self._skip()
                with contextlib.suppress(Exception):
                    await self._response.aclose()

    async def _skip(self) -> None:
        """Reads on, within a bound."""
        left = DRAIN_BYTES
        with contextlib.suppress(Exception):
            while left > 0 and not self._ended:
                piece = await anext(self._pieces, b"")
                left -= len(piece)
                self._ended = not piece
