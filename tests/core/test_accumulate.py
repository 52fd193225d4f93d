from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference._core.accumulate import ChatAccumulator
from wandb_inference._core.reading import read_model
from wandb_inference.types import ChatCompletion, ChatCompletionChunk


def added(*chunks) -> ChatAccumulator:
    accumulator = ChatAccumulator()
    for chunk in chunks:
        accumulator.add(ChatCompletionChunk.model_validate(chunk))
    return accumulator


def delta(index=0, finish=None, **fields):
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def call(index=None, id=None, name=None, arguments=None, **extra):
    function = {"name": name, "arguments": arguments}
    return delta(tool_calls=[{"index": index, "id": id, "function": function, **extra}])


def message(*chunks):
    return added(*chunks).snapshot().choices[0].message


def test_text():
    """Pieces of text are joined; role and reason are those that came."""
    accumulator = added(
        delta(role="assistant", content=""), delta(content="hel"), delta(content="lo"), delta(finish="stop")
    )

    completion = accumulator.snapshot()
    assert accumulator.text == completion.text == "hello"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.role == "assistant"


def test_messages_for_deltas():
    """A `message` where a delta belongs is read as one, in the chunk too, and counts for the text."""
    tool = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    pieces = [
        {"message": {"role": "assistant", "content": "hel", "reasoning": "h"}, "stop_reason": 7},
        {"delta": None, "message": {"content": ["l", {"text": "o"}], "new": 1}},
        {"message": {"content": None, "tool_calls": [tool]}, "finish_reason": "stop", "token_ids": [1]},
    ]
    chunks = [read_model(ChatCompletionChunk, json.dumps({"choices": [piece]}).encode()) for piece in pieces]
    accumulator = ChatAccumulator()
    for chunk in chunks:
        accumulator.add(chunk)

    said = accumulator.snapshot().choices[0]

    assert [chunk.text for chunk in chunks] == ["hel", "lo", ""]
    assert chunks[0].reasoning == "h"
    assert chunks[1].model_dump(exclude_unset=True) == {"choices": [{"delta": {"content": "lo", "new": 1}}]}
    assert (said.message.content, said.message.reasoning, said.message.new) == ("hello", "h", 1)
    assert said.message.tool_calls[0].function.arguments == '{"a": 1}'
    assert (said.finish_reason, said.token_ids, said.model_extra) == ("stop", [1], {"stop_reason": 7})


@pytest.mark.parametrize(
    "piece",
    [
        {"message": None},
        {"message": "hi"},
        {"message": {"tool_calls": [[7]]}},
        {"delta": {}, "message": {"content": "hi"}},
        {"delta": {"content": ""}, "message": {"content": "hi"}},
    ],
)
def test_messages_beside_deltas(piece):
    """A `message` beside a delta, or one that can't be read, stays a field like any unknown one."""
    chunk = ChatCompletionChunk.model_validate({"choices": [piece]})
    accumulator = ChatAccumulator()
    accumulator.add(chunk)

    assert accumulator.text == chunk.text == ""
    assert chunk.choices[0].model_extra == {"message": piece["message"]}


def test_nothing():
    """Before the first chunk there is no text and no choice."""
    assert (added().text, added().snapshot().choices, added().usage) == ("", [], None)


def test_nothing_said():
    """A message without text has none, instead of an empty one."""
    assert message(delta(role="assistant", content=None), delta(finish="stop")).content is None
    assert message(delta(content=None), delta(finish="stop")).content is None
    assert message(delta(role="assistant", content="")).content == ""


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking(name):
    """Thinking is joined under the name it came with."""
    said = message(delta(**{name: "h"}), delta(**{name: "m"}), delta(**{name: None}), delta(content="yes"))

    assert (said.reasoning, said.content) == ("hm", "yes")
    assert said.model_dump()[name] == "hm"


def test_thinking_under_both_names():
    """A server that sends both names has each kept for itself."""
    said = message(delta(reasoning="a", reasoning_content="a"), delta(reasoning="b", reasoning_content="b"))

    assert said.reasoning == "ab"
    assert said.model_dump()["reasoning_content"] == "ab"


