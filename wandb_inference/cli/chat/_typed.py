"""What is typed at the prompt: whether it is complete, what it means, and which pictures it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from ._commands import command_named

QUOTES = '"""'

_COMMAND = re.compile(r"/([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
_EMPTY_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")

# A path as terminals paste one that was dragged there: in quotes, with backslashes before spaces, or as a URL.
_PATH = re.compile(
    r"""(?<!\S)(?:'(?P<single>[^'\n]+)'|"(?P<double>[^"\n]+)"|(?P<bare>(?:\\.|[^\s\\])+?))(?=[.,;:!?)]*(?:\s|$))"""
)


class Command(NamedTuple):
    """A line that begins with a slash and a word."""

    name: str
    """The word."""
    argument: str
    """What follows it; empty where nothing does."""


class Message(NamedTuple):
    """Something to say."""

    text: str
    """The text; paths of pictures are cut down to their names."""
    pictures: tuple[str, ...] = ()
    """Paths of the pictures in it, in order."""


def is_unfinished(text: str) -> bool:
    r"""Whether Enter only begins a new line: the last one ends in a backslash, or three quotes are open."""
    return text.count(QUOTES) % 2 == 1 or is_continued(text)


def is_continued(text: str) -> bool:
    """Whether a text ends in a backslash that only asks for another line; between three quotes none does."""
    return text.count(QUOTES) % 2 == 0 and text.endswith("\\") and not text.endswith("\\\\")


def finished(text: str) -> str:
    """What a text means: without quotes that kept it open, and empty lines around it."""
    bare = text.strip()
    if bare.startswith(QUOTES) and bare.endswith(QUOTES) and len(bare) >= 2 * len(QUOTES):
        return bare[len(QUOTES) : -len(QUOTES)].strip("\n")
    return _EMPTY_LINES.sub("", text).rstrip()


def understood(text: str, is_file: Callable[[str], bool]) -> Command | Message:
    """What a text is: a command, or something to say.

    Args:
        text: As it was typed. Three quotes, or two slashes at its beginning, make a text that is no command.
        is_file: Whether there is a file at a path.
    """
    quoted = text.lstrip().startswith(QUOTES)
    text = finished(text)
    command = _COMMAND.fullmatch(text.strip())
    if command is not None and not quoted and not is_file(text.strip()) and _is_name(command[1]):
        return Command(command[1].lower(), (command[2] or "").strip())
    if text.startswith("//"):
        text = text[1:]
    pictures: list[str] = []

    def named(match: re.Match[str]) -> str:
        path = _path_of(match)
        if not path.lower().endswith(_SUFFIXES) or not is_file(path):
            return match[0]
        pictures.append(path)
        return re.split(r"[/\\]", path)[-1]

    said = _PATH.sub(named, text)
    return Message(said, tuple(pictures))


def _is_name(word: str) -> bool:
    """Whether a word after a slash means a command: in small letters any does, else one that there is; not `/Users`."""
    return word.islower() or command_named(word.lower()) is not None


def path_argument(text: str) -> str:
    """The path in a command's argument: one in quotes, as terminals paste one, or all of the text."""
    match = _PATH.fullmatch(text)
    return text if match is None else _path_of(match)


def _path_of(match: re.Match[str]) -> str:
    bare = match["bare"]
    if bare is None:
        return match["single"] or match["double"]
    if bare.startswith("file://"):
        return unquote(bare.removeprefix("file://"))
    # On Windows a backslash separates; only those before what a shell would mind are taken away.
    return re.sub(r"""\\([\s'"\\()&$!#;])""", r"\1", bare)


def completions(before: str, commands: Sequence[str], models: Sequence[str]) -> list[tuple[str, int]]:
    """What may be meant by the beginning of a command: texts, each with how many characters it replaces.

    Args:
        before: The line up to the cursor.
        commands: Names of the commands.
        models: Ids for `/model`.
    """
    name, space, argument = before.partition(" ")
    if not name.startswith("/"):
        return []
    if not space:
        return [(f"/{command}", len(name)) for command in commands if command.startswith(name[1:])]
    if name == "/model":
        wanted = argument.lower()
        return [(id, len(argument)) for id in models if id.lower().startswith(wanted) or f"/{wanted}" in id.lower()]
    return []
