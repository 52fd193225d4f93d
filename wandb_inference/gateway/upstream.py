"""Requests to deployments, over the SDK's own connections; through a proxy of the environment, over httpx's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .._core.wire import Context, Request, Timeouts
from .._network import Network
from .._transport.async_exchange import AsyncDirectExchange, AsyncExchange, AsyncPool
from .._transport.bridge import AsyncHttpxExchange
from .._transport.clocks import ClockError, Clocks
from .._transport.decoding import DecodingError
from .._transport.dialing import Dialer
from .._transport.outbox import Outbox
from .._transport.outcomes import ERRORS, NotSentError, target_of
from .._transport.routes import Routes, Way
from .._version import __version__
from .config import Deployment, ServerSettings
from .errors import answer_too_large
from .routing import Failure, Pick

if TYPE_CHECKING:
    from .._transport.pool import Origin

__all__ = ["ERRORS", "Upstream", "failure_of", "read_all"]

CONNECT: Final = 10.0
"""Seconds for a connection at most, as the SDK's."""

_IDLE: Final = 4096
"""Idle connections that are kept."""

MAX_ERROR: Final = 64 * 1024
"""Bytes that are read of an error."""


class Place:
    """Where a deployment is, and what goes before each body."""

    __slots__ = ("deployment", "head", "headers", "key", "names", "origin", "pooled", "probe", "url", "way")

    def __init__(self, deployment: Deployment, way: Way, origin: Origin, host: str, path: str, url: str) -> None:
        self.deployment = deployment
        self.way = way
        self.origin = origin
        self.pooled = origin if way.direct else None
        """Where connections of the pool go; `None`: a proxy is on the way."""
        self.url = url
        self.key = None if deployment.api_key is None else deployment.api_key.reveal()
        self.headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",  # what is compressed can't be passed on event by event
            "user-agent": f"wandb-inference-gateway/{__version__}",
            **{name.lower(): value for name, value in deployment.headers.items()},
        }
        if deployment.project:
            self.headers["openai-project"] = deployment.project
        self.names = frozenset(name.encode() for name in self.headers)
        lines = [f"host: {host}", *(f"{name}: {text}" for name, text in self.headers.items())]
        if self.key is not None:
            lines.append(f"authorization: Bearer {self.key}")
        rest = "\r\n".join(lines).encode("latin-1") + b"\r\n"
        self.head = b"POST %b HTTP/1.1\r\n%b" % (path.encode("latin-1"), rest)
        models = path.removesuffix("/chat/completions") + "/models"
        self.probe = b"GET %b HTTP/1.1\r\n%b\r\n" % (models.encode("latin-1"), rest)

    def wire(self, body: bytes, id: bytes, more: Mapping[bytes, bytes]) -> bytes:
        """A chat request as it goes on the wire.

        Args:
            body: Its body.
            id: Its id.
            more: Headers of it alone; none that the deployment has takes the place of its own.
        """
        head = self.head
        for name, value in more.items():
            if name not in self.names:
                head += b"%b: %b\r\n" % (name, value)
        return b"%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b" % (head, id, len(body), body)


