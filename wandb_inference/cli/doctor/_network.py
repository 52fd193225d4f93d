"""Whether the server can be reached: what the steps of the way mean."""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Final

from ..._checks import quoted, shown_url
from ..._transport.clocks import ClockError
from ..._transport.pool import Origin
from ._certificate import Certificate
from ._finding import Finding
from ._way import Answer, ProxyRefusal

SKEW: Final = 60.0
"""Seconds that two clocks may differ: beyond that, tokens and fresh certificates may not hold yet, or no longer."""

# Of OpenSSL's x509_vfy.h.
_DATES: Final = (9, 10)
_NAMES: Final = (62, 64)


def is_address(host: str) -> bool:
    """Whether a host needs no look-up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def judge_names(host: str, found: list[str] | OSError, is_proxy: bool) -> Finding:
    """What the look-up of a name says."""
    if isinstance(found, list):
        return Finding("DNS", "ok", f"{host} is {', '.join(found[:3])}{' and more' if len(found) > 3 else ''}")
    whose = "the proxy's variable" if is_proxy else "the base URL"
    if isinstance(found, TimeoutError):
        detail, fix = f"no answer about {host} in time", "Check the network and its name server."
    else:
        detail = f"{host} can't be resolved ({found.strerror or found})"
        fix = f"Check the spelling in {whose}, and the network: is there a VPN or a proxy that it needs?"
    return Finding("DNS", "fail", detail, fix)


def judge_connection(hop: Origin, reached: str | OSError | ClockError, is_proxy: bool) -> Finding:
    """What the attempt to connect says."""
    what = f"{'the proxy ' if is_proxy else ''}{hop.host}:{hop.port}"
    if isinstance(reached, str):
        where = "" if reached == hop.host else f" at {reached}"
        return Finding("connection", "ok", f"{what} takes connections{where}")
    if isinstance(reached, ConnectionRefusedError):
        fix = "Check the port in the proxy's variable." if is_proxy else "Check the port in the base URL."
        return Finding("connection", "fail", f"nothing listens at {what}", fix)
    if isinstance(reached, (TimeoutError, ClockError)):
        fix = "A firewall may drop the packets: does this network need a proxy (HTTPS_PROXY)?"
        return Finding("connection", "fail", f"{what} did not answer in time", fix)
    return Finding("connection", "fail", f"{what}: {reached.strerror or reached}", "Check the network.")


def judge_tunnel(proxy: str, origin: Origin, failure: Exception | None) -> Finding:
    """What the proxy says to a connection through it."""
    shown, target = shown_url(proxy), f"{origin.host}:{origin.port}"
    if failure is None:
        return Finding("tunnel", "ok", f"the proxy leads to {target}")
    if not isinstance(failure, ProxyRefusal):
        fix = "Is it an HTTP proxy? Check the scheme in the variable."
        return Finding("tunnel", "fail", f"{shown} gave no answer to CONNECT", fix)
    if failure.status == 407:
        fix = "Put them into the variable: http://user:password@host:port, escaped as in URLs."
        return Finding("tunnel", "fail", f"{shown} wants a user name and password (407)", fix)
    said = f"answers {failure.status}" if failure.status else "does not speak HTTP"
    fix = f"Have {target} allowed there, or name the host in NO_PROXY to go around it."
    return Finding("tunnel", "fail", f"{shown} does not lead to {target}: it {said}", fix)


def store() -> str:
    """Whose certificates are believed: by the environment, as a client does by default."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(name):
            return f"{name} {quoted(path)}"
    from importlib.metadata import version

    return f"certifi {version('certifi')}"


def judge_tls(certificate: Certificate | None, version: str, is_public: bool) -> Finding:
    """What a handshake that went well says.

    Args:
        certificate: The server's, which holds.
        version: Of the protocol.
        is_public: Whether certifi's authorities would believe it as well.
    """
    issuer, until = ("", "") if certificate is None else (certificate.issuer, f"{certificate.ends:%Y-%m-%d}")
    what = f"{version}, certificate by {issuer} until {until}, judged by {store()}"
    if is_public:
        return Finding("TLS", "ok", what)
    detail = f"{what}; no public authority signed it, so something between reads what is sent"
    return Finding("TLS", "warn", detail, f"Right if {issuer} is your company's; else find out who that is.")


def judge_handshake(failure: Exception, certificate: Certificate | None, host: str, now: datetime) -> Finding:
    """What a handshake that failed says.

    Args:
        failure: What ended it.
        certificate: The server's, if it can be looked at without verifying it.
        host: The name that it should be for.
        now: This machine's time.
    """
    if isinstance(failure, ssl.SSLCertVerificationError):
        return _judge_certificate(failure, certificate, host, now)
    if isinstance(failure, (TimeoutError, ClockError)):
        return Finding(
            "TLS", "fail", f"{host} stopped answering in the handshake", "Check what is between: a firewall?"
        )
    if isinstance(failure, ssl.SSLError) and failure.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return Finding("TLS", "fail", f"{host} does not speak TLS at this port", "Is the base URL's scheme http?")
    said = getattr(failure, "reason", None) or getattr(failure, "strerror", None) or type(failure).__name__
    detail = f"{host} and this machine could not agree: {said}"
    return Finding("TLS", "fail", detail, "Check what is between: a firewall or an inspecting proxy?")


def _judge_certificate(
    failure: ssl.SSLCertVerificationError, certificate: Certificate | None, host: str, now: datetime
) -> Finding:
    said = f"the certificate of {host} does not hold: {failure.verify_message.rstrip('.')}"
    if certificate is None:
        return Finding("TLS", "fail", said, "Name the authority's certificate: export SSL_CERT_FILE=/path/to/ca.pem")
    if failure.verify_code in _DATES:
        dates = f"{certificate.begins:%Y-%m-%d} to {certificate.ends:%Y-%m-%d}, and this machine has {now:%Y-%m-%d}"
        return Finding(
            "TLS", "fail", f"{said} ({dates})", "Set this machine's clock; if it is right, the server's fault."
        )
    if failure.verify_code in _NAMES:
        fix = "Check the host in the base URL; a network's log-in page answers so, too."
        return Finding("TLS", "fail", f"{said} (it is {certificate.subject}'s)", fix)
    signer = "itself" if certificate.is_self_signed else certificate.issuer
    fix = (
        f"If you trust {certificate.issuer}, as a company's inspecting proxy or a server of your own: "
        "export SSL_CERT_FILE=/path/to/its/ca.pem. If you don't know it, somebody may be listening."
    )
    return Finding("TLS", "fail", f"{said}; {certificate.subject} is signed by {signer}, unknown to {store()}", fix)


def judge_clock(answer: Answer | Exception, is_service: bool) -> Finding:
    """How this machine's clock stands to the server's.

    Args:
        answer: With or without a `Date`.
        is_service: Whether the server is W&B's, whose clock is right.
    """
    if isinstance(answer, Exception):
        return Finding("clock", "skipped", "the server did not answer a question without a key")
    try:
        there = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return Finding("clock", "skipped", "the server sends no Date header")
    if there.tzinfo is None:
        there = there.replace(tzinfo=timezone.utc)
    skew = answer.at - there.timestamp()
    if abs(skew) <= SKEW:
        return Finding("clock", "ok", "right to a second" if abs(skew) < 2 else f"{abs(skew):.0f} s from the server's")
    detail = f"this machine is {_duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the server"
    fix = "Turn on the system's time synchronisation (`timedatectl set-ntp true`)."
    return Finding("clock", "fail" if is_service else "warn", detail, fix)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