def test_thinking_of_another_type():
    """Thinking that is no text is kept as the last value that came."""
    said = message(delta(reasoning={"a": 1}), delta(reasoning={"b": 1}))

    assert said.model_dump()["reasoning"] == {"b": 1}


def test_refusal():
    """A refusal is joined like text."""
    assert message(delta(refusal="I "), delta(refusal="can't")).refusal == "I can't"


def test_several_answers():
    """Each of the answers grows for itself, and they are put in order."""
    completion = added(
        delta(1, content="b"), delta(0, content="a"), delta(1, content="b", finish="length"), delta(0, finish="stop")
    ).snapshot()

    assert [choice.index for choice in completion.choices] == [0, 1]
    assert [choice.message.text for choice in completion.choices] == ["a", "bb"]
    assert [choice.finish_reason for choice in completion.choices] == ["stop", "length"]


def test_text_is_the_first_answers():
    """The text is that of the lowest index, even if another began earlier."""
    assert added(delta(2, content="c"), delta(1, content="b")).text == "b"


class TestFinished:
    """Whether every answer has said why it ended."""

    def test_one(self):
        """One answer is enough for one."""
        assert not added().is_finished()
        assert not added(delta(content="a")).is_finished()
        assert added(delta(content="a", finish="stop")).is_finished()

    def test_several(self):
        """All that were asked for must have ended, and all that began."""
        accumulator = added(delta(0, finish="stop"))

        assert not accumulator.is_finished(2)
        accumulator.add(ChatCompletionChunk.model_validate(delta(1, content="b")))
        assert not accumulator.is_finished(1)
        accumulator.add(ChatCompletionChunk.model_validate(delta(1, finish="stop")))
        assert accumulator.is_finished(2)


def calls(*chunks):
    return [(found.id, found.function.name, found.function.arguments) for found in message(*chunks).tool_calls or ()]


WEATHER = [("a", "weather", '{"in":"Rome"}')]
BOTH = [*WEATHER, ("b", "time", "{}")]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [call(0, "a", "weather", ""), call(0, arguments='{"in":'), call(0, arguments='"Rome"}')],
            WEATHER,
            id="usual",
        ),
        pytest.param(
            [call(0, "a", "weather", '{"in":"Rome"}'), call(1, "b", "time", "{}")], BOTH, id="whole, in one piece each"
        ),
        pytest.param(
            [
                call(0, "a", "weather"),
                call(1, "b", "time"),
                call(0, arguments='{"in":'),
                call(1, arguments="{}"),
                call(0, arguments='"Rome"}'),
            ],
            BOTH,
            id="mixed by index",
        ),
        pytest.param(
            [call(1, "b", "time", "{}"), call(0, "a", "weather", '{"in":"Rome"}')], BOTH, id="the second index first"
        ),
        pytest.param(
            [call(None, "a", "weather", '{"in":'), call(arguments='"Rome"}'), call(None, "b", "time", "{}")],
            BOTH,
            id="without index",
        ),
        pytest.param(
            [call(0, "a", "weather", '{"in":'), call(0, "", "", '"Rome"}')], WEATHER, id="id and name empty later on"
        ),
        pytest.param(
            [call(0, "a", "weather", '{"in":'), call(0, "a", "weather", '"Rome"}'), call(1, "b", "time", "{}")],
            BOTH,
            id="id and name repeated",
        ),
        pytest.param(
            [
                call(None, "a", "weather", '{"in":'),
                call(None, "a", "weather", '"Rome"}'),
                call(None, "b", "time", "{}"),
            ],
            BOTH,
            id="id and name repeated, without index",
        ),
        pytest.param(
            [call(0, "a", "weather", '{"in":"Rome"}'), call(0, "b", "time", "{}")], BOTH, id="index 0 for every call"
        ),
        pytest.param(
            [call(0, "a", "wea"), call(0, None, "ther"), call(0, arguments='{"in":"Rome"}')],
            WEATHER,
            id="name in pieces",
        ),
        pytest.param(
            [call(None, None, "weather", '{"in":"Rome"}'), call(None, None, "time", "{}")],
            [("", "weather", '{"in":"Rome"}'), ("", "time", "{}")],
            id="neither index nor id",
        ),
        pytest.param(
            [call(None, None, "f", "{}"), call(None, None, "f", "{}")],
            [("", "f", "{}"), ("", "f", "{}")],
            id="the same function twice, neither index nor id",
        ),
        pytest.param(
            [call(None, None, "f", '{"a":'), call(None, None, "f", "1}")],
            [("", "f", '{"a":1}')],
            id="name repeated, neither index nor id",
        ),
        pytest.param(
            [call(None, None, "f", '{"a":{}'), call(None, None, "f", "}")],
            [("", "f", '{"a":{}}')],
            id="name repeated where the text only looks whole",
        ),
        pytest.param(
            [call(None, None, "f", '{"a":' + "[" * 100_000 + "}"), call(None, None, "f", "x")],
            [("", "f", '{"a":' + "[" * 100_000 + "}x")],
            id="arguments nested without end",
        ),
        pytest.param(
            [call(None, None, None, '{"in":"Rome"}'), call(None, "a", "weather")],
            [("a", "weather", '{"in":"Rome"}')],
            id="arguments before the name",
        ),
        pytest.param([call(0, None, "weather"), call(0, "a", None, '{"in":"Rome"}')], WEATHER, id="id after the name"),
        pytest.param([delta(tool_calls=[{"index": 0, "id": "a"}])], [("a", "", "")], id="no function"),
        pytest.param(
            [call(0, "a", "weather", '{"in":"Rome"}'), delta(tool_calls=[])], WEATHER, id="an empty list later on"
        ),
    ],
)
def test_tool_calls(chunks, expected):
    """Pieces of tool calls find each other, whichever of index, id and name a server leaves out or repeats."""
    assert calls(*chunks) == expected


