"""Whom a client trusts: certificates that hold and that don't, and redirects, which take the key to nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import KEY, ask, done
from raw_server import Peer, RawServer, Script

from wandb_inference import APIConnectionError, APIStatusError

from .cases import Good, check, outcome
from .conftest import DATA, certified


def answers(peer: Peer) -> None:
    """Answers each request."""
    while request := peer.request():
        peer.send(Good.of(request).whole())


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_good_certificate(connect: Any, asks: str, host: str) -> None:
    """A certificate for the address or the name is good, and calls and streams use one connection."""
    with RawServer(answers, tls=certified()) as server:
        client = connect(server.base_url.replace("127.0.0.1", host))
        for _ in range(3):
            assert await outcome(client, asks) == "Hi"
        await done(client.close())

    assert server.connections == 1


@pytest.mark.parametrize(
    ("name", "host", "trusted", "says"),
    [
        ("over", "127.0.0.1", True, "certificate has expired"),
        ("early", "127.0.0.1", True, "certificate is not yet valid"),
        ("other", "127.0.0.1", True, r"IP address mismatch.*'127\.0\.0\.1'"),
        ("localhost", "127.0.0.2", True, r"IP address mismatch.*'127\.0\.0\.2'"),
        ("other", "localhost", True, "Hostname mismatch.*'localhost'"),
        ("localhost", "127.0.0.1", False, "self-signed certificate"),
    ],
)
async def test_bad_certificates(
    connect: Any, monkeypatch: pytest.MonkeyPatch, name: str, host: str, trusted: bool, says: str
) -> None:
    """A certificate that does not hold is told by its fault, and is no matter of trying again: nothing is sent."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(DATA / f"{name}.pem"))
    with RawServer(answers, tls=certified(name), host="127.0.0.2" if host == "127.0.0.2" else "127.0.0.1") as server:
        client = connect(f"https://{host}:{server.port}/v1", max_retries=3)
        got = await outcome(client, "call")
        await done(client.close())

    check(got, APIConnectionError, f"its certificate does not hold: .*{says}.*SSL_CERT_FILE")
    assert got.attempts[0].outcome == "not_sent"
    assert not server.requests


def redirecting(status: int, location: str) -> Script:
    """Leads elsewhere, and answers there."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            good = Good.of(request)
            is_first = request.startswith(b"POST /v1/")
            start = f"HTTP/1.1 {status} Over there"
            peer.send(good.whole(f"Location: {location}", start=start, body=b"") if is_first else good.whole())

    return script


@pytest.mark.parametrize("status", [307, 308])
async def test_redirect_within_the_origin(dial: Any, raw: Any, asks: str, status: int) -> None:
    """Body and key go along to another path of the same origin; it is one attempt."""
    with raw(redirecting(status, "/v2/chat/completions?a=b")) as server:
        client = dial(server)
        assert await outcome(client, asks) == "Hi"
        await done(client.close())

    first, second = server.requests
    assert second.startswith(b"POST /v2/chat/completions?a=b HTTP/1.1\r\n")
    assert second.partition(b"\r\n")[2] == first.partition(b"\r\n")[2]
    assert KEY.encode() in second


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "{other}/chat/completions",
        "//127.0.0.1:{port}/v2",
        "http://localhost:{same}/v2",
        "http://127.0.0.1:{same}@127.0.0.1:{port}/v2",
        "http://127.0.0.1:{port}\\@127.0.0.1:{same}/v2",
        "https://127.0.0.1:{same}/v2",
        "http://[::1/v2",
        "\t//127.0.0.1:{port}/v2",
    ],
)
async def test_redirect_to_another_origin(connect: Any, status: int, location: str) -> None:
    """The key goes to no other host, port or scheme, whatever the address looks like; the message says where to."""
    target = ""

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(Good.of(request).whole(f"Location: {target}", start=f"HTTP/1.1 {status} Over there", body=b""))

    with RawServer(answers) as other, RawServer(script) as server:
        target = location.format(other=other.base_url, port=other.port, same=server.port)
        client = connect(server, max_retries=3)
        got = await outcome(client, "call")
        await done(client.close())

    check(got, APIStatusError, "redirected (to|more than 5 times)")
    assert got.status_code == status
    assert "base_url" in got.hint
    assert other.connections == 0


async def test_redirect_to_an_odd_address(dial: Any, raw: Any) -> None:
    """An address that no request line takes is written as one that it does."""
    with raw(redirecting(307, "/v2/caf\xe9 HTTP/1.1|%20#x")) as server:
        client = dial(server)
        assert await outcome(client, "call") == "Hi"
        await done(client.close())

    assert server.requests[1].startswith(b"POST /v2/caf%E9%20HTTP/1.1%7C%20 HTTP/1.1\r\n")


async def test_redirects_without_end(dial: Any, raw: Any) -> None:
    """A circle of redirects ends."""
    with raw(redirecting(307, "/v1/chat/completions")) as server:
        client = dial(server, max_retries=0)
        got = await outcome(client, "call")
        await done(client.close())

    check(got, APIStatusError, "307: redirected more than 5 times")
    assert len(server.requests) == 6


async def test_no_cookies(connect: Any) -> None:
    """What a server wants remembered is forgotten: the next call may have another key."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(Good.of(request).whole("Set-Cookie: a=b; Path=/"))

    with RawServer(script) as server:
        client = connect(server)
        await ask(client)
        await ask(client.with_options(api_key="another-key"))
        await done(client.close())

    assert b"cookie" not in server.requests[1].lower()
