"""An exchange while it is recorded: passed on as it comes, and kept."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import cast

import httpx

from ._differences import changed
from ._pieces import Piece
from ._playing import broke
from ._scrubbing import Scrubber, without_pictures
from ._tape import Answered, Asked, Broke, Raw, Recording, answered, asked, is_stream

_LAST_EVENT = b"[DONE]"
_LAST_PIECES = len(b"data: [DONE]\r\n\r\n")
"""Reads that it can be spread over."""

_ABOUT_THE_BYTES = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that do not hold for a body which was decoded."""


def headers_of(message: httpx.Request | httpx.Response) -> dict[str, str]:
    """Headers by name in lower case, those of the same name joined."""
    return {name.lower(): value for name, value in message.headers.items()}


class Take:
    """One exchange as it came; called what a studio calls one.

    Args:
        request: Its body has been read.
    """

    def __init__(self, request: httpx.Request) -> None:
        self.key = request.headers.get("authorization", "").rpartition(" ")[2]
        """What the request is authorised by."""
        self._method = request.method
        self._url = str(request.url)
        self._headers = headers_of(request)
        self._content = request.content
        self._finished: Callable[[], None] = _nothing
        self._began = 0.0
        self._answer: Raw | None = None
        self._error: Broke | None = None
        self._left = False
        self._is_over = False

    def begin(self, finished: Callable[[], None]) -> None:
        """The request is about to be sent; `finished` is called once, when it is over and worth keeping."""
        self._finished = finished
        self._began = time.monotonic()

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def answered(self, response: httpx.Response) -> httpx.Response:
        """The response to pass on, which is recorded as it is read."""
        headers = headers_of(response)
        self._answer = Raw(response.status_code, self._seconds, headers, [], 0.0)
        passed_on = [item for item in response.headers.multi_items() if item[0].lower() not in _ABOUT_THE_BYTES]
        return httpx.Response(
            response.status_code, headers=passed_on, stream=_Taped(response, self), extensions=response.extensions
        )

    def piece(self, data: bytes) -> None:
        """Bytes of the body have come."""
        cast("Raw", self._answer).pieces.append(Piece(self._seconds, data))

    def broke(self, error: httpx.RequestError) -> None:
        """It failed."""
        self._error = broke(error, self._seconds)
        self._end()

    def ended(self) -> None:
        """The body is complete."""
        self._end()

    def closed(self) -> None:
        """The reader has closed it, having what it wanted: all, if that ends with the last event."""
        if not self._is_over:
            # Reads may cut the last event anywhere.
            end = b"".join([piece.data for piece in cast("Raw", self._answer).pieces[-_LAST_PIECES:]])
            self._left = not end.rstrip().endswith(_LAST_EVENT)
            self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._answer is not None:
            self._answer = self._answer._replace(ended=self._seconds)
        self._finished()

    def asked(self, scrubber: Scrubber) -> Asked:
        """The request as it is written down, without secrets."""
        headers = scrubber.of_request(self._headers)
        made = asked(self._method, scrubber.url(self._url), headers, scrubber.body(self._content))
        hidden = changed(asked(self._method, self._url, self._headers, self._content), made)
        if hidden:
            made.hidden = hidden
        if "body" in made.model_fields_set:
            made.body = without_pictures(made.body)
        return made

    def recording(self, scrubber: Scrubber) -> Recording:
        """The exchange as it is written down, without secrets."""
        request = self.asked(scrubber)
        made: dict[str, object] = {"request": request}
        if self._answer is not None:
            made["response"] = self._answered(self._answer, scrubber, spelt=bool(request.hidden))
        if self._error is not None:
            told = {"message": scrubber.text(self._error.message), "cause": scrubber.value(self._error.cause)}
            made["error"] = self._error.model_copy(update={name: text for name, text in told.items() if text})
        if self._left:
            made["left"] = True
        return Recording.model_validate(made)

    def _answered(self, raw: Raw, scrubber: Scrubber, *, spelt: bool) -> Answered:
        if is_stream(raw.headers):
            pieces = scrubber.events(raw.pieces, spelt=spelt)
        else:
            whole = b"".join(piece.data for piece in raw.pieces)
            pieces = [Piece(raw.ended, scrubber.body(whole, spelt=spelt))]
        return answered(raw._replace(headers=scrubber.of_answer(raw.headers), pieces=pieces))

    def learn(self, scrubber: Scrubber) -> bool:
        """Tell the secrets of the request; whether there was anything new."""
        return scrubber.learn(self._url, self._headers)


def _nothing() -> None: ...


class _Taped(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response, decoded."""

    def __init__(self, response: httpx.Response, take: Take) -> None:
        self._response = response
        self._take = take

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._response.iter_bytes():
                self._take.piece(piece)
                yield piece
        except httpx.RequestError as error:
            self._take.broke(error)
            raise
        self._take.ended()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async with aclosing(cast("AsyncGenerator[bytes, None]", self._response.aiter_bytes())) as pieces:
                async for piece in pieces:
                    self._take.piece(piece)
                    yield piece
        except httpx.RequestError as error:
            self._take.broke(error)
            raise
        self._take.ended()

    def close(self) -> None:
        try:
            self._response.close()
        finally:
            self._take.closed()

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
        finally:
            self._take.closed()
