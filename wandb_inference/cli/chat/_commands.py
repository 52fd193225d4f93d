"""The commands of a conversation, and what they do to its messages."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from ...types.messages import field

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "model": ("[ID]", "say or change who answers"),
    "system": ("[TEXT]", "say or change the instructions; - takes them away"),
    "image": ("PATH|URL", "add a picture to what you say next; - takes all away"),
    "tools": ("[FILE.py]", "list the tools, or load the functions of a file"),
    "retry": ("", "ask the last question again"),
    "undo": ("", "take back the last question and its answer"),
    "clear": ("", "forget what was said, but for the instructions"),
    "save": ("PATH", "write the conversation to a file"),
    "load": ("PATH", "go on with the conversation in a file"),
    "usage": ("", "tokens and cost of this session"),
    "help": ("", "this list"),
    "exit": ("", "leave"),
}
"""Each command's argument, and what it does."""

ALIASES: Final[Mapping[str, str]] = {"quit": "exit", "bye": "exit", "q": "exit", "img": "image", "reset": "clear"}

KEYS: Final = (
    ("Alt-Enter", 'a new line; so does Enter after \\ or within """'),
    ("Ctrl-R", "search what you typed before"),
    ("Tab", "complete a command, a model, or a path"),
    ("Ctrl-C", "stop the answer, which keeps what had come"),
    ("Ctrl-D", "leave"),
)


def command_named(name: str) -> str | None:
    """The command of a name or alias; `None` where there is none."""
    name = ALIASES.get(name, name)
    return name if name in COMMANDS else None


def unknown_command(name: str) -> str:
    """What to say about a command that does not exist."""
    near = get_close_matches(name, [*COMMANDS, *ALIASES], n=1)
    meant = f" Did you mean /{near[0]}?" if near else ""
    return f"There is no command /{name}.{meant} /help lists them; // begins a text with a slash."


def help_text() -> str:
    """The commands and the keys, a line for each."""
    rows = [(f"/{name} {argument}".strip(), about) for name, (argument, about) in COMMANDS.items()]
    rows += [*KEYS, ("a picture's path", "in what you say: the picture goes with it")]
    width = max(len(first) for first, _ in rows)
    return "\n".join(f"{first:<{width}}  {about}" for first, about in rows)


def last_question(messages: list[Any]) -> int | None:
    """Where the user spoke last; `None` where they have not."""
    places = [place for place, message in enumerate(messages) if field(message, "role") == "user"]
    return places[-1] if places else None


def system_of(messages: list[Any]) -> str | None:
    """The instructions; `None` where there are none."""
    if messages and field(messages[0], "role") in ("system", "developer"):
        content: object = field(messages[0], "content")
        return content if isinstance(content, str) else "(content parts)"
    return None


def set_system(messages: list[Any], text: str | None) -> None:
    """Changes the instructions; `None` takes them away."""
    if system_of(messages) is not None:
        del messages[0]
    if text is not None:
        messages.insert(0, {"role": "system", "content": text})
