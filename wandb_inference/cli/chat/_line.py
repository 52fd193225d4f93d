"""The prompt of a conversation: editing, history with search, several lines, completion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

from ._typed import completions, is_unfinished

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

    def read(self, pictures: int = 0) -> str:
        """What is typed until Enter.

        Args:
            pictures: How many go with it.

        Raises:
            KeyboardInterrupt: Ctrl-C with nothing typed.
            EOFError: Ctrl-D with nothing typed.
        """
        with_them = f"[{pictures} picture{'s' if pictures > 1 else ''}] " if pictures else ""
        return self._session.prompt(FormattedText([("bold", f"{with_them}> ")]))

    def ask(self, call: str) -> str:
        """The answer to whether a call may be made.

        Raises:
            KeyboardInterrupt: Ctrl-C or Ctrl-D: no answer at all.
        """
        question = FormattedText([("bold", call), ("", "\nAllow it? [y]es, [n]o, [a]lways: ")])
        try:
            return self._question.prompt(question)
        except EOFError:
            raise KeyboardInterrupt from None


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

    @keys.add("enter", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_unfinished(buffer.text):
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

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
