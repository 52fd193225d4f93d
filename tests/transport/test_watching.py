"""Connections of asyncio that are watched instead of read."""

from __future__ import annotations

import asyncio
import threading
import time

from tests.raw_server import Peer, RawServer, whole
from wandb_inference._core.wire import Timeouts
from wandb_inference._network import DEFAULT
from wandb_inference._transport.async_connection import AsyncConnection
from wandb_inference._transport.async_exchange import AsyncDirectExchange, AsyncPool
from wandb_inference._transport.clocks import ClockError, Clocks, Limit
from wandb_inference._transport.dialing import Dialer
from wandb_inference._transport.pool import Origin

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class Notes:
    """Notes what happens."""

    def __init__(self) -> None:
        self.said: list[bytes | str | None] = []

    def received(self, data: bytes) -> None:
        self.said.append(data)

    def lost(self, error: Exception | None) -> None:
        self.said.append(error and type(error).__name__)

    def late(self, error: ClockError) -> None:
        self.said.append(error.clock)


async def connected(server: RawServer) -> AsyncConnection:
    """A connection to the server."""
    limit = Limit(time.monotonic() + 5, "connect")
    return await AsyncConnection.open(Origin("http", server.host, server.port), limit, Dialer(DEFAULT))


async def heard(notes: Notes, count: int) -> list[bytes | str | None]:
    """What was noted, once it is so much."""
    for _ in range(500):
        if len(notes.said) >= count:
            break
        await asyncio.sleep(0.01)
    return notes.said


async def test_what_arrives_is_told() -> None:
    """As it comes, and the end as well: once, and with nothing after it."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"one")
        peer.request()
        peer.send(b"two")

    notes = Notes()
    with RawServer(script) as server:
        connection = await connected(server)
        connection.watch(notes, time.monotonic() + 5)
        connection.write_now(REQUEST)
        assert await heard(notes, 1) == [b"one"]
        connection.write_now(REQUEST)
        assert await heard(notes, 3) == [b"one", b"two", None]
        connection.close()


async def test_an_end_by_force() -> None:
    """A connection that is reset says so."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.reset()

    notes = Notes()
    with RawServer(script) as server:
        connection = await connected(server)
        connection.watch(notes, time.monotonic() + 5)
        connection.write_now(REQUEST)
        assert await heard(notes, 1) == ["ConnectionResetError"]


async def test_who_no_longer_watches() -> None:
    """Hears nothing; what arrives then can be read."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"one")
        peer.request()
        peer.send(b"two")

    notes = Notes()
    with RawServer(script) as server:
        connection = await connected(server)
        connection.watch(notes, time.monotonic() + 5)
        connection.write_now(REQUEST)
        await heard(notes, 1)
        connection.unwatch()
        connection.write_now(REQUEST)
        assert await connection.read(Limit(time.monotonic() + 5, "read")) == b"two"
        connection.close()

    assert notes.said == [b"one"]


async def test_time() -> None:
    """A deadline is told once, later ones move it along, and one that is earlier comes first."""
    notes = Notes()
    with RawServer(lambda peer: peer.request() and peer.wait_for_end() and None) as server:
        connection = await connected(server)
        began = time.monotonic()
        connection.watch(notes, began + 0.1)
        connection.unwatch()
        connection.watch(notes, began + 0.3)
        assert await heard(notes, 1) == ["deadline"]
        assert 0.29 <= time.monotonic() - began < 1.0

        connection.watch(notes, time.monotonic() + 30)
        connection.unwatch()
        connection.watch(notes, time.monotonic() + 0.05)
        began = time.monotonic()
        assert await heard(notes, 2) == ["deadline", "deadline"]
        assert time.monotonic() - began < 1.0
        connection.watch(notes, time.monotonic() + 0.02)
        connection.unwatch()
        await asyncio.sleep(0.05)
        connection.close()

    assert len(notes.said) == 2


async def test_what_came_too_early_is_no_part_of_the_next_answer() -> None:
    """Bytes that arrive behind an answer, before the connection is given back, end it."""
    answered = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(whole(b"one"))
        answered.wait(5)
        peer.send(whole(b"two"))
        peer.wait_for_end()

    with RawServer(script, script) as server:
        pool = AsyncPool(10)
        await pool.open()
        origin = Origin("http", server.host, server.port)
        for _ in range(2):
            answered.clear()
            exchange = AsyncDirectExchange(pool, origin, "POST", Clocks(Timeouts(5, 5, 5, 5)))
            await exchange.send(REQUEST)
            body = b""
            while piece := await exchange.read(None):
                body += piece
            answered.set()
            await asyncio.sleep(0.1)
            await exchange.close()
            assert body == b"one"
        await pool.close()
    assert server.connections == 2
