"""Who asks: keys in any of the headers that LiteLLM's proxy takes them from. None of these is ever sent on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address, ip_network
from time import time
from typing import Final
from urllib.parse import urlsplit

from .config import GatewayConfig, is_loopback
from .errors import GatewayError, admin_only, expired_key, no_key, repeated_header, wrong_key
from .routing import Caller

_HEADERS: Final = (
    b"x-litellm-api-key",
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"x-goog-api-key",
    b"ocp-apim-subscription-key",
)
"""In the order in which LiteLLM looks: the first that is there counts."""

PRIVATE_HEADERS: Final = frozenset({*_HEADERS, b"cookie", b"proxy-authorization", b"host"})
"""Headers that no allow-list sends on."""

ANYONE: Final = Caller("anyone")
MASTER: Final = Caller("master")


class Keyring:
    """The keys of a configuration.

    Args:
        config: The configuration.
    """

    def __init__(self, config: GatewayConfig) -> None:
        server = config.server
        self._is_open = config.is_open
        self._callers = {bytes.fromhex(rule.sha256): Caller(rule.name, rule) for rule in config.keys}
        if config.master_key is not None:
            self._callers[sha256(config.master_key.reveal().encode()).digest()] = MASTER
        own = () if server.key_header is None else (server.key_header.lower().encode(),)
        self._headers = (*own, *_HEADERS)
        self._origins = server.cors_origins
        self._allowed = tuple(ip_network(each, strict=False) for each in server.allowed_ips)
        self._proxies = tuple(ip_network(each, strict=False) for each in server.trusted_proxies)

    def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Who asks.

        Args:
            headers: The request's, names in lower case.

        Raises:
            GatewayError: There is no key, or one that nobody knows, or whose time is over.
        """
        if self._is_open:
            self._check_origin(headers)
            return ANYONE
        for name in self._headers:
            value = headers.get(name)
            if value is not None:
                break
        else:
            raise no_key()
        # What is looked up is a digest, so that how long it takes says nothing of the key.
        digest = sha256(value[7:].strip() if value[:7] == b"Bearer " else _key_in(name, value)).digest()
        caller = self._callers.get(digest)
        if caller is None:
            raise wrong_key()
        rule = caller.rule
        if rule is not None and rule.expires is not None and rule.expires <= time():
            raise expired_key()
        return caller

    def admin(self, headers: Mapping[bytes, bytes]) -> Caller:
        """The same for a path that takes the master key alone, or anything where any key will do."""
        caller = self.caller(headers)
        if caller.rule is not None:
            raise admin_only()
        return caller

    def unrepeated(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
        """The headers of a request that has some of them twice; of most the last counts.

        Args:
            headers: All of them, names in lower case.

        Raises:
            GatewayError: One says twice who asks: another server on the way may have gone by the other one.
        """
        found: dict[bytes, bytes] = {}
        for name, value in headers:
            if name == b"x-forwarded-for" and name in found:  # proxies add a line each, or to the one that is there
                found[name] += b"," + value
            elif name in found and (name == b"host" or name in self._headers):
                raise repeated_header(name.decode("latin-1"))
            else:
                found[name] = value
        return found

    def check_address(self, client: str, headers: Mapping[bytes, bytes]) -> None:
        """Makes sure that a client may connect from where it is.

        Raises:
            GatewayError: It may not.
        """
        if self._allowed and not _is_in(self.address(client, headers), self._allowed):
            raise GatewayError(403, "address_not_allowed", "This address may not use the gateway")

    def address(self, client: str, headers: Mapping[bytes, bytes]) -> str:
        """Where a client is: what proxies that are trusted say of it, else where the connection comes from."""
        said = headers.get(b"x-forwarded-for")
        if said is not None and self._proxies and _is_in(client, self._proxies):
            # From the right, as each proxy adds where it was called from: the first that is not one of ours.
            for hop in reversed(said.decode("latin-1").split(",")):
                client = hop.strip()
                if not _is_in(client, self._proxies):
                    break
        return client

    def _check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Keeps foreign pages out where any key will do: a browser of this machine would spend its owner's money."""
        origin = headers.get(b"origin")
        if origin is None:
            return
        text = origin.decode("latin-1")
        if text in self._origins or "*" in self._origins:
            return
        try:
            host = urlsplit(text).hostname
        except ValueError:
            host = None
        if host is None or not is_loopback(host):
            raise GatewayError(
                403,
                "origin_not_allowed",
                "Pages of other sites may not use a gateway that takes any key: set a master_key or the CORS origins",
            )


def _key_in(name: bytes, value: bytes) -> bytes:
    is_bearer = value[:7].lower() == b"bearer "
    if name == b"authorization" and not is_bearer:
        raise wrong_key()
    return value[7:].strip() if is_bearer else value.strip()


def _is_in(address: str, networks: tuple[object, ...]) -> bool:
    try:
        ip = ip_address(address)
        ip = getattr(ip, "ipv4_mapped", None) or ip  # a socket for both has 10.0.0.7 as ::ffff:10.0.0.7
    except ValueError:
        return False
    return any(ip in network for network in networks)  # type: ignore[operator]
