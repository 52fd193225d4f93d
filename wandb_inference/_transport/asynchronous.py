"""The async half: drives flows over `httpx.AsyncClient`, and reads bodies. The twin of `blocking`."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TYPE_CHECKING, cast

import anyio
import httpx

from .._config import ApiKey, check_key
from .._core.errors import MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request
from ..exceptions import ConfigurationError
from .outcomes import ERRORS, LIMITS, Clocks, failure, log_outcome, log_wait, reply, timeout_for, tls_context

if TYPE_CHECKING:
    from .._core.flow import Flow


class _Pool:
    """The connections of one event loop."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(verify=tls_context(url), limits=LIMITS)
        self.pid = os.getpid()
        self._closer = self._close_with_loop()

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        # A suspended async generator is closed by `loop.shutdown_asyncgens()`, which `asyncio.run` calls: the one
        # moment at which connections of a loop that is about to end can still be closed in it.
        try:
            yield
        finally:
            await self.http.aclose()

    async def open(self) -> None:
        await anext(self._closer)

    async def close(self) -> None:
        await self._closer.aclose()


class AsyncTransport:
    """Sends requests over connections that are kept open. Made at no cost: the pool comes with the first request.

    Connections belong to their event loop, so that there is one pool for each loop the client is used in.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
    """

    def __init__(self, http_client: httpx.AsyncClient | None = None) -> None:
        self._given = http_client
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()
        self._closed = False

    @property
    def is_own(self) -> bool:
        """Whether the pool is ours, not the caller's."""
        return self._given is None

    async def run(self, flow: Flow, key: ApiKey | None, clocks: Clocks) -> Reply:
        """The reply that the flow returns. Raises what it raises."""
        attempt = next(flow)
        while True:
            if attempt.wait:
                log_wait(attempt.wait)
                await anyio.sleep(attempt.wait)
            outcome = await self._send(attempt.request, key, clocks)
            log_outcome(outcome, attempt.request)
            try:
                attempt = flow.send(outcome)
            except StopIteration as finished:
                return cast("Reply", finished.value)

    async def _send(self, request: Request, key: ApiKey | None, clocks: Clocks) -> Outcome:
        http = await self._client(request.url)
        headers = request.headers
        if key is not None:
            headers = {**headers, "Authorization": f"Bearer {await _ask(key)}"}
        began = time.monotonic()
        response: httpx.Response | None = None
        body: bytes | None = None
        answered = began
        with anyio.move_on_after(clocks.left):
            try:
                response = await http.send(
                    http.build_request(
                        request.method,
                        request.url,
                        headers=headers,
                        content=request.body,
                        timeout=timeout_for(request, clocks),
                    ),
                    stream=True,
                    follow_redirects=False,
                )
                answered = time.monotonic()
                if request.stream and response.status_code < 300:
                    return reply(response, b"", began, answered, clocks)
                body = await self._read(response)
            except ERRORS as error:
                return failure(error, request, began, clocks)
        if response is None or body is None:
            return failure(None, request, began, clocks)
        return reply(response, body, began, answered, clocks)

    @staticmethod
    async def _read(response: httpx.Response) -> bytes:
        """The whole body, an error's up to a bound."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in response.aiter_bytes():
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ERROR_BODY and response.status_code >= 300:
                    break
        finally:
            await response.aclose()
        return b"".join(pieces)

    async def _client(self, url: str) -> httpx.AsyncClient:
        if self._closed:
            raise ConfigurationError("This client is closed", hint="Make a new one, or close it later.")
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        # After a fork the connections belong to the parent.
        if pool is None or pool.pid != os.getpid():
            pool = self._pools[loop] = _Pool(url)
            await pool.open()
        return pool.http

    async def close(self) -> None:
        """Closes the connections of this event loop; a client of the caller's own stays open."""
        self._closed = True
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None and pool.pid == os.getpid():
            await pool.close()


class AsyncBody:
    """The bytes of an open reply, as they come.

    Args:
        reply: The reply.
        request: What it answers.
        clocks: The call's.
    """

    def __init__(self, reply: Reply, request: Request, clocks: Clocks) -> None:
        self._response = cast("httpx.Response", reply.raw)
        self._pieces: AsyncIterator[bytes] = self._response.aiter_bytes()
        self._request = request
        self._clocks = clocks
        self._began = self._data_came = time.monotonic()

    async def read(self, had_data: bool) -> bytes | Failure:
        """The next bytes; `b""` at the end.

        Args:
            had_data: Whether the last bytes held a data event. If not, they did not feed the stall clock.
        """
        stall = self._request.timeouts.stall
        if had_data:
            self._data_came = time.monotonic()
        elif stall is not None and time.monotonic() - self._data_came >= stall:
            return failure(None, self._request, self._began, self._clocks)
        try:
            with anyio.move_on_after(self._clocks.left):
                return await anext(self._pieces, b"")
        except ERRORS as error:
            return failure(error, self._request, self._began, self._clocks)
        return failure(None, self._request, self._began, self._clocks)

    async def close(self) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        await self._response.aclose()


async def _ask(key: ApiKey) -> str:
    if not callable(key):
        return key
    answer = key()
    return check_key(await answer if isinstance(answer, Awaitable) else answer, "api_key()")
