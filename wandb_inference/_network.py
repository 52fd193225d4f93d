"""How a client reaches its server: trust, proxies, protocol, sockets."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args
from urllib.parse import urlsplit

from ._checks import quoted, shown_url
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    import ssl

Parser = Literal["auto", "h11"]

_SWITCHES: Final = ("trust_env", "http2", "tcp_keepalive", "tcp_nodelay", "happy_eyeballs")
_VARIABLES: Final = (
    *(name for proxy in ("http", "https", "all", "no") for name in (f"{proxy}_proxy", f"{proxy}_proxy".upper())),
    "REQUEST_METHOD",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
_PROXIES: Final = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Network:
    """How a client reaches its server; names and meanings are httpx's where httpx has them.

    Plain data, compared by value. Where nothing says otherwise, requests go over connections of our own; through a
    proxy, with `http2` and with `uds` they go through httpx, under the same settings. `.meta.route` of an answer says
    which way it was. Files, packages and environment are looked at when a client is made with it, and the contents of
    files when a connection first needs them.

    Raises:
        ConfigurationError: A value that can't work, or two that can't work together.
    """

    verify: bool | str | os.PathLike[str] | ssl.SSLContext = True
    """Whose certificates to believe. `True`: authorities of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's. A path:
    those in this PEM file, or folder of hashed names. `"system"`: the operating system's, by way of the package
    `truststore`. `False`: any certificate at all. An `ssl.SSLContext` is used as it is and never changed, so that
    HTTP/2 is there only if its ALPN offers it. Holds for an `https://` proxy too."""
    cert: str | os.PathLike[str] | tuple[str, str] | tuple[str, str, str | None] | None = None
    """The client's certificate: a PEM file that holds the key as well, or (certificate, key), or (certificate, key,
    password)."""
    proxy: str | None = None
    """The proxy for all requests: `http://`, `https://`, `socks5://` or `socks5h://` (names are resolved there either
    way; needs `httpx[socks]`). The environment's are not looked at then, `NO_PROXY` included."""
    trust_env: bool = True
    """Whether to read `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`, once,
    when a client is made."""
    http2: bool = False
    """Whether to offer HTTP/2 to `https` servers. Needs `httpx[http2]`."""
    uds: str | os.PathLike[str] | None = None
    """The path of a Unix socket to connect to in place of the server's host. No proxy is used then."""
    keepalive_expiry: float | None = 20.0
    """Seconds an idle connection is kept, from 0 up; `None` for ever. Balancers give up after 30 to 60 and more."""
    tcp_keepalive: bool = True
    """Whether a silent peer is probed, every minute, so that neither a NAT forgets a long call nor we a dead peer."""
    tcp_nodelay: bool = True
    """Whether small packets leave at once (`TCP_NODELAY`)."""
    happy_eyeballs: bool = True
    """Whether `AsyncClient` tries a host's next address after 0.25 s, beside the first (RFC 8305). Through httpx it
    always does."""
    http_parser: Parser = "auto"
    """What reads HTTP/1.1 on connections of our own: `"auto"` takes the plain shape in a fast way and leaves the rest
    to h11, whose verdict it shares; `"h11"` leaves all to h11, at several times the cost."""

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            if not isinstance(value := getattr(self, name), bool):
                raise _wrong(name, value, "Give True or False.")
        self._set("verify", _verify(self.verify))
        self._set("cert", _cert(self.cert))
        self._set("proxy", _proxy(self.proxy))
        self._set("uds", None if self.uds is None else _path("uds", self.uds))
        expiry = cast("object", self.keepalive_expiry)
        if expiry is not None and (isinstance(expiry, bool) or not isinstance(expiry, (int, float)) or not expiry >= 0):
            raise _wrong("keepalive_expiry", expiry, "Give seconds, from 0 up, or None to keep connections for ever.")
        if self.http_parser not in get_args(Parser):
            raise _wrong("http_parser", self.http_parser, 'Give "auto" or "h11".')
        if self.uds is not None and self.proxy is not None:
            raise ConfigurationError("Network has both uds and proxy", hint="Give one of them.")
        if self.cert is not None and self.context is not None:
            raise ConfigurationError(
                "Network has both cert and an SSLContext", hint="Call load_cert_chain() of the context yourself."
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def context(self) -> ssl.SSLContext | None:
        """The caller's own TLS context, if `verify` is one."""
        return None if isinstance(self.verify, (bool, str)) else cast("ssl.SSLContext", self.verify)

    @property
    def certificate(self) -> tuple[str, str | None, str | None] | None:
        """Paths of the client's certificate and its key, and the key's password."""
        if self.cert is None:
            return None
        given = self.cert if isinstance(self.cert, tuple) else (self.cert,)
        return cast("tuple[str, str | None, str | None]", (*given, None, None)[:3])

    def __repr__(self) -> str:
        """What differs from the defaults, without passwords."""
        shown: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if field.name == "proxy":
                value = shown_url(value)
            elif field.name == "cert" and not isinstance(value, str) and len(value) > 2:
                value = (*value[:2], "***")
            shown.append(f"{field.name}={value!r}")
        return f"Network({', '.join(shown)})"

    def __reduce__(self) -> tuple[object, ...]:
        if self.context is not None:
            raise TypeError("an ssl.SSLContext can't be pickled: give verify= and cert= as paths")
        if (self.certificate or (None, None, None))[2] is not None:
            raise TypeError("a key's password is never pickled: keep the key without one, or make Network anew there")
        if self.proxy is not None and "@" in self.proxy:
            raise TypeError("a proxy's password is never pickled: set HTTPS_PROXY, or make Network anew there")
        return _restored, ({field.name: getattr(self, field.name) for field in fields(self)},)


def _restored(values: dict[str, Any]) -> Network:
    return Network(**values)


def checked(network: object, http_client: object) -> Network:
    """The client's network: what was given, else the defaults.

    Raises:
        ConfigurationError: It is none, or there is a client of the caller's own, which knows its network itself.
    """
    if network is None:
        return DEFAULT
    if not isinstance(network, Network):
        raise ConfigurationError(
            f"network is of type {type(network).__name__}", hint="Write network=Network(verify=..., proxy=...)."
        )
    if http_client is not None:
        raise ConfigurationError(
            "There are both network and http_client", hint="Give httpx the same settings when you make the http_client."
        )
    return network


def _verify(value: Any) -> object:
    if isinstance(value, bool):
        return value
    if not isinstance(value, (str, os.PathLike)):
        import ssl

        if isinstance(value, ssl.SSLContext):
            return value
        raise _wrong("verify", value, 'Give True, False, the path of a PEM file or folder, an SSLContext, or "system".')
    return _path("verify", value)


def _cert(value: Any) -> object:
    if value is None:
        return None
    if not isinstance(value, (tuple, list)):
        return _path("cert", value)
    given = cast("tuple[object, ...]", value)
    password = given[2] if len(given) == 3 else None
    if not 2 <= len(given) <= 3 or not (password is None or isinstance(password, str)):
        raise ConfigurationError(
            f"network.cert has {len(given)} parts",  # not shown: one may be a password
            hint="Give a path, (certificate, key), or (certificate, key, password), as text.",
        )
    return (_path("cert", given[0]), _path("cert", given[1]), *given[2:])


def _path(name: str, value: Any) -> str:
    """A path as text; whether there is something is looked at when a client is made."""
    text: object = None
    with contextlib.suppress(TypeError):
        text = cast("object", os.fspath(value))
    if not isinstance(text, str):
        raise ConfigurationError(f"network.{name} is of type {type(value).__name__}", hint="Give the path as text.")
    if "-----BEGIN" in text:  # not shown: it may be a key
        raise ConfigurationError(f"network.{name} is PEM text, not a path", hint="Write it to a file and name that.")
    if not text.strip() or "\0" in text:
        raise _wrong(name, text, "Give the path of a file.")
    return text


def _proxy(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"network.proxy is of type {type(value).__name__}", hint="Give the URL as text.")
    url = value.strip()
    shown = f"network.proxy is {quoted(shown_url(url))}"
    if "://" not in url:
        raise ConfigurationError(f"{shown}, without a scheme", hint='Write "http://host:port".')
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is the check
    except ValueError:
        raise ConfigurationError(f"{shown}, which can't be read", hint='Write "http://host:port".') from None
    if parts.scheme not in _PROXIES:
        raise ConfigurationError(f"{shown}, of an unknown scheme", hint=f"The schemes are {', '.join(_PROXIES)}.")
    if not parts.hostname or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{shown}, without a host's name", hint='Write "http://host:port".')
    return parts.scheme + url[len(parts.scheme) :]


def _wrong(name: str, value: object, hint: str) -> ConfigurationError:
    shown = quoted(value) if isinstance(value, str) else quoted(repr(value)).strip('"')
    return ConfigurationError(f"network.{name} is {shown}", hint=hint)


def environment() -> tuple[str | None, ...]:
    """What the environment says of the network, to tell whether it has changed."""
    return tuple(os.environ.get(name) for name in _VARIABLES)


DEFAULT: Final = Network()
