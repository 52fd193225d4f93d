from __future__ import annotations

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from wandb_inference._core import deferred as deferred_module
from wandb_inference._core import logprobs
from wandb_inference._core.deferred import DeferredLogprobs
from wandb_inference._core.logprobs import read_completion
from wandb_inference._core.reading import UnreadableError, read_model
from wandb_inference.types import ChatCompletion, Choice, ChoiceLogprobs, TokenLogprob

WORDS = [" the", "\n", '"', "\\", "{", "}]},{", "caf\u00e9", "logprobs", '"logprobs":{"content":[', "\U0001f600", ""]


def token(number: int, alternatives: int = 0, **fields):
    """A token's entry as servers write it."""

    def entry(place: int):
        word = WORDS[place % len(WORDS)]
        return {"token": word, "logprob": -place / 8, "bytes": list(word.encode())}

    return {**entry(number), "top_logprobs": [entry(number + i) for i in range(alternatives)], **fields}


def choice(tokens: int = 40, alternatives: int = 0, index: int = 0, **fields):
    content = [token(number, alternatives) for number in range(tokens)]
    return {
        "index": index,
        "message": {"role": "assistant", "content": "".join(entry["token"] for entry in content)},
        "logprobs": {"content": content, "refusal": None},
        "finish_reason": "stop",
        **fields,
    }


def encoded(*choices, separators=(",", ":"), ascii=False, indent=None, **fields) -> bytes:
    completion = {"id": "c", "choices": list(choices), "usage": {"total_tokens": 3}, **fields}
    return json.dumps(completion, separators=separators, ensure_ascii=ascii, indent=indent).encode()


def eager(data: bytes) -> ChatCompletion:
    return read_model(ChatCompletion, data)


def waiting(completion: ChatCompletion) -> list[bool]:
    """For each choice, whether its logprobs are still to be built."""
    return [type(choice.logprobs) is DeferredLogprobs for choice in completion.choices]


@pytest.fixture(autouse=True)
def pieces(monkeypatch):
    """Pieces are small, so that short bodies show what long ones do."""
    monkeypatch.setattr(logprobs, "_PIECE", 1024)


def outcome(read, data: bytes) -> list[object]:
    """All that can be told of an answer, or why it can't be read."""
    try:
        completion = read(data)
    except UnreadableError as error:
        return [str(error)]
    dumps = [completion.model_dump(), completion.model_dump(exclude_unset=True)]
    # As text, where NaN is equal to NaN and 1 is not to 1.0.
    return [repr(completion), *map(repr, dumps), [repr(choice.logprobs) for choice in completion.choices]]


