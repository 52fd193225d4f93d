from __future__ import annotations

import dataclasses
import json
import pickle
import sys

import pytest
from cutting import completions
from hypothesis import HealthCheck, given, settings

from wandb_inference._core.accumulate import ChatAccumulator
from wandb_inference._core.chunks import ChunkFolder, ChunkParser
from wandb_inference._core.events import EventBuilder
from wandb_inference._core.wire import Context, Reply, Request, Timeouts
from wandb_inference.types import ChatCompletion, ChatCompletionChunk, ContentDeltaEvent

REPLY = Reply(200, {"content-type": "text/event-stream"}, b"", None, 0.0, 0.0, 0.0, 0.0)
REQUEST = Request("POST", "http://h/v1/chat/completions", {}, b"", Timeouts(), Context("http://h/v1"), stream=True)


def chunk(index=0, finish=None, usage=None, logprobs=None, **delta):
    choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return ChatCompletionChunk.model_validate({"choices": [choice], "usage": usage})


def call(index=None, id=None, name=None, arguments=None):
    return chunk(tool_calls=[{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}])


def told(*chunks, parser=None):
    """All events of a stream that ends well."""
    builder = EventBuilder(parser)
    return [event for chunk in chunks for event in builder.add(chunk)] + builder.end()


def short(events):
    """The events in short: type, and what it brings."""
    names = ("delta", "text", "tool_call", "finish_reason")
    brought = [next((getattr(event, name) for name in names if hasattr(event, name)), None) for event in events]
    return [
        (event.type, what.function.arguments if event.type == "tool_call.done" else what)
        for event, what in zip(events, brought, strict=True)
    ]


def test_text():
    """Each piece is a delta; where the answer ends the text is done, and then the answer."""
    events = told(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk(finish="stop"))

    assert short(events) == [
        ("content.delta", "Hel"),
        ("content.delta", "lo"),
        ("content.done", "Hello"),
        ("finish", "stop"),
    ]
    assert [event.parsed for event in events[:3]] == [None, None, None]


def test_nothing():
    """A stream without chunks has no events."""
    assert told() == []


def test_the_chunk():
    """Each event has the chunk it came with."""
    first, last = chunk(content="a"), chunk(finish="stop")

    assert [event.chunk for event in told(first, last)] == [first, last, last]


def test_at_the_switch():
    """Thinking is done where text begins, text where a refusal begins, a refusal where a call begins."""
    events = told(
        chunk(reasoning="h"),
        chunk(reasoning_content="m"),
        chunk(content="a"),
        chunk(refusal="no"),
        call(0, "1", "f", "{}"),
        chunk(finish="tool_calls"),
    )

    assert short(events) == [
        ("reasoning.delta", "h"),
        ("reasoning.delta", "m"),
        ("reasoning.done", "hm"),
        ("content.delta", "a"),
        ("content.done", "a"),
        ("refusal.delta", "no"),
        ("refusal.done", "no"),
        ("tool_call.delta", "{}"),
        ("tool_call.done", "{}"),
        ("finish", "tool_calls"),
    ]


def test_thinking_in_between():
    """What goes on after something else is done once more, with what is new."""
    events = told(chunk(reasoning="a"), chunk(content="b"), chunk(reasoning="c"), chunk(content="d"))

    assert [(kind, what) for kind, what in short(events) if kind.endswith("done")] == [
        ("reasoning.done", "a"),
        ("content.done", "b"),
        ("reasoning.done", "c"),
        ("content.done", "d"),
    ]


def test_all_in_one_chunk():
    """A chunk with everything tells it in the order in which models make it."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    logprobs = {"content": [{"token": "a", "logprob": -1.0}]}
    events = told(chunk(content="a", reasoning="h", finish="stop", usage=usage, logprobs=logprobs))

    kinds = ["reasoning.delta", "reasoning.done", "content.delta", "logprobs", "content.done", "finish", "usage"]
    assert [event.type for event in events] == kinds
    assert events[3].logprobs.content[0].token == "a"
    assert events[6].usage.total_tokens == 2


@pytest.mark.parametrize("logprobs", [None, {}, {"content": []}, {"content": None, "refusal": []}])
def test_no_logprobs(logprobs):
    """Probabilities of no token are no event."""
    assert "logprobs" not in [event.type for event in told(chunk(content="a", logprobs=logprobs))]


def test_refusals_logprobs():
    """Probabilities of a refusal's tokens are told too."""
    events = told(chunk(refusal="a", logprobs={"refusal": [{"token": "a", "logprob": -1.0}]}))

    assert [event.type for event in events] == ["refusal.delta", "logprobs", "refusal.done"]


