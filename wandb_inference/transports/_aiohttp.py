"""aiohttp as a transport of httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

import httpx

from .._core.options import connections
from .._network import DEFAULT
from .._transport.async_exchange import AsyncPool
from .._transport.asynchronous import AsyncTurn
from .._transport.dialing import Dialer
from .._transport.outcomes import NotSentError
from .._transport.pool import KEEPALIVE
from .._transport.routes import Routes
from ..exceptions import ConfigurationError
from ._aiohttp_bodies import Body, Upload
from ._terms import Steps, origin_of, queue_timeout

if TYPE_CHECKING:
    import aiohttp

_NEVER: Final = 1e9
"""Seconds above which aiohttp may round a timeout up to whole ones: else it does from 5 on."""

# What aiohttp would add on its own. Of a request of httpx, each header that is not there was left out.
_OWN_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Carries the requests of an `httpx.AsyncClient` over aiohttp; extra `wandb-inference[aiohttp]`.

    Without a session it makes its own when it is first used, one in each event loop, and closes it with the loop or in
    `aclose()`. Those take certificates and proxies where `wandb_inference.AsyncClient` does: from the environment as it
    is when the transport is made.

    Timeouts are httpx's, and errors too. Bodies arrive as they come and as they are, redirects are not followed, and
    sessions made here keep no cookies.

    Args:
        session: A session of your own, used as it is and never closed here. What it adds to requests (cookies, headers,
            `trust_env`), it adds to these. It belongs to one event loop.
        max_connections: Requests in flight at a time, for each event loop. Your own session has its own limit.

    Raises:
        ImportError: aiohttp is not installed.
        ConfigurationError: `max_connections` is not a whole number from 1 up.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None, *, max_connections: int = 1000) -> None:
        try:
            import aiohttp
        except ImportError:
            raise ImportError('AiohttpTransport needs aiohttp: pip install "wandb-inference[aiohttp]"') from None
        self._aiohttp = aiohttp
        # The first that fits counts: a class comes before those it is derived from.
        self._errors: tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[httpx.RequestError]], ...] = (
            (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
            (asyncio.TimeoutError, httpx.ReadTimeout),
            ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), httpx.ProxyError),
            ((aiohttp.ClientConnectorError, aiohttp.ServerFingerprintMismatch), httpx.ConnectError),
            ((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError), httpx.RemoteProtocolError),
            (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
            ((aiohttp.ClientError, OSError), httpx.ReadError),
            (ValueError, httpx.LocalProtocolError),
        )
        self._given = session
        self._limit = connections(max_connections)
        self._own: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._routes = Routes(DEFAULT)
        self._dialer = Dialer(DEFAULT)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still open.

        Raises:
            httpx.TransportError: There is none.
        """
        origin = origin_of(request)
        steps = Steps(request)
        if self._given is not None:
            return await self._send(self._checked(self._given), request, steps, None, None)
        own = await self._session()
        proxy = self._routes.to(origin).proxy
        if proxy is not None and not proxy.startswith(("http://", "https://")):
            scheme = proxy.partition(":")[0]
            raise httpx.UnsupportedProtocol(f"aiohttp takes no proxy of scheme {scheme!r}", request=request)
        turn = AsyncTurn(own.turns)
        try:
            await turn.begin(steps.queue)
        except NotSentError:
            raise queue_timeout(request, steps) from None
        try:
            return await self._send(own.session, request, steps, turn, proxy)
        except BaseException:
            await turn.close()
            raise

    def _checked(self, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        """The caller's session, if it can be used here."""
        if session.closed:
            raise ConfigurationError("The session of this AiohttpTransport is closed", hint="Make a new one.")
        if getattr(session, "_loop", None) is not asyncio.get_running_loop():
            raise ConfigurationError(
                "The session of this AiohttpTransport belongs to another event loop",
                hint="Make one of each in each loop, or give no session: then the transport does.",
            )
        return session

    async def _session(self) -> _Session:
        loop = asyncio.get_running_loop()
        own = self._own.get(loop)
        if own is None:
            for ended in [other for other in list(self._own) if other.is_closed()]:
                self._own.pop(ended, None)
            aiohttp = self._aiohttp
            session = aiohttp.ClientSession(
                # Without a limit: the line for turns is ours, so that the clocks of queue and connection stay apart.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE, ssl=self._dialer.tls.context()),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            own = self._own[loop] = _Session(session, self._limit)
            await own.open()
        return own

    async def _send(
        self,
        session: aiohttp.ClientSession,
        request: httpx.Request,
        steps: Steps,
        turn: AsyncTurn | None,
        proxy: str | None,
    ) -> httpx.Response:
        from yarl import URL

        connect = steps.timeouts.connect
        # A session of the caller's may have a line of its own in front of its connections.
        queue = 0.0 if turn is not None else steps.pool
        upload = Upload(request, steps.write)
        response: aiohttp.ClientResponse | None = None
        try:
            with upload.scope:
                response = await session.request(
                    request.method,
                    URL(str(request.url), encoded=True),
                    # aiohttp tells itself how it sends a body of unknown length.
                    headers=[item for item in request.headers.multi_items() if item[0] != "transfer-encoding"],
                    skip_auto_headers=_OWN_HEADERS,
                    data=upload.data,
                    allow_redirects=False,
                    timeout=self._aiohttp.ClientTimeout(
                        connect=None if connect is None or queue is None else connect + queue,
                        sock_connect=connect,
                        sock_read=steps.timeouts.read,
                        ceil_threshold=_NEVER,
                    ),
                    proxy=proxy,
                    auto_decompress=False,
                )
        except Exception as error:
            if upload.broken is not None:
                raise upload.broken from None
            # What aiohttp wraps says more than its wrapper.
            raise self._as_httpx(error, request, steps) from error.__cause__ or error
        finally:
            upload.stop()
        if response is None:
            raise httpx.WriteTimeout(f"write timeout after {steps.write} s", request=request)
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=Body(response, turn, lambda error: self._as_httpx(error, request, steps)),
            extensions={
                "http_version": b"HTTP/1.0" if response.version == self._aiohttp.HttpVersion10 else b"HTTP/1.1",
                "reason_phrase": (response.reason or "").encode("ascii", "ignore"),
            },
        )

    def _as_httpx(self, error: Exception, request: httpx.Request, steps: Steps) -> Exception:
        """The error as httpx has it; the caller's own (of a middleware, say) as it is."""
        for kinds, made in self._errors:
            if isinstance(error, kinds):
                return made(self._text(error, steps), request=request)
        return error

    def _text(self, error: Exception, steps: Steps) -> str:
        aiohttp = self._aiohttp
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"connect timeout after {steps.timeouts.connect} s"
        if isinstance(error, asyncio.TimeoutError):
            return f"read timeout after {steps.timeouts.read} s"
        if isinstance(error, aiohttp.ClientResponseError):
            return f"{error.status}: {error.message}"  # and not the URL, which may hold what is nobody's business
        return str(error) or type(error).__name__

    async def aclose(self) -> None:
        """Closes the session of this event loop, if it was made here."""
        own = self._own.pop(asyncio.get_running_loop(), None)
        if own is not None:
            await own.close()


class _Session:
    """A session made here, and the line in front of it."""

    def __init__(self, session: aiohttp.ClientSession, limit: int) -> None:
        self.session = session
        self.turns = AsyncPool(limit)
        self._closer = self._close_with_loop()

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        # As in `AsyncPool`: what is suspended here is closed by `loop.shutdown_asyncgens()`.
        try:
            yield
        finally:
            await self.session.close()
            await asyncio.sleep(0)  # closing takes a turn of the loop

    async def open(self) -> None:
        """Ties the session to the event loop."""
        await anext(self._closer)

    async def close(self) -> None:
        """Closes the session."""
        await self._closer.aclose()