class Upstream:
    """The way to all deployments, in one event loop: made in it.

    Args:
        server: With what is said of TLS.
    """

    def __init__(self, server: ServerSettings) -> None:
        network = Network(verify=server.ssl_verify, cert=server.ssl_certificate)
        self._routes = Routes(network)
        family = socket.AF_INET if server.force_ipv4 else 0
        self.pool = AsyncPool(_IDLE, Dialer(network, Outbox(asyncio.get_running_loop().call_soon), family))
        self._places: dict[str, Place] = {}

    async def open(self) -> None:
        """Ties the connections to the event loop."""
        await self.pool.open()

    async def close(self) -> None:
        """Closes the connections."""
        await self.pool.close()

    async def send(
        self, pick: Pick, body: bytes, id: bytes, more: Mapping[bytes, bytes], *, stream: bool, clocks: Clocks
    ) -> AsyncExchange:
        """Sends a chat request, and waits for the head of the answer.

        Args:
            pick: The deployment.
            body: What it gets.
            id: The request's.
            more: Headers of this request alone, checked.
            stream: Whether a stream was asked for.
            clocks: The attempt's.

        Raises:
            Exception: One of `ERRORS`.
        """
        place = self.place(pick.deployment)
        if not place.way.direct:
            return await self._send_by_httpx(place, body, id, more, stream=stream, clocks=clocks)
        exchange = AsyncDirectExchange(self.pool, place.origin, "POST", clocks)
        await exchange.send(place.wire(body, id, more))
        return exchange

    async def _send_by_httpx(
        self, place: Place, body: bytes, id: bytes, more: Mapping[bytes, bytes], *, stream: bool, clocks: Clocks
    ) -> AsyncExchange:
        exchange = AsyncHttpxExchange(clocks, stream=stream)
        lines = {**more, b"x-request-id": id}
        headers = {**{name.decode(): value.decode() for name, value in lines.items()}, **place.headers}
        request = Request("POST", place.url, headers, body, clocks.timeouts, Context(place.url), stream=stream)
        await exchange.send(self.pool.httpx(place.way.proxy), request, place.key, place.way.proxy, is_own=True)
        return exchange

    async def ask(self, deployment: Deployment, clocks: Clocks) -> AsyncExchange:
        """Asks for the list of models, and waits for the head of the answer.

        Args:
            deployment: Whom.
            clocks: The request's.

        Raises:
            Exception: One of `ERRORS`.
        """
        place = self.place(deployment)
        if not place.way.direct:
            url = f"{deployment.base_url}/models"
            request = Request("GET", url, place.headers, None, clocks.timeouts, Context(url))
            beside = AsyncHttpxExchange(clocks, stream=False)
            await beside.send(self.pool.httpx(place.way.proxy), request, place.key, place.way.proxy, is_own=True)
            return beside
        exchange = AsyncDirectExchange(self.pool, place.origin, "GET", clocks)
        await exchange.send(place.probe)
        return exchange

    def place(self, deployment: Deployment) -> Place:
        """Where a deployment is."""
        place = self._places.get(deployment.id)
        if place is None or place.deployment is not deployment:
            url = f"{deployment.base_url}/chat/completions"
            target = target_of(url)
            way = self._routes.to(target.origin)
            place = Place(deployment, way, target.origin, target.host, target.path, url)
            self._places[deployment.id] = place
        return place


def clocks_of(pick: Pick, now: float, *, stream: bool) -> Clocks:
    """The clocks of an attempt that begins now."""
    read = pick.stall if stream else pick.timeout
    deadline = None if pick.deadline is None else max(0.001, pick.deadline - now)
    if not stream:  # all of an answer comes at once, or it drips
        deadline = pick.timeout if deadline is None else min(deadline, pick.timeout)
    return Clocks(Timeouts(min(CONNECT, pick.timeout), read, pick.stall, deadline), now)


async def read_all(exchange: AsyncExchange, limit: int | None) -> bytes:
    """The whole body of an answer.

    Raises:
        GatewayError: It is larger than the gateway passes on.
        Exception: One of `ERRORS`.
    """
    first = await exchange.read(None)
    pieces = [first]
    size = len(first)
    while piece := await exchange.read(None):
        pieces.append(piece)
        size += len(piece)
        if limit is not None and size > limit:
            break
    if limit is not None and size > limit:
        raise answer_too_large(limit)
    return first if len(pieces) == 1 else b"".join(pieces)


async def read_error(exchange: AsyncExchange) -> bytes:
    """The body of an error, as far as it comes and is not too long."""
    pieces: list[bytes] = []
    size = 0
    try:
        while size < MAX_ERROR and (piece := await exchange.read(None)):
            pieces.append(piece)
            size += len(piece)
    except ERRORS:
        pass
    return b"".join(pieces)


def failure_of(error: Exception) -> Failure:
    """The failure that an exchange ended with.

    Args:
        error: One of `ERRORS`.
    """
    cause = error.__cause__ if isinstance(error, NotSentError) else error
    if isinstance(cause, ClockError):
        return Failure("timeout")
    return Failure("invalid" if isinstance(cause, DecodingError) else "connection")
