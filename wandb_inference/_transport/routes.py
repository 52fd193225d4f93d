"""Which way a request goes: over a connection of our own, or through httpx."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from ..exceptions import ConfigurationError
from .proxies import proxies_of_environment, proxy_for

if TYPE_CHECKING:
    from .._network import Network
    from .pool import Origin


class Way(NamedTuple):
    """How requests reach an origin."""

    direct: bool
    """Whether over a connection of our own."""
    proxy: str | None


class Routes:
    """The ways of one client, by origin. The environment is read when it is made, and not later.

    Args:
        network: The client's.

    Raises:
        ConfigurationError: A package that a setting needs is not installed.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._environment: Mapping[str, str] = {}
        self._ways: dict[Origin, Way] = {}
        if network.http2:
            _require("network.http2 is True", "h2", "http2")
        if network.proxy is not None and network.proxy.startswith("socks"):
            _require("network.proxy is a SOCKS proxy", "socksio", "socks")
        if network.trust_env and network.proxy is None and network.uds is None:
            self._environment = proxies_of_environment()

    def to(self, origin: Origin) -> Way:
        """The way to an origin."""
        way = self._ways.get(origin)
        if way is None:
            network = self._network
            proxy = network.proxy or proxy_for(origin, self._environment)
            is_direct = proxy is None and network.uds is None and not network.http2
            way = self._ways[origin] = Way(is_direct, proxy)
        return way


def _require(setting: str, package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise ConfigurationError(
            f"{setting}, and the package {package} is not installed", hint=f'Run: pip install "httpx[{extra}]"'
        )


# What mocks replace, each with the file its original comes from. respx patches httpcore's pools, or httpx's clients
# with `using="httpx"`; pytest-httpx and vcrpy patch httpx's transports, and vcrpy before 8 its clients.
_PATCHED: Final = (
    ("httpx", "HTTPTransport", "handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("httpx", "Client", "_transport_for_url"),
    ("httpx", "AsyncClient", "_transport_for_url"),
    ("httpx", "Client", "_send_single_request"),
    ("httpx", "AsyncClient", "_send_single_request"),
    ("httpcore", "ConnectionPool", "handle_request"),
    ("httpcore", "AsyncConnectionPool", "handle_async_request"),
)


_verified: dict[str, object] = {}
"""Originals that were recognised, so that the next look is a comparison."""


def is_mocked() -> bool:
    """Whether somebody stands in httpx's place, who would not see what goes around it.

    An original is told by the module and the file of its code: a reference kept from import could be the mock itself.
    """
    return any(_is_foreign(module, cls, name) for module, cls, name in _PATCHED if module in sys.modules)


def _is_foreign(module: str, cls: str, name: str) -> bool:
    owner: object = getattr(sys.modules[module], cls)
    function: object = vars(owner).get(name)
    key = f"{module}.{cls}.{name}"
    if _verified.get(key) is function:
        return False
    code = getattr(function, "__code__", None)
    # Not the name it is known by: httpx2 can stand in for httpx (`httpx2.alias_httpx()`), and is no mock.
    package = sys.modules[module].__name__
    home = str(getattr(function, "__module__", "")).partition(".")[0]
    if code is None or home != package or f"/{package}/" not in code.co_filename.replace("\\", "/"):
        return True
    _verified[key] = function
    return False
