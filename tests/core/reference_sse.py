"""The grammar of server-sent events, read character by character: slow, and plain enough to be checked by eye."""

from __future__ import annotations

from typing import NamedTuple


class Parsed(NamedTuple):
    """What a whole stream holds."""

    events: list[tuple[str, str, str, int | None]]
    """Event, data, id and retry of each."""
    pending: bool
    """Whether the stream ends within a line or an event."""
    too_large: bool
    """Whether an event passed the limit, which ends the reading."""


def parse(stream: bytes, encoding: str = "utf-8", limit: int | None = None) -> Parsed:
    """The events of a stream; `latin-1` as the encoding keeps each byte as one character."""
    text = stream.removeprefix(b"\xef\xbb\xbf").decode(encoding, "replace")
    events: list[tuple[str, str, str, int | None]] = []
    data = event_type = last_id = line = ""
    retry: int | None = None
    size = position = 0

    while position < len(text):
        character = text[position]
        position += 1
        if character not in "\r\n":
            line += character
            if limit is not None and size + len(line) > limit:
                return Parsed(events, True, True)
            continue
        if character == "\r" and text[position : position + 1] == "\n":
            position += 1

        if line == "":
            if data != "":
                events.append((event_type or "message", data[:-1], last_id, retry))
            data = event_type = ""
            retry = None
            size = 0
        elif not line.startswith(":"):
            size += len(line)
            name, colon, value = line.partition(":")
            if colon and value.startswith(" "):
                value = value[1:]
            if name == "data":
                data += value + "\n"
            if name == "event":
                event_type = value
            if name == "id" and "\0" not in value:
                last_id = value
            if name == "retry" and 0 < len(value) <= 18 and all(digit in "0123456789" for digit in value):
                retry = int(value)
        line = ""

    return Parsed(events, bool(size or line), False)