class TestReading:
    """What is read, and when."""

    @pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n\t", " :\r\n")])
    @pytest.mark.parametrize("alternatives", [0, 1, 3])
    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("ascii", [True, False])
    def test_waits(self, separators, alternatives, count, ascii):
        """The text is there at once, logprobs when they are asked for, each choice's its own."""
        choices = [choice(40 + number, alternatives, number) for number in range(count)]
        data = encoded(*choices, separators=separators, ascii=ascii)

        found = read_completion(data)

        assert found.text == choices[0]["message"]["content"]
        assert waiting(found) == [True] * count
        assert [len(part.logprobs.content) for part in found.choices] == [40 + number for number in range(count)]
        assert waiting(found) == [False] * count
        assert [part.logprobs for part in found.choices] == [part.logprobs for part in eager(data).choices]
        assert isinstance(found.choices[0].logprobs.content[0], TokenLogprob)
        assert outcome(read_completion, data) == outcome(eager, data)

    def test_pretty_printed(self):
        """White space between all that can have some changes nothing."""
        data = encoded(choice(), indent=2)

        assert waiting(read_completion(data)) == [True]
        assert outcome(read_completion, data) == outcome(eager, data)

    def test_one_choice_at_a_time(self):
        """To read one choice's logprobs builds no other's, and each is built once."""
        found = read_completion(encoded(choice(), choice(index=1)))

        first = found.choices[0].logprobs.content

        assert waiting(found) == [False, True]
        assert found.choices[0].logprobs.content is first

    @pytest.mark.parametrize("place", ["message", "finish_reason", "index"])
    def test_any_order_of_fields(self, place):
        """It does not matter which fields come after the logprobs, or how long they are."""
        one = choice(message={"content": "x" * 2000})
        data = encoded({**{name: value for name, value in one.items() if name != place}, place: one[place]})

        assert waiting(read_completion(data)) == [True]
        assert outcome(read_completion, data) == outcome(eager, data)

    def test_the_refusals_tokens(self):
        """The tokens of a refusal are read like those of the text."""
        tokens = [token(number) for number in range(40)]
        for fields in ({"content": None, "refusal": tokens}, {"content": tokens, "refusal": tokens}):
            found = read_completion(encoded(choice(logprobs=fields)))

            assert waiting(found) == [True]
            assert len(found.choices[0].logprobs.refusal) == 40

    def test_unknown_fields(self):
        """What a server adds to logprobs is kept."""
        tokens = [{"new": {"a": number}, "logprobs": {}, **token(number)} for number in range(40)]
        fields = {"content": tokens, "more": [1]}

        found = read_completion(encoded(choice(logprobs=fields)))

        assert waiting(found) == [True]
        assert found.choices[0].logprobs.more == [1]
        assert found.choices[0].logprobs.content[7].new == {"a": 7}

    @pytest.mark.parametrize("value", [None, {}, {"content": None}, {"content": []}, {"content": [token(0)]}])
    def test_nothing_much(self, value):
        """A choice with few logprobs, none or null is read like any."""
        for one in (choice(logprobs=value), {"message": {"content": "a"}}):
            data = encoded(one, choice(index=1))

            assert outcome(read_completion, data) == outcome(eager, data)

    def test_as_set(self, monkeypatch):
        """It works with pieces as large as they are, too."""
        monkeypatch.undo()
        data = encoded(choice(5000, 1), choice(1000, 1, 1))

        found = read_completion(data)

        assert waiting(found) == [True, True]
        assert found == eager(data)

    def test_many_small_ones(self):
        """Where cuts would cost more than they save, there are none."""
        assert not any(waiting(read_completion(encoded(*(choice(0, index=number) for number in range(100))))))

    def test_other_shapes(self):
        """Logprobs that no known server writes like this are read at once."""
        tokens = [{"top_logprobs": [], "token": "a", "logprob": -1.0} for _ in range(100)]

        assert waiting(read_completion(encoded(choice(logprobs={"content": tokens})))) == [False]


ODD = [
    {"content": [7]},
    {"content": [[7]]},
    {"content": [{"token": 7, "logprob": "low", "bytes": "x", "top_logprobs": {}}, None, "x", [], {}]},
    {"content": {"token": "x"}},
    {"content": "x", "refusal": [[[]]]},
    {"content": [token(0, top_logprobs=[[1], {"token": []}, 7])]},
    {"content": [token(0, bytes=[1, "2", [3], {"x": 4}, 1.5])]},
    "none",
    [],
    7,
    [{"content": []}],
]


class TestMalformed:
    """Logprobs that are none."""

    @pytest.mark.parametrize("value", ODD)
    def test_the_answer_is_read(self, value):
        """Whatever stands where logprobs belong, the text is read; what does not fit in them is left out."""
        data = encoded(choice(logprobs=value))
        padded = encoded(choice(logprobs={**value, "x": "y" * 200} if isinstance(value, dict) else value))

        assert read_completion(data).text == choice()["message"]["content"]
        assert outcome(read_completion, data) == outcome(eager, data)
        assert outcome(read_completion, padded) == outcome(eager, padded)

    def test_what_fits_is_kept(self):
        """One odd token takes nothing from the others."""
        tokens: list[Any] = [token(number) for number in range(40)]
        tokens[20] = [tokens[20]]
        data = encoded(choice(logprobs={"content": tokens}))

        found = read_completion(data)

        assert waiting(found) == [True]
        assert len(found.choices[0].logprobs.content) == 39
        assert outcome(read_completion, data) == outcome(eager, data)

    @pytest.mark.parametrize("place", [0, 20, 39])
    @pytest.mark.parametrize("bad", [b"\xff", b"\\ud83d"])
    def test_text_to_repair(self, place, bad):
        """Tokens whose text has to be repaired are read at once."""
        tokens = [token(number) for number in range(40)]
        data = encoded(choice(logprobs={"content": [*tokens[:place], token(0, token="?"), *tokens[place + 1 :]]}))
        data = data.replace(b'"token":"?"', b'"token":"' + bad + b'"')

        assert waiting(read_completion(data)) == [False]
        assert read_completion(data).choices[0].logprobs.content[place].token == "\ufffd"
        assert outcome(read_completion, data) == outcome(eager, data)

    @pytest.mark.parametrize("depth", range(190, 201))
    def test_depth(self, depth):
        """What is nested too deep for the whole is so for a part."""
        tokens = [token(number) for number in range(40)]
        for place in (0, 20, 39):
            nested: object = []
            for _ in range(depth):
                nested = [nested]
            data = encoded(choice(logprobs={"content": [*tokens[:place], {**tokens[place], "x": nested}]}))

            assert outcome(read_completion, data) == outcome(eager, data)


