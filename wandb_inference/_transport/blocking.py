"""The blocking half: drives flows over `httpx.Client`, and reads bodies."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

import httpx

from .._config import ApiKey, check_key
from .._core.errors import MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request, origin
from .connections import open_pool, proxy_for
from .outcomes import ERRORS, Clocks, closed, failure, log_outcome, log_wait, reply, timeout_for

if TYPE_CHECKING:
    from .._core.flow import Flow


class Transport:
    """Sends requests over connections that are kept open. Made at no cost: the pool comes with the first request.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
    """

    def __init__(self, http_client: httpx.Client | None = None) -> None:
        self._given = http_client
        # One pool for each process and origin: after a fork the connections belong to the parent. No lock: a fork
        # copies one that another thread holds, and nobody would ever open it.
        self._pools: dict[tuple[int, tuple[str, str, int]], httpx.Client] = {}
        self._closed = False

    @property
    def is_own(self) -> bool:
        """Whether the pool is ours, not the caller's."""
        return self._given is None

    def run(self, flow: Flow, key: ApiKey | None, clocks: Clocks) -> Reply:
        """The reply that the flow returns. Raises what it raises."""
        attempt = next(flow)
        while True:
            if attempt.wait:
                log_wait(attempt.wait)
                time.sleep(attempt.wait)
            outcome = self._send(attempt.request, key, clocks)
            log_outcome(outcome, attempt.request)
            try:
                attempt = flow.send(outcome)
            except StopIteration as finished:
                return cast("Reply", finished.value)

    def _send(self, request: Request, key: ApiKey | None, clocks: Clocks) -> Outcome:
        http = self._client(request.url)
        headers = {**request.headers, **_authorization(key)}
        began = time.monotonic()
        if clocks.left == 0.0:
            return failure(None, request, began, clocks, clock="deadline")._replace(sent="not_sent")
        try:
            try:
                response = http.send(
                    http.build_request(
                        request.method,
                        request.url,
                        headers=headers,
                        content=request.body,
                        timeout=timeout_for(request, clocks),
                    ),
                    stream=True,
                    follow_redirects=False,
                )
            except httpx.HTTPStatusError as error:  # of a hook of the caller's that calls raise_for_status()
                response = error.response
            answered = time.monotonic()
            if request.stream and response.status_code < 300:
                return reply(response, b"", began, answered, clocks)
            body = self._read(response, clocks)
        except ERRORS as error:
            return failure(error, request, began, clocks, proxy=proxy_for(request.url) if self.is_own else None)
        except RuntimeError:  # httpx's for a closed client
            if not http.is_closed:
                raise
            raise closed(self.is_own) from None
        if body is None:
            return failure(None, request, began, clocks, clock="deadline")
        return reply(response, body, began, answered, clocks)

    @staticmethod
    def _read(response: httpx.Response, clocks: Clocks) -> bytes | None:
        """The whole body, an error's up to a bound and as far as it comes; `None` where the deadline came first."""
        pieces: list[bytes] = []
        size = 0
        try:
            for piece in response.iter_bytes():
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ERROR_BODY and response.status_code >= 300:
                    break
                if clocks.left == 0.0:
                    return None
        except ERRORS:
            if response.status_code < 300:
                raise
        finally:
            response.close()
        return b"".join(pieces)

    def _client(self, url: str) -> httpx.Client:
        if self._closed:
            raise closed(is_own=True)
        if self._given is not None:
            return self._given
        place = os.getpid(), origin(url)
        pool = self._pools.get(place)
        if pool is None:
            if not self._pools:
                weakref.finalize(self, _close, self._pools)
            # Where two threads come here at once, the one pool is dropped before it opens a connection.
            pool = self._pools.setdefault(place, open_pool(httpx.Client, url))
        return pool

    def close(self) -> None:
        """Closes the connections; a client of the caller's own stays open."""
        self._closed = True
        _close(self._pools)


def _close(pools: Mapping[tuple[int, tuple[str, str, int]], httpx.Client]) -> None:
    for (process, _), pool in list(pools.items()):
        if process == os.getpid():
            pool.close()


class Body:
    """The bytes of an open reply, as they come.

    Args:
        reply: The reply.
        request: What it answers.
        clocks: The call's.
    """

    def __init__(self, reply: Reply, request: Request, clocks: Clocks) -> None:
        self._response = cast("httpx.Response", reply.raw)
        self._pieces: Iterator[bytes] = self._response.iter_bytes()
        self._request = request
        self._clocks = clocks
        self._began = self._data_came = time.monotonic()

    def read(self, had_data: bool) -> bytes | Failure:
        """The next bytes; `b""` at the end.

        Args:
            had_data: Whether the last bytes held a data event. If not, they did not feed the stall clock.
        """
        stall = self._request.timeouts.stall
        if had_data:
            self._data_came = time.monotonic()
        elif stall is not None and time.monotonic() - self._data_came >= stall:
            return failure(None, self._request, self._began, self._clocks, clock="stall")
        if self._clocks.left == 0.0:
            return failure(None, self._request, self._began, self._clocks, clock="deadline")
        try:
            return next(self._pieces, b"")
        except ERRORS as error:
            return failure(error, self._request, self._began, self._clocks)

    def close(self) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        self._response.close()


def _authorization(key: ApiKey | None) -> dict[str, str]:
    if callable(key):
        key = check_key(key(), "api_key()")
    return {} if key is None else {"authorization": f"Bearer {key}"}
