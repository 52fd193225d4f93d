"""The blocking half: drives flows, and reads bodies."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, cast

from .._config import ApiKey, check_key
from .._core.errors import MAX_BARE_BODY, MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request
from .._network import DEFAULT, Network
from .bridge import HttpxExchange
from .clocks import Clocks
from .dialing import Dialer
from .exchange import DirectExchange, Exchange, Pool
from .outcomes import (
    ERRORS,
    Answer,
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
from .telling import tell

if TYPE_CHECKING:
    import httpx

    from .._core.flow import Flow, Journal
    from ..types.concurrency import Concurrency
    from .gate import Gate


class Transport:
    """Sends requests over connections that are kept open. Made at no cost: connections come with the first request.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
        max_connections: Calls in flight; the rest wait in line.
        network: How connections are made. What it takes from the environment is read here, and not later.
    """

    def __init__(
        self, http_client: httpx.Client | None = None, max_connections: int = 1000, network: Network = DEFAULT
    ) -> None:
        self._pid = 0  # nothing to close yet, should what follows fail
        self._given = http_client
        self._limit = max_connections
        self._routes = Routes(network)
        self._dialer = Dialer(network)
        self._lock = threading.Lock()
        self._pool = Pool(max_connections, self._dialer)
        self._pid = os.getpid()
        self._made: dict[str | None, httpx.Client] = {}
        self._gate: Gate | None = None
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

    def run(self, flow: Flow, key: ApiKey | None, clocks: Clocks, journal: Journal) -> Reply:
        """The reply that the flow returns. Raises what it raises."""
        watch = journal.watch
        try:
            attempt = next(flow)
            again = attempt.wait > 0  # a stream that broke
            while True:
                if watch is not None:
                    tell(watch.failed(attempt.wait, journal.error))
                if attempt.wait:
                    if self._closed:
                        raise closed(is_own=True)
                    log_wait(attempt.wait)
                    time.sleep(attempt.wait)
                if watch is not None:
                    tell(watch.sending(attempt, clocks.elapsed))
                if attempt.request.adaptive:
                    outcome = self._own_gate().send(self._send, attempt.request, key, clocks, again)
                    again = True
                else:
                    outcome = self._send(attempt.request, key, clocks)
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
                tell(watch.done(error, clocks.elapsed))
            raise

    def _send(self, request: Request, key: ApiKey | None, clocks: Clocks) -> Outcome:
        if self._closed:
            raise closed(is_own=True)
        text = check_key(key(), "api_key()") if callable(key) else key
        if self._closed:
            raise closed(is_own=True)
        began = time.monotonic()
        answered = began
        turn = Turn(self.own_pool())
        try:
            turn.begin(clocks)
            began = time.monotonic()
            exchange = turn.exchange = self._open(request, text, clocks)
            answered = time.monotonic()
            if request.stream and exchange.answer.status < 300:
                answer, _ = without_key(exchange.answer, b"", text)
                return reply(answer, b"", turn, began, answered, clocks, hiding(text))
            body = _whole(exchange, request)
        except ERRORS as error:
            try:
                # Into no variable: the error's traceback knows this frame, and a circle would keep the connections.
                is_closed = turn.ended and self.is_own
                head = turn.answer(text)
                return failure(error, began, clocks, head, answered, self.network, is_closed=is_closed)
            finally:
                turn.close()
        except BaseException:
            turn.close()
            raise
        turn.close()
        answer, body = without_key(exchange.answer, body, text)
        return reply(answer, body, None, began, answered, clocks)

    def own_pool(self) -> Pool:
        """Turns and connections of this process."""
        # After a fork the connections belong to the parent; closing them here ends them only for us. Without the lock,
        # which a thread of the parent may have held at that moment: here there is only one.
        if self._pid != os.getpid():
            self._pool.forget()
            self._pool, self._made, self._lock = Pool(self._limit, self._dialer), {}, threading.Lock()
            self._pid = os.getpid()
        return self._pool

    def concurrency(self, base_url: str, project: str | None) -> dict[str, Concurrency]:
        """The state of the windows, by model."""
        gate = self._gate
        return {} if gate is None or gate.pid != os.getpid() else gate.read(base_url, project)

    def _own_gate(self) -> Gate:
        from .gate import Gate

        self.own_pool()  # which makes the lock good after a fork; those who hold places are in the parent then
        with self._lock:
            if self._gate is None or self._gate.pid != self._pid:
                self._gate = Gate(self._limit)
            return self._gate

    def _open(self, request: Request, key: str | None, clocks: Clocks) -> Exchange:
        if self._given is not None:
            return HttpxExchange(self._given, request, key, clocks, None, is_own=False)
        origin = target_of(request.url).origin
        way = self._routes.to(origin)
        if way.direct and not is_mocked():
            direct = DirectExchange(self._pool, origin, request.method, clocks)
            direct.send(wire_of(request, key))
            return direct
        return HttpxExchange(self.httpx(way.proxy), request, key, clocks, way.proxy, is_own=True)

    def httpx(self, proxy: str | None) -> httpx.Client:
        """A client of httpx for this proxy, or for none."""
        from .httpx_clients import blocking

        with self._lock:
            if proxy not in self._made:
                self._made[proxy] = blocking(self._dialer, proxy, self._limit)
            return self._made[proxy]

    def close(self) -> None:
        """Closes the connections; a client of the caller's own stays open. Calls end at once."""
        self._closed = True
        if self._pid == os.getpid():
            self._pool.end()
            if self._gate is not None and self._gate.pid == self._pid:
                self._gate.end()
        self.release()

    def release(self) -> None:
        """Closes the connections that nobody uses."""
        if self._pid == os.getpid():
            self._pool.clear()
            for http in list(self._made.values()):  # other threads may add to them
                http.close()

    def __del__(self) -> None:
        self.release()


class Turn:
    """A turn in flight, held until its exchange is closed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held = False
        self.exchange: Exchange | None = None

    @property
    def ended(self) -> bool:
        """Whether the client was closed."""
        return self._pool.ended

    def begin(self, clocks: Clocks) -> None:
        """Waits for the turn."""
        self._pool.enter(clocks)
        self._held = True

    def answer(self, key: str | None) -> Answer | None:
        """The head of the answer without the key, where it came."""
        return None if self.exchange is None else without_key(self.exchange.answer, b"", key)[0]

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


def _whole(exchange: Exchange, request: Request) -> bytes:
    """The whole body, an error's and a stranger's up to a bound, and an error's as far as it comes."""
    pieces: list[bytes] = []
    size = 0
    is_error = exchange.answer.status >= 300
    try:
        while piece := exchange.read(None):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ERROR_BODY and (is_error or (request.bare and size > MAX_BARE_BODY)):
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
            is_closed = self._turn.ended and self._exchange.answer.route != "http_client"
            return failure(error, self._began, self._clocks, is_closed=is_closed)

    def close(self, *, drain: bool = False) -> None:
        """Gives the connection back, or up.

        Args:
            drain: Whether only the body's terminator is missing.
        """
        self._turn.close(drain=drain)
