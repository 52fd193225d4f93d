"""The async half: drives flows over `httpx.AsyncClient`, and reads bodies. The twin of `blocking`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TYPE_CHECKING, cast

import anyio
import httpx

from .._config import ApiKey, check_key
from .._core.errors import MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request, origin
from .connections import open_pool, proxy_for
from .outcomes import ERRORS, Clocks, closed, failure, log_outcome, log_wait, reply, timeout_for

if TYPE_CHECKING:
    from .._core.flow import Flow


class _Pools:
    """The connections of one event loop in one process, one pool for each origin."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._by_origin: dict[tuple[str, str, int], httpx.AsyncClient] = {}
        self._closer = self._close_with_loop()

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        # A suspended async generator is closed by `loop.shutdown_asyncgens()`, which `asyncio.run` calls: the one
        # moment at which connections of a loop that is about to end can still be closed in it.
        try:
            yield
        finally:
            for http in self._by_origin.values():
                await http.aclose()

    def of(self, url: str) -> httpx.AsyncClient:
        place = origin(url)
        http = self._by_origin.get(place)
        if http is None:
            http = self._by_origin[place] = open_pool(httpx.AsyncClient, url)
        return http

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
        self._pools: dict[asyncio.AbstractEventLoop, _Pools] = {}
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
        headers: dict[str, str] | None = None
        with anyio.move_on_after(clocks.left):
            headers = {**request.headers, **await _authorization(key)}
        began = answered = time.monotonic()
        if headers is None or clocks.left == 0.0:
            return failure(None, request, began, clocks, clock="deadline")._replace(sent="not_sent")
        response: httpx.Response | None = None
        body: bytes | None = None
        with anyio.move_on_after(clocks.left):
            try:
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
                except httpx.HTTPStatusError as error:  # of a hook of the caller's that calls raise_for_status()
                    response = error.response
                answered = time.monotonic()
                if request.stream and response.status_code < 300:
                    return reply(response, b"", began, answered, clocks)
                body = await self._read(response)
            except ERRORS as error:
                return failure(error, request, began, clocks, proxy=proxy_for(request.url) if self.is_own else None)
            except RuntimeError:  # httpx's for a closed client
                if not http.is_closed:
                    raise
                raise closed(self.is_own) from None
        if response is None or body is None:
            return failure(None, request, began, clocks, clock="deadline")
        return reply(response, body, began, answered, clocks)

    @staticmethod
    async def _read(response: httpx.Response) -> bytes:
        """The whole body, an error's up to a bound and as far as it comes."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in response.aiter_bytes():
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ERROR_BODY and response.status_code >= 300:
                    break
        except ERRORS:
            if response.status_code < 300:
                raise
        finally:
            await response.aclose()
        return b"".join(pieces)

    async def _client(self, url: str) -> httpx.AsyncClient:
        if self._closed:
            raise closed(is_own=True)
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        pools = self._pools.get(loop)
        # After a fork the connections belong to the parent.
        if pools is None or pools.pid != os.getpid():
            # Connections hold their loop: one that has ended stays as long as they do.
            for ended in [other for other in list(self._pools) if other.is_closed()]:
                self._pools.pop(ended, None)
            pools = self._pools[loop] = _Pools()
            await pools.open()
        return pools.of(url)

    async def close(self) -> None:
        """Closes the connections of this event loop; a client of the caller's own stays open."""
        self._closed = True
        pools = self._pools.pop(asyncio.get_running_loop(), None)
        if pools is not None and pools.pid == os.getpid():
            await pools.close()


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
            return failure(None, self._request, self._began, self._clocks, clock="stall")
        try:
            with anyio.move_on_after(self._clocks.left):
                return await anext(self._pieces, b"")
        except ERRORS as error:
            return failure(error, self._request, self._began, self._clocks)
        return failure(None, self._request, self._began, self._clocks, clock="deadline")

    async def close(self) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        await self._response.aclose()


async def _authorization(key: ApiKey | None) -> dict[str, str]:
    if callable(key):
        answer = key()
        key = check_key(await answer if isinstance(answer, Awaitable) else answer, "api_key()")
    return {} if key is None else {"authorization": f"Bearer {key}"}
