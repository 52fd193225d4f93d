"""The blocking half: drives flows over `httpx.Client`, and reads bodies."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import httpx

from .._config import ApiKey, check_key
from .._core.errors import MAX_ERROR_BODY
from .._core.wire import Failure, Outcome, Reply, Request
from ..exceptions import ConfigurationError
from .outcomes import ERRORS, LIMITS, Clocks, failure, log_outcome, log_wait, reply, timeout_for, tls_context

if TYPE_CHECKING:
    from .._core.flow import Flow


class Transport:
    """Sends requests over connections that are kept open. Made at no cost: the pool comes with the first request.

    Args:
        http_client: A client of the caller's own, used as it is and never closed.
    """

    def __init__(self, http_client: httpx.Client | None = None) -> None:
        self._given = http_client
        self._lock = threading.Lock()
        self._made: httpx.Client | None = None
        self._pid = 0
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
        headers = request.headers
        if key is not None:
            headers = {**headers, "Authorization": f"Bearer {_ask(key)}"}
        began = time.monotonic()
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
            answered = time.monotonic()
            if request.stream and response.status_code < 300:
                return reply(response, b"", began, answered, clocks)
            body = self._read(response, clocks)
        except ERRORS as error:
            return failure(error, request, began, clocks)
        if body is None:
            return failure(None, request, began, clocks)
        return reply(response, body, began, answered, clocks)

    @staticmethod
    def _read(response: httpx.Response, clocks: Clocks) -> bytes | None:
        """The whole body, an error's up to a bound; `None` where the deadline came first."""
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
        finally:
            response.close()
        return b"".join(pieces)

    def _client(self, url: str) -> httpx.Client:
        if self._closed:
            raise ConfigurationError("This client is closed", hint="Make a new one, or close it later.")
        if self._given is not None:
            return self._given
        # After a fork the connections belong to the parent.
        if self._made is None or self._pid != os.getpid():
            with self._lock:
                if self._made is None or self._pid != os.getpid():
                    self._made = httpx.Client(verify=tls_context(url), limits=LIMITS)
                    self._pid = os.getpid()
                    weakref.finalize(self, self._made.close)
        return self._made

    def close(self) -> None:
        """Closes the connections; a client of the caller's own stays open."""
        self._closed = True
        if self._made is not None and self._pid == os.getpid():
            self._made.close()


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
        now = time.monotonic()
        stall = self._request.timeouts.stall
        if had_data:
            self._data_came = now
        elif stall is not None and now - self._data_came >= stall:
            return failure(None, self._request, self._began, self._clocks)
        if self._clocks.left == 0.0:
            return failure(None, self._request, self._began, self._clocks)
        try:
            return next(self._pieces, b"")
        except ERRORS as error:
            return failure(error, self._request, self._began, self._clocks)

    def close(self) -> None:
        """Gives the connection back, or up where bytes are left on it."""
        self._response.close()


def _ask(key: ApiKey) -> str:
    return check_key(key(), "api_key()") if callable(key) else key
