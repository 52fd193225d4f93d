"""The blocking half: drives flows, and reads bodies."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, cast

from .._config import ApiKey, check_key
from .._core.errors import MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request
from .bridge import HttpxExchange
from .clocks import Clocks
from .exchange import DirectExchange, Exchange, Pool
from .outcomes import ERRORS, closed, failure, log_outcome, log_wait, reply, target_of, without_key
from .pool import Origin
from .proxies import proxy_for
from .routes import is_mocked

if TYPE_CHECKING:
    import httpx

    from .._core.flow import Flow


class Transport:
    """Sends requests over connections that are kept open. Made at no cost: connections come with the first request.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
        max_connections: Calls in flight; the rest wait in line.
    """

    def __init__(self, http_client: httpx.Client | None = None, max_connections: int = 1000) -> None:
        self._given = http_client
        self._limit = max_connections
        self._lock = threading.Lock()
        self._pool = Pool(max_connections)
        self._pid = os.getpid()
        self._proxies: dict[Origin, str | None] = {}
        self._made: dict[str | None, httpx.Client] = {}
        self._closed = False

    @property
    def is_own(self) -> bool:
        """Whether the connections are ours, not the caller's."""
        return self._given is None

    def run(self, flow: Flow, key: ApiKey | None, clocks: Clocks) -> Reply:
        """The reply that the flow returns. Raises what it raises."""
        attempt = next(flow)
        while True:
            if attempt.wait:
                log_wait(attempt.wait)
                time.sleep(attempt.wait)
            outcome = self._send(attempt.request, key, clocks)
            log_outcome(outcome, attempt.request)
            try:
                attempt = flow.send(outcome)
            except StopIteration as finished:
                return cast("Reply", finished.value)

    def _send(self, request: Request, key: ApiKey | None, clocks: Clocks) -> Outcome:
        if self._closed:
            raise closed(is_own=True)
        text = check_key(key(), "api_key()") if callable(key) else key
        if self._closed:
            raise closed(is_own=True)
        began = time.monotonic()
        turn = Turn(self._own_pool())
        try:
            turn.begin(clocks)
            began = time.monotonic()
            exchange = turn.exchange = self._open(request, text, clocks)
            answered = time.monotonic()
            if request.stream and exchange.answer.status < 300:
                return reply(exchange.answer, b"", turn, began, answered, clocks)
            body = _whole(exchange)
        except ERRORS as error:
            turn.close()
            return failure(error, began, clocks)
        except BaseException:
            turn.close()
            raise
        turn.close()
        answer, body = without_key(exchange.answer, body, text)
        return reply(answer, body, None, began, answered, clocks)

    def _own_pool(self) -> Pool:
        # After a fork the connections belong to the parent; closing them here ends them only for us. Without the lock,
        # which a thread of the parent may have held at that moment: here there is only one.
        if self._pid != os.getpid():
            self._pool.forget()
            self._pool, self._made, self._lock = Pool(self._limit), {}, threading.Lock()
            self._pid = os.getpid()
        return self._pool

    def _open(self, request: Request, key: str | None, clocks: Clocks) -> Exchange:
        if self._given is not None:
            return HttpxExchange(self._given, request, key, clocks, None, is_own=False)
        origin = target_of(request.url).origin
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin)
        proxy = self._proxies[origin]
        if proxy is not None or is_mocked():
            return HttpxExchange(self._httpx(proxy), request, key, clocks, proxy, is_own=True)
        return DirectExchange(self._pool, request, key, clocks)

    def _httpx(self, proxy: str | None) -> httpx.Client:
        from .httpx_clients import blocking

        with self._lock:
            if proxy not in self._made:
                self._made[proxy] = blocking(proxy, self._limit)
            return self._made[proxy]

    def close(self) -> None:
        """Closes the connections; a client of the caller's own stays open."""
        self._closed = True
        if self._pid == os.getpid():
            self._pool.clear()
            for http in list(self._made.values()):  # other threads may add to them
                http.close()

    def __del__(self) -> None:
        self.close()


class Turn:
    """A turn in flight, held until its exchange is closed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held = False
        self.exchange: Exchange | None = None

    def begin(self, clocks: Clocks) -> None:
        """Waits for the turn."""
        self._pool.enter(clocks)
        self._held = True

    def close(self, *, drain: bool = False) -> None:
        """Closes the exchange and ends the turn."""
        exchange, self.exchange = self.exchange, None
        try:
            if exchange is not None:
                exchange.close(drain=drain)
        finally:
            if self._held:
                self._held = False
                self._pool.leave()


def _whole(exchange: Exchange) -> bytes:
    """The whole body, an error's up to a bound and as far as it comes."""
    pieces: list[bytes] = []
    size = 0
    is_error = exchange.answer.status >= 300
    try:
        while piece := exchange.read(None):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ERROR_BODY and is_error:
                break
    except ERRORS:
        if not is_error:
            raise
    return b"".join(pieces)


class Body:
    """The bytes of an open reply, as they come.

    Args:
        reply: The reply.
        request: What it answers.
        clocks: The call's.
    """

    def __init__(self, reply: Reply, request: Request, clocks: Clocks) -> None:
        self._turn = cast("Turn", reply.raw)
        self._exchange = cast("Exchange", self._turn.exchange)
        self._clocks = clocks
        self._began = time.monotonic()
        self._stall = clocks.limit("stall")

    def read(self, had_data: bool) -> bytes | Failure:
        """The next bytes; `b""` at the end.

        Args:
            had_data: Whether the last bytes held a data event. If not, they did not feed the stall clock.
        """
        if had_data:
            self._stall = self._clocks.limit("stall")
        try:
            return self._exchange.read(self._stall)
        except ERRORS as error:
            return failure(error, self._began, self._clocks)

    def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up.

        Args:
            drain: Whether only the body's terminator is missing.
        """
        self._turn.close(drain=drain)
