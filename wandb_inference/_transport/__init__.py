"""The only package that sleeps, opens a socket, or imports httpx: it waits for what `_core` decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .blocking import Body, Transport

if TYPE_CHECKING:
    from .asynchronous import AsyncBody as AsyncBody
    from .asynchronous import AsyncTransport as AsyncTransport

__all__ = ["AsyncBody", "AsyncTransport", "Body", "Transport"]


def __getattr__(name: str) -> object:
    # Asyncio takes longer to load than all of this package: it comes with the first async client.
    if name in ("AsyncBody", "AsyncTransport"):
        from . import asynchronous

        return globals().setdefault(name, getattr(asynchronous, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
