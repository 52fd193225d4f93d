"""A cassette in the way of every client of httpx."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .._config import resolve
from ._cassette import ENDPOINT, Cassette

_PASSED: Final = "wandb_inference_passed"
"""What marks a request that the cassette itself sends."""

_HOW: Final = "To record it, run pytest --wandb-record=auto with a key and a project; with =record all of it anew."


class RoutedCassette(Cassette):
    """A cassette that requests pass on their way through httpx's own transports.

    Args:
        path: The file.
        **options: Of `Cassette`.
    """

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options, _how=_HOW)
        config = None if self.mode == "replay" else resolve()
        self._hosts = {urlsplit(url).hostname for url in (self._recorded_base_url(), config and config.base_url) if url}
        self._environment = {
            variable: value
            for variable, value in zip(
                ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_API_BASE"),
                map(self._completed({}).get, ("api_key", "project", "base_url")),
                strict=True,
            )
            if value is not None
        }

    def environment(self) -> dict[str, str]:
        """Variables by which unchanged code finds what it needs: stand-ins where there is nothing else to find."""
        return self._environment

    def carry(self, request: httpx.Request, send: Callable[[httpx.Request], httpx.Response]) -> httpx.Response:
        """The answer to a request of any client: of this cassette if it asks a model, else of whom it asks."""
        return self._exchange(request, send) if self._concerns(request) else send(request)

    async def carry_async(
        self, request: httpx.Request, send: Callable[[httpx.Request], Awaitable[httpx.Response]]
    ) -> httpx.Response:
        """The answer to a request of any client: of this cassette if it asks a model, else of whom it asks."""
        return await (self._async_exchange(request, send) if self._concerns(request) else send(request))

    def _concerns(self, request: httpx.Request) -> bool:
        is_inference = request.url.host in self._hosts or ENDPOINT.search(request.url.path) is not None
        return is_inference and _PASSED not in request.extensions

    def _send(self, request: httpx.Request) -> httpx.Response:
        request.extensions[_PASSED] = True
        return super()._send(request)

    async def _async_send(self, request: httpx.Request) -> httpx.Response:
        request.extensions[_PASSED] = True
        return await super()._async_send(request)
