from __future__ import annotations

import dataclasses
import enum
import json
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    RootModel,
    StringConstraints,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)
from typing_extensions import NotRequired, Required, TypeAliasType, TypedDict

from wandb_inference._core.partial import PartialJson
from wandb_inference._core.schema import Output


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Step(BaseModel):
    title: str
    minutes: int | None = None
    notes: list[str] = []


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float = 1.5
    label: str = ""


@dataclasses.dataclass
class Slotted:
    __slots__ = ("a", "b")
    a: str
    b: int


class Options(TypedDict, total=False):
    name: Required[str]
    size: NotRequired[int]
    fixed: Annotated[int, "kept"]


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str
    tricks: list[str]


class Node(BaseModel):
    value: int
    children: list[Node]
    next: Node | None


class Recipe(BaseModel):
    name: str
    steps: list[Step]
    colour: Color
    at: Point
    options: Options
    pet: Annotated[Union[Cat, Dog], Field(discriminator="kind")]
    when: Union[datetime, str]
    price: Decimal
    root: Node
    pair: tuple[int, str]
    flag: bool


def grown(kind, text, size=1):
    """The value after each piece of a text."""
    reader = Output.of(kind).partial()
    values = []
    for start in range(0, len(text), size):
        reader.feed(text[start : start + size])
        values.append(reader.value)
    return values


def after(kind, text):
    """The value after the beginning of a text."""
    reader = Output.of(kind).partial()
    reader.feed(text)
    return reader.value


def plain(value):
    """Any value as data that can be compared piece by piece."""
    if isinstance(value, BaseModel):
        return {name: plain(item) for name, item in vars(value).items()}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def continues(before, now):
    """Whether a value can have grown out of another."""
    if before is None:
        return True
    if isinstance(before, dict):
        return isinstance(now, dict) and all(
            name in now and continues(item, now[name]) for name, item in before.items()
        )
    if isinstance(before, list):
        return isinstance(now, list) and len(before) <= len(now) and all(map(continues, before, now))
    if isinstance(before, str):
        return isinstance(now, str) and now.startswith(before)
    return before == now


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
dates = st.datetimes().map(datetime.isoformat)
nodes: Any = st.recursive(
    st.builds(dict, value=st.integers(), children=st.just([]), next=st.none()),
    lambda inner: st.builds(dict, value=st.integers(), children=st.lists(inner, max_size=3), next=st.none() | inner),
    max_leaves=6,
)
recipes = st.fixed_dictionaries(
    {
        "name": words,
        "steps": st.lists(
            st.fixed_dictionaries(
                {"title": words, "minutes": st.none() | st.integers(), "notes": st.lists(words, max_size=3)}
            ),
            max_size=3,
        ),
        "colour": st.sampled_from(["red", "blue"]),
        "at": st.fixed_dictionaries({"x": st.integers(), "y": st.floats(-9, 9), "label": words}),
        "options": st.fixed_dictionaries({"name": words}, optional={"size": st.integers(), "fixed": st.integers()}),
        "pet": st.fixed_dictionaries({"kind": st.just("cat"), "name": words})
        | st.fixed_dictionaries({"name": words, "kind": st.just("dog"), "tricks": st.lists(words, max_size=2)}),
        "when": dates | words,
        "price": st.decimals(-99, 99, places=2).map(str) | st.integers(-9, 9),
        "root": nodes,
        "pair": st.tuples(st.integers(), words),
        "flag": st.booleans(),
    }
)


@settings(max_examples=40, deadline=None)
@given(recipes, st.booleans(), st.sampled_from([None, 1]), st.integers(1, 9))
def test_any_answer(data, ascii, indent, size):
    """Cut anywhere, an answer only grows, and ends as what the whole text is read as."""
    text = json.dumps(data, ensure_ascii=ascii, indent=indent)

    values = grown(Recipe, text, size)

    assert values[-1] == Output.of(Recipe).validate(text)
    for before, now in pairwise(plain(value) for value in values):
        assert continues(before, now)


