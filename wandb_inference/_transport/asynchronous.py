"""The async half: drives flows, and reads bodies. The twin of `blocking`."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Hashable
from typing import TYPE_CHECKING, cast

from .._config import ApiKey, check_key
from .._core.errors import MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request
from .async_exchange import AsyncDirectExchange, AsyncExchange, AsyncPool
from .bridge import AsyncHttpxExchange
from .clocks import ClockError, Clocks, Limit
from .outcomes import (
    ERRORS,
    NotSentError,
    closed,
    failure,
    log_outcome,
    log_wait,
    reply,
    target_of,
    wire_of,
    without_key,
)
from .pool import Origin
from .proxies import proxy_for
from .routes import is_mocked
from .runs import Run, current

if TYPE_CHECKING:
    import httpx

    from .._core.flow import Flow


class AsyncTransport:
    """Sends requests over connections that are kept open. Made at no cost: connections come with the first request.

    Connections belong to their event loop, so that there is one pool for each loop, or run of trio, the client is used
    in. In trio they are httpx's.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
        max_connections: Calls in flight; the rest wait in line.
    """

    def __init__(self, http_client: httpx.AsyncClient | None = None, max_connections: int = 1000) -> None:
        self._given = http_client
        self._limit = max_connections
        self._pools: dict[Hashable, AsyncPool] = {}
        self._proxies: dict[Origin, str | None] = {}
        self._closed = False

    @property
    def is_own(self) -> bool:
        """Whether the connections are ours, not the caller's."""
        return self._given is None

    async def run(self, flow: Flow, key: ApiKey | None, clocks: Clocks) -> Reply:
        """The reply that the flow returns. Raises what it raises."""
        attempt = next(flow)
        while True:
            if attempt.wait:
                log_wait(attempt.wait)
                await (await self._own_pool()).run.sleep(attempt.wait)
            outcome = await self._send(attempt.request, key, clocks)
            log_outcome(outcome, attempt.request)
            try:
                attempt = flow.send(outcome)
            except StopIteration as finished:
                return cast("Reply", finished.value)

    async def _send(self, request: Request, key: ApiKey | None, clocks: Clocks) -> Outcome:
        if self._closed:
            raise closed(is_own=True)
        began = time.monotonic()
        pool = await self._own_pool()
        try:
            text = await _ask(key, clocks, pool.run)
        except NotSentError as error:
            return failure(error, began, clocks)
        if self._closed:
            raise closed(is_own=True)
        turn = AsyncTurn(pool)
        try:
            await turn.begin(clocks)
            began = time.monotonic()
            exchange = turn.exchange = await self._open(pool, request, text, clocks)
            answered = time.monotonic()
            if request.stream and exchange.answer.status < 300:
                return reply(exchange.answer, b"", turn, began, answered, clocks)
            body = await _whole(exchange)
        except ERRORS as error:
            await turn.close()
            return failure(error, began, clocks)
        except BaseException:
            await turn.close()
            raise
        await turn.close()
        answer, body = without_key(exchange.answer, body, text)
        return reply(answer, body, None, began, answered, clocks)

    async def _own_pool(self) -> AsyncPool:
        here = current()
        pool = self._pools.get(here)
        # After a fork the connections belong to the parent.
        if pool is None or pool.pid != os.getpid():
            # Connections hold their loop: one that has ended stays as long as they do.
            for ended in [there for there, other in list(self._pools.items()) if other.run.ended]:
                self._pools.pop(ended, None)
            pool = self._pools[here] = AsyncPool(self._limit)
            await pool.open()
        return pool

    async def _open(self, pool: AsyncPool, request: Request, key: str | None, clocks: Clocks) -> AsyncExchange:
        http, proxy = self._given, None
        if http is None:
            origin = target_of(request.url).origin
            if origin not in self._proxies:
                self._proxies[origin] = proxy_for(origin)
            proxy = self._proxies[origin]
            if proxy is None and pool.run.is_asyncio and not is_mocked():
                direct = AsyncDirectExchange(pool, request, clocks)
                await direct.send(wire_of(request, key))
                return direct
            http = pool.httpx(proxy)
        exchange = AsyncHttpxExchange(clocks, stream=request.stream, is_asyncio=pool.run.is_asyncio)
        await exchange.send(http, request, key, proxy, is_own=self.is_own)
        return exchange

    async def close(self) -> None:
        """Closes the connections of this event loop; a client of the caller's own stays open."""
        self._closed = True
        pool = self._pools.pop(current(), None)
        if pool is not None and pool.pid == os.getpid():
            await pool.close()


class AsyncTurn:
    """A turn in flight, held until its exchange is closed."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._held = False
        self.exchange: AsyncExchange | None = None

    async def begin(self, clocks: Clocks) -> None:
        """Waits for the turn."""
        await self._pool.enter(clocks)
        self._held = True

    async def close(self, *, drain: bool = False) -> None:
        """Closes the exchange and ends the turn."""
        exchange, self.exchange = self.exchange, None
        try:
            if exchange is not None:
                await exchange.close(drain=drain)
        finally:
            if self._held:
                self._held = False
                self._pool.leave()

    @property
    def run(self) -> Run:
        """Where it is waited for."""
        return self._pool.run

    def abandon(self) -> None:
        """Closes it from a destructor, which can't wait: a task does it, in the process whose connections they are."""
        if self._pool.pid == os.getpid():
            self._pool.run.soon(self.close)


async def _whole(exchange: AsyncExchange) -> bytes:
    """The whole body, an error's up to a bound and as far as it comes."""
    pieces: list[bytes] = []
    size = 0
    is_error = exchange.answer.status >= 300
    try:
        while piece := await exchange.read(None):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ERROR_BODY and is_error:
                break
    except ERRORS:
        if not is_error:
            raise
    return b"".join(pieces)


async def _ask(key: ApiKey | None, clocks: Clocks, run: Run) -> str | None:
    if not callable(key):
        return key
    answer = key()
    if isinstance(answer, Awaitable):
        try:
            answer = await run.within(answer, Limit(clocks.deadline, "deadline"))
        except ClockError as error:
            raise NotSentError from error
    return check_key(answer, "api_key()")


class AsyncBody:
    """The bytes of an open reply, as they come.

    Args:
        reply: The reply.
        request: What it answers.
        clocks: The call's.
    """

    def __init__(self, reply: Reply, request: Request, clocks: Clocks) -> None:
        self._turn = cast("AsyncTurn", reply.raw)
        self._exchange = cast("AsyncExchange", self._turn.exchange)
        self._clocks = clocks
        self._began = time.monotonic()
        self._stall = clocks.limit("stall")
        self.is_asyncio = self._turn.run.is_asyncio
        """Whether a generator over it may be left behind without a warning."""

    async def read(self, had_data: bool) -> bytes | Failure:
        """The next bytes; `b""` at the end.

        Args:
            had_data: Whether the last bytes held a data event. If not, they did not feed the stall clock.
        """
        if had_data:
            self._stall = self._clocks.limit("stall")
        try:
            return await self._exchange.read(self._stall)
        except ERRORS as error:
            return failure(error, self._began, self._clocks)

    async def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up.

        Args:
            drain: Whether only the body's terminator is missing.
        """
        await self._turn.close(drain=drain)

    def abandon(self) -> None:
        """Gives the connection up, from a destructor."""
        self._turn.abandon()
