"""Mistakes made with conversations, and what they are told before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import MODEL, done

from wandb_inference import InvalidRequestError
from wandb_inference.testing import Emulator

HELLO = {"role": "user", "content": "Hello"}


class Mistake(NamedTuple):
    """One wrong thing, and what the message must say."""

    name: str
    do: Callable[[Any, Any], Any]
    says: tuple[str, ...]
    error: type[Exception] = InvalidRequestError


def say(content: object = "Hi", **params: Any) -> Callable[[Any, Any], Any]:
    """Says something wrong in a conversation that is well."""
    return lambda _, chat: chat.say(content, **params)


def begin(**params: Any) -> Callable[[Any, Any], Any]:
    """Begins a conversation in the wrong way."""
    return lambda client, _: client.chat.conversation(**{"model": MODEL, **params})


def edit(messages: object) -> Callable[[Any, Any], Any]:
    """Goes on from messages that are none."""

    def edit(_: Any, chat: Any) -> Any:
        chat.messages = messages
        return chat.say("Hi")

    return edit


def attribute(name: str, value: object, then: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Sets an attribute of a conversation to what it can't be, and goes on."""

    def go_on(_: Any, chat: Any) -> Any:
        setattr(chat, name, value)
        return then(chat)

    return go_on


def go_on(chat: Any) -> Any:
    """The next turn."""
    return chat.say("Hi")


def save(chat: Any) -> Any:
    """A file that would be no conversation."""
    try:
        return chat.save("wrong.json")
    finally:
        assert not Path("wrong.json").exists()


def fork(chat: Any) -> Any:
    """A conversation beside it."""
    return chat.fork()


def trim(**params: Any) -> Callable[[Any, Any], Any]:
    """Trims in the wrong way."""
    return lambda _, chat: chat.trim(**params)


def overlong(_: Any, chat: Any) -> Any:
    """Trims a history with something in it that is no message."""
    chat.messages += [{"role": "human", "content": "x" * 100}]
    return chat.trim(max_tokens=1)


def load(text: str | None, **params: Any) -> Callable[[Any, Any], Any]:
    """Loads a file that holds no conversation."""

    def load(client: Any, _: Any) -> Any:
        if text is not None:
            Path("a.json").write_text(text)
        return client.chat.load_conversation("a.json", **params)

    return load


