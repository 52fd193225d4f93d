"""Clients of httpx that we make ourselves. Loaded, and httpx with it, only where one is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from .._checks import shown_url
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from .dialing import Dialer

HTTP = TypeVar("HTTP", httpx.Client, httpx.AsyncClient)


def blocking(dialer: Dialer, proxy: str | None, limit: int) -> httpx.Client:
    """A client for this proxy, or for none.

    Raises:
        ConfigurationError: The proxy can't be used.
    """

    def tune(request: httpx.Request) -> None:
        def trace(event: str, info: Mapping[str, Any]) -> None:
            _tune(dialer, event, info)

        request.extensions["trace"] = trace

    return _made(httpx.Client, httpx.HTTPTransport, dialer, proxy, limit, tune)


def asynchronous(dialer: Dialer, proxy: str | None, limit: int) -> httpx.AsyncClient:
    """A client for this proxy, or for none.

    Raises:
        ConfigurationError: The proxy can't be used.
    """

    async def tune(request: httpx.Request) -> None:
        request.extensions["trace"] = _Dialling(dialer)

    return _made(httpx.AsyncClient, httpx.AsyncHTTPTransport, dialer, proxy, limit, tune)


class _Dialling:
    """Watches one connection come about, told by httpcore's extension `trace`.

    It closes that of a TLS handshake that is cancelled: httpcore 1.0 leaves it to the garbage collector.
    """

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._connection: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        _tune(self._dialer, event, info)
        if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete")):
            self._connection = info["return_value"]
        elif event.endswith(".start_tls.failed") and self._connection is not None:
            await self._connection.aclose()


def _tune(dialer: Dialer, event: str, info: Mapping[str, Any]) -> None:
    # httpx takes `socket_options`, but keeps them from SOCKS proxies, and TCP_NODELAY is on whatever they say.
    if event.endswith(".connect_tcp.complete"):
        dialer.tune(info["return_value"].get_extra_info("socket"))


def _made(client: type[HTTP], transport: Any, dialer: Dialer, proxy: str | None, limit: int, tune: Any) -> HTTP:
    network = dialer.network
    try:
        return client(
            transport=transport(
                verify=dialer.tls.lent(http2=network.http2),
                http2=network.http2,
                proxy=proxy and _proxy(proxy, dialer),
                uds=network.uds,
                limits=httpx.Limits(
                    max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=network.keepalive_expiry
                ),
                trust_env=False,
            ),
            event_hooks={"request": [tune]},
            trust_env=False,
            # Calls with different keys share a client: what a server remembers of one is nothing to the other.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
    except ImportError:
        raise _bad_proxy(proxy, 'SOCKS needs one more package: pip install "httpx[socks]".') from None
    except (httpx.InvalidURL, ValueError):
        where = "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY"
        raise _bad_proxy(proxy, f"Check {'network.proxy' if network.proxy else where}.") from None


def _proxy(url: str, dialer: Dialer) -> httpx.Proxy:
    # httpx resolves names at a SOCKS proxy, whichever of the two schemes it is; httpx 0.27 knows one of them.
    proxy = httpx.Proxy(re.sub("(?i)^socks5h:", "socks5:", url))
    if proxy.url.scheme == "https":
        proxy.ssl_context = dialer.tls.lent()
    return proxy


def _bad_proxy(proxy: str | None, hint: str) -> ConfigurationError:
    return ConfigurationError(f"The proxy {shown_url(proxy or '')!r} can't be used", hint=hint)
