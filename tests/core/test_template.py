from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wandb_inference._core.chunks import ChunkParser
from wandb_inference._core.template import ChunkTemplate
from wandb_inference._core.wire import Context, Reply, Request, Timeouts
from wandb_inference.types import ChatCompletionChunk

VALIDATE = ChatCompletionChunk.__pydantic_validator__.validate_json
BASE_URL = "https://api.inference.wandb.ai/v1"


def piece(delta, *, finish=None, index=0, choice=None, **chunk):
    """An event's data, as a server writes it."""
    one = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish, **(choice or {})}
    return json.dumps({"id": "c", "model": "m", "created": 1, "choices": [one], "usage": None, **chunk}).encode()


def learnt(raw):
    template = ChunkTemplate()
    template.learn(raw, VALIDATE(raw))
    return template


def same(one, other):
    """Whether two chunks are the same in all that can be seen of them."""
    pairs = [(one, other), *zip(one.choices, other.choices, strict=True)]
    return one == other and repr(one) == repr(other) and all(a.model_fields_set == b.model_fields_set for a, b in pairs)


texts = st.one_of(
    st.text(max_size=8), st.sampled_from(['"', "\\", '"delta":', "}", '{"content":"probe"}', "\n", "é", "\ud800"])
)
deltas = st.dictionaries(
    st.sampled_from(["content", "role", "reasoning", "refusal", "x", "delta", "tool_calls"]),
    st.one_of(st.none(), texts, st.integers(), st.just([{"index": 0, "function": {"name": "f", "arguments": "{"}}])),
    max_size=3,
)
chunks = st.builds(
    lambda delta, finish, model, spaced, beside: json.dumps(
        {
            "id": "c",
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **({"stop": model} if beside else {})}],
        },
        separators=None if spaced else (",", ":"),
    ).encode("utf-8", "surrogatepass"),
    st.one_of(deltas, st.sampled_from([None, "text", [], 7])),
    st.sampled_from([None, None, None, "stop"]),
    st.sampled_from(["m", 'a "delta": {"content":"x"}', '"delta":"content"']),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(chunks, max_size=12))
def test_no_chunk_is_other_than_the_validators(raws):
    """Whatever was learnt, a chunk that the template reads is the one that the validator reads."""
    template = ChunkTemplate()
    for raw in raws:
        try:
            expected = VALIDATE(raw)
        except ValueError:
            assert template.read(raw) is None
            continue
        found = template.read(raw)
        if found is not None:
            assert same(found, expected)
        else:
            template.learn(raw, expected)


@given(
    st.lists(st.tuples(deltas, st.sampled_from([0, 0, 0, 1]), st.sampled_from([None, None, None, "stop"])), max_size=12)
)
def test_the_completion_is_the_same(said):
    """A stream adds up to the same completion, whether its chunks were like one another or not."""
    raws = [piece(delta, index=index, finish=finish) for delta, index, finish in said]
    request = Request("POST", f"{BASE_URL}/chat/completions", {}, b"", Timeouts(), Context(BASE_URL, "m"), stream=True)
    reply = Reply(200, {}, b"", None, seconds=0.0, to_headers=0.0, elapsed=0.0, now=0.0)
    like, unlike = ChunkParser(reply, request), ChunkParser(reply, request)

    for at, raw in enumerate(raws):
        other = json.dumps({**json.loads(raw), "n": at}).encode()
        first = [chunk.choices for chunk in like.feed(b"data: " + raw + b"\n\n")]
        assert first == [chunk.choices for chunk in unlike.feed(b"data: " + other + b"\n\n")]

    one, two = like.accumulator.snapshot(), unlike.accumulator.snapshot()
    assert one.model_dump(exclude={"n"}) == two.model_dump(exclude={"n"})


