"""The only package that sleeps, opens a socket, or imports httpx: it waits for what `_core` decides."""

from __future__ import annotations

from .asynchronous import AsyncBody, AsyncTransport
from .blocking import Body, Transport

__all__ = ["AsyncBody", "AsyncTransport", "Body", "Transport"]
