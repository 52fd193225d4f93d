"""The bytes of a stream to chunks: what counts as a chunk, as an error, and as an end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ..exceptions import APIError, APIResponseValidationError, StreamInterruptedError
from ..types.chunk import ChatCompletionChunk, Delta
from .accumulate import ChatAccumulator
from .errors import MAX_ERROR_BODY, connection_error, is_error_object, read_object, stream_error
from .reading import UnreadableError, read_json, read_model
from .sse import EventTooLargeError, ServerSentEvent, SSEDecoder
from .template import ChunkTemplate
from .wire import Failure, Reply, Request

_validate: Callable[[bytes], ChatCompletionChunk] = ChatCompletionChunk.__pydantic_validator__.validate_json


class ChunkParser:
    """Turns the bytes of one stream into chunks, and tells a good end from a bad one.

    `feed` gives the chunks that may be handed over; after the last of them `error` or `done` says whether more can
    come. So the chunks before an error reach the caller first.

    Args:
        reply: The answer whose body this is.
        request: What was asked.
        keep_usage: Whether to hand over chunks without choices, which tell the usage.
        answers: How many answers were asked for: each ends with a `finish_reason`.
    """

    def __init__(self, reply: Reply, request: Request, *, keep_usage: bool = False, answers: int = 1) -> None:
        self._reply = reply
        self._request = request
        self._keep_usage = keep_usage
        self._answers = answers
        self._decoder = SSEDecoder()
        self._template = ChunkTemplate()
        self._beginning = b""
        self.accumulator = ChatAccumulator()
        self.events = 0
        """Data events so far: comments don't count."""
        self.given = 0
        """Chunks handed over so far, or added up where none is."""
        self.first_token: float | None = None
        """Seconds from the call's beginning to the first chunk with text, thinking or a tool call."""
        self.done = False
        """Whether the stream ended well."""
        self.error: APIError | None = None
        """How it ended badly."""

    @property
    def _over(self) -> bool:
        return self.done or self.error is not None

    def feed(self, data: bytes, elapsed: float = 0.0) -> Iterator[ChatCompletionChunk]:
        """The chunks completed by these bytes, each read when it is taken. None after an error or a good end.

        Whoever feeds on takes them all first: what is not taken is not read, and counts nowhere.

        Args:
            data: What a read brought; `b""` is the end of the body.
            elapsed: Seconds since the call began.
        """
        if self._over:
            return iter(())
        if not data:
            return self._end(elapsed)
        if not self.events and len(self._beginning) < MAX_ERROR_BODY:
            self._beginning += data
        plain = self._decoder.feed_plain(data)
        if plain is not None:
            return self._read(plain, elapsed)
        try:
            return self._read_events(self._decoder.feed_lines(data), elapsed)
        except EventTooLargeError as error:
            return self._read_events(error.events, elapsed, str(error))

    def fail(self, failure: Failure) -> None:
        """The body broke off. If every answer had ended, only the terminator is missing, and that counts as done."""
        if self.accumulator.is_finished(self._answers):
            self.done = True
        elif failure.clock is not None:
            self.error = connection_error(failure, self._request)
        else:
            self.error = StreamInterruptedError(
                f"{self._request.address}: the stream broke off: {failure.reason}",
                hint="What had arrived is on `.partial` and `.text`.",
            )
            self.error.__cause__ = failure.cause

    def _read_events(
        self, events: Iterable[ServerSentEvent], elapsed: float, too_large: str = ""
    ) -> Iterator[ChatCompletionChunk]:
        for event in events:
            if event.event == "error":
                self._take_error(event)
            else:
                yield from self._read((event.raw,), elapsed)
            if self._over:
                return
        if too_large:
            self.error = StreamInterruptedError(too_large)

    def _take_error(self, event: ServerSentEvent) -> None:
        raw = self._shown(event.raw)
        try:
            self.accumulator.add(read_model(ChatCompletionChunk, raw))
        except UnreadableError:
            value = _json_or_none(raw)
            self.error = self._server_error(value if is_error_object(value) else raw.decode("utf-8", "replace"))
        else:
            self.error = self._server_error(read_json(raw))

    def _read(self, events: Iterable[bytes], elapsed: float) -> Iterator[ChatCompletionChunk]:
        # One by one: a chunk that is dropped before the next is read costs the garbage collector nothing, and a stream
        # that is left after its first chunk has not paid for the others.
        add = self.accumulator.add
        template = self._template
        keep_usage = self._keep_usage
        for raw in events:
            chunk = template.read(raw)
            if chunk is not None:
                self.events += 1
                self.accumulator.add_delta(template.index, chunk.choices[0].delta)
                self.given += 1
                if self.first_token is None and _says_something(chunk):
                    self.first_token = elapsed
                yield chunk
                continue
            if not raw.startswith(b"{"):
                word = raw.strip()
                if word == b"[DONE]":
                    self.done = True
                    return
                if not word:
                    continue
            self.events += 1
            try:
                # The validator itself: this loop is what a stream costs.
                chunk = _validate(raw)
            except ValidationError:
                try:
                    chunk = read_model(ChatCompletionChunk, raw)
                except UnreadableError as error:
                    self.error = self._unreadable(raw, str(error))
                    return
            extra = chunk.__pydantic_extra__
            if extra and self._is_error(chunk, extra):
                if chunk.choices:
                    add(chunk)
                self.error = self._server_error(read_json(self._shown(raw)))
                return
            add(chunk)
            template.learn(raw, chunk)
            if chunk.choices or keep_usage:
                self.given += 1
                if self.first_token is None and _says_something(chunk):
                    self.first_token = elapsed
                yield chunk

    @staticmethod
    def _is_error(chunk: ChatCompletionChunk, extra: Mapping[str, Any]) -> bool:
        if extra.get("error") or chunk.object == "error":
            return True
        return chunk.usage is None and is_error_object({**extra, "choices": chunk.choices})

    def _shown(self, data: bytes) -> bytes:
        """The server's words without the key, which some repeat."""
        return data if self._reply.hide is None else self._reply.hide(data)

    def _server_error(self, value: object) -> APIError:
        return stream_error(
            value, self._request.context, headers=self._reply.headers, request_id=self._reply.request_id
        )

    def _unreadable(self, raw: bytes, reason: str) -> APIError:
        raw = self._shown(raw)
        value = _json_or_none(raw)
        if is_error_object(value):
            return self._server_error(value)
        return StreamInterruptedError(
            f"an event of the stream can't be read: {reason}; it begins {raw.decode('utf-8', 'replace')[:200]!r}",
            hint="What had arrived is on `.partial` and `.text`.",
        )

    def _end(self, elapsed: float) -> Iterator[ChatCompletionChunk]:
        if self._decoder.pending:
            # Some servers leave out the blank line after the last event.
            yield from self._read_events(self._decoder.feed(b"\n\n"), elapsed)
            if isinstance(self.error, StreamInterruptedError):
                self.error = None  # not bad JSON, but an event that was cut
        if self._over:
            return
        if self.accumulator.is_finished(self._answers):
            self.done = True
        elif self.events:
            self.error = StreamInterruptedError(
                f"{self._request.address}: the stream ended early, without a finish_reason or [DONE]",
                hint="What had arrived is on `.partial` and `.text`.",
            )
        else:
            self.error = self._no_stream()

    def _no_stream(self) -> APIError:
        """The exception for a body in which there was not one event."""
        beginning = self._shown(self._beginning)
        body = beginning.decode("utf-8", "replace").lstrip("\ufeff").strip()
        kind = self._reply.headers.get("content-type", "")
        if body[:1] in ("", ":") or ("event-stream" in kind and body[0] not in "{[<"):
            return StreamInterruptedError(f"{self._request.address}: the stream ended before anything came")
        value = _json_or_none(beginning)
        if is_error_object(value):
            return self._server_error(value)
        return unexpected_body(self._reply, self._request, beginning, "a stream")


