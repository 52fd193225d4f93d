"""`chat "prompt"`: one question, one answer, for scripts and pipes."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...exceptions import APIError, APIStatusError, ParseError
from .._console import complain, console
from .._printable import printable
from .._terms import in_terms_of_commands
from ._attachments import STDIN, Attachment, joined, read_file
from ._display import Display, PlainDisplay, TerminalDisplay
from ._schema import fitting, response_format
from ._status import Answer, cost_line, notice
from ._tools import Approval, load_tools, step_line
from ._turns import Turns

if TYPE_CHECKING:
    from ..._conversation import Conversation
    from ...types import ToolStep
    from ._options import Options, Terminal


def question(options: Options, terminal: Terminal) -> str | list[Any]:
    """What is asked: the prompt, what comes through a pipe, and the files.

    Raises:
        InvalidRequestError: There is nothing, or something that can't be sent.
        OSError: A file can't be read.
    """
    attachments: list[Attachment] = []
    if not terminal.stdin and STDIN not in options.files:
        attachments.append(Attachment("", _stdin()))
    files = [Attachment("", _stdin()) if path == STDIN else read_file(path) for path in options.files]
    return joined(options.prompt, [*attachments, *files])


def _stdin() -> bytes:
    # A program that was started without a standard input has None here.
    return b"" if sys.stdin is None else sys.stdin.buffer.read()


def answer(options: Options, terminal: Terminal, conversation: Conversation, content: Any, last: Path | None) -> None:
    """Asks, and writes the answer to the standard output.

    Raises:
        ParseError: The answer does not fit the schema.
        APIError: What `Conversation.say` raises; text that had come is on the standard output by then.
    """
    display = _display(options, terminal, whole=options.json or options.schema is not None)
    # The standard output is for the answer: what tools print goes beside it.
    with contextlib.redirect_stdout(sys.stderr):
        _asked(options, terminal, conversation, content, display, last)
    if options.json or options.schema is not None:
        _write(options, terminal, conversation)


def _asked(
    options: Options, terminal: Terminal, conversation: Conversation, content: Any, display: Display, last: Path | None
) -> None:
    whole = options.json or options.schema is not None
    beside = terminal.stdout and sys.stderr.isatty()

    def tell(answer: Answer) -> None:
        if (said := notice(answer)) is not None:
            complain(said)
        if beside and not options.json:
            console(stderr=True).print(cost_line(answer), style="dim", markup=False)

    def stepped(step: ToolStep) -> None:
        complain(step_line(step))

    turns = Turns(
        conversation,
        display,
        approve=Approval(_ask, yes=options.yes),
        on_step=stepped,
        tell=tell,
        stream=options.stream and not whole,
    )
    turns.tools = load_tools(options.tools) if options.tools else []
    params: dict[str, Any] = {"final_only": True} if whole and options.stream else {}
    if options.schema is not None:
        params["response_format"] = response_format(options.schema)
    try:
        turns.ask(content, **params)
    finally:
        _keep(conversation, last)


def _display(options: Options, terminal: Terminal, *, whole: bool) -> Display:
    if whole:
        return PlainDisplay(io.StringIO())
    if not terminal.stdout:
        return PlainDisplay(sys.stdout)
    screen = console()
    screen.file = sys.stdout  # else rich looks anew each time, and there may be another one while tools run
    return TerminalDisplay(screen, thoughts=options.reasoning, markdown=not options.raw)


def _ask(call: str) -> str:
    print(f"{call}\nAllow it? [y]es, [n]o, [a]lways: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line


def _keep(conversation: Conversation, last: Path | None) -> None:
    if last is not None and conversation.last is not None:
        try:
            conversation.save(last)
        except OSError:
            # The answer is there all the same.
            complain(f"the conversation can't be kept in {last}: --continue won't find it")


def _write(options: Options, terminal: Terminal, conversation: Conversation) -> None:
    completion = conversation.last
    assert completion is not None
    value: object = None
    if options.schema is not None:
        value, wrong = fitting(completion.text, options.schema)
        if wrong and (refusal := completion.choices[0].message.refusal):
            wrong = [f"the model refused: {refusal}"]
        if wrong:
            raise ParseError(
                f"The answer does not fit the schema: {'; '.join(wrong[:5])}",
                completion=completion,
                text=completion.text,
                usage=completion.usage,
                rounds=[completion],
                hint=f"It was: {completion.text}" if completion.text and not options.json else None,
            )
    shown = completion.model_dump(mode="json") if options.json else value
    text = json.dumps(shown, ensure_ascii=False, indent=2 if terminal.stdout else None)
    sys.stdout.write((printable(text) if terminal.stdout else text) + "\n")
    sys.stdout.flush()


def as_json(error: APIError) -> str:
    """An error in one line of JSON."""
    hint = None if error.hint is None else in_terms_of_commands(error.hint)
    about: dict[str, object] = {"type": type(error).__name__, "message": error.message, "hint": hint}
    if isinstance(error, APIStatusError):
        about |= {"status": error.status_code, "code": error.code, "request_id": error.request_id}
    about["attempts"] = len(error.attempts)
    if error.text is not None:
        about["text"] = error.text
    return json.dumps({"error": about}, ensure_ascii=False)