def test_usage_alone():
    """The chunk that only tells the usage is an event."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    (event,) = told(ChatCompletionChunk.model_validate({"choices": [], "usage": usage}))

    assert (event.type, event.index, event.usage.total_tokens) == ("usage", 0, 2)


def test_finish_twice():
    """A reason that is said once more is told once; another one is told too."""
    events = told(chunk(content="a", finish="stop"), chunk(finish="stop"), chunk(finish="length"))

    assert short(events)[2:] == [("finish", "stop"), ("finish", "length")]


def test_text_after_the_finish():
    """Text that comes late is told, and done at the stream's end."""
    events = told(chunk(content="a", finish="stop"), chunk(content="b"))

    assert short(events)[3:] == [("content.delta", "b"), ("content.done", "b")]


def test_without_a_finish_reason():
    """A stream that ends in [DONE] alone has its texts and calls done, and no finish."""
    events = told(chunk(1, content="b"), chunk(0, content="a"), call(0, "1", "f", "{"))

    assert [(event.type, event.index) for event in events] == [
        ("content.delta", 1),
        ("content.delta", 0),
        ("content.done", 0),
        ("tool_call.delta", 0),
        ("tool_call.done", 0),
        ("content.done", 1),
    ]


class TestToolCalls:
    """Tool calls, piece by piece."""

    def test_in_order(self):
        """A call is done where the next one begins, the last where the answer ends."""
        events = told(
            call(0, "1", "f", ""), call(0, arguments="{}"), call(1, "2", "g", '{"a":1}'), chunk(finish="tool_calls")
        )

        assert [(event.type, getattr(event, "call_index", None)) for event in events] == [
            ("tool_call.delta", 0),
            ("tool_call.delta", 0),
            ("tool_call.done", 0),
            ("tool_call.delta", 1),
            ("tool_call.done", 1),
            ("finish", None),
        ]
        assert (events[0].id, events[0].name, events[0].delta) == ("1", "f", "")
        assert (events[1].id, events[1].name, events[1].delta) == ("1", "f", "{}")
        assert events[4].tool_call.function.arguments == '{"a":1}'

    def test_mixed(self):
        """Calls whose pieces are mixed are done at the end, in their order."""
        events = told(
            call(0, "1", "f", "{"),
            call(1, "2", "g", "{"),
            call(0, arguments="}"),
            call(1, arguments="}"),
            chunk(finish="tool_calls"),
        )

        done = [event for event in events if event.type == "tool_call.done"]
        assert [(event.call_index, event.tool_call.id, event.tool_call.function.arguments) for event in done] == [
            (0, "1", "{}"),
            (1, "2", "{}"),
        ]
        assert events.index(done[0]) == 4

    def test_without_index_and_id(self):
        """A name begins a new call where neither index nor id says so."""
        events = told(call(name="f", arguments="{}"), call(name="g", arguments='{"b":'), call(arguments="2}"))

        done = [event.tool_call.function for event in events if event.type == "tool_call.done"]
        assert [(function.name, function.arguments) for function in done] == [("f", "{}"), ("g", '{"b":2}')]

    def test_goes_on_all_the_same(self):
        """A call that goes on after it was told to be done is told once more."""
        events = told(call(0, "1", "f", "{}"), call(1, "2", "g", "{}"), call(0, arguments=" "))

        done = [(event.call_index, event.tool_call.function.arguments) for event in events if "done" in event.type]
        assert done == [(0, "{}"), (0, "{} "), (1, "{}")]

    def test_an_empty_piece_after_the_end(self):
        """An empty piece of a call that was told to be done is no event; of one that goes on it is."""
        events = told(call(0, "1", "f", "{"), call(0, arguments=""), call(0, arguments="}"), call(1), call(0, "1"))

        kinds = [event.type for event in events]
        assert kinds == [*["tool_call.delta"] * 3, "tool_call.done", "tool_call.delta", "tool_call.done"]

    def test_without_function(self):
        """A piece that only gives the id is a delta without characters."""
        (delta, done) = told(chunk(tool_calls=[{"index": 0, "id": "1"}]))

        assert (delta.delta, delta.id, delta.name) == ("", "1", "")
        assert done.tool_call.id == "1"

    def test_unknown_fields(self):
        """What a server adds to a call is on the whole call."""
        (_, done) = told(chunk(tool_calls=[{"index": 0, "function": {"name": "f"}, "thought": "x"}]))

        assert done.tool_call.thought == "x"


class Numbers:
    """Reads whole numbers, as far as they are written."""

    def __init__(self):
        self.text = ""

    def partial(self):
        return Numbers()

    def feed(self, delta):
        self.text += delta

    @property
    def value(self):
        return int(self.text)

    def validate(self, text):
        return int(text)


class TestParsed:
    """Values of the text."""

    def test_grows(self):
        """Deltas have the value as far as it goes, the end has all of it, each answer its own."""
        events = told(chunk(content="1"), chunk(1, content="7"), chunk(content="2"), parser=Numbers())

        assert [(event.type, event.index, event.parsed) for event in events] == [
            ("content.delta", 0, 1),
            ("content.delta", 1, 7),
            ("content.delta", 0, 12),
            ("content.done", 0, 12),
            ("content.done", 1, 7),
        ]

    def test_does_not_fit(self):
        """Text that does not fit has no value in the end."""
        parser = Numbers()
        parser.partial = lambda: type("Open", (), {"feed": lambda *_: None, "value": None})()
        events = told(chunk(content="x"), parser=parser)

        assert [event.parsed for event in events] == [None, None]