class ChunkFolder(ChunkParser):
    """Adds up a stream of which only the sum is wanted: hands no chunk over, and makes none that a template fits."""

    def _read(self, events: Iterable[bytes], elapsed: float) -> Iterator[ChatCompletionChunk]:
        for raw in events:
            delta = self._template.read_delta(raw)
            if delta is None:
                for _ in super()._read((raw,), elapsed):
                    pass
                if self._over:
                    break
                continue
            self.events += 1
            self.given += 1
            self.accumulator.add_delta(self._template.index, delta)
            if self.first_token is None and _adds_something(delta):
                self.first_token = elapsed
        return iter(())


def _says_something(chunk: ChatCompletionChunk) -> bool:
    return any(_adds_something(choice.delta) for choice in chunk.choices)


def _adds_something(delta: Delta) -> bool:
    return bool(delta.content or delta.tool_calls or delta.reasoning)


def _json_or_none(data: bytes) -> object:
    try:
        return read_json(data)
    except UnreadableError:
        return None


def unexpected_body(
    reply: Reply, request: Request, body: bytes, wanted: str, reason: str = ""
) -> APIResponseValidationError:
    """The exception for a success whose body is not what was asked for."""
    text = body[:2048].decode("utf-8", "replace")
    kind = reply.headers.get("content-type", "no content type")
    hint: str | None = None
    if not body.strip():
        what = "nothing"
    elif "html" in kind or text.lstrip()[:1] == "<":
        what = "an HTML page"
        if request.context.base_url.endswith("/v1"):
            hint = f"Check the base URL {request.context.base_url!r}, and whether a proxy answers in its place."
        else:
            hint = f"The base URL {request.context.base_url!r} does not end in /v1: is it the API's?"
    elif is_error_object(value := _json_or_none(body)):
        what = f"an error ({read_object(value).message})"
        hint = "The body's beginning is on `.body`."
    else:
        what = f"{kind}{': ' + reason if reason else ''}"
        hint = "The body's beginning is on `.body`."
    return APIResponseValidationError(
        f"{request.address} answered {reply.status}, but with {what} instead of {wanted}",
        status_code=reply.status,
        request_id=reply.request_id,
        headers=reply.headers,
        body=text,
        hint=hint,
    )
