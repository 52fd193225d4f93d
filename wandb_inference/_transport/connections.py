"""How connections are made: whom they trust, through which proxy they go, how many there are."""

from __future__ import annotations

import ipaddress
import os
import ssl
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar
from urllib.request import getproxies

import httpx

from .._checks import shown_url
from .._core.wire import origin
from ..exceptions import ConfigurationError

HTTP = TypeVar("HTTP", httpx.Client, httpx.AsyncClient)

LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=20.0)
"""Connections of a pool. They are given up after 20 seconds of idleness, before common balancers do so."""


def open_pool(kind: type[HTTP], url: str) -> HTTP:
    """A pool for connections to this URL's origin, which opens none yet.

    Raises:
        ConfigurationError: The environment names a proxy that can't be used.
    """
    proxy = proxy_for(url)
    try:
        return kind(
            verify=_tls_context(url),
            limits=LIMITS,
            # Found here and not by httpx, which takes no pool with an IPv6 address in NO_PROXY (encode/httpx#3221).
            proxy=proxy,
            trust_env=False,
            # Calls with different keys share a pool: what a server remembers of one is nothing to the other.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
    except ImportError:
        raise _bad_proxy(proxy, 'SOCKS needs one more package: pip install "httpx[socks]".') from None
    except (httpx.InvalidURL, ValueError):
        raise _bad_proxy(proxy, "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY.") from None


def _bad_proxy(proxy: str | None, hint: str) -> ConfigurationError:
    return ConfigurationError(f"The proxy {shown_url(proxy or '')!r} of the environment can't be used", hint=hint)


@lru_cache(maxsize=8)
def _context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _tls_context(url: str) -> ssl.SSLContext:
    """A context for this URL. Reading the trust store takes 20 ms, so clients share it, and plain HTTP does without."""
    if origin(url)[0] == "https":
        return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    # Trusts nobody: a pool never leaves its origin.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def proxy_for(url: str) -> str | None:
    """The proxy that environment or system name for a URL; `None` for a direct connection."""
    scheme, host, port = origin(url)
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or _is_direct(host, port, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_direct(host: str, port: int, no_proxy: str) -> bool:
    """Whether a list such as `NO_PROXY` holds a host: as a name, a parent domain, an address, a network, or `*`.

    No standard says what such a list may hold; this is what curl, requests and Go's library take between them. An entry
    that is none of it stands for nothing.
    """
    for entry in no_proxy.replace(",", " ").lower().split():
        name, colon, number = entry.rpartition(":")
        if not colon or not number.isdecimal() or (":" in name and not name.endswith("]")):
            name = entry  # no port: that of an IPv6 address would stand behind a bracket
        elif int(number) != port:
            continue
        name = name.strip("[]").removeprefix("*").removeprefix(".")
        if entry == "*" or (name and (host == name or host.endswith(f".{name}"))) or _is_within(host, name):
            return True
    return False


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:  # one of them is a name
        return False
