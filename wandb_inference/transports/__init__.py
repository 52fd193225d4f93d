"""Transports for `httpx.Client` and `httpx.AsyncClient`. Importing this loads httpx.

    import httpx

    from wandb_inference.transports import HTTPTransport

    http = httpx.Client(transport=HTTPTransport())

`HTTPTransport` and `AsyncHTTPTransport` are what carries the calls of `wandb_inference.Client` and `AsyncClient`, for
other clients to use; `AiohttpTransport` carries either's calls over aiohttp.
"""

from __future__ import annotations

from ._aiohttp import AiohttpTransport
from ._asynchronous import AsyncHTTPTransport
from ._blocking import HTTPTransport

__all__ = ["AiohttpTransport", "AsyncHTTPTransport", "HTTPTransport"]
