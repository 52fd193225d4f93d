"""TLS contexts, made when first needed and shared by all who need the same."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from .._checks import quoted
from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from .._network import Network


class _Terms(NamedTuple):
    """All that shapes a context: those with equal terms share one."""

    verify: bool
    is_system: bool
    file: str | None
    folder: str | None
    certificate: tuple[str, str | None, str | None] | None
    http2: bool
    versions: tuple[int, ...]
    """When the files were written last: a certificate that was renewed is another one."""


class TLS:
    """What one client believes of servers, and shows of itself. The environment is read when it is made, files later.

    Args:
        network: The client's.

    Raises:
        ConfigurationError: `truststore` is asked for and not installed, or a file is not there.
    """

    def __init__(self, network: Network) -> None:
        self.given = network.context
        self._made: dict[bool, ssl.SSLContext] = {}
        self._source = "network.verify"
        self._verify = network.verify is not False
        self._is_system = network.verify == "system"
        self._file: str | None = None
        self._folder: str | None = None
        self._certificate = network.certificate and _absolute(*network.certificate)
        if self._is_system and find_spec("truststore") is None:
            raise ConfigurationError(
                'network.verify is "system", and the package truststore is not installed',
                hint="Run: pip install truststore",
            )
        if isinstance(network.verify, str) and not self._is_system:
            path = _existing("verify", network.verify)
            self._file, self._folder = (None, path) if os.path.isdir(path) else (path, None)
        elif network.verify is True and network.trust_env:
            self._file, self._folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
            self._source = "SSL_CERT_FILE" if self._file else "SSL_CERT_DIR"

    def context(self, *, http2: bool = False) -> ssl.SSLContext:
        """The context for a connection.

        Args:
            http2: Whether to offer HTTP/2 as well. Those who do and those who don't never share a context.

        Raises:
            ConfigurationError: A file can't be used.

        Reading the trust store takes 20 to 40 ms and 700 KB, so one context serves every client with equal settings.
        """
        if self.given is not None:
            return self.given
        if http2 not in self._made:
            self._made[http2] = self._make(http2)
        return self._made[http2]

    def lent(self, *, http2: bool = False) -> ssl.SSLContext:
        """The same for httpx, which can't change it."""
        return _Lent(lambda: self.context(http2=http2))

    def _make(self, http2: bool) -> ssl.SSLContext:
        paths = (self._file, *(self._certificate or ())[:2])
        terms = _Terms(
            verify=self._verify,
            is_system=self._is_system,
            file=self._file,
            folder=self._folder,
            certificate=self._certificate,
            http2=http2,
            versions=tuple(_version(path) for path in paths if path),
        )
        try:
            if self._folder and self._source == "network.verify":
                _check_folder(self._folder)
            return _context(terms)
        except OSError as error:
            raise ConfigurationError(
                f"{self._source} names {self._file or self._folder!r}, which can't be read as certificates "
                f"({error.strerror or error})",
                hint="Name a file of PEM certificates, or unset it.",
            ) from None


@lru_cache(maxsize=32)
def _context(terms: _Terms) -> ssl.SSLContext:
    context = _believing(terms)
    if terms.certificate is not None:
        _show(context, *terms.certificate)
    context.set_alpn_protocols(["h2", "http/1.1"] if terms.http2 else ["http/1.1"])
    return context


def _believing(terms: _Terms) -> ssl.SSLContext:
    if not terms.verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if terms.is_system:
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if terms.file or terms.folder:
        return ssl.create_default_context(cafile=terms.file, capath=terms.folder)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _show(context: ssl.SSLContext, certificate: str, key: str | None, password: str | None) -> None:
    try:
        # Without a password OpenSSL would ask for one on the terminal, and wait.
        context.load_cert_chain(certificate, key, password or "")
    except OSError as error:
        raise ConfigurationError(
            f"network.cert names {certificate!r}{f' and {key!r}' if key else ''}, which can't be used "
            f"({getattr(error, 'reason', None) or error.strerror or error})",
            hint="Name PEM files of a certificate and of its own key, and the key's password if it has one.",
        ) from None


def _version(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:  # whoever reads it says so
        return 0


def _existing(name: str, path: str) -> str:
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise ConfigurationError(f"network.{name} names {quoted(path)}, which is not there", hint="Check the path.")
    return path


def _absolute(certificate: str, key: str | None, password: str | None) -> tuple[str, str | None, str | None]:
    return _existing("cert", certificate), key and _existing("cert", key), password


def _check_folder(folder: str) -> None:
    # OpenSSL looks for names made of a hash and passes over all others: every certificate would be refused.
    if not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", name) for name in os.listdir(folder)):
        raise ConfigurationError(
            f"network.verify names the folder {quoted(folder)}, which has no certificate under a hashed name",
            hint=f"Run: openssl rehash {folder}",
        )


class _Lent(ssl.SSLContext):
    """A context that is made at the first handshake, and stays as it is: httpcore sets ALPN on what it is given."""

    def __new__(cls, make: Callable[[], ssl.SSLContext]) -> _Lent:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make

    def set_alpn_protocols(self, alpn_protocols: object) -> None:
        """Changes nothing."""

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """A connection's TLS, by the context that was lent."""
        return self._make().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The same for bytes in memory."""
        return self._make().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
