"""The prompt of a conversation: editing, history with search, several lines, completion."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import AnyFormattedText, FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output.plain_text import PlainTextOutput
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.utils import is_dumb_terminal

from ._echo import Terminated
from ._typed import completions, is_continued, is_unfinished

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

_PATHS = ("/image", "/load", "/save", "/tools")


class Line:
    """Reads what the user types.

    Args:
        history: The file that keeps what was typed; `None` keeps it as long as the session.
        commands: Names of commands, to complete.
        models: Ids of models, to complete.
        input: Where keys come from; this process's terminal by default.
        output: Where the prompt is drawn; this process's terminal by default.
    """

    def __init__(
        self,
        history: Path | None,
        commands: Sequence[str],
        models: Sequence[str],
        *,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        if output is None and is_dumb_terminal():
            output = PlainTextOutput(sys.stdout)
        kept: History = InMemoryHistory() if history is None else FileHistory(str(history))
        self._session: PromptSession[str] = PromptSession(
            history=kept,
            completer=_Completer(commands, models),
            # No menu: room kept for it would push the conversation up with each prompt.
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation=FormattedText([("class:dim", ". ")]),
            input=input,
            output=output,
        )
        self._question: PromptSession[str] = PromptSession(input=input, output=output)
        self._keys = self._question.app.input

    def read(self, pictures: int = 0) -> str:
        """What is typed until Enter.

        Args:
            pictures: How many go with it.

        Raises:
            KeyboardInterrupt: Ctrl-C with nothing typed.
            EOFError: Ctrl-D with nothing typed.
        """
        with_them = f"[{pictures} picture{'s' if pictures > 1 else ''}] " if pictures else ""
        return _typed(self._session, FormattedText([("bold", f"{with_them}> ")]))

    def ask(self, question: str) -> str:
        """The answer to a question. What was typed before it was asked is no answer, and is thrown away.

        Raises:
            KeyboardInterrupt: Ctrl-C or Ctrl-D: no answer at all.
        """
        clear_typeahead(self._keys)
        while self._keys.read_keys():
            pass
        self._keys.flush_keys()
        try:
            return _typed(self._question, question)
        except EOFError:
            raise KeyboardInterrupt from None


def _typed(session: PromptSession[str], message: AnyFormattedText) -> str:
    try:
        return session.prompt(message)
    except Terminated:
        # It came at any time, and a prompt that is only about to be drawn does not know that it must be taken back.
        output = session.output
        output.disable_bracketed_paste()
        output.enable_autowrap()
        output.show_cursor()
        output.flush()
        raise


class _Completer(Completer):
    def __init__(self, commands: Sequence[str], models: Sequence[str]) -> None:
        self._commands = commands
        self._models = models
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        command, space, argument = before.partition(" ")
        if space and command in _PATHS:
            yield from self._paths.get_completions(Document(argument, len(argument)), complete_event)
            return
        for text, replaced in completions(before, self._commands, self._models):
            yield Completion(text, -replaced)


def _keys() -> KeyBindings:
    keys = KeyBindings()
    pasted = ""  # all that stood there after the last paste

    @keys.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        nonlocal pasted
        event.current_buffer.insert_text(event.data.replace("\r\n", "\n").replace("\r", "\n"))
        pasted = event.current_buffer.text

    @keys.add("enter", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        nonlocal pasted
        buffer = event.current_buffer
        # Marks at the end of what was pasted are its own, and ask for nothing.
        if buffer.text == pasted or not is_unfinished(buffer.text):
            pasted = ""
            buffer.validate_and_handle()
            return
        if is_continued(buffer.text) and buffer.document.is_cursor_at_the_end:
            buffer.delete_before_cursor()
        buffer.newline(copy_margin=False)

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("c-c", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        # What was typed is given up first, as in a shell.
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    return keys
