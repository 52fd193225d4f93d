"""Requests that two readers could take for different ones: none hides another one."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.server_cases import configured, serving, until

HIDDEN = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CASES = {
    "cl te": POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "te cl": POST + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "te xchunked": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "te identity": POST + b"transfer-encoding: identity\r\ncontent-length: 0\r\n\r\n",
    "te twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "te chunked, identity": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "te space": POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "te vt": POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "cl plus": POST + b"content-length: +0\r\n\r\n",
    "cl hex": POST + b"content-length: 0x0\r\n\r\n",
    "cl list": POST + b"content-length: 0, 0\r\n\r\n",
    "cl neg": POST + b"content-length: -1\r\n\r\n",
    "obs-fold": POST + b"a: b\r\n content-length: 4\r\n\r\n",
    "fold te": POST + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "lf only": b"GET /health/liveness HTTP/1.1\nhost: x\n\n",
    "nul": b"GET /health/liveness HTTP/1.1\r\nhost: x\r\na: \x00\r\n\r\n",
    "1.0 te": b"POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size ovf": POST + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "chunk bare lf": POST + b"transfer-encoding: chunked\r\n\r\n0\n\n",
    "chunk minus": POST + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
    "connect": b"CONNECT evil:443 HTTP/1.1\r\nhost: evil:443\r\n\r\n",
    "h2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", CASES)
async def test_none_hides_another(tmp_path, name):
    """What is unclear is refused, and nothing behind it on the same connection is looked at."""
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(CASES[name] + HIDDEN)
        answer = await asyncio.wait_for(reader.read(), 5)  # until the gateway closes
        writer.close()

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert b"alive" not in answer


@pytest.mark.parametrize("value", ["a\rb", "a\nb: c", "a\r\nx-more: 1", "\u00e4", "x" * 200], ids=ascii)
async def test_nothing_splits_an_answer(tmp_path, value):
    """Words of a client that come back in headers can't end them: what does not belong there is left out."""
    request = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\nx-request-id: %b\r\n\r\n"
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(request % value.encode())
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    head = answer.partition(b"\r\n\r\n")[0]
    assert b"x-more" not in head
    assert value.encode() not in head


async def test_a_connection_that_is_closed_already(tmp_path):
    """Nothing more is written on it."""
    async with serving(configured(tmp_path)) as served:
        reader, writer = await served.raw(b"")
        await until(lambda: served.state.connections)
        (connection,) = served.state.connections
        connection.transport.close()
        connection._refuse(b"400 Bad Request", b"no")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
