"""The async half: drives flows, and reads bodies. The twin of `blocking`."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, Any, cast

from .._config import ApiKey, check_key
from .._core.errors import MAX_BARE_BODY, MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request
from .._network import DEFAULT, Network
from .async_exchange import AsyncDirectExchange, AsyncExchange, AsyncPool
from .bridge import AsyncHttpxExchange
from .clocks import ClockError, Clocks, Limit
from .dialing import Dialer
from .outcomes import (
    ERRORS,
    Answer,
    NotSentError,
    closed,
    failure,
    hiding,
    log_outcome,
    log_wait,
    reply,
    target_of,
    wire_of,
    without_key,
)
from .routes import Routes, is_mocked
from .runs import Run, current
from .telling import tell_async

if TYPE_CHECKING:
    import httpx

    from .._core.flow import Flow, Journal
    from ..types.concurrency import Concurrency


class AsyncTransport:
    """Sends requests over connections that are kept open. Made at no cost: connections come with the first request.

    Connections belong to their event loop, so that there is one pool for each loop, or run of trio, the client is used
    in. In trio they are httpx's.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
        max_connections: Calls in flight; the rest wait in line.
        network: How connections are made. What it takes from the environment is read here, and not later.
    """

    def __init__(
        self, http_client: httpx.AsyncClient | None = None, max_connections: int = 1000, network: Network = DEFAULT
    ) -> None:
        self._given = http_client
        self._limit = max_connections
        self._routes = Routes(network)
        self._dialer = Dialer(network)
        self._pools: dict[Hashable, AsyncPool] = {}
        self._is_adaptive = False
        self._closed = False

    @property
    def is_own(self) -> bool:
        """Whether the connections are ours, not the caller's."""
        return self._given is None

    @property
    def network(self) -> Network:
        """How connections are made."""
        return self._dialer.network

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return self._limit

    async def run(self, flow: Flow, key: ApiKey | None, clocks: Clocks, journal: Journal) -> Reply:
        """The reply that the flow returns. Raises what it raises."""
        watch = journal.watch
        try:
            attempt = next(flow)
            again = attempt.wait > 0  # a stream that broke
            while True:
                if watch is not None:
                    await tell_async(watch.failed(attempt.wait, journal.error))
                if attempt.wait:
                    if self._closed:
                        raise closed(is_own=True)
                    log_wait(attempt.wait)
                    await (await self.own_pool()).run.sleep(attempt.wait)
                if watch is not None:
                    await tell_async(watch.sending(attempt, clocks.elapsed))
                if attempt.request.adaptive:
                    from .async_gate import gate_of

                    self._is_adaptive = True
                    gate = gate_of(self, self._limit)
                    outcome = await gate.send(self._send, attempt.request, key, clocks, again)
                    again = True
                else:
                    outcome = await self._send(attempt.request, key, clocks)
                log_outcome(outcome, attempt.request)
                try:
                    attempt = flow.send(outcome)
                except StopIteration as finished:
                    return cast("Reply", finished.value)
                finally:
                    del outcome  # what failed knows this frame by its traceback: a circle
        except BaseException as error:
            journal.gave_up(error, clocks.elapsed)
            if watch is not None:
                await tell_async(watch.done(error, clocks.elapsed), error)
            raise

    async def _send(self, request: Request, key: ApiKey | None, clocks: Clocks) -> Outcome:
        if self._closed:
            raise closed(is_own=True)
        began = time.monotonic()
        pool = await self.own_pool()
        try:
            text = await _ask(key, clocks, pool.run)
        except NotSentError as error:
            return failure(error, began, clocks)
        if self._closed:
            raise closed(is_own=True)
        answered = began
        turn = AsyncTurn(pool)
        try:
            await turn.begin(clocks)
            began = time.monotonic()
            exchange = turn.exchange = await self._open(pool, request, text, clocks)
            answered = time.monotonic()
            if request.stream and exchange.answer.status < 300:
                answer, _ = without_key(exchange.answer, b"", text)
                return reply(answer, b"", turn, began, answered, clocks, hiding(text))
            body = await _whole(exchange, request)
        except ERRORS as error:
            try:
                # Into no variable: the error's traceback knows this frame, and a circle would keep the connections.
                is_closed = turn.ended and self.is_own
                head = turn.answer(text)
                return failure(error, began, clocks, head, answered, self.network, is_closed=is_closed)
            finally:
                await turn.close()
        except BaseException:
            await turn.close()
            raise
        await turn.close()
        answer, body = without_key(exchange.answer, body, text)
        return reply(answer, body, None, began, answered, clocks)

    def concurrency(self, base_url: str, project: str | None) -> dict[str, Concurrency]:
        """The state of the windows, by model, in the running event loop; empty outside of one."""
        if not self._is_adaptive:
            return {}
        from .async_gate import gate_of

        try:
            return gate_of(self, self._limit).read(base_url, project)
        except RuntimeError:  # no loop runs
            return {}

    async def own_pool(self) -> AsyncPool:
        """Turns and connections of this event loop, or this run of trio."""
        here = current()
        pool = self._pools.get(here)
        # After a fork the connections belong to the parent.
        if pool is None or pool.pid != os.getpid():
            # Connections hold their loop: one that has ended stays as long as they do.
            for ended in [there for there, other in list(self._pools.items()) if other.run.ended]:
                self._pools.pop(ended, None)
            pool = self._pools[here] = AsyncPool(self._limit, self._dialer)
            await pool.open()
        return pool

    async def _open(self, pool: AsyncPool, request: Request, key: str | None, clocks: Clocks) -> AsyncExchange:
        http, proxy = self._given, None
        if http is None:
            origin = target_of(request.url).origin
            way = self._routes.to(origin)
            if way.direct and pool.run.is_asyncio and not is_mocked():
                direct = AsyncDirectExchange(pool, origin, request.method, clocks)
                await direct.send(wire_of(request, key))
                return direct
            proxy = way.proxy
            http = pool.httpx(proxy)
        exchange = AsyncHttpxExchange(clocks, stream=request.stream, is_asyncio=pool.run.is_asyncio)
        await exchange.send(http, request, key, proxy, is_own=self.is_own)
        return exchange

    async def close(self) -> None:
        """Closes the connections of this event loop; a client of the caller's own stays open. Calls end at once."""
        self._closed = True
        pool = self._pools.get(current())
        if pool is not None and pool.pid == os.getpid():
            pool.end()
        if self._is_adaptive:
            from .async_gate import gate_of

            gate_of(self, self._limit).end()
        await self.release()

    async def release(self) -> None:
        """Closes the connections of this event loop."""
        pool = self._pools.pop(current(), None)
        if pool is not None and pool.pid == os.getpid():
            await pool.close()


