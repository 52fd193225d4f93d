"""Mistakes with tools, and what they are told: before anything is sent."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from conftest import KEY, MESSAGES, MODEL, PROJECT, ask, done
from pydantic import BaseModel, Field

from wandb_inference import Client, InvalidRequestError, tool
from wandb_inference.exceptions import ConfigurationError

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

    from wandb_inference.testing import Emulator


class Connection:
    """Something that has no form in JSON."""

    def query(self, sql: str) -> str:
        return sql

    @tool
    def ask(self, sql: str) -> str:
        return sql


class Unsigned:
    __signature__ = "none"

    def __call__(self) -> None: ...


class Place(BaseModel):
    city: str


def fine(city: str) -> str:
    return city


def many_cities(cities: list[str]) -> str:
    return str(cities)


class AsyncHook:
    async def __call__(self, step: object) -> None: ...


async def waiting(city: str) -> str:
    return city


def unhinted(city, days: int) -> str:  # type: ignore[no-untyped-def]
    return str(city)


def positional(city: str, /) -> str:
    return city


def many(*cities: str) -> str:
    return str(cities)


def keywords(**cities: str) -> str:
    return str(cities)


def of_a_connection(db: Connection) -> str:
    return str(db)


def of_a_function(call: Callable[[int], int]) -> str:
    return str(call)


def of_an_unknown(x: Unknown) -> str:
    return str(x)


def of_no_python(x: "1 +") -> str:  # type: ignore[valid-type]  # noqa: F722
    return str(x)


def of_bad_options(x: str = Field("a", discriminator="kind")) -> str:
    return x


def self_alone(self) -> str:  # type: ignore[no-untyped-def]
    return str(self)


def größe(city: str) -> str:
    return city


class Mistake(NamedTuple):
    """A function that can't be a tool, and what the message must say."""

    name: str
    function: Any
    says: tuple[str, ...]
    path: str
    options: dict[str, Any] = {}


