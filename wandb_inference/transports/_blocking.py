"""Our pool and exchange as a transport of httpx, blocking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import httpx

from .._core.options import connections
from .._network import Network, checked
from .._transport import Transport
from .._transport.blocking import Turn
from .._transport.exchange import DirectExchange
from .._transport.outcomes import ERRORS, NotSentError
from .._transport.routes import Routes, is_mocked
from ._terms import TAIL, Outgoing, Steps, as_httpx, ends_events, origin_of, queue_timeout, response


class HTTPTransport(httpx.BaseTransport):
    """Carries the requests of an `httpx.Client` straight to their servers, over HTTP/1.1, plain or with TLS.

    Connections are found in constant time and kept for 20 seconds; requests wait for a turn in a fair line. If a
    connection turns out to have died while it was idle, and not a byte came back, the request is sent again, whatever
    its method, unless its body comes piece by piece.

    Works from many threads, after a fork, and again after `close()`.

    Timeouts are httpx's: `pool` for the turn, `connect` for name look-up, TCP and TLS together. So are errors. There
    are no proxies and no HTTP/2 without a `network`, and of a request's extensions `timeout` and `target` are heeded.
    respx, pytest-httpx and vcrpy see the requests as they see those of `httpx.HTTPTransport`.

    Args:
        max_connections: Requests in flight at a time.
        network: Certificates, sockets, a proxy, HTTP/2 or a Unix socket; the environment's proxies as well, with its
            `trust_env`. What is not a plain way to the server goes through httpx's own transport.

    Raises:
        ConfigurationError: Not a whole number from 1 up; a network that can't work.
    """

    def __init__(self, *, max_connections: int = 1000, network: Network | None = None) -> None:
        self._transport = Transport(None, connections(max_connections), checked(network, None))
        self._routes = Routes(checked(network, None)) if network is not None else None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still open.

        Raises:
            httpx.TransportError: There is none.
        """
        origin = origin_of(request)
        way = self._routes.to(origin) if self._routes is not None else None
        if is_mocked() or (way is not None and not way.direct):
            return self._transport.httpx(way and way.proxy).send(request, stream=True)
        outgoing = Outgoing(request)
        steps = Steps(request)
        pool = self._transport.own_pool()
        turn = Turn(pool)
        try:
            turn.begin(steps.queue)
        except NotSentError:
            raise queue_timeout(request, steps) from None
        exchange = DirectExchange(pool, origin, request.method, steps, raw=True, keep=outgoing.keep)
        try:
            exchange.send(outgoing.wire, _pieces(request, outgoing) if outgoing.streams else None)
        except BaseException as error:
            turn.close()
            if error is outgoing.broken or not isinstance(error, ERRORS):
                raise
            raise as_httpx(error, request, steps, is_sending=not exchange.written) from error
        turn.exchange = exchange
        return response(exchange.head, _Body(turn, exchange, request, steps))

    def close(self) -> None:
        """Closes the idle connections. One in use is closed, or kept for later, with its response."""
        self._transport.release()


def _pieces(request: httpx.Request, outgoing: Outgoing) -> Iterator[bytes]:
    """The body as it goes on the wire, without the pieces that nothing is to be sent for."""
    try:
        for piece in cast("Iterable[bytes]", request.stream):
            if data := outgoing.piece(piece):
                yield data
        if data := outgoing.end():
            yield data
    except Exception as error:
        outgoing.broken = error
        raise


class _Body(httpx.SyncByteStream):
    """The bytes of a response, as they come."""

    def __init__(self, turn: Turn, exchange: DirectExchange, request: httpx.Request, steps: Steps) -> None:
        self._turn = turn
        self._exchange = exchange
        self._request = request
        self._steps = steps
        self._tail = b""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                piece = self._exchange.read(None)
            except ERRORS as error:
                self._turn.close()
                raise as_httpx(error, self._request, self._steps) from error
            if not piece:
                self._turn.close()
                return
            self._tail = (self._tail + piece[-TAIL:])[-TAIL:]
            yield piece

    def close(self) -> None:
        self._turn.close(drain=ends_events(self._tail))