TEXT = b'{"message":{"content":"a"},"logprobs":%b}'
LOGPROBS = encoded(choice())[:-1].partition(b'"logprobs":')[2].partition(b',"finish_reason"')[0]
OTHER = LOGPROBS.replace(b'"bytes"', b'"other"')


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[%b],"metadata":{"logprobs":%b}}' % (TEXT % LOGPROBS, OTHER),
        b'{"logprobs":%b,"choices":[%b]}' % (OTHER, TEXT % LOGPROBS),
        b'{"choices":[{"message":{"content":"a","logprobs":%b},"logprobs":%b}]}' % (OTHER, LOGPROBS),
        b'{"choices":[{"message":{"content":"a"},"logprobs":%b,"logprobs":%b}]}' % (OTHER, LOGPROBS),
        b'{"choices":[{"message":{"content":"a"},"logprobs":%b,"logprobs":null}]}' % LOGPROBS,
        b'{"choices":[{"message":{"content":"a"},"logprobs":%b,"\\u006cogprobs":null}]}' % LOGPROBS,
        b'{"choices":[{"message":{"content":"a"},"\\u006cogprobs":%b}]}' % LOGPROBS,
        b'{"choices":[%b],"choices":[%b]}' % (TEXT % OTHER, TEXT % LOGPROBS),
        b'{"choices":[{"message":{"content":"a"},"logprobs":{"content":[{"logprobs":%b}]}}]}' % LOGPROBS,
        b'{"choices":[{"message":{"content":"\\"logprobs\\":{"},"logprobs":%b}]}' % LOGPROBS,
        b'{"choices":[{"message":{"content":"\\\\"logprobs":%b},"logprobs":%b}]}' % (OTHER, LOGPROBS),
        b'{"choices":[{"message":{"content":"logprobs"},"logprobs":%b}]}' % LOGPROBS,
        # A part that ends in another choice, or is followed by what may not follow.
        b'{"choices":[%b,%b]}' % (TEXT % b'{"content":[]}', TEXT % LOGPROBS),
        b'{"choices":[%b]}' % TEXT % (b'{"content":[]},%b' % LOGPROBS),
        b'{"choices":[%b]}' % TEXT % (LOGPROBS + b"," + LOGPROBS),
        b'{"choices":[%b]}' % TEXT % (LOGPROBS + b"}"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS[:-1],
        b'{"choices":[%b]}' % TEXT % LOGPROBS[:-30],
        # What stands for a cut, sent by a server.
        b'{"choices":[%b],"x":{"cut":7305514210000000}}' % (TEXT % LOGPROBS),
        b'{"choices":[%b,%b]}' % (TEXT % b'{"cut":7305514210000000}', TEXT % LOGPROBS),
        *(
            b'{"choices":[%b],"x":{"logprobs":%b}}' % (TEXT.replace(b"logp", b"\\u006cogp") % forged, LOGPROBS)
            for forged in (b'{"cut":7305514210000000}', b'{"cut":73055142.1e8}', b'{"cut":[1]}', b'{"cut":true}')
        ),
        # No JSON, or not as strict as it might be.
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b"[99", b"[099"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b"null}", b"NaN}"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b"-0.125", b"-Infinity"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b"-0.125", b"1e999"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b"-0.125", b"9" * 400),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b"-0.125", b"9" * 5000),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b" the", b"\xff"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b" the", b"\\ud83d"),
        b'{"choices":[%b]}' % TEXT % LOGPROBS.replace(b" the", b"\x01"),
        b'\xef\xbb\xbf{"choices":[%b]}' % (TEXT % LOGPROBS),
        b'{"created":1.5,"choices":[%b]}' % (TEXT % LOGPROBS),
        b'{"choices":[{"logprobs":%b}]}' % LOGPROBS,
        b'{"choices":[%b]}x' % (TEXT % LOGPROBS),
        b'{"choices":{"logprobs":%b}}' % LOGPROBS,
    ],
)
def test_odd_bodies(data):
    """Logprobs in other places, twice, spelt otherwise or broken: verdict and values are those of one reading."""
    assert outcome(read_completion, data) == outcome(eager, data)


