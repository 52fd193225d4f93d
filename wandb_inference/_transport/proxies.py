"""Which proxy a request goes through, as environment or system say.

Read with our own eyes: httpx's function for it fails on an IPv6 network in `NO_PROXY` (encode/httpx#3221), which
container tools put there.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .pool import Origin

_HAS_SYSTEM_SETTINGS: Final = sys.platform in ("darwin", "win32")


def proxies_of_environment() -> Mapping[str, str]:
    """The proxies that the environment names, else the system: by `http`, `https` and `all`, and the list under `no`.

    As `urllib.request.getproxies` does, which takes 3 ms to import: lower case comes before upper case, also where it
    is empty, and a CGI script's `HTTP_PROXY` is a header that somebody sent (httpoxy.org).
    """
    found: dict[str, str] = {}
    for name in ("http", "https", "all", "no"):
        variable = f"{name}_proxy"
        value = os.environ.get(variable)
        if value is None and not (name == "http" and "REQUEST_METHOD" in os.environ):
            value = os.environ.get(variable.upper())
        if value:
            found[name] = value
    if not found and _HAS_SYSTEM_SETTINGS:
        from urllib.request import getproxies

        return getproxies()
    return found


def proxy_for(origin: Origin, proxies: Mapping[str, str]) -> str | None:
    """The proxy for an origin; `None` for a direct connection."""
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    if not proxy or _is_direct(origin.host, origin.port, proxies.get("no", "")):
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
