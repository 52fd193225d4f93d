"""Streams on their way through: whole events wherever reads cut, names mapped back, truthful ends."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.server_cases import DONE, LAST, MODEL, USAGE, USED, chunk, events, said
from wandb_inference.gateway import relay as relays
from wandb_inference.gateway.relay import Framer, Relay, StreamError, add_reasoning_content, rename, usage_of
from wandb_inference.gateway.routing import Usage

STREAM = chunk("He") + chunk("llo") + b": ping\n\n" + chunk(" you") + LAST + USED + DONE


def passed(stream: bytes, cuts: list[int] | None = None, **options: Any) -> tuple[bytes, Relay]:
    """What a client gets of a stream that comes in these pieces."""
    relay = Relay("fast", **options)
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts or [])})
    sent = b"".join(relay.feed(stream[start:end]) for start, end in pairwise(places))
    return sent + relay.end(), relay


@given(st.lists(st.integers(0, 10_000), max_size=30), st.sampled_from([b"\n", b"\r\n"]))
def test_a_stream_says_the_same_wherever_it_is_cut(cuts, end):
    """Events, usage and the end are the same for any reads, with both kinds of line ends."""
    stream = STREAM.replace(b"\n", end)

    sent, relay = passed(stream, cuts)

    assert said(events(sent.replace(b"\r\n", b"\n"))) == "Hello you"
    assert b"meta-llama" not in sent
    assert sent.count(b"data:") == 5
    assert relay.usage == Usage(4, 2)
    assert relay.is_complete


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r", b"\n", b"\r"]), max_size=20))
def test_a_framer_loses_nothing(pieces):
    """What comes out and what is held is what came in, and each block ends with a blank line."""
    framer = Framer()

    blocks = [framer.feed(piece) for piece in pieces]

    assert b"".join(blocks) + framer.tail == b"".join(pieces)
    assert all(block.endswith((b"\n\n", b"\n\r\n", b"\r\r")) for block in blocks if block)


def test_an_event_has_a_bound(monkeypatch):
    """A service that never ends an event does not fill the memory."""
    monkeypatch.setattr(relays, "MAX_EVENT", 100)
    framer, relay = Framer(), Relay("fast")

    with pytest.raises(StreamError, match="an event of more than 100 bytes"):
        for _ in range(200):
            framer.feed(b"x")
    assert relay.feed(b"x" * 200) == b""
    assert relay.broken == "an event of more than 100 bytes"


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "spaced"])
@pytest.mark.parametrize("name", ["fast", MODEL], ids=["renamed", "same"])
def test_the_model_has_the_clients_name(dense, name):
    """Chunks name the model as the client did, whatever white space the service writes."""
    stream = STREAM if dense else STREAM.replace(b'":', b'": ')
    relay = Relay(name)
    sent = relay.feed(stream[:300])
    sent += relay.feed(stream[300:])

    assert {each["model"] for each in events(sent) if each != "[DONE]"} == {name}


def test_a_name_that_changes_is_mapped_all_the_same():
    """A service that calls its model something else in a later chunk does not tell the client so."""
    sent, _ = passed(chunk("a") + chunk("b", model="other") + LAST + DONE, [len(chunk("a"))])

    assert {each["model"] for each in events(sent) if each != "[DONE]"} == {"fast"}


def test_usage_is_for_those_who_asked():
    """The chunk with nothing but usage is left out; with it goes what it cost."""
    unasked, _ = passed(STREAM)
    asked, _ = passed(STREAM, wants_usage=True, cost=lambda usage: Decimal("0.0000012"))
    free, _ = passed(STREAM, wants_usage=True, cost=lambda usage: None)

    assert not any("usage" in each for each in events(unasked) if each != "[DONE]")
    assert events(asked)[-2]["usage"] == {**USAGE, "cost": 0.0000012}
    assert events(free)[-2]["usage"] == USAGE


def test_usage_beside_text_stays():
    """Usage in a chunk that says something else too is the service's own way, and passes."""
    sent, relay = passed(chunk("a", usage=USAGE) + LAST + DONE)

    assert events(sent)[0]["usage"] == USAGE
    assert relay.usage == Usage(4, 2)


