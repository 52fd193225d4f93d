"""Which way a request goes: over a connection of our own, or through httpx."""

from __future__ import annotations

import sys
from typing import Final

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