class Pairs(list):
    """An object with its fields in order, the same name perhaps twice."""


TEXTS = st.sampled_from([*WORDS, "a", '"', '\\"', '"logprobs":', "top_logprobs", "}", "]}", "7305514210"])
NAMES = st.sampled_from(["logprobs", "content", "refusal", "token", "top_logprobs", "choices", "message", "x", "cut"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
    max_leaves=8,
)
TOKENS = st.builds(
    lambda word, number, top, extra: Pairs(
        [("token", word), ("logprob", number), ("bytes", [1]), *extra, ("top_logprobs", top)]
    ),
    TEXTS,
    st.floats(-9, 0),
    st.lists(st.builds(lambda word: Pairs([("token", word), ("logprob", -1.0), ("bytes", [])]), TEXTS), max_size=2),
    st.lists(st.tuples(NAMES, JSON), max_size=1),
)
LISTS = st.lists(TOKENS, min_size=4, max_size=12) | st.lists(TOKENS | JSON, max_size=6)
PLAIN = LISTS.map(lambda tokens: Pairs([("content", tokens), ("refusal", None)]))
FIELDS = PLAIN | st.lists(st.tuples(st.sampled_from(["content", "refusal", "x"]), LISTS | JSON), max_size=3).map(Pairs)
OTHERS = st.tuples(NAMES | st.sampled_from(["index", "finish_reason"]), JSON)
CHOICES = st.builds(
    lambda before, inner, after: Pairs([("message", Pairs([("content", "a")])), *before, ("logprobs", inner), *after]),
    st.just([]) | st.lists(OTHERS, max_size=1),
    FIELDS,
    st.just([]) | st.lists(OTHERS | st.tuples(st.just("logprobs"), FIELDS | JSON), max_size=1),
)
BODIES = st.builds(
    lambda choices, extra: Pairs([("choices", choices), *extra]),
    st.lists(CHOICES, min_size=1, max_size=3),
    st.just([]) | st.lists(st.tuples(NAMES, FIELDS | JSON), max_size=1),
)
FRAGMENTS = [
    b"",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]}",
    b",",
    b":",
    b" ",
    b"\n",
    b"\xff",
    b"\\ud83d",
    b"null",
    b"1e5",
    b"NaN",
]
FRAGMENTS += [b'"logprobs":', b'"logprobs":{', b'"logprobs":{"content":[', b'"\\u006cogprobs":', b'"', b"},{", b"]},{"]
FRAGMENTS += [b'{"cut":7305514210000000}', b"7305514210000001", b'"message":{},', b'"x":1},{"message":{},"logprobs":{']
SPLICES = st.just([]) | st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from(FRAGMENTS)), max_size=2)


def rendered(value: object, comma: str, colon: str, ascii: bool) -> str:
    if isinstance(value, Pairs):
        fields = (f"{json.dumps(name)}{colon}{rendered(inner, comma, colon, ascii)}" for name, inner in value)
        return "{" + comma.join(fields) + "}"
    if isinstance(value, list):
        return "[" + comma.join(rendered(inner, comma, colon, ascii) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=ascii)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    BODIES,
    SPLICES,
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]),
    st.booleans(),
    st.sampled_from([256, 512, 1024]),
)
def test_any_body(value, splices, separators, ascii, piece):
    """Any body, whole or broken, is read or refused as if it were read at once."""
    data = rendered(value, *separators, ascii).encode("utf-8", "surrogatepass")
    for place, cut, fragment in splices:
        at = int(place * len(data))
        data = data[:at] + fragment + data[at + cut :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logprobs, "_PIECE", piece)
        found = outcome(read_completion, data)

    assert found == outcome(eager, data)


def answered(count: int) -> bytes:
    choices = [choice(index=number, new=number) for number in range(count)]
    for one in choices:
        one["logprobs"]["more"] = [1]
    return encoded(*choices)


def deferred(count: int = 2) -> ChatCompletion:
    found = read_completion(answered(count))
    assert waiting(found) == [True] * count
    return found


def whole(count: int = 2) -> ChatCompletion:
    return eager(answered(count))


class Holder(BaseModel):
    """A user's model with an answer in it."""

    answer: ChatCompletion
    anything: Any = None


