"""Tests of the decoder of server-sent events."""

from __future__ import annotations

import pickle
import tracemalloc
from collections import deque
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_sse import Parsed, parse

from wandb_inference._core.sse import EventTooLargeError, ServerSentEvent, SSEDecoder

BOM = b"\xef\xbb\xbf"

# Whole events stand beside their parts, so that the decoder's short cut for the usual shape is taken, left and joined.
FRAGMENTS = [
    *(b"\n", b"\n", b"\r", b"\r\n", BOM, b"\xef", b"\xbb", b":", b" ", b"\0", b"x", b"7"),
    *(b"data", b"data:", b"data: ", b"event: ", b"id:", b"id: 1", b"retry: ", b"retry:10", b"dataset: ", b" data: "),
    *("\u00e9".encode(), "\u2028".encode(), "\u0085".encode(), b"\x0b", b"\x0c", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b"data: x\n\n", b"data: y\n\n", b"data: \n\n", b"data:z\r\n\r\n", b": ping\n\n", b"id: 2\n\n"),
]
STREAMS = st.lists(st.sampled_from(FRAGMENTS), max_size=24).map(b"".join)


def values(events: Iterable[ServerSentEvent]) -> list[tuple[str, str, str, int | None]]:
    return [(event.event, event.data, event.id, event.retry) for event in events]


def decode(pieces: Iterable[bytes], limit: int = 1 << 20) -> tuple[Parsed, list[bytes]]:
    """What the decoder makes of a stream in these pieces, and the raw data of its events."""
    decoder = SSEDecoder(max_event_bytes=limit)
    events: list[ServerSentEvent] = []
    too_large = False
    try:
        for piece in pieces:
            events += decoder.feed(piece)
    except EventTooLargeError as error:
        events += error.events
        too_large = True
    parsed = Parsed(values(events), too_large or decoder.pending, too_large)
    return parsed, [event.raw for event in events]


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[position : position + 1] for position in range(len(stream))]


def message(data: str, *, event: str = "message", id: str = "", retry: int | None = None) -> ServerSentEvent:
    return ServerSentEvent(data.encode(), event, id, retry)