@pytest.mark.parametrize(
    ("stream", "complete", "done"),
    [
        (chunk("a") + LAST + DONE, True, True),
        (chunk("a") + LAST, True, True),
        (chunk("a") + DONE, True, True),
        (chunk("a"), False, False),
        (chunk("a") + LAST.rstrip(b"\n"), True, True),
        (b"", False, False),
        (b": ping\n\n", False, False),
        (DONE, False, True),
    ],
    ids=["both", "reason alone", "done alone", "neither", "no last line end", "nothing", "comments", "only done"],
)
def test_ends_are_told_truly(stream, complete, done):
    """A stream is complete where the choice says why it ended, or the service says it has no more to say."""
    sent, relay = passed(stream)

    assert (relay.is_complete, relay.done) == (complete, done)
    assert sent.endswith(DONE) == done


def test_each_choice_has_an_end():
    """With two answers asked for, one that ended is not the end."""
    other = chunk(choices=[{"index": 1, "delta": {}, "finish_reason": "length"}])

    assert not passed(chunk("a") + LAST, choices=2)[1].is_complete
    assert passed(chunk("a") + LAST + other, choices=2)[1].is_complete


def test_an_error_event_ends_the_stream():
    """What comes after an error is not passed on, and the error is told apart."""
    error = b'data: {"error": {"message": "overloaded", "code": 503}}\n\n'

    sent, relay = passed(chunk("a") + error + chunk("b") + DONE)

    assert said(events(sent)) == "a"
    assert relay.error == {"error": {"message": "overloaded", "code": 503}}
    assert relay.begun
    assert not relay.is_complete


def test_an_error_by_its_name():
    """An event that is called one is one, whatever it holds; before any data nothing has begun."""
    _, relay = passed(b'event: error\ndata: {"message": "no"}\n\n')

    assert relay.error == {"message": "no"}
    assert not relay.begun


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"data: {nonsense\n\n", "an event that is no JSON"),
        (b"data: 7\n\n", "an event that is no JSON object"),
        (b"<html>\n\n", "lines that are no events"),
    ],
    ids=["no JSON", "no object", "HTML"],
)
def test_what_is_no_stream(stream, words):
    """What is no stream of chunks is an error, not passed on."""
    sent, relay = passed(chunk("a") + stream + chunk("b"))

    assert said(events(sent)) == "a"
    assert relay.broken == words
    assert not relay.is_complete


def test_nothing_after_the_end():
    """What a service sends after its own end is dropped."""
    relay = Relay("fast")
    relay.feed(chunk("a") + LAST + DONE)

    assert relay.feed(chunk("b")) == b""


def test_an_event_of_several_lines():
    """Data of several lines is one, and other fields of an event are no data."""
    first, second = chunk("a").rstrip(b"\n")[6:].split(b",", 1)

    sent, _ = passed(b"id: 1\nretry: 5\n\nevent: message\ndata: %b,\ndata:%b\n\n" % (first, second) + LAST + DONE)

    assert sent.startswith(b"id: 1\nretry: 5\n\ndata: ")
    assert said(events(sent)) == "a"


def test_reasoning_under_both_names():
    """The switch adds LiteLLM's name of the reasoning; without it chunks pass as they came."""
    thinking = chunk(choices=[{"index": 0, "delta": {"reasoning": "hm"}}])
    stream = chunk("a") + thinking + LAST + DONE
    relay = Relay("fast", reasoning_content=True)
    sent = relay.feed(chunk("a")) + relay.feed(thinking) + relay.feed(LAST + DONE)

    assert events(sent)[1]["choices"][0]["delta"] == {"reasoning": "hm", "reasoning_content": "hm"}
    assert events(sent)[1]["model"] == "fast"
    assert events(passed(stream)[0])[1]["choices"][0]["delta"] == {"reasoning": "hm"}


def test_reasoning_without_a_model():
    """A chunk that names no model gets none."""
    value = {"choices": [{"index": 0, "delta": {"reasoning": "hm"}}]}

    sent, _ = passed(b"data: " + json.dumps(value).encode() + b"\n\n", reasoning_content=True)

    assert "model" not in events(sent)[0]


