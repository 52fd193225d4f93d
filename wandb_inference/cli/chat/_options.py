"""What a command line of `chat` asks for, and whether that goes together."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._options import Connection


class Options(NamedTuple):
    """The options of `chat`."""

    prompt: str
    """Empty where none was given."""
    connection: Connection
    model: str | None
    system: str | None
    files: tuple[str, ...]
    tools: str | None
    yes: bool
    schema: dict[str, object] | None
    json: bool
    stream: bool
    raw: bool
    reasoning: bool
    history: bool
    go_on: bool
    """Whether to go on with the last conversation."""
    params: dict[str, Any]
    """Parameters of each call."""


class Terminal(NamedTuple):
    """Which of the standard streams are terminals."""

    stdin: bool
    stdout: bool


def is_interactive(options: Options, terminal: Terminal) -> bool:
    """Whether there is nothing to ask yet, and somebody to say what."""
    return terminal.stdin and not options.prompt and not options.files


def problem(options: Options, terminal: Terminal) -> str | None:
    """Why a command line can't work; `None` where it can."""
    if is_interactive(options, terminal):
        one_shot = {"--json": options.json, "--schema": options.schema is not None, "--no-stream": not options.stream}
        for name, given in one_shot.items():
            if given:
                return f"{name} is for a single answer: give a prompt too"
        if not terminal.stdout:
            return "A conversation needs a terminal to be shown on: give a prompt, to have one answer"
        return None
    if options.tools and options.schema is not None:
        return "--tools and --schema don't go together: ask with the tools first, and --continue with --schema"
    if options.tools and not options.yes and not terminal.stdin:
        return "--tools asks before each call, and there is no terminal to ask on: allow all by --yes"
    if (options.params.get("n") or 1) > 1 and not options.json:
        return "-o n asks for several answers: --json shows them all"
    return None