CASES = {
    "one event": (b"data: a\n\n", [message("a")]),
    "several events": (b"data: a\n\ndata: b\n\n", [message("a"), message("b")]),
    "nothing": (b"", []),
    "blank lines only": (b"\n\r\r\n\n", []),
    "carriage returns": (b"data: a\r\rdata: b\r\r", [message("a"), message("b")]),
    "carriage return and line feed": (b"data: a\r\n\r\ndata: b\r\n\r\n", [message("a"), message("b")]),
    "mixed line ends": (b"data: a\r\n\ndata: b\n\rdata: c\r\r\n", [message("a"), message("b"), message("c")]),
    "line feed, then carriage return": (b"data: a\n\r\ndata: b\n\n", [message("a"), message("b")]),
    "byte order mark": (BOM + b"data: a\n\n", [message("a")]),
    "second byte order mark": (BOM + BOM + b"data: a\n\ndata: b\n\n", [message("b")]),
    "byte order mark later": (b"data: a\n\n" + BOM + b"data: b\n\n", [message("a")]),
    "byte order mark in data": (b"data: \xef\xbb\xbfa\n\n", [message("\ufeffa")]),
    "half a byte order mark": (b"\xef\xbbdata: a\n\n", []),
    "comment": (b": keep-alive\n\ndata: a\n\n", [message("a")]),
    "comment within an event": (b"data: a\n:\ndata: b\n\n", [message("a\nb")]),
    "comment that looks like a field": (b":data: a\n\n", []),
    "several data lines": (b"data: a\ndata: b\ndata:c\n\n", [message("a\nb\nc")]),
    "empty data lines": (b"data\ndata:\ndata: \n\n", [message("\n\n")]),
    "empty data": (b"data:\n\n", [message("")]),
    "empty data after a space": (b"data: \n\n", [message("")]),
    "data without a colon": (b"data\n\n", [message("")]),
    "no space after the colon": (b"data:a\n\n", [message("a")]),
    "one space is removed": (b"data:  a \n\n", [message(" a ")]),
    "a tab stays": (b"data:\ta\n\n", [message("\ta")]),
    "colons in data": (b"data: a: b\n\n", [message("a: b")]),
    "space before the colon": (b"data : a\n\n", []),
    "space before the name": (b" data: a\n\n", []),
    "names have a case": (b"Data: a\nDATA: b\n\n", []),
    "longer name": (b"database: a\n\n", []),
    "unknown field": (b"color: red\ndata: a\n\n", [message("a")]),
    "event": (b"event: error\ndata: a\n\n", [message("a", event="error")]),
    "event after data": (b"data: a\nevent: error\n\n", [message("a", event="error")]),
    "the last event name wins": (b"event: a\nevent: b\ndata: c\n\n", [message("c", event="b")]),
    "empty event": (b"event: a\nevent\ndata: b\n\n", [message("b")]),
    "event holds for one event": (b"event: a\ndata: b\n\ndata: c\n\n", [message("b", event="a"), message("c")]),
    "event without data": (b"event: a\n\ndata: b\n\n", [message("b")]),
    "id persists": (b"id: 1\ndata: a\n\ndata: b\n\n", [message("a", id="1"), message("b", id="1")]),
    "id without data": (b"id: 1\n\ndata: a\n\n", [message("a", id="1")]),
    "empty id": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [message("a", id="1"), message("b")]),
    "id with NUL": (b"id: 1\nid: 2\0\ndata: a\n\n", [message("a", id="1")]),
    "id of an event that is cut": (b"data: a\n\nid: 1\ndata: b\n", [message("a")]),
    "retry": (b"retry: 3000\ndata: a\n\ndata: b\n\n", [message("a", retry=3000), message("b")]),
    "retry without data": (b"retry: 3000\n\ndata: a\n\n", [message("a")]),
    "retry with zeros": (b"retry: 007\ndata: a\n\n", [message("a", retry=7)]),
    "retry of other than digits": (b"retry: 1_0\nretry: +1\nretry: 1.5\nretry:  1\nretry\ndata: a\n\n", [message("a")]),
    "retry of other than ASCII digits": ("retry: \u0661\ndata: a\n\n".encode(), [message("a")]),
    "endless retry": (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n", [message("a")]),
    "event not ended": (b"data: a\n\ndata: b\n", [message("a")]),
    "line not ended": (b"data: a\n\ndata: b", [message("a")]),
    "separators that end no line": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1c\n\n".encode(),
        [message("a\u2028b\u2029c\u0085d\x0be\x0cf\x1c")],
    ),
    "NUL in data": (b"data: a\0b\n\n", [message("a\0b")]),
    "text of every width": ("data: \u00e9\u20ac\U0001f600\n\n".encode(), [message("\u00e9\u20ac\U0001f600")]),
    "invalid UTF-8": (b"event: \xff\nid: \xc3\ndata: \xe2\x82\n\n", [message("\ufffd", event="\ufffd", id="\ufffd")]),
}


@pytest.mark.parametrize(("stream", "expected"), CASES.values(), ids=CASES)
def test_reads_the_grammar(stream: bytes, expected: list[ServerSentEvent]) -> None:
    """A stream gives its events, whether it comes whole or byte by byte."""
    assert SSEDecoder().feed(stream) == expected
    assert decode(bytewise(stream))[0].events == values(expected)


@pytest.mark.parametrize(("stream", "expected"), CASES.values(), ids=CASES)
def test_reference_reads_the_grammar(stream: bytes, expected: list[ServerSentEvent]) -> None:
    """The reference that the properties compare with agrees on every case that was written by hand."""
    assert parse(stream).events == values(expected)


