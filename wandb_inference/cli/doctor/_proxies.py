"""Which proxy calls go through, and what is odd about the variables that say so."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

from ..._checks import quoted, shown_url
from ..._network import Network
from ..._transport.pool import Origin
from ..._transport.proxies import proxies_of_environment, proxy_for
from ...exceptions import ConfigurationError
from ._finding import Finding


class Passage(NamedTuple):
    """How the way to a server begins."""

    finding: Finding
    proxy: str | None = None
    """URL of the proxy; `None` for the direct way."""
    usable: bool = True
    """Whether anything can be sent that way at all."""


def origin_of(base_url: str) -> Origin:
    """Scheme, host and port of a base URL that was checked."""
    parts = urlsplit(base_url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def judge_proxies(base_url: str, environ: Mapping[str, str]) -> Passage:
    """The way that the environment sends calls to a base URL.

    Args:
        base_url: One that was checked.
        environ: This process's; the system's own settings are read where there are some.
    """
    origin, proxies = origin_of(base_url), proxies_of_environment()
    proxy, odd = proxy_for(origin, proxies), _oddities(environ)
    if proxy is None:
        has_one = bool(proxies.get(origin.scheme) or proxies.get("all"))
        what = f"none for {origin.host}, by NO_PROXY" if has_one else f"none for {origin.scheme}"
        return Passage(_with_oddities(what, odd))

    variable = _variable(origin.scheme, environ)
    try:
        Network(proxy=proxy)
    except ConfigurationError as error:
        detail = error.message.replace("network.proxy", variable)
        return Passage(Finding("proxies", "fail", detail, error.hint), usable=False)
    if proxy.startswith("socks") and find_spec("socksio") is None:
        detail = f"{variable} is {shown_url(proxy)}, and SOCKS needs one more package"
        return Passage(Finding("proxies", "fail", detail, 'Run: pip install "httpx[socks]"'), usable=False)
    return Passage(_with_oddities(f"{shown_url(proxy)}, from {variable}", odd), proxy)


def _with_oddities(what: str, odd: list[str]) -> Finding:
    if odd:
        return Finding("proxies", "warn", "; ".join([what, *odd]), "Unset or mend the variable.")
    return Finding("proxies", "ok", what)


def _variable(scheme: str, environ: Mapping[str, str]) -> str:
    """The variable that names the proxy."""
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if environ.get(name):
            return name
    return "the system's settings"


def _oddities(environ: Mapping[str, str]) -> list[str]:
    odd: list[str] = []
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        lower, upper = environ.get(name), environ.get(name.upper())
        if lower is not None and upper is not None and lower != upper:
            odd.append(f"{name} and {name.upper()} differ, and the first one counts")
    listed = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    entries = [entry for entry in re.split(r"[,\s]+", listed) if entry and not _is_sound(entry)]
    if entries:
        odd.append(f"NO_PROXY holds {', '.join(map(quoted, entries))}, which stands for nothing")
    return odd


def _is_sound(entry: str) -> bool:
    """Whether an entry of `NO_PROXY` is a host, a parent domain, an address, a network or `*`, with a port or not."""
    if entry == "*":
        return True
    if "/" in entry:
        try:
            ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
        return True
    if entry.count(":") > 1:
        host, _, port = entry.partition("]")
        try:
            ipaddress.ip_address(host.strip("["))
        except ValueError:
            return False
        return re.fullmatch(r"(:\d+)?", port) is not None
    return re.fullmatch(r"(\*?\.)?[\w-]+(\.[\w-]+)*\.?(:\d+)?", entry) is not None