@settings(max_examples=40, deadline=None)
@given(nodes, st.integers(1, 9))
def test_any_json(data, size):
    """Without a type an answer is plain data."""
    text = json.dumps(data)
    reader: PartialJson[object] = PartialJson()
    for start in range(0, len(text), size):
        reader.feed(text[start : start + size])

    assert reader.value == data


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from(['{"', '"', "name", ":", ",", "}", "]", "[", "{", "\\", "\\u00", "nul", "1", " ", "é", "steps"])
    )
)
def test_any_text(pieces):
    """Text that is no JSON never fails, however it is cut."""
    for reader in (Output.of(Recipe).partial(), Output.of(list[Step]).partial(), PartialJson[object]()):
        for piece in pieces:
            reader.feed(piece)
            assert reader.value is None or reader.value is not None


class TestGrowth:
    """What is shown of an open value."""

    def test_models(self):
        """Fields that have not come are `None`, whatever their default is, and not among those that were set."""
        value = after(Recipe, '{"name": "So')

        assert isinstance(value, Recipe)
        assert (value.name, value.steps, value.flag) == ("So", None, None)
        assert value.model_fields_set == {"name"}
        assert value.model_dump(exclude_unset=True) == {"name": "So"}
        assert "name='So'" in repr(value)

    def test_nothing_yet(self):
        """Before the first bracket there is nothing, behind it an instance without fields."""
        assert after(Step, "```json\n") is None
        assert after(Step, "{").model_fields_set == set()

    def test_lists(self):
        """Lists grow, their last item included."""
        assert [step.title for step in after(Recipe, '{"steps": [{"title": "Mix"}, {"title": "Ba').steps] == [
            "Mix",
            "Ba",
        ]
        assert after(list[int], '{"value": [1, 2') == [1]
        assert after(list[str], '{"value": ["a", "b') == ["a", "b"]
        assert after(list[str], '{"value": []') == []

    def test_complete_values_are_real(self):
        """What is complete was made by its class."""
        steps = after(Recipe, '{"steps": [{"title": "Mix"}, {').steps

        assert steps[0] == Step(title="Mix")
        assert steps[0].notes == []
        assert steps[1].notes is None

    def test_dataclasses(self):
        """A dataclass has all its attributes, so that it can be shown; frozen ones and slots, too."""
        assert repr(after(Point, '{"x": 1, "lab')) == "Point(x=1, y=None, label=None)"
        assert after(Slotted, '{"a": "x').a == "x"
        assert after(Slotted, '{"a": "x').b is None

    def test_typed_dicts(self):
        """In a TypedDict the keys are there that have come."""
        assert after(Options, '{"name": "a", "si') == {"name": "a"}
        assert after(Options, '{"size": 1, "fixed": 2, ') == {"size": 1, "fixed": 2}

    def test_what_does_not_grow(self):
        """Half of an enum, a number, a date or a tuple is nothing."""
        assert after(Recipe, '{"colour": "re').colour is None
        assert after(Recipe, '{"colour": "red"').colour is Color.RED
        assert after(Recipe, '{"price": 12').price is None
        assert after(Recipe, '{"price": 12,').price == Decimal(12)
        assert after(Recipe, '{"when": "2026').when is None
        assert after(Recipe, '{"pair": [1, "x"').pair is None
        assert after(Recipe, '{"pair": [1, "x"]').pair == (1, "x")

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ('{"value": "a\\', "a"),
            ('{"value": "a\\n', "a\n"),
            ('{"value": "a\\u00e', "a"),
            ('{"value": "a\\u00e9', "aé"),
            ('{"value": "a\\ud83d', "a"),
            ('{"value": "a\\ud83d\\ude0', "a"),
            ('{"value": "a\\ud83d\\ude00', "a😀"),
            ('{"value": "a\\"b', 'a"b'),
            ('{"value": "a\\\\u00', "a\\u00"),
            ('{"value": "a\\q', None),
        ],
    )
    def test_escapes(self, text, shown):
        """A text is shown up to the last character that is whole."""
        assert grown(str, text)[-1] == after(str, text) == shown

    def test_unions(self):
        """A union is shown once a field tells which it is, with what came before."""
        assert after(Recipe, '{"pet": {"name": "Rex", "ki').pet is None
        dog = after(Recipe, '{"pet": {"name": "Rex", "kind": "dog", "tricks": ["si').pet
        assert (type(dog), dog.name, dog.tricks) == (Dog, "Rex", ["si"])
        assert after(Union[Cat, Dog], '{"value": {"name": "Rex", "tricks": ["sit"], ').name == "Rex"

    def test_a_union_that_is_never_decided(self):
        """A union that no field decides is shown when it is complete."""

        class A(BaseModel):
            x: int

        class B(BaseModel):
            x: int

        values = grown(list[Union[A, B]], '{"value": [{"x": 1}]}')

        assert next(value for value in values if value) == [A(x=1)]
        assert after(Union[A, B], '{"value": {"nope": 1, "x": 2') is None
        assert after(Union[A, B], '{"value": {"nope": 1, "x": 2}') == A(x=2)

    def test_what_does_not_fit(self):
        """A field that does not fit is `None`; a list ends before the first item that does not."""
        assert after(Step, '{"title": 7, "minutes": "x", "notes": ["a", 1, "b"], ').model_fields_set == {"notes"}
        assert after(Step, '{"notes": ["a", 1, "b"').notes == ["a"]
        assert after(list[list[int]], '{"value": [[1, "x"], [2, 3').pop() == [2]
        assert after(Step, '{"unknown": {"a": [1]}, "title": "t') == after(Step, '{"title": "t')

    def test_what_never_fits(self):
        """A whole that does not fit stays as far as it came."""
        assert after(Step, '{"minutes": 3}').minutes == 3
        assert after(int, '{"value": "x"}') is None

    def test_values_stay(self):
        """A value that was handed out does not change."""
        first, *_, last = grown(list[Step], '{"value": [{"title": "a"}, {"title": "b"}]}', 14)

        assert len(first) == 1
        assert len(last) == 2

    def test_without_the_wrapper(self):
        """A list that comes without its wrapper grows as well."""
        assert after(list[Step], 'So: [{"title": "a"}, {"title": "b').pop().title == "b"
        assert after(list[int], "[1, 2]") == [1, 2]
        assert after(Step, '[{"title": "a') == after(Step, '{"title": "a')

    def test_words_around(self):
        """Words before and behind are skipped."""
        assert after(Step, 'Here: ```json\n{"title": "t", "minutes": 1}\n``` {"title": "u"}') == Step(
            title="t", minutes=1
        )

    @pytest.mark.parametrize(
        "text",
        [
            '<think>{"title": "no"}? <b></think>{"title": "t',
            'For {name}, {"title": "t',
            '{ {"title": "t',
            '1 < 2: {"title": "t',
        ],
    )
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_no_answer_yet(self, text, size):
        """Thoughts are skipped, in however many pieces they come, and so are names in braces."""
        values = grown(Step, text, size)

        assert values[-1].title == "t"
        assert "no" not in [value.title for value in values if value is not None]

    @pytest.mark.parametrize(
        "text", ['{"title": "t"]', '{"title": "t", 1: 2', "{1", '{"title": "t", "notes": [}', '{["x"]}', '{\n"\n": 1']
    )
    def test_no_json(self, text):
        """What is no JSON gets no further."""
        reader = Output.of(Step).partial()
        reader.feed(text)
        before = reader.value
        reader.feed(', "minutes": 3}')

        assert reader.value == before

    def test_depth(self):
        """What is nested deeper than pydantic reads is not followed."""
        reader: PartialJson[Any] = PartialJson()
        reader.feed('{"a": ' * 1000)

        assert json.dumps(reader.value).count("a") == 199


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    it: T


