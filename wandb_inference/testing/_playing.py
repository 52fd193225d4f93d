"""A recording, played: what came, when it came, and how it ended."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, cast

import anyio
import anyio.lowlevel
import httpx

from .._transport.outcomes import PACE, chain
from ._misses import CassetteMissError
from ._tape import Broke, Recording, pieces

_ERRORS: Final[Mapping[str, type[httpx.RequestError]]] = {
    name: kind for name, kind in vars(httpx).items() if isinstance(kind, type) and issubclass(kind, httpx.RequestError)
}

_CAUSES: Final[Mapping[str, type[OSError]]] = {
    kind.__name__: kind
    for kind in (
        BrokenPipeError,
        ConnectionRefusedError,
        ConnectionResetError,
        ssl.SSLCertVerificationError,
        ssl.SSLError,
        socket.gaierror,
    )
}
"""What our errors look at behind httpx's, the special before the general: a certificate that doesn't hold is not tried
again, say."""

_TLS: Final = ("reason", "verify_message")
"""What is told of an error of TLS beside its text."""


def broke(error: httpx.RequestError, seconds: float) -> Broke:
    """An error of httpx as it is written down."""
    kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _ERRORS)
    made = Broke(type=kind, message=str(error), seconds=round(seconds, 3))
    for link in chain(error):
        for name, cause in _CAUSES.items():
            if isinstance(link, cause):
                told = [getattr(link, attribute, None) for attribute in _TLS] if isinstance(link, ssl.SSLError) else []
                made.cause = [name, link.errno, str(link.strerror or link), *told]
                return made
    return made


class Playback(httpx.SyncByteStream, httpx.AsyncByteStream):
    """One recording, played for one request.

    Args:
        recording: What is played.
        request: Whom for.
        speed: Times the original speed; 0 is as fast as it goes.
        name: The cassette's, for the message about a recording that ends too early.
    """

    def __init__(self, recording: Recording, request: httpx.Request, speed: float, name: str) -> None:
        self._recording = recording
        self._request = request
        self._speed = speed
        self._name = name
        self._began = time.monotonic()
        timeouts = cast("Mapping[str, float | None]", request.extensions.get("timeout") or {})
        self._patience = timeouts.get("read")

    @property
    def pace(self) -> float:
        """What the waits between attempts are multiplied by."""
        return 1 / self._speed if self._speed else 0.0

    def head(self) -> Iterator[float]:
        """Seconds to wait for the answer's head. Raises how the request failed, if it did."""
        answer = self._recording.response
        if answer is not None:
            yield from self._until(answer.seconds)
        else:
            yield from self._failure()

    def response(self) -> httpx.Response:
        """The answer, its body still to be played."""
        answer = self._recording.response
        assert answer is not None, "head() has raised"
        extensions = {"http_version": b"HTTP/1.1", PACE: self.pace}
        return httpx.Response(answer.status, headers=answer.headers, stream=self, extensions=extensions)

    def __iter__(self) -> Iterator[bytes]:
        for move in self._body():
            if isinstance(move, bytes):
                yield move
            else:
                time.sleep(move)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for move in self._body():
            if isinstance(move, bytes):
                await anyio.lowlevel.checkpoint()  # as on a network, everybody else gets a turn
                yield move
            else:
                await anyio.sleep(move)

    def _body(self) -> Iterator[bytes | float]:
        """What to do next: hand over these bytes, or wait so many seconds. Raises how the answer broke."""
        answer = self._recording.response
        assert answer is not None, "there was a response"
        for piece in pieces(answer):
            yield from self._until(piece.seconds)
            yield piece.data
        yield from self._failure()
        if self._recording.left:
            raise CassetteMissError(
                f"the answer in the cassette {self._name!r} ends here: when it was recorded, its reader had left",
                hint="Delete the file, and record it again with a reader that reads on. Where a clock of the client's "
                "made it leave, play it with speed=1.",
            )
        yield from self._until(answer.ended)

    def _failure(self) -> Iterator[float]:
        """Raises the error that was recorded, when its time has come."""
        told = self._recording.error
        if told is None:
            return
        yield from self._until(told.seconds)
        error = _ERRORS.get(told.type, httpx.TransportError)(told.message, request=self._request)
        vars(error)[PACE] = self.pace
        raise error from _cause(told.cause)

    def _until(self, seconds: float) -> Iterator[float]:
        """The wait until a moment of the recording, which the request's own timeout may cut short."""
        wait = self._began + seconds * self.pace - time.monotonic() if self._speed else 0.0
        if wait <= 0:
            return
        if self._patience is not None and wait > self._patience:
            yield self._patience
            raise httpx.ReadTimeout("The read operation timed out", request=self._request)
        yield wait


def _cause(told: list[Any] | None) -> OSError | None:
    if told is None or told[0] not in _CAUSES:
        return None
    name, number, text, *attributes = told
    error = _CAUSES[name](number, text)
    for attribute, value in zip(_TLS, attributes, strict=False):
        setattr(error, attribute, value)
    return error