class TestEvents:
    """Events as data."""

    def test_plain(self):
        """They are frozen, compare by what they say, pickle, and have no dictionary each."""
        (delta, done) = told(chunk(content="a"))

        assert pickle.loads(pickle.dumps([delta, done])) == [delta, done]
        assert delta != told(chunk(content="b"))[0]
        assert dataclasses.asdict(done)["type"] == "content.done"
        assert not hasattr(delta, "__dict__")
        with pytest.raises(dataclasses.FrozenInstanceError):
            delta.delta = "b"

    def test_repr(self):
        """They show what is new, not the whole chunk."""
        assert repr(ContentDeltaEvent(0, chunk(), "a")) == "ContentDeltaEvent(index=0, delta='a', parsed=None)"


def as_bytes(chunks):
    """A stream as it comes."""
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=completions())
def test_adds_up(made):
    """However a server cuts a completion, its chunks add up to it, handed over or not, and so do its events."""
    whole, cut = made
    expected = ChatCompletion.model_validate(whole)
    answers = len(expected.choices)
    parser = ChunkParser(REPLY, REQUEST, keep_usage=True, answers=answers)
    folder = ChunkFolder(REPLY, REQUEST, keep_usage=True, answers=answers)

    chunks = list(parser.feed(as_bytes(cut)))
    assert list(folder.feed(as_bytes(cut))) == []

    for accumulator in (parser.accumulator, folder.accumulator):
        assert accumulator.snapshot().model_dump(exclude_none=True) == expected.model_dump(exclude_none=True)
    assert (folder.events, folder.given, folder.done) == (parser.events, parser.given, True)
    check_events(told(*chunks), expected)


def check_events(events, expected):
    """The events tell the completion, each thing done once and after its last piece."""
    assert [event.usage for event in events if event.type == "usage"] == [expected.usage]
    for choice in expected.choices:
        mine = [event for event in events if event.index == choice.index]
        message = choice.message
        texts = {"content": message.text, "reasoning": message.reasoning or "", "refusal": message.refusal or ""}
        for kind, text in texts.items():
            assert "".join(event.delta for event in mine if event.type == f"{kind}.delta") == text
            assert [event.text for event in mine if event.type == f"{kind}.done"] == ([text] if text else [])
        calls = message.tool_calls or []
        done = {event.call_index: event for event in mine if event.type == "tool_call.done"}
        assert [done[place].tool_call for place in range(len(calls))] == calls
        assert sum(event.type == "tool_call.done" for event in mine) == len(calls)
        for place, call in enumerate(calls):
            own = [event for event in mine if event.type == "tool_call.delta" and event.call_index == place]
            assert "".join(event.delta for event in own) == call.function.arguments
            assert (own[-1].name, own[-1].id) == (call.function.name, call.id)
            assert mine.index(done[place]) > mine.index(own[-1])
        assert [event.finish_reason for event in mine if event.type == "finish"] == [choice.finish_reason]


def operations(work):
    """How many functions are called, in Python and in C."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def long(size):
    """A stream of so many chunks of each sort: thinking, text and thinking by turns, and the pieces of many calls."""
    deltas = [{"reasoning": "hm "} for _ in range(size)]
    deltas += [{name: "word "} for _ in range(size // 2) for name in ("content", "reasoning")]
    for place in range(size // 10):
        deltas.append({"tool_calls": [{"index": place, "id": f"{place}", "function": {"name": "f"}}]})
        pieces = ['{"a": [', *["{}"] * 7, "]}"]
        deltas += [{"tool_calls": [{"index": place, "function": {"arguments": piece}}]} for piece in pieces]
    return as_bytes([{"choices": [{"index": 0, "delta": delta}]} for delta in deltas])


@pytest.mark.parametrize("kind", [ChunkParser, ChunkFolder])
def test_linear(kind):
    """Ten times the stream takes ten times the operations: for the events, for the sum, and for both."""

    def work(data):
        parser, builder = kind(REPLY, REQUEST, keep_usage=True), EventBuilder()
        for chunk in parser.feed(data):
            builder.add(chunk)
        builder.end()
        return parser.accumulator.snapshot()

    work(long(10))
    short_one, long_one = long(100), long(1000)

    assert operations(lambda: work(long_one)) < 11 * operations(lambda: work(short_one))


def test_one_sum():
    """The builder and the accumulator find the same calls in the same pieces."""
    pieces = [call(name="f", arguments='{"a":'), call(name="f", arguments="1}"), call(name="f", arguments="{}")]
    accumulator = ChatAccumulator()
    for piece in pieces:
        accumulator.add(piece)

    done = [event.tool_call for event in told(*pieces) if event.type == "tool_call.done"]
    assert done == accumulator.snapshot().choices[0].message.tool_calls