LOOKS = {
    "repr": repr,
    "str": str,
    "dict": lambda answer: [dict(part) for part in answer.choices],
    "vars": lambda answer: [vars(part) for part in answer.choices],
    "dump": lambda answer: answer.model_dump(),
    "dump of a choice": lambda answer: answer.choices[1].model_dump(),
    "json": lambda answer: answer.model_dump_json(),
    "json of a choice": lambda answer: answer.choices[1].model_dump_json(),
    "json mode": lambda answer: answer.model_dump(mode="json"),
    "unset": lambda answer: answer.model_dump(exclude_unset=True),
    "defaults": lambda answer: answer.model_dump(exclude_defaults=True),
    "none": lambda answer: answer.model_dump(exclude_none=True),
    "round trip": lambda answer: answer.model_dump(round_trip=True),
    "exclude": lambda answer: answer.model_dump(exclude={"choices": {"__all__": {"logprobs"}}}),
    "exclude some": lambda answer: answer.model_dump(exclude={"choices": {0: {"logprobs": {"content": {1}}}}}),
    "include": lambda answer: answer.model_dump(include={"choices": {"__all__": {"logprobs": {"refusal": True}}}}),
    "as any": lambda answer: answer.model_dump(serialize_as_any=True),
    "in a model": lambda answer: Holder(answer=answer, anything=answer.choices[0]).model_dump_json(),
    "as anything": lambda answer: Holder(answer=whole(), anything=answer.choices[0].logprobs).model_dump(),
    "adapter": lambda answer: TypeAdapter(list[Choice]).dump_python(answer.choices),
    "json adapter": lambda answer: TypeAdapter(ChoiceLogprobs).dump_json(answer.choices[0].logprobs),
    "validated": lambda answer: Holder.model_validate({"answer": answer}).answer.choices[1].logprobs,
    "attributes": lambda answer: TypeAdapter(Other).validate_python(answer.choices[0]),
}

# What can be done with logprobs themselves, each the first thing that is done.
LOOKS_WITHIN = {
    "content": lambda value: value.content,
    "unknown": lambda value: value.more,
    "repr": repr,
    "str": str,
    "iter": list,
    "vars": vars,
    "dir": dir,
    "fields set": lambda value: value.model_fields_set,
    "extra": lambda value: value.model_extra,
    "state": lambda value: value.__getstate__(),
    "repr_args": lambda value: list(value.__repr_args__()),
    "rich": lambda value: list(value.__rich_repr__()),
    "dump": lambda value: value.model_dump(),
    "unset": lambda value: value.model_dump(exclude_unset=True),
    "json": lambda value: value.model_dump_json(),
    "copy": lambda value: value.model_copy(update={"refusal": []}),
    "attribute": lambda value: hasattr(value, "none_such"),
    "instance": lambda value: isinstance(value, ChoiceLogprobs) and isinstance(value, BaseModel),
    "validated": ChoiceLogprobs.model_validate,
}


class Other(BaseModel):
    """A model that takes a field from an object that has it."""

    model_config = ConfigDict(from_attributes=True)
    logprobs: ChoiceLogprobs | None


