"""Which proxy a request goes through, as environment or system say.

Read with our own eyes: httpx's function for it fails on an IPv6 network in `NO_PROXY` (encode/httpx#3221), which
container tools put there.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.request import getproxies

if TYPE_CHECKING:
    from .pool import Origin


def proxy_for(origin: Origin) -> str | None:
    """The proxy that environment or system name for an origin; `None` for a direct connection."""
    proxies = getproxies()
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