MISTAKES = [
    Mistake("nothing to answer", say(None), ("messages is []", "at least one")),
    Mistake("a number", say(5), ("content is 5", "text, content parts, a message or messages")),
    Mistake("bytes", say(b"Hi"), ("content is b'Hi'",)),
    Mistake("no parts", say([]), ("content is []",)),
    Mistake("messages among parts", say([HELLO, {"type": "text", "text": "Hi"}]), ("content is [", "or messages")),
    Mistake("a part without a type", say([{"text": "Hi"}]), ("messages[0].content[0]", "a content part with a type")),
    Mistake("a wrong role", say({"role": "human", "content": "Hi"}), ("messages[0].role is 'human'",)),
    Mistake("a misspelt keyword", say(temprature=1), ("say()", "'temprature'", "'temperature'"), TypeError),
    Mistake(
        "another model for one turn", say(model=MODEL), ("say()", "'model'", "set the conversation's .model"), TypeError
    ),
    Mistake("messages in a turn", say(messages=[HELLO]), ("edit the conversation's .messages",), TypeError),
    Mistake("stream as text", say(stream="yes"), ("stream is 'yes'", "True or False")),
    Mistake("messages as text", edit("Hello"), ("messages is 'Hello'", "expected a list")),
    Mistake("messages as a tuple", edit((HELLO,)), ("messages is (", "expected a list")),
    Mistake("no message among messages", edit([5]), ("messages[0] is 5", "a mapping with role and content")),
    Mistake("no model", begin(model=""), ("model is empty",)),
    Mistake("a model that is no text", begin(model=5), ("model is of type int",)),
    Mistake("instructions that are no text", begin(system=5), ("system is 5", "text, or a list of content parts")),
    Mistake("instructions as a message", begin(system=HELLO), ("system is {", "text, or a list")),
    Mistake("a part that is none in the instructions", begin(system=[5]), ("messages[0].content[0]",)),
    Mistake("one message without a list", begin(messages=HELLO), ("a list of messages",)),
    Mistake("messages with a wrong role", begin(messages=[{"role": "human"}]), ("messages[0].role is 'human'",)),
    Mistake(
        "instructions twice",
        begin(system="Be short.", messages=[{"role": "developer", "content": "Be long."}]),
        ("messages[0].role is 'developer'", "beside system="),
    ),
    Mistake("no window", begin(window=0), ("window is 0", "from 1 up")),
    Mistake("a window that is no number", begin(window=True), ("window is True", "a whole number of tokens")),
    Mistake("a stream from the start", begin(stream=True), ("conversation()", "give it to say()"), TypeError),
    Mistake("a misspelt parameter", begin(max_token=5), ("conversation()", "'max_tokens'"), TypeError),
    Mistake("a window for one turn", say(window=5), ("say()", "set the conversation's .window"), TypeError),
    Mistake(
        "a window of a file's",
        load("[]", window=5),
        ("load_conversation()", "set the conversation's .window"),
        TypeError,
    ),
    *(
        Mistake(f"{value!r} as a window, then {then.__name__}", attribute("window", value, then), (says, "from 1 up"))
        for value, says in (("big", "window is 'big'"), (0, "window is 0"), (-5, "window is -5"))
        for then in (go_on, save, fork)
    ),
    *(
        Mistake(f"{name} is {value!r}, then {then.__name__}", attribute(name, value, then), says)
        for name, value, says in (
            ("params", None, ("params is missing", "expected a dict")),
            ("params", {"temprature": 1}, ("params['temprature']", "did you mean 'temperature'?")),
            ("params", {"stream": True}, ("params['stream']", "give it to say()")),
            ("params", {5: 1}, ("params[5] is no parameter",)),
            ("messages", None, ("messages is missing", "expected a list")),
        )
        for then in (go_on, save, fork)
    ),
    Mistake(
        "no room for a prompt",
        attribute("window", 100, lambda chat: chat.say("Hi", max_tokens=100)),
        ("max_tokens leaves no room for a prompt in a window of 100 tokens", "Lower max_tokens"),
    ),
    Mistake(
        "no room for a prompt, by the newer name",
        say(max_completion_tokens=10**9),
        ("max_completion_tokens leaves no room for a prompt in a window of",),
    ),
    Mistake("no tokens", trim(max_tokens=0), ("max_tokens is 0", "from 1 up")),
    Mistake("half a token", trim(max_tokens=0.5), ("max_tokens is 0.5", "a whole number")),
    Mistake("no message in a history to trim", overlong, ("messages[0].role is 'human'",)),
    Mistake("no file", load(None), ("a.json",), FileNotFoundError),
    Mistake("no JSON", load("Hello"), ("'a.json'", "not JSON")),
    Mistake("other JSON", load("[]"), ("'a.json'", "no conversation")),
    Mistake("a misspelt parameter of a file's", load("[]", seeds=1), ("load_conversation()", "'seed'"), TypeError),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
async def test_mistake(mistake: Mistake, client: Any, emulator: Emulator) -> None:
    """Each ends in a message that tells what to do; nothing is sent, and the conversation is as it was."""
    chat = client.chat.conversation(model=MODEL)
    fresh = chat.messages

    with pytest.raises(mistake.error) as caught:
        await done(mistake.do(client, chat))

    assert [words for words in mistake.says if words not in str(caught.value)] == []
    assert emulator.requests == []
    chat.messages, chat.params, chat.window = fresh, {}, None
    fresh.clear()
    assert (await done(chat.say("Hi"))).text


def test_mistakes_are_distinct() -> None:
    """Each mistake is in the table once."""
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)