def test_tool_calls_leave_no_empty_text():
    """An empty text beside tool calls is how a stream says null; what was said is kept."""
    assert message(delta(content=""), call(0, "a", "f", "{}")).content is None
    assert message(delta(content="Look:"), call(0, "a", "f", "{}")).content == "Look:"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "refusal"])
def test_thinking_and_refusals_leave_no_empty_text(name):
    """Nor is there an empty text beside thinking that used up all tokens, or beside a refusal."""
    assert message(delta(role="assistant", content=""), delta(**{name: "hm"})).content is None
    assert message(delta(content=""), delta(**{name: "hm"}), delta(content="yes")).content == "yes"


def test_fields_of_a_tool_call():
    """Type and unknown fields of a call are kept."""
    found = message(call(0, "a", "f", "{}", type="custom", thought="x")).tool_calls

    assert found is not None
    assert (found[0].type, found[0].model_dump()["thought"]) == ("custom", "x")


def test_function_call():
    """The older form adds up as well."""
    said = message(
        delta(function_call={"name": "f"}),
        delta(function_call={"arguments": "{"}),
        delta(function_call={"arguments": "}"}),
    )

    assert said.function_call is not None
    assert (said.function_call.name, said.function_call.arguments) == ("f", "{}")


def test_logprobs():
    """Probabilities are joined, those of text and refusal apart."""

    def chunk(**logprobs):
        return {"choices": [{"delta": {}, "logprobs": logprobs}]}

    logprobs = (
        added(
            chunk(content=[{"token": "a", "logprob": -1.0, "top_logprobs": []}]),
            chunk(content=None),
            chunk(content=[{"token": "b", "logprob": -2.0}], refusal=[{"token": "c"}]),
        )
        .snapshot()
        .choices[0]
        .logprobs
    )

    assert logprobs is not None
    assert [token.token for token in logprobs.content or ()] == ["a", "b"]
    assert [token.token for token in logprobs.refusal or ()] == ["c"]


def test_token_ids():
    """Token ids of the prompt and of the answer are those that came."""
    completion = added(
        {"prompt_token_ids": [1, 2], "choices": [{"delta": {}, "token_ids": [3]}]},
        {"choices": [{"delta": {}, "token_ids": []}]},
        {"choices": [{"delta": {}, "token_ids": [4, 5]}]},
    ).snapshot()

    assert completion.prompt_token_ids == [1, 2]
    assert completion.choices[0].token_ids == [3, 4, 5]
    assert added({"choices": [{"delta": {}, "token_ids": []}]}).snapshot().choices[0].token_ids == []