def test_reasoning_of_odd_answers():
    """What has not the form of an answer has no reasoning, and one that has both names keeps them."""
    both = {"choices": [{"message": {"reasoning": "a", "reasoning_content": "b"}}, 7, {"message": 7}]}

    assert not add_reasoning_content({"choices": 7})
    assert not add_reasoning_content(both)


@pytest.mark.parametrize(
    ("raw", "renamed"),
    [
        (b'{"model": "x", "a": 1}', b'{"model": "fast", "a": 1}'),
        (b'{"a": {"model": "x"}, "model": "x"}', {"a": {"model": "x"}, "model": "fast"}),
        (b'{"mod\\u0065l": "x"}', {"model": "fast"}),
        (b'{"model": null}', {"model": "fast"}),
        (b'{"a": 1}', b'{"a": 1}'),
        (b'{"model" : "x\\"y"}', b'{"model" : "fast"}'),
        (b'{"model": "x\\"y"}', b'{"model": "fast"}'),
    ],
    ids=["spliced", "twice", "spelt otherwise", "null", "none", "quotes", "quotes as usual"],
)
def test_names_in_whole_answers(raw, renamed):
    """The name is spliced in where a search can tell its place, and the object written anew elsewhere."""
    found = rename(raw, json.loads(raw), "fast")

    assert (found == renamed) if isinstance(renamed, bytes) else json.loads(found) == renamed


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        (None, None),
        ("x", None),
        ({}, Usage()),
        (
            {"prompt_tokens": 3, "completion_tokens": True, "prompt_tokens_details": {"cached_tokens": 2}},
            Usage(3, 0, 2),
        ),
        ({"prompt_tokens": -1, "completion_tokens": 5.5}, Usage()),
    ],
    ids=["none", "text", "empty", "cached", "odd"],
)
def test_usage_of_a_service(value, usage):
    """Counts that make no sense count as nothing."""
    assert usage_of(value) == usage


def test_a_comment_alone_on_the_fast_path():
    """A sign of life of the service passes, and is no data."""
    relay = Relay("fast")
    relay.feed(chunk("a"))
    before = relay.events

    assert relay.feed(b": ping\n\n") == b": ping\n\n"
    assert relay.feed(b"") == b""
    assert relay.events == before


@pytest.mark.parametrize("dense", [True, False])
def test_a_text_about_error_events(dense):
    """An answer that explains events is no error."""
    pieces = [chunk("event: error"), chunk(" or event:error", finish="stop"), USED, DONE]
    if not dense:
        pieces = [piece.replace(b":{", b": {") for piece in pieces]
    sent, relay = passed(b"".join(pieces))

    assert said(events(sent)) == "event: error or event:error"
    assert relay.is_complete
    assert relay.error is None


def test_lines_of_data_become_one():
    """Data of several lines goes on as one line that every client reads."""
    event = chunk("one").replace(b',"choices"', b'\ndata: ,"choices"')
    assert event.count(b"\n") == 3

    sent, _ = passed(event + LAST + DONE)

    assert said(events(sent)) == "one"
    assert all(line.startswith(b"data: ") for line in sent.split(b"\n\n")[:-1])
    assert b"\ndata: ," not in sent


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_long_event_in_many_reads(end, size, monkeypatch):
    """It is put together once, wherever its end is cut, and what follows is the next one."""
    monkeypatch.setattr(relays, "_LONG", 100)
    event = chunk("x" * 500).rstrip(b"\n") + end
    framer = Framer()
    blocks = [framer.feed((event * 3)[at : at + size]) for at in range(0, 3 * len(event), size)]

    assert b"".join(blocks) + framer.rest() == event * 3
    whole = [block for block in blocks if block]
    assert all(block.endswith((b"\n\n", b"\r\r", b"\n\r\n")) for block in whole)
    assert len(whole) >= (3 if size < 1000 else 1)


def test_a_long_event_has_a_bound(monkeypatch):
    """The same that others have."""
    monkeypatch.setattr(relays, "_LONG", 10)
    monkeypatch.setattr(relays, "MAX_EVENT", 100)
    framer = Framer()
    with pytest.raises(StreamError, match="an event of more than 100 bytes"):
        for _ in range(12):
            framer.feed(b"x" * 9)