MISTAKES = [
    Mistake("no hint", unhinted, ("'unhinted'", "'city' has no type hint", "city: str"), "unhinted.city"),
    Mistake("an object without a class", self_alone, ("'self' has no type hint", "thing.method"), "self_alone.self"),
    Mistake("positional-only", positional, ("'city' is positional-only", "`/`"), "positional.city"),
    Mistake("any number", many, ("'cities' takes any number", "cities: list[...]"), "many.cities"),
    Mistake("any keyword", keywords, ("'cities' takes any keyword", "cities: dict[str, ...]"), "keywords.cities"),
    Mistake("a type without a form", of_a_connection, ("'db'", "no form in JSON", "Connection"), "of_a_connection.db"),
    Mistake("a function as parameter", of_a_function, ("'call'", "no form in JSON"), "of_a_function.call"),
    Mistake("an unknown name", of_an_unknown, ("unknown name, 'Unknown'", "top of its module"), "of_an_unknown"),
    Mistake("a hint that is no Python", of_no_python, ("has a type hint that is none",), "of_no_python"),
    Mistake("an option for another type", of_bad_options, ("make no schema",), "of_bad_options"),
    Mistake("a lambda", lambda: 1, ("'<lambda>'", 'name="..."'), "tools.name"),
    Mistake("a name of other letters", größe, ("'größe'", "a to z"), "tools.name"),
    Mistake("a name with a space", fine, ("'my tool'",), "tools.name", {"name": "my tool"}),
    Mistake("a name that is too long", fine, ("64",), "tools.name", {"name": "x" * 65}),
    Mistake("a name that is no text", fine, ("7",), "tools.name", {"name": 7}),
    Mistake("a description that is no text", fine, ("description=3", "text"), "tools.description", {"description": 3}),
    Mistake("a word as strictness", fine, ("strict='x'", "True or False"), "tools.strict", {"strict": "x"}),
    Mistake("a class", Place, ("the class 'Place'", "a function"), "tools"),
    Mistake("no function", 7, ("type 'int'",), "tools"),
    Mistake("a builtin without a signature", Unsigned(), ("does not tell its parameters", "Wrap"), "Unsigned"),
    Mistake("a partial of one without hints", functools.partial(unhinted, days=1), ("'city'",), "unhinted.city"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_tool(mistake: Mistake) -> None:
    """What can't be a tool says why, and what to write."""
    with pytest.raises(InvalidRequestError) as caught:
        tool(mistake.function, **mistake.options)

    assert [words for words in mistake.says if words not in str(caught.value)] == []
    assert [problem.path for problem in caught.value.errors] == [mistake.path]


class Wrong(NamedTuple):
    """An argument of `run_tools()` that can't work, and what the message must say."""

    name: str
    call: dict[str, Any]
    says: tuple[str, ...]
    error: type[Exception] = InvalidRequestError


RUNS = [
    Wrong("no tools", {"tools": []}, ("tools is []", "at least one")),
    Wrong("a function alone", {"tools": fine}, ("tools is", "tools=[function]")),
    Wrong("a tool alone", {"tools": tool(fine)}, ("tools is Tool('fine')", "tools=[function]")),
    Wrong("a mapping alone", {"tools": {"type": "function"}}, ("tools=[function]",)),
    Wrong("a class", {"tools": [Place]}, ("the class 'Place'",)),
    Wrong("no hint", {"tools": [unhinted]}, ("no type hint",)),
    Wrong("a method without its object", {"tools": [Connection.query]}, ("tools[0]", "`thing.query`")),
    Wrong("a tool without its object", {"tools": [fine, Connection.ask]}, ("tools[1]", "`thing.ask`")),
    Wrong("a name twice", {"tools": [fine, tool(many_cities, name="fine")]}, ("tools[1] is 'fine'", "name=...")),
    Wrong("no rounds", {"max_rounds": 0}, ("max_rounds is 0", "from 1 up")),
    Wrong("half a round", {"max_rounds": 1.5}, ("max_rounds is 1.5",)),
    Wrong("true rounds", {"max_rounds": True}, ("max_rounds is True",)),
    Wrong("another way with errors", {"on_error": "ignore"}, ("on_error is 'ignore'", "'tell' or 'raise'")),
    Wrong("a word as switch", {"parallel": "yes"}, ("parallel is 'yes'",)),
    Wrong("a stream as text", {"stream": "yes"}, ("stream is 'yes'",)),
    Wrong("several answers", {"n": 2}, ("n is 2", "one answer")),
    Wrong("an approval that is no function", {"approve": True}, ("approve is True", "a function")),
    Wrong("a name of another library", {"max_turns": 3}, ("'max_turns'", "'max_rounds'"), TypeError),
    Wrong("the older form", {"functions": []}, ("'functions'", "'tools'"), TypeError),
    Wrong("the end of a stream", {"final_only": True}, ("'final_only'", "run_tools(stream=True)"), TypeError),
    Wrong("a misspelt keyword", {"aprove": print}, ("run_tools()", "'aprove'", "'approve'"), TypeError),
    Wrong("a misspelt parameter", {"temprature": 0}, ("run_tools()", "'temperature'"), TypeError),
    Wrong(
        "a type", {"response_format": Place}, ("response_format is", "Run the tools, then parse(messages=run.messages")
    ),
    Wrong(
        "a type of a stream", {"response_format": list[Place], "stream": True}, ("response_format is", "Run the tools,")
    ),
    Wrong("messages as text", {"messages": "Hello"}, ("messages is 'Hello'",)),
    Wrong("a wrong parameter", {"temperature": "hot"}, ("temperature is 'hot'",)),
    Wrong("a wrong deadline", {"deadline": -1}, ("deadline is -1",), ConfigurationError),
    Wrong("a mapping that is no tool", {"tools": [{"name": "f"}]}, ("tools[0].type",)),
]


@pytest.mark.parametrize("wrong", RUNS, ids=lambda wrong: wrong.name)
async def test_run(wrong: Wrong, client: Any, emulator: Emulator) -> None:
    """What can't work says why, before anything is sent."""
    call = {"model": MODEL, "messages": MESSAGES, "tools": [fine], **wrong.call}

    with pytest.raises(wrong.error) as caught:
        await done(client.chat.completions.run_tools(**call))

    assert [words for words in wrong.says if words not in str(caught.value)] == []
    assert emulator.requests == []


async def test_missing_arguments(client: Any) -> None:
    """Python's own words name the method by the class that users know."""
    with pytest.raises(
        TypeError, match=r"^(Async)?Completions\.run_tools\(\) missing 1 required keyword-only argument: 'tools'$"
    ):
        client.chat.completions.run_tools(model=MODEL, messages=MESSAGES)
    with pytest.raises(
        TypeError, match=r"^(Async)?Completions\.run_tools\(\) takes 1 positional argument but 2 were given$"
    ):
        client.chat.completions.run_tools(MODEL)


@pytest.mark.parametrize(
    "call", [{"tools": [waiting]}, {"approve": waiting}, {"on_step": waiting}, {"on_step": AsyncHook()}]
)
def test_coroutine_functions(call: dict[str, Any], emulator: Emulator) -> None:
    """The blocking client refuses what it would have to await."""
    client = Client(api_key=KEY, project=PROJECT, base_url=emulator.base_url)

    with pytest.raises(InvalidRequestError, match=r"coroutine function.*AsyncClient"):
        client.chat.completions.run_tools(**{"model": MODEL, "messages": MESSAGES, "tools": [fine], **call})

    assert emulator.requests == []


async def test_no_list_for_create(client: Any, emulator: Emulator) -> None:
    """One mapping is no list of tools."""
    with pytest.raises(InvalidRequestError, match=r"tools is .*expected a list"):
        await ask(client, tools={"type": "function"})

    assert emulator.requests == []


async def test_functions_for_create(client: Any, emulator: Emulator) -> None:
    """`create()` takes tools, and calls none of them: a bare function is told what to write."""
    with pytest.raises(InvalidRequestError, match=r"tools\[1\] is <function.*tool\(function\), or .*\.run_tools\("):
        await ask(client, tools=(tool(fine), fine))

    assert emulator.requests == []