def test_unknown_fields():
    """Unknown fields of chunk, choice and delta are kept; a null says nothing."""
    completion = added(
        {"provider": "x", **delta(audio={"id": 1})},
        {"provider": "later", "choices": [{"delta": {"audio": None}, "stop_reason": 7, "index": 0}]},
        {"choices": [], "cost": 0.5},
    ).snapshot()

    dump = completion.model_dump()
    assert (dump["provider"], dump["cost"]) == ("x", 0.5)
    assert dump["choices"][0]["stop_reason"] == 7
    assert dump["choices"][0]["message"]["audio"] == {"id": 1}


def test_head():
    """Id, time and model are taken from the first chunk that has them."""
    completion = added(
        {"choices": []},
        {"id": "x", "created": 1, "model": "m", "system_fingerprint": "f", **delta(content="a")},
        {"id": "y", "created": 2, "model": "n", "choices": []},
    ).snapshot()

    assert (completion.id, completion.created, completion.model, completion.system_fingerprint) == ("x", 1, "m", "f")


def test_usage():
    """The last usage counts: some servers send one with each chunk."""
    accumulator = added(
        {**delta(content="a"), "usage": {"completion_tokens": 1}},
        {"choices": [], "usage": {"completion_tokens": 2}},
        delta(finish="stop"),
    )

    assert accumulator.usage is not None
    assert accumulator.snapshot().usage == accumulator.usage
    assert accumulator.usage.completion_tokens == 2


PIECES = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "content": PIECES,
                "thinking": st.lists(st.text(min_size=1, max_size=4), max_size=3),
                "calls": st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=3), max_size=2),
                "token_ids": st.lists(st.integers(0, 9), max_size=3),
                "finish": st.sampled_from(["stop", "length", "tool_calls", "a_new_one"]),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    st.randoms(use_true_random=False),
)
def test_a_completion_cut_to_chunks_adds_up_to_it(answers, random):
    """Chunks made from a completion, those of its answers mixed, add up to it."""
    choices, queues = [], []
    for index, answer in enumerate(answers):
        said = {"role": "assistant", "content": "".join(answer["content"])}
        chunks = [delta(index, role="assistant", content=piece) for piece in answer["content"]]
        if answer["thinking"]:
            said["reasoning"] = "".join(answer["thinking"])
            chunks += [delta(index, reasoning=piece) for piece in answer["thinking"]]
        if answer["calls"]:
            said["tool_calls"] = []
        for number, pieces in enumerate(answer["calls"]):
            function = {"name": f"f{number}", "arguments": "".join(pieces)}
            said["tool_calls"].append({"id": f"c{number}", "type": "function", "function": function})
            begin = {"index": number, "id": f"c{number}", "type": "function", "function": {"name": f"f{number}"}}
            more = [{"index": number, "function": {"arguments": piece}} for piece in pieces]
            chunks += [delta(index, tool_calls=[piece]) for piece in (begin, *more)]
        choice = {"index": index, "message": said, "finish_reason": answer["finish"]}
        if answer["token_ids"]:
            choice["token_ids"] = answer["token_ids"]
            chunks += [{"choices": [{"index": index, "delta": {}, "token_ids": [id]}]} for id in answer["token_ids"]]
        choices.append(choice)
        queues.append([*chunks, delta(index, finish=answer["finish"])])
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    completion = ChatCompletion.model_validate({"id": "x", "model": "m", "choices": choices, "usage": usage})

    accumulator = ChatAccumulator()
    while any(queues):
        chunk = random.choice([queue for queue in queues if queue]).pop(0)
        accumulator.add(ChatCompletionChunk.model_validate({"id": "x", "model": "m", **chunk}))
    accumulator.add(ChatCompletionChunk.model_validate({"id": "x", "model": "m", "choices": [], "usage": usage}))

    assert accumulator.is_finished(len(answers))
    assert accumulator.snapshot() == completion
