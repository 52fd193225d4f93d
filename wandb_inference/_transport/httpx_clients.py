"""Clients of httpx that we make ourselves. Loaded, and httpx with it, only where one is needed."""

from __future__ import annotations

import socket
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx

from .._checks import shown_url
from ..exceptions import ConfigurationError
from .connection import PROBES
from .pool import KEEPALIVE
from .tls import shared_context

HTTP = TypeVar("HTTP", httpx.Client, httpx.AsyncClient)

_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in PROBES if hasattr(socket, name)),
]


def blocking(proxy: str | None, limit: int) -> httpx.Client:
    """A client for this proxy, or for none.

    Raises:
        ConfigurationError: The proxy can't be used.
    """
    return _made(httpx.Client, httpx.HTTPTransport, proxy, limit)


def asynchronous(proxy: str | None, limit: int) -> httpx.AsyncClient:
    """A client for this proxy, or for none.

    Raises:
        ConfigurationError: The proxy can't be used.
    """
    return _made(httpx.AsyncClient, httpx.AsyncHTTPTransport, proxy, limit)


def _made(client: type[HTTP], transport: Any, proxy: str | None, limit: int) -> HTTP:
    limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=KEEPALIVE)
    try:
        return client(
            transport=transport(
                verify=shared_context(), proxy=proxy, limits=limits, socket_options=_OPTIONS, trust_env=False
            ),
            trust_env=False,
            # Calls with different keys share a client: what a server remembers of one is nothing to the other.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
    except ImportError:
        raise _bad_proxy(proxy, 'SOCKS needs one more package: pip install "httpx[socks]".') from None
    except (httpx.InvalidURL, ValueError):
        raise _bad_proxy(proxy, "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY.") from None


def _bad_proxy(proxy: str | None, hint: str) -> ConfigurationError:
    return ConfigurationError(f"The proxy {shown_url(proxy or '')!r} of the environment can't be used", hint=hint)
