"""Who may ask: keys in all of LiteLLM's headers, addresses, and pages of other sites."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from tests.gateway.routing_cases import config, several
from wandb_inference.gateway.auth import Keyring
from wandb_inference.gateway.config import GatewayConfig, KeyRule, Secret, ServerSettings
from wandb_inference.gateway.errors import GatewayError

MASTER = "a-master-key-0123456789"
RULE = KeyRule("a", sha256(b"somebody").hexdigest())
OLD = KeyRule("old", sha256(b"expired").hexdigest(), expires=1.0)


def keyed(server: ServerSettings | None = None, **fields: Any) -> GatewayConfig:
    """A configuration with a master key and two keys."""
    made = config(several("x"), keys=[RULE, OLD], server=server)
    return replace(made, **{"master_key": Secret(MASTER), **fields})


def code(ring: Keyring, headers: dict[bytes, bytes], *, admin: bool = False) -> str | None:
    """The code of the refusal."""
    with pytest.raises(GatewayError) as caught:
        (ring.admin if admin else ring.caller)(headers)
    assert "somebody" not in caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    "name",
    [b"x-litellm-api-key", b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key", b"ocp-apim-subscription-key"],
)
def test_headers_that_keys_come_in(name):
    """Each of LiteLLM's headers takes a key, with "Bearer" or, but for Authorization, without."""
    ring = Keyring(keyed())

    assert ring.caller({name: b"bEaReR  somebody"}).name == "a"
    if name != b"authorization":
        assert ring.caller({name: b"somebody"}).name == "a"


def test_the_first_header_counts():
    """Where there are several, the first of the list decides, though another would be right."""
    ring = Keyring(keyed())

    assert ring.caller({b"x-litellm-api-key": b"somebody", b"authorization": b"Bearer wrong"}).name == "a"
    assert code(ring, {b"x-litellm-api-key": b"wrong", b"authorization": b"Bearer somebody"}) == "invalid_api_key"


def test_a_header_of_the_configuration():
    """The header that the configuration names comes before all others."""
    ring = Keyring(keyed(ServerSettings(key_header="X-Mine")))

    assert ring.caller({b"x-mine": b"somebody", b"authorization": b"Bearer wrong"}).name == "a"


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({}, "invalid_api_key"),
        ({b"authorization": b"somebody"}, "invalid_api_key"),
        ({b"authorization": b"Basic c29tZWJvZHk="}, "invalid_api_key"),
        ({b"authorization": b"Bearer "}, "invalid_api_key"),
        ({b"x-api-key": b"\xff\xfe"}, "invalid_api_key"),
        ({b"x-api-key": b"expired"}, "expired_key"),
        ({b"x-litellm-key": b"somebody"}, "invalid_api_key"),
    ],
    ids=["none", "no Bearer", "Basic", "empty", "no text", "expired", "another header"],
)
def test_keys_that_are_none(headers, refusal):
    """A key that is missing, misplaced, unknown or too old is 401, and is not repeated."""
    assert code(Keyring(keyed()), headers) == refusal


def test_the_admin():
    """The master key opens everything; another one is told that it does not."""
    ring = Keyring(keyed())

    assert ring.admin({b"authorization": f"Bearer {MASTER}".encode()}).rule is None
    assert code(ring, {b"x-api-key": b"somebody"}, admin=True) == "master_key_required"
    assert code(Keyring(keyed(master_key=None)), {b"x-api-key": MASTER.encode()}, admin=True) == "invalid_api_key"


def test_without_keys_anybody_may():
    """Where there are no keys, any will do, and none."""
    ring = Keyring(config(several("x")))

    assert ring.caller({}).rule is None
    assert ring.admin({b"authorization": b"whatever"}).name == "anyone"


@pytest.mark.parametrize(
    ("origin", "origins", "may"),
    [
        (None, (), True),
        (b"http://localhost:3000", (), True),
        (b"http://127.0.0.1", (), True),
        (b"https://evil.example", (), False),
        (b"null", (), False),
        (b"http://[", (), False),
        (b"https://good.example", ("https://good.example",), True),
        (b"https://evil.example", ("*",), True),
    ],
)
def test_pages_of_other_sites(origin, origins, may):
    """A browser's page from elsewhere can't spend the money of whoever runs an open gateway."""
    ring = Keyring(config(several("x"), server=ServerSettings(cors_origins=origins)))
    headers = {} if origin is None else {b"origin": origin}

    if may:
        assert ring.caller(headers).name == "anyone"
    else:
        assert code(ring, headers) == "origin_not_allowed"


def test_addresses():
    """Only networks that are named may connect; what a proxy says counts if the proxy is trusted."""
    server = ServerSettings(allowed_ips=("10.0.0.0/8",), trusted_proxies=("192.168.0.0/16",))
    ring = Keyring(keyed(server))

    ring.check_address("10.1.2.3", {})
    ring.check_address("192.168.0.1", {b"x-forwarded-for": b"1.2.3.4, 10.0.0.1, 192.168.7.7"})
    for client, said in [
        ("1.2.3.4", b"10.0.0.1"),
        ("192.168.0.1", b"10.0.0.1, 1.2.3.4"),
        ("192.168.0.1", b"x"),
        ("", b""),
    ]:
        with pytest.raises(GatewayError, match="may not use"):
            ring.check_address(client, {b"x-forwarded-for": said})
    assert Keyring(keyed()).address("1.2.3.4", {b"x-forwarded-for": b"10.0.0.1"}) == "1.2.3.4"
    assert ring.address("192.168.0.1", {b"x-forwarded-for": b"192.168.0.2"}) == "192.168.0.2"
    Keyring(keyed()).check_address("1.2.3.4", {})


def test_addresses_of_a_socket_for_both():
    """One that listens on IPv6 has the addresses of IPv4 in a form of its own."""
    server = ServerSettings(allowed_ips=("10.0.0.0/8",), trusted_proxies=("192.168.0.0/16",))
    ring = Keyring(replace(keyed(), server=server))

    ring.check_address("::ffff:10.1.2.3", {})
    ring.check_address("::ffff:192.168.0.1", {b"x-forwarded-for": b"10.0.0.1"})
    for address in ("::ffff:1.2.3.4", "::1"):
        with pytest.raises(GatewayError):
            ring.check_address(address, {})