@settings(max_examples=120, deadline=None)
@given(STREAMS)
def test_whole_stream_matches_the_reference(stream: bytes) -> None:
    """A stream in one piece gives what the grammar says, and the bytes of its data as they came."""
    parsed, raw = decode([stream])

    assert parsed == parse(stream)
    assert raw == [data.encode("latin-1") for _, data, _, _ in parse(stream, "latin-1").events]


@settings(max_examples=80, deadline=None)
@given(STREAMS)
def test_every_byte_counts_at_once(stream: bytes) -> None:
    """After each byte the decoder has given what the bytes so far hold, no event later than its last byte."""
    decoder = SSEDecoder()
    events: list[ServerSentEvent] = []
    for end in range(1, len(stream) + 1):
        events += decoder.feed(stream[end - 1 : end])

        assert (values(events), decoder.pending) == parse(stream[:end])[:2]


@settings(max_examples=80, deadline=None)
@given(STREAMS)
def test_any_single_cut_changes_nothing(stream: bytes) -> None:
    """A stream gives the same events wherever it is cut in two."""
    expected = decode([stream])

    for position in range(len(stream) + 1):
        assert decode([stream[:position], stream[position:]]) == expected


@settings(max_examples=80, deadline=None)
@given(st.lists(STREAMS, max_size=5))
def test_any_cuts_change_nothing(pieces: list[bytes]) -> None:
    """A stream gives the same events in any number of pieces, empty ones among them."""
    assert decode(pieces) == decode([b"".join(pieces)])


@settings(max_examples=80, deadline=None)
@given(STREAMS, st.integers(2, 12))
def test_limit_matches_the_reference(stream: bytes, limit: int) -> None:
    """An event passes the limit at the same byte, and after the same events, however the stream is cut."""
    parsed = parse(stream, "latin-1", limit)
    expected = [data.encode("latin-1") for _, data, _, _ in parsed.events]

    for pieces in ([stream], bytewise(stream)):
        result, raw = decode(pieces, limit)

        assert (raw, result.pending, result.too_large) == (expected, parsed.pending, parsed.too_large)


def test_one_event_in_each_read() -> None:
    """Reads that are whole events give them one by one, with what an earlier one said about the stream."""
    decoder = SSEDecoder()
    reads = [b"data: a\n\n", b"id: 1\nretry: 5\n\n", b"data: b\n\n", b": ping\n\n", b"data: c\n\n", b"event: e\n\n"]

    assert [decoder.feed(read) for read in reads] == [
        [message("a")],
        [],
        [message("b", id="1")],
        [],
        [message("c", id="1")],
        [],
    ]


def test_a_carriage_return_ends_the_event_at_once() -> None:
    """A blank line that ends in CR hands its event over, and the LF that may follow is part of it."""
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\r\n\r") == [message("a")]
    assert not decoder.pending
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: b\n") == []
    assert decoder.feed(b"\r") == [message("b")]


@pytest.mark.parametrize(
    ("stream", "pending"),
    [
        (b"", False),
        (BOM, False),
        (BOM[:2], True),
        (b"d", True),
        (b"data: a", True),
        (b"data: a\n", True),
        (b"data: a\r\n", True),
        (b"data: a\n\n", False),
        (b"data: a\r", True),
        (b"data: a\r\r", False),
        (b"data: a\n\n\n", False),
        (b"id: 1\n", True),
        (b"id: 1\n\n", False),
        (b"color: red\n", True),
        (b": ping", True),
        (b": ping\n", False),
        (b"data: a\n: ping\n", True),
    ],
)
def test_pending(stream: bytes, pending: bool) -> None:
    """A stream that ends within an event or a line can be told from one that ends between two events."""
    decoder = SSEDecoder()
    for piece in bytewise(stream):
        decoder.feed(piece)

    assert decoder.pending is pending


