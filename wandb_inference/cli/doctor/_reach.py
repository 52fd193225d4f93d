"""Walks the way to the server, one finding a step."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..._network import Network
from ..._transport.clocks import ClockError
from ..._transport.tls import TLS
from ...exceptions import ConfigurationError
from . import _way
from ._certificate import read_certificate
from ._finding import Finding
from ._network import (
    is_address,
    judge_clock,
    judge_connection,
    judge_handshake,
    judge_names,
    judge_tls,
    judge_tunnel,
    store,
)
from ._proxies import origin_of
from ._settings import is_service

if TYPE_CHECKING:
    from ._patience import Patience

_FAILURES = (OSError, ClockError)


class Walk:
    """The way to a server: iterate to walk it. `.arrived` says afterwards whether requests would get through.

    Args:
        base_url: Where it leads; one that was checked.
        proxy: URL of the proxy it goes through; `None` for the direct way.
        patience: How long it may take.
    """

    def __init__(self, base_url: str, proxy: str | None, patience: Patience) -> None:
        self.arrived = False
        self._base_url, self._proxy, self._patience = base_url, proxy, patience
        self._origin = origin_of(base_url)
        self._hop = self._origin if proxy is None else origin_of(proxy)
        self._addresses: list[str] = []

    def __iter__(self) -> Iterator[Finding]:
        yield from self._names()
        if not self._addresses:
            yield from _skipped("there is no address to connect to", "connection", "TLS", "clock")
            return
        try:
            connection, reached = _way.connect(self._addresses, self._hop.port, self._limit(_way.CONNECT))
        except _FAILURES as error:
            yield judge_connection(self._hop, error, self._proxy is not None)
            yield from _skipped("there is no connection", "TLS", "clock")
            return
        yield judge_connection(self._hop, reached, self._proxy is not None)
        if self._proxy is not None and not self._proxy.lower().startswith("http://"):
            _way.let_go(connection)
            self.arrived = True
            scheme = self._proxy.partition(":")[0].lower()
            yield from _skipped(f"behind a proxy of {scheme}, where only the model list looks", "TLS", "clock")
            return
        try:
            yield from self._beyond(connection)
        finally:
            _way.let_go(connection)

    def _names(self) -> Iterator[Finding]:
        host = self._hop.host
        if is_address(host):
            self._addresses = [host]
            yield Finding("DNS", "skipped", f"{host} is an address")
            return
        found: list[str] | OSError
        try:
            found = self._addresses = _way.look_up(host, self._hop.port, self._patience.seconds(_way.NAMES))
        except OSError as error:
            found = error
        yield judge_names(host, found, self._proxy is not None)

    def _beyond(self, connection: Any) -> Iterator[Finding]:
        """What lies behind the first connection."""
        if self._origin.scheme == "http":
            self.arrived = True
            yield Finding("TLS", "skipped", "the base URL is http")
            yield self._clock(connection)
            return
        if self._proxy is not None:
            failure = self._tunnel(connection)
            yield judge_tunnel(self._proxy, self._origin, failure)
            if failure is not None:
                yield from _skipped("the proxy does not lead there", "TLS", "clock")
                return
        try:
            context = TLS(Network()).context()
        except ConfigurationError as error:
            yield Finding("TLS", "fail", error.message, error.hint)
            yield from _skipped("without certificates to judge by, none is looked at", "clock")
            return
        try:
            secure = _way.shake_hands(connection, context, self._origin.host, self._limit(_way.HANDSHAKE))
        except _FAILURES as error:
            yield from self._refused(error)
            return
        self.arrived = True
        certificate = read_certificate(secure.tls.getpeercert(binary_form=True) or b"")
        yield judge_tls(certificate, secure.tls.version() or "TLS", self._is_public())
        yield self._clock(secure)

    def _refused(self, failure: Exception) -> Iterator[Finding]:
        """A handshake that failed, and the clock all the same: it may be the reason."""
        again, certificate = None, None
        if isinstance(failure, ssl.SSLCertVerificationError):
            with suppress(*_FAILURES):
                again = self._again(_way.unverified())
                certificate = read_certificate(again.tls.getpeercert(binary_form=True) or b"")
        yield judge_handshake(failure, certificate, self._origin.host, datetime.now(timezone.utc))
        if again is None:
            yield from _skipped("there is no connection", "clock")
            return
        yield self._clock(again)
        _way.let_go(again)

    def _is_public(self) -> bool:
        """Whether certifi's authorities believe the server: asked only where it is W&B's, and not they were asked."""
        if not is_service(self._base_url) or store().startswith("certifi"):
            return True
        try:
            _way.let_go(self._again(TLS(Network(trust_env=False)).context()))
        except ssl.SSLCertVerificationError:
            return False
        except _FAILURES:
            pass
        return True

    def _again(self, context: ssl.SSLContext) -> Any:
        """TLS over a connection of its own."""
        connection, _ = _way.connect(self._addresses, self._hop.port, self._limit(_way.CONNECT))
        try:
            if failure := self._tunnel(connection):
                raise OSError(str(failure))
            return _way.shake_hands(connection, context, self._origin.host, self._limit(_way.HANDSHAKE))
        except _FAILURES:
            _way.let_go(connection)
            raise

    def _tunnel(self, connection: Any) -> Exception | None:
        if self._proxy is None:
            return None
        try:
            _way.pass_proxy(connection, self._proxy, self._origin, self._limit(_way.HANDSHAKE))
        except (_way.ProxyRefusal, *_FAILURES) as error:
            return error
        return None

    def _clock(self, connection: Any) -> Finding:
        through_proxy = self._proxy is not None and self._origin.scheme == "http"
        try:
            answer = _way.ask_head(connection, self._base_url, through_proxy, self._limit(_way.HANDSHAKE))
        except _FAILURES as error:
            return judge_clock(error, is_service(self._base_url))
        return judge_clock(answer, is_service(self._base_url))

    def _limit(self, seconds: float) -> Any:
        return self._patience.limit(seconds)


def _skipped(why: str, *checks: str) -> Iterator[Finding]:
    return (Finding(check, "skipped", why) for check in checks)
