"""Server-sent events from bytes, to the grammar of the WHATWG HTML standard.

`SSEDecoder.feed` takes whatever a read brought, cut anywhere, and gives the events whose last byte has arrived.
It works on bytes until someone asks for text: the line ends of the grammar are ASCII, so neither a cut in the middle
of a character nor one of the separators that only `str.splitlines` knows can change where an event ends.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

_BOM = b"\xef\xbb\xbf"
_LF = b"\n"
_CR = b"\r"
_DATA = b"data: "
_NEXT = b"\n\ndata: "


class EventTooLargeError(ValueError):
    """An event that grew beyond the decoder's `max_event_bytes`.

    Attributes:
        events: The events that the same bytes completed before it, oldest first.
    """

    def __init__(self, message: str, events: Iterable[ServerSentEvent] = ()) -> None:
        super().__init__(message)
        self.events = tuple(events)


@final
class ServerSentEvent:
    """One event of a stream; immutable, and equal to another where event, data, id and retry are.

    Args:
        raw: The data before decoding.
        event: The event's type.
        id: The last event id of the stream.
        retry: Milliseconds.
    """

    __slots__ = ("_event", "_id", "_raw", "_retry")

    def __init__(self, raw: bytes, event: str = "message", id: str = "", retry: int | None = None) -> None:
        self._raw = raw
        self._event = event
        self._id = id
        self._retry = retry

    @property
    def raw(self) -> bytes:
        """The data as it came: the values of the `data` lines, joined with a line feed."""
        return self._raw

    @property
    def event(self) -> str:
        """The event's type; "message" where it names none."""
        return self._event

    @property
    def data(self) -> str:
        """The data as text, decoded at each access; invalid UTF-8 is U+FFFD."""
        return self._raw.decode("utf-8", "replace")

    @property
    def id(self) -> str:
        """The id last given in the stream, by this event or an earlier one; "" before the first."""
        return self._id

    @property
    def retry(self) -> int | None:
        """Milliseconds to wait before connecting again, where this event says so."""
        return self._retry

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServerSentEvent):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"ServerSentEvent(event={self.event!r}, data={self.data!r}, id={self.id!r}, retry={self.retry!r})"

    def _values(self) -> tuple[str, str, str, int | None]:
        return self.event, self.data, self.id, self.retry


class SSEDecoder:
    """Turns the bytes of one stream into its events, in time linear in their number.

    Args:
        max_event_bytes: Bytes that the lines of one event may have together, at least 2; 64 MiB by default. Line ends
            don't count, and a comment counts only until it ends.
    """

    def __init__(self, max_event_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_event_bytes = max_event_bytes
        self._optional = _BOM  # dropped if the next bytes are these: a BOM at the start, the LF of a cut CRLF later
        self._line = bytearray()  # the line that has not ended
        self._size = 0  # bytes of the event's lines that have
        self._data: list[bytes] = []
        self._event = ""
        self._id = ""
        self._retry: int | None = None

    @property
    def pending(self) -> bool:
        """Whether the bytes so far end within an event or a line, rather than between two events."""
        return bool(self._size or self._line)

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events completed by these bytes, oldest first.

        Raises:
            EventTooLargeError: An event is larger than `max_event_bytes`. The decoder can't go on after it.
        """
        plain = self.feed_plain(data)
        if plain is not None:
            return [ServerSentEvent(raw, "message", self._id) for raw in plain]
        return self.feed_lines(data)

    def feed_lines(self, data: bytes) -> list[ServerSentEvent]:
        """What `feed` gives for bytes that are not plain, line by line. Raises what that raises."""
        if self._optional:
            data = self._without_optional(data)
        if _CR in data:
            if data.endswith(_CR):
                self._optional = _LF
            data = data.replace(b"\r\n", _LF).replace(_CR, _LF)
        lines = data.split(_LF)
        tail = lines.pop()
        if self._line and lines:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        events = self._read(lines)
        if tail:
            self._line += tail
            if self._size + len(self._line) > self._max_event_bytes:
                raise self._too_large(events)
        return events

    def feed_plain(self, data: bytes) -> list[bytes] | None:
        """The `raw` of the events completed by these bytes, where each is one `data` line and a blank one.

        That is the shape that nearly every read has, and it is found without a look at the single line. `None` where it
        is not: nothing is taken then, and `feed_lines` is to be called with the same bytes.
        """
        stop = data.rfind(b"\n\n")
        # Without an end in these bytes nothing is joined: a large event that comes in many reads is copied once.
        if stop < 0 or self._size or _CR in data or len(self._line) + len(data) > self._max_event_bytes:
            return None
        if self._line:
            stop += len(self._line)
            data = bytes(self._line) + data
        if not data.startswith(_DATA):
            return None
        events = data[len(_DATA) : stop].split(_NEXT)
        # As many line feeds as stand between these events, and no other.
        if data.count(_LF, 0, stop) != 2 * (len(events) - 1) or _LF in data[stop + 2 :]:
            return None
        self._line[:] = data[stop + 2 :]
        self._optional = b""
        return events

    def _without_optional(self, data: bytes) -> bytes:
        # Until a BOM is told from its first bytes, these are kept as what they would otherwise be, a line.
        data = bytes(self._line) + data
        self._line.clear()
        if len(data) >= len(self._optional) or not self._optional.startswith(data):
            data = data.removeprefix(self._optional)
            self._optional = b""
        return data

    def _read(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if not line:
                if self._data:
                    raw = _LF.join(self._data)
                    events.append(ServerSentEvent(raw, self._event or "message", self._id, self._retry))
                self._data = []
                self._event = ""
                self._retry = None
                self._size = 0
                continue
            if self._size + len(line) > self._max_event_bytes:
                raise self._too_large(events)
            name, _, value = line.partition(b":")
            if name:  # else it is a comment
                self._size += len(line)
                self._read_field(name, value.removeprefix(b" "))
        return events

    def _read_field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        # More digits than any clock holds are ignored, too: int() refuses thousands of them.
        elif name == b"retry" and value.isdigit() and len(value) <= 18:
            self._retry = int(value)

    def _too_large(self, events: list[ServerSentEvent]) -> EventTooLargeError:
        limit = self._max_event_bytes
        return EventTooLargeError(f"an event of the stream is larger than {limit} bytes, its max_event_bytes", events)