class TestAsBuilt:
    """Logprobs that wait can't be told from those that don't."""

    @pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
    def test_looks(self, look):
        """An answer prints, dumps and iterates alike."""
        assert look(deferred()) == look(whole())

    @pytest.mark.parametrize("look", LOOKS_WITHIN.values(), ids=LOOKS_WITHIN)
    def test_looks_within(self, look):
        """So do the logprobs, whatever is looked at first."""
        value, same = (answer.choices[0].logprobs for answer in (deferred(), whole()))

        assert look(value) == look(same)
        assert value.content == same.content
        assert type(value) is ChoiceLogprobs

    def test_it_is_known_that_there_are_some(self):
        """To ask whether there are logprobs builds none."""
        answer = deferred()

        assert all(part.logprobs for part in answer.choices)
        assert not any(part.logprobs is None for part in answer.choices)
        assert waiting(answer) == [True, True]

    def test_dumps_leave_out_what_they_should(self):
        """What a dump includes and excludes reaches into logprobs."""
        answer = deferred()

        some = answer.model_dump(exclude={"choices": {0: {"logprobs": {"content": {1}}}}})
        one = answer.model_dump(include={"choices": {0: {"logprobs": {"refusal"}}}})

        assert [len(part["logprobs"]["content"]) for part in some["choices"]] == [39, 40]
        assert one == {"choices": [{"logprobs": {"refusal": None}}]}

    def test_equality(self):
        """Equality compares what the logprobs are, whichever side they wait on."""
        less = read_completion(answered(2).replace(b'"logprob":-0.125', b'"logprob":-0.25'))

        assert deferred() == whole()
        assert whole() == deferred()
        assert deferred() == deferred()
        assert deferred() != less
        assert deferred().choices[0] != whole().choices[0].model_copy(update={"logprobs": None})
        assert whole().choices[0].model_copy(update={"logprobs": None}) != deferred().choices[0]

    def test_hash(self):
        """It has no hash, like the lists in it."""
        for answer in (deferred(), whole()):
            with pytest.raises(TypeError, match="unhashable"):
                hash(answer.choices[0])
            with pytest.raises(TypeError, match="unhashable"):
                hash(answer.choices[1].logprobs)

    @pytest.mark.parametrize("read", [False, True])
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, read, protocol):
        """It pickles before and after the logprobs are read, and before they are read, they stay unread."""
        answer = deferred()
        if read:
            assert all(part.logprobs.content for part in answer.choices)

        again = pickle.loads(pickle.dumps(answer, protocol))

        assert waiting(again) == [not read] * 2
        assert waiting(answer) == [not read] * 2
        assert again == whole()
        assert again.choices[0].logprobs.content[3].token == WORDS[3]

    def test_shallow_copies(self):
        """Copies share the logprobs, whoever reads them first."""
        answer = deferred()
        copies = [copy.copy(answer.choices[0]), answer.choices[0].model_copy()]

        found = [part.logprobs for part in (*copies, answer.choices[0])]

        assert found[0] is found[1] is found[2]
        assert found[0] == whole().choices[0].logprobs

    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda part: part.model_copy(deep=True)])
    def test_deep_copies(self, clone):
        """A deep copy has logprobs of its own."""
        part = deferred().choices[0]

        again = clone(part)

        assert again == part
        assert again.logprobs is not part.logprobs
        part.logprobs.content.clear()
        assert len(again.logprobs.content) == 40

    def test_frozen(self):
        """They can't be changed, and say so as ever."""
        for answer in (deferred(), whole()):
            value = answer.choices[0].logprobs
            for change in (
                lambda value=value: setattr(value, "content", None),
                lambda value=value: delattr(value, "content"),
            ):
                with pytest.raises(
                    ValidationError, match="1 validation error for ChoiceLogprobs\ncontent\n  Instance is frozen"
                ):
                    change()
            with pytest.raises(AttributeError, match="'ChoiceLogprobs' object has no attribute 'none_such'"):
                value.none_such  # noqa: B018

    def test_threads(self):
        """Any number of threads that read at the same time get the same object."""
        for _ in range(20):
            answer = deferred(1)
            start = Barrier(4)

            def read(answer=answer, start=start):
                start.wait()
                return answer.choices[0].logprobs.content

            with ThreadPoolExecutor(4) as pool:
                found = [future.result() for future in [pool.submit(read) for _ in range(4)]]

            assert len({id(content) for content in found}) == 1
            assert found[0] == whole().choices[0].logprobs.content

    def test_the_first_result_is_everybodys(self, monkeypatch):
        """Who builds while another one finishes gets the other's."""
        value = deferred(1).choices[0].logprobs
        inner: list[object] = []

        def read(model, data):
            if not inner:
                inner.append(None)
                inner.append(value.content)
            return read_model(model, data)

        monkeypatch.setattr(deferred_module, "read_model", read)

        assert value.content is inner[1]

    def test_a_failure_is_not_kept(self, monkeypatch):
        """Where memory runs out while they are built, the next look tries again."""

        def read(model, data):
            raise MemoryError

        value = deferred(1).choices[0].logprobs
        with monkeypatch.context() as patch:
            patch.setattr(deferred_module, "read_model", read)
            for look in (repr, vars, lambda value: value.content):
                with pytest.raises(MemoryError):
                    look(value)

        assert value == whole().choices[0].logprobs

    def test_built_while_pickled(self):
        """Who pickles them just when another thread has built them gets what was built."""
        value = deferred(1).choices[0].logprobs
        reduce = value.__reduce__
        assert value.content

        make, arguments, state = reduce()[:3]
        again = make(*arguments)
        again.__setstate__(state)

        assert again == value
