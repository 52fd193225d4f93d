"""TLS contexts, made when first needed and shared by all who need the same."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from ..exceptions import ConfigurationError


@lru_cache(maxsize=32)
def _context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    if cert_file or cert_dir:
        context = ssl.create_default_context(cafile=cert_file, capath=cert_dir)
    else:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def shared_context() -> ssl.SSLContext:
    """The context for a server's certificate: CAs of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's.

    Raises:
        ConfigurationError: The file that the environment names can't be read.

    Reading the trust store takes 20 to 40 ms and 700 KB, so one context serves every client with the same CAs.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        return _context(file, folder)
    except OSError as error:
        name, value = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
        raise ConfigurationError(
            f"{name} names {value!r}, which can't be read as certificates ({error.strerror or error})",
            hint="Name a file of PEM certificates, or unset it.",
        ) from None