class AsyncTurn:
    """A turn in flight, held until its exchange is closed."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._held = False
        self.exchange: AsyncExchange | None = None

    @property
    def ended(self) -> bool:
        """Whether the client was closed."""
        return self._pool.ended

    async def begin(self, clocks: Clocks) -> None:
        """Waits for the turn."""
        await self._pool.enter(clocks)
        self._held = True

    def answer(self, key: str | None) -> Answer | None:
        """The head of the answer without the key, where it came."""
        return None if self.exchange is None else without_key(self.exchange.answer, b"", key)[0]

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

    def soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether a task does what a destructor can't wait for: not after a fork, to the parent's connections."""
        return self._pool.pid == os.getpid() and self._pool.run.soon(function)


async def _whole(exchange: AsyncExchange, request: Request) -> bytes:
    """The whole body, an error's and a stranger's up to a bound, and an error's as far as it comes."""
    pieces: list[bytes] = []
    size = 0
    is_error = exchange.answer.status >= 300
    try:
        while piece := await exchange.read(None):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ERROR_BODY and (is_error or (request.bare and size > MAX_BARE_BODY)):
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
            is_closed = self._turn.ended and self._exchange.answer.route != "http_client"
            return failure(error, self._began, self._clocks, is_closed=is_closed)

    async def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up.

        Args:
            drain: Whether only the body's terminator is missing.
        """
        await self._turn.close(drain=drain)

    def soon(self, function: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether a task does what a destructor can't wait for."""
        return self._turn.soon(function)