def test_reads_what_differs_in_the_delta():
    """Text, thinking and tool calls are read, with all that stands beside them."""
    template = learnt(piece({"role": "assistant", "content": ""}, choice={"stop_reason": None}, extra=1))

    for delta in ({"content": "a"}, {"reasoning": 'b "quoted" \\'}, {"tool_calls": [{"index": 0, "id": "x"}]}, {}):
        raw = piece(delta, choice={"stop_reason": None}, extra=1)
        found = template.read(raw)
        assert found is not None
        assert same(found, VALIDATE(raw))


def test_chunks_share_nothing():
    """What is done to one chunk shows in no other; each copies and pickles like any."""
    raw = piece({"content": "a"}, extra=1)
    template = learnt(raw)
    first, second = template.read(raw), template.read(raw)
    assert first is not None
    assert second is not None

    first.choices.clear()
    first.model_extra["extra"] = 2
    first.model_fields_set.clear()

    assert same(second, VALIDATE(raw))
    assert same(pickle.loads(pickle.dumps(second)), second)
    assert same(copy.deepcopy(second), second)
    assert same(template.read(raw), second)


@pytest.mark.parametrize(
    "raw",
    [
        piece({"content": "a"}, finish="stop"),
        piece({"content": "a"}, usage={"total_tokens": 1}),
        piece({"content": "a"}, choice={"logprobs": {"content": []}}),
        piece({"content": "a"}, choice={"token_ids": [1]}),
        piece({"content": "a"}, extra={"deep": 1}),
        piece({"content": "a"}, choices=[]),
        piece({"content": "a"}, model='"delta":'),
        piece({"content": "a"}, model='"delta": {"content":"x"}'),
        piece({"content": "a"}, choices=[{"delta": {"content": "a"}}], model='"delta": 1'),
        json.dumps({"choices": [{"delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}).encode(),
        b'{"choices": [{"delta"\n: {"content": "a"}}]}',
        b'{"choices": [{"delta":\n{"content": "a"}}]}',
        b'{"choices": [{"delta":{"content": "a"}, "delta": {"content": "b"}}]}',
    ],
)
def test_learns_only_what_is_plain(raw):
    """A chunk that ends an answer, or holds more than single values, is no template."""
    before = json.loads(raw)

    template = learnt(raw)

    found = template.read(raw)
    assert found is None or same(found, VALIDATE(raw)), before


@pytest.mark.parametrize("cut", [piece({"content": "a"})[:-3], piece(None), piece([]), piece("a"), b"{}", b""])
def test_another_shape_is_not_read(cut):
    """A chunk that is cut, or whose delta is no object, is left to the validator."""
    assert learnt(piece({"content": "a"})).read(cut) is None


def test_learns_less_often_where_it_does_not_pay():
    """Where each chunk differs in more than its delta, ever fewer of them are learnt; one that pays begins anew."""
    template = ChunkTemplate()
    learnt_at = []
    for number in range(40):
        raw = piece({"content": "a"}, created=number)
        template.learn(raw, VALIDATE(raw))
        if template.read(raw) is not None:
            learnt_at.append(number)
    assert learnt_at == [0, 2, 6, 14, 30]

    raw = piece({"content": "a"}, created=30)
    for _ in range(8):
        assert template.read(raw) is not None
    raw = piece({"content": "a"}, created=40)
    template.learn(raw, VALIDATE(raw))
    assert template.read(raw) is not None


def test_a_long_delta_is_read_as_well():
    """The delta's own JSON may hold braces, quotes and line feeds in their escaped form."""
    template = learnt(piece({"content": "é"}))
    raw = piece({"content": '{"a": ["\n"]}' * 1000})

    assert same(template.read(raw), VALIDATE(raw))


def test_bytes_that_are_no_text_are_not_learnt():
    """A chunk with broken UTF-8 that was mended is no template."""
    raw = piece({"content": "a"})
    template = ChunkTemplate()

    template.learn(raw.replace(b'"m"', b'"\xff"'), VALIDATE(raw))

    assert template.read(raw) is None