@dataclasses.dataclass
class Crate(Generic[T]):
    it: T


class Private(BaseModel):
    name: str
    _count: int = PrivateAttr(3)
    _marks: list[int] = PrivateAttr(default_factory=list)
    _later: int = PrivateAttr()
    _failing: int = PrivateAttr(default_factory=lambda: {}["x"])


class Held(BaseModel):
    shouted: str
    plain: str

    @field_validator("shouted")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


class AllHeld(BaseModel):
    a: str

    @field_validator("*")
    @classmethod
    def check(cls, value: str) -> str:
        return value


class Checked(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def check(self) -> Checked:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    one: str = Field(alias="eins")
    two: str = Field(validation_alias=AliasChoices("zwei", AliasPath("x", 0)))
    three: str = Field("", validation_alias=AliasPath("x", 1))


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date
    count: int
    child: Step | None = None


def broken(value: str) -> str:
    raise KeyError(value)


Name = NewType("Name", str)
Tree = TypeAliasType("Tree", "Union[str, list[Tree]]")
Tagged = Annotated[
    Union[Annotated[Cat, Tag("c")], Annotated[Dog, Tag("d")]],
    Discriminator(lambda value: "c" if value["kind"] == "cat" else "d"),
]


class Several(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: Name
    short: Annotated[str, StringConstraints(max_length=3)]
    lower: Annotated[str, StringConstraints(to_lower=True)]
    after: Annotated[str, AfterValidator(str.upper)]
    broken: Annotated[str, AfterValidator(broken)]
    either: Union[list[int], list[str]]
    items: Union[int, list[str]]
    box: Box[Step]
    crate: Crate[int]
    wrapped: RootModel[list[int]]
    tree: Tree
    tagged: Tagged
    mixed: Union[str, Color]


class TestTypes:
    """Which types grow."""

    @pytest.mark.parametrize(
        ("text", "name", "shown"),
        [
            ('{"name": "a', "name", "a"),
            ('{"short": "ab', "short", "ab"),
            ('{"short": "abcd"', "short", None),
            ('{"lower": "A', "lower", None),
            ('{"lower": "A"', "lower", "a"),
            ('{"after": "a', "after", None),
            ('{"after": "a"', "after", "A"),
            ('{"broken": "a"', "broken", None),
            ('{"either": ["a", "b"', "either", None),
            ('{"either": ["a", "b"]', "either", ["a", "b"]),
            ('{"items": ["a", "b', "items", ["a", "b"]),
            ('{"items": 7,', "items", 7),
            ('{"crate": {"it": 1', "crate", None),
            ('{"crate": {"it": 1}', "crate", Crate(1)),
            ('{"wrapped": [1, 2', "wrapped", None),
            ('{"tree": ["a", ["b"', "tree", None),
            ('{"tree": ["a", ["b"]]', "tree", ["a", ["b"]]),
            ('{"mixed": "re', "mixed", None),
            ('{"mixed": "red"', "mixed", "red"),
        ],
    )
    def test_fields(self, text, name, shown):
        """What a validator may change, or what can't be looked into, waits for its end."""
        from wandb_inference._core.shapes import shape_of

        reader: PartialJson[Any] = PartialJson(shape_of(Several, None))
        reader.feed(text)

        assert getattr(reader.value, name) == shown

    def test_private_attributes(self):
        """Private attributes that have a default have it; one whose factory fails is left out."""
        shown = after(Private, '{"name": "a')

        assert (shown.name, shown._count, shown._marks) == ("a", 3, [])
        with pytest.raises(AttributeError):
            _ = shown._later
        with pytest.raises(AttributeError):
            _ = shown._failing
        assert after(Step, '{"title": "a').__pydantic_private__ is None

    def test_generic_models(self):
        """A generic model grows as any other, in its own class."""
        assert after(Box[Step], '{"it": {"title": "a').it.title == "a"

    def test_discriminators(self):
        """A union with a function as its discriminator grows as well."""
        reader = after(TypeAdapter(list[Tagged]), '{"value": [{"kind": "cat", "name": "To')
        assert reader[0].name == "To"

    def test_field_validators(self):
        """What a model's own validators may change is shown when the model is complete."""
        assert after(Held, '{"plain": "a", "shouted": "b"').shouted is None
        assert after(Held, '{"plain": "a", "shouted": "b"').plain == "a"
        assert after(Held, '{"plain": "a", "shouted": "b"}').shouted == "B"
        assert after(AllHeld, '{"a": "b"').a is None

    def test_a_union_with_field_validators(self):
        """Such a field decides a union by its name, and still waits."""
        either = after(list[Union[Held, Cat]], '{"value": [{"plain": "a", "shouted": "b"')
        other = after(list[Union[Held, Cat]], '{"value": [{"shouted": "b", "plain": "a')

        assert (type(either[0]), either[0].plain, either[0].shouted) == (Held, "a", None)
        assert (type(other[0]), other[0].plain, other[0].shouted) == (Held, "a", None)

    def test_model_validators(self):
        """A model whose own check fails stays as far as it came, and raises nothing."""
        ranges = after(list[Checked], '{"value": [{"low": 1, "high": 2}, {"low": 2, "high": 1}, {')

        assert [(item.low, item.high) for item in ranges] == [(1, 2), (2, 1), (None, None)]

    def test_aliases(self):
        """Fields are known by the names that they have on the wire."""
        value = after(Aliased, '{"eins": "a", "zwei": "b", "x": ["c", "d"], ')

        assert (value.one, value.two, value.three) == ("a", "b", None)
        assert after(Aliased, '{"one": "a').one == "a"

    def test_configuration(self):
        """Values are read with their model's configuration, as JSON."""
        value = after(Strict, '{"day": "2026-03-14", "count": "7", "child": {"title": "t"}, ')

        assert (value.day, value.count, value.child) == (date(2026, 3, 14), None, Step(title="t"))

    def test_adapters(self):
        """The type of an adapter is looked into."""
        assert after(TypeAdapter(list[Step]), '{"value": [{"title": "a')[0].title == "a"

    def test_names_that_are_gone(self):
        """A type whose hints can't be resolved any more, or that pydantic can't read, is not shown."""
        from wandb_inference._core.shapes import MISSING, shape_of

        @dataclasses.dataclass
        class Lost:
            it: Nowhere  # noqa: F821  # pyright: ignore

        assert shape_of(Lost, None).records == ()
        assert shape_of(Lost, None).complete("{}") is MISSING
        assert shape_of(object(), None).complete("{}") is MISSING

    def test_types_that_cannot_be_hashed(self):
        """What is beside a type need not be hashable."""
        assert after(Annotated[list[str], ["note"]], '{"value": ["a').pop() == "a"


class TestCost:
    """The work is linear in the length of the text."""

    @staticmethod
    def cost(kind: Any, text: str) -> float:
        """Steps for each character of a text that is read piece by piece, its value asked for at each."""
        reader = Output.of(kind).partial()
        for start in range(0, len(text), 4):
            reader.feed(text[start : start + 4])
            assert reader.value is None or reader.value is not None
        assert reader.value == Output.of(kind).validate(text)
        return reader.steps / len(text)

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            (Step, lambda n: json.dumps({"title": "word " * 10 * n, "minutes": 1, "notes": []})),
            (Step, lambda n: json.dumps({"title": "a", "minutes": 1, "notes": ["note"] * 10 * n})),
            (list[Step], lambda n: json.dumps([{"title": "a", "notes": ["b"]}] * 10 * n)),
            (list[Union[Cat, Dog]], lambda n: json.dumps({"value": [{"name": "a", "kind": "cat"}] * 10 * n})),
            (list[int], lambda n: json.dumps({"value": list(range(30 * n))})),
        ],
    )
    def test_linear(self, kind, text):
        """Ten times, and a hundred times the text cost no more for each character than the budget allows."""
        costs = [self.cost(kind, text(n)) for n in (1, 10, 100)]

        # The first characters may use what the budget begins with.
        assert costs[2] <= 64 + 8
        assert costs[2] <= max(costs[1], 66) + 8

    def test_a_value_that_is_too_large_lags(self):
        """A list of very many items is shown less often than it grows, and whole at its end."""
        text = json.dumps({"value": list(range(20_000))})
        shown = [len(value) for value in grown(list[int], text, 8) if value is not None]

        assert len(set(shown)) < 15_000
        assert shown == sorted(shown)
        assert shown[-1] == 20_000

    def test_deep_values(self):
        """Objects inside each other are not read again at each level without an end."""
        depth = 90
        node = '{"value": 1, "children": [], "next": '
        text = node * depth + "null" + "}" * depth

        assert self.cost(Node, text) < 200