@pytest.mark.parametrize(
    "pieces",
    [[b"data: "] + [b"x" * 1000] * 10_000, [b"data: 1234\n" * 100] * 1000],
    ids=["one line", "100,000 lines"],
)
def test_a_large_event_is_not_copied_on_the_way(pieces: list[bytes]) -> None:
    """Taking a piece needs no memory in proportion to what is held, so an event in many pieces takes linear time."""
    decoder = SSEDecoder()
    tracemalloc.start()
    try:
        for piece in pieces:
            decoder.feed(piece)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        decoder.feed(b"data: x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held > 500_000
    assert peak - held < held / 4  # a container that grows takes an eighth more
    assert len(decoder.feed(b"\n\n")) == 1


def test_an_event_of_10_mb() -> None:
    """An event of 10 MB in pieces of 1 KB arrives whole, and the next one after it."""
    payload = bytes(range(32, 127)) * 110_000
    stream = b"data: " + payload + b"\n\ndata: next\n\n"
    decoder = SSEDecoder()

    events = [event for start in range(0, len(stream), 1024) for event in decoder.feed(stream[start : start + 1024])]

    assert [event.raw for event in events] == [payload, b"next"]


@pytest.mark.parametrize(
    "stream",
    [b"data: 12345\n\n", b"data: 12345", b"data\ndata:12\n\n", b"event:12\ndat", b"color: green\n\n", b": a comment"],
)
def test_an_event_may_be_too_large(stream: bytes) -> None:
    """An event, ended or not, that is larger than the limit is an error that says so and holds none of it."""
    for pieces in ([stream], bytewise(stream)):
        decoder = SSEDecoder(max_event_bytes=10)
        with pytest.raises(EventTooLargeError, match="larger than 10 bytes") as caught:
            deque(map(decoder.feed, pieces), maxlen=0)

        assert "123" not in str(caught.value)


def test_an_event_may_be_as_large_as_the_limit() -> None:
    """Neither line ends, ended comments nor the events before count towards an event's size."""
    stream = b"data: 1234\r\n\r\n: comment\n: comment\ndata: 12\n:\n:\n:\nid\n\n"

    for pieces in ([stream], bytewise(stream)):
        assert decode(pieces, limit=10)[1] == [b"1234", b"12"]


def test_the_error_has_the_events_before_it() -> None:
    """Events that the same bytes completed before the one that is too large aren't lost, not even in a pickle."""
    with pytest.raises(EventTooLargeError) as caught:
        SSEDecoder(max_event_bytes=10).feed(b"data: a\n\ndata: b\n\ndata: 12345")

    copy = pickle.loads(pickle.dumps(caught.value))
    assert caught.value.events == copy.events == (message("a"), message("b"))
    assert str(copy) == str(caught.value)
    assert isinstance(copy, ValueError)


def test_event_equality() -> None:
    """Events are equal, and hash alike, when their four values are, whatever bytes the data came from."""
    event = ServerSentEvent(b"a\xff", "e", "1", 10)

    assert event == ServerSentEvent("a\ufffd".encode(), "e", "1", 10)
    assert hash(event) == hash(ServerSentEvent("a\ufffd".encode(), "e", "1", 10))
    assert event.raw == b"a\xff"
    for other in (
        ServerSentEvent(b"b\xff", "e", "1", 10),
        ServerSentEvent(b"a\xff", "f", "1", 10),
        ServerSentEvent(b"a\xff", "e", "2", 10),
        ServerSentEvent(b"a\xff", "e", "1"),
        "a\ufffd",
    ):
        assert event != other


@pytest.mark.parametrize("name", ["event", "data", "id", "retry", "raw", "other"])
def test_event_is_immutable(name: str) -> None:
    """No attribute of an event can be set."""
    with pytest.raises(AttributeError):
        setattr(message("a"), name, "b")


def test_event_pickles_and_shows_its_values() -> None:
    """An event crosses a process boundary whole, and its repr names what it compares by."""
    event = ServerSentEvent(b"a\xff", "e", "1", 10)

    copy = pickle.loads(pickle.dumps(event))

    assert (copy, copy.raw) == (event, event.raw)
    assert repr(event) == "ServerSentEvent(event='e', data='a\ufffd', id='1', retry=10)"
