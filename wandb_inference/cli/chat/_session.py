"""A conversation at a terminal: reads a line, does what it says, and reads the next."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..._images import image
from ...catalogue import known, resolve_name, suggest
from ...exceptions import APIError
from .._paths import is_file, typed_path
from .._printable import printable
from .._terms import in_terms_of_commands
from ._commands import command_named, help_text, last_question, set_system, system_of, unknown_command
from ._echo import Terminated, terminable, unechoed
from ._model import plain
from ._status import Answer, Totals, cost_line, notice
from ._tools import Approval, described, load_tools, step_line
from ._turns import Turns
from ._typed import Command, path_argument, understood

if TYPE_CHECKING:
    from rich.console import Console

    from ..._client import Client
    from ..._conversation import Conversation
    from ...types import ToolStep
    from ._display import Display
    from ._tools import AnyTool


class Reader(Protocol):
    """Where lines come from."""

    def read(self, pictures: int = 0) -> str:
        """The next text, shown how many pictures go with it."""
        ...

    def ask(self, question: str) -> str:
        """The answer to a question, typed after it was asked."""
        ...


class Session:
    """A conversation at a terminal.

    Args:
        client: Whose conversation it is.
        conversation: What was said so far.
        console: The terminal.
        reader: Where lines come from.
        display: Where answers are shown.
        tools: Functions that the model may call.
        yes: Whether it may call them without being asked about.
        last: The file that keeps the conversation for `--continue`; `None` for none.
        params: Parameters of each call, for conversations that are loaded.
    """

    def __init__(
        self,
        client: Client,
        conversation: Conversation,
        console: Console,
        reader: Reader,
        display: Display,
        *,
        tools: list[AnyTool],
        yes: bool = False,
        last: Path | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._console = console
        self._reader = reader
        self._last = last
        self._params = params or {}
        self._pictures: list[Any] = []
        self._totals = Totals()
        approve = Approval(self._allowed, yes=yes)
        self._turns = Turns(conversation, display, approve=approve, on_step=self._stepped, tell=self._answered)
        self._turns.tools = tools
        self._actions: dict[str, Callable[[str], object]] = {
            "model": self._model,
            "system": self._system,
            "image": self._image,
            "tools": self._tools,
            "retry": self._retry,
            "undo": self._undo,
            "clear": self._clear,
            "save": self._save,
            "load": self._load,
            "usage": lambda _: self._say(str(self._totals)),
            "help": lambda _: self._say(help_text()),
        }

    def run(self) -> int:
        """Goes on until the user leaves; the exit code."""
        try:
            with terminable(), unechoed(sys.stdin):
                return self._run()
        except Terminated:
            return 128 + signal.SIGTERM  # as a shell says it

    def _run(self) -> int:
        self._say(f"{self._turns.conversation.model} · /help lists the commands, Ctrl-D leaves", dim=True)
        while True:
            try:
                if not self._step():
                    return 0
            except Terminated:
                raise
            except KeyboardInterrupt:
                self._say("Ctrl-D or /exit leaves.", dim=True)

    def _step(self) -> bool:
        """Whether the session goes on after the next line."""
        try:
            text = self._reader.read(len(self._pictures))
        except EOFError:
            return False
        try:
            return not text.strip() or self._do(text)
        except Terminated:
            raise
        except KeyboardInterrupt:
            return True
        except (APIError, OSError) as error:
            self._failed(error)
            return True

    def _do(self, text: str) -> bool:
        """Whether the session goes on after what was typed."""
        meant = understood(text, is_file)
        if not isinstance(meant, Command):
            pictures = [*self._pictures, *(image(typed_path(path)) for path in meant.pictures)]
            self._ask([{"type": "text", "text": meant.text}, *pictures] if pictures else meant.text)
            return True
        name = command_named(meant.name)
        if name == "exit":
            return False
        if name is None:
            self._say(unknown_command(meant.name), error=True)
        else:
            self._actions[name](meant.argument)
        return True

    def _ask(self, content: Any) -> None:
        conversation = self._turns.conversation
        messages = conversation.messages
        before, dropped = messages[-1:], len(conversation.dropped)
        try:
            self._turns.ask(content)
        finally:
            if (gone := len(conversation.dropped) - dropped) > 0:
                window = "The conversation has outgrown what the model can read"
                self._say(f"{window}: its oldest messages ({gone}) are no longer sent.", dim=True)
            # A question that failed can be asked again, with its pictures.
            if not _same(messages[-1:], before):
                self._pictures = []
                self._keep()

    def _keep(self) -> None:
        if self._last is not None:
            try:
                self._turns.conversation.save(self._last)
            except OSError:  # a disk that is full must not end the conversation
                self._last = None

    def _answered(self, answer: Answer) -> None:
        self._totals.add(answer)
        self._say(cost_line(answer), dim=True)
        if (said := notice(answer)) is not None:
            self._say(said, dim=True)

    def _allowed(self, call: str) -> str:
        """The answer to whether a call may be made."""
        from rich.cells import cell_len
        from rich.text import Text

        # Not as a part of the prompt, which shows no more than the window can hold.
        self._console.print(Text(call, "bold"), soft_wrap=True)
        if cell_len(call) > self._console.width * (self._console.height - 2):
            self._say("It is longer than the window: scroll up to see all of it.", dim=True)
        return self._reader.ask("Allow it? [y]es, [n]o, [a]lways: ")

    def _stepped(self, step: ToolStep) -> None:
        self._say(step_line(step), dim=True)

    def _failed(self, error: APIError | OSError) -> None:
        self._say(in_terms_of_commands(str(error)), error=True)
        if isinstance(error, APIError) and error.text:
            self._say("What had come stays in the conversation.", dim=True)
        if self._pictures:
            self._say("Your pictures wait for the next question; /image - takes them away.", dim=True)

    def _say(self, text: str, *, dim: bool = False, error: bool = False) -> None:
        from rich.text import Text

        self._console.print(Text(printable(text), "red" if error else "dim" if dim else ""))

    def _model(self, id: str) -> None:
        conversation = self._turns.conversation
        if id:
            id = conversation.model = plain(id)
            if known(id) is None and resolve_name(id) is None:
                near = suggest(id)
                known_are = f"Near are: {', '.join(near)}" if near else "`wandb-inference models` shows those it knows."
                self._say(f"The catalogue does not know it. {known_are}", dim=True)
        self._say(conversation.model)

    def _system(self, text: str) -> None:
        messages = self._turns.conversation.messages
        if text:
            set_system(messages, None if text == "-" else text)
        self._say(system_of(messages) or "There are no instructions.")

    def _image(self, path: str) -> None:
        if not path:
            self._say("Give a path or a URL: /image cat.png", error=True)
            return
        if path == "-":
            self._pictures = []
            return
        path = path_argument(path)
        self._pictures.append(image(path if "://" in path else typed_path(path)))

    def _tools(self, path: str) -> None:
        if path:
            self._turns.tools = load_tools(path_argument(path))
        self._say(described(self._turns.tools) or "There are none. /tools FILE.py loads the functions of a file.")

    def _retry(self, _: str) -> None:
        messages = self._turns.conversation.messages
        place = last_question(messages)
        if place is None:
            self._say("Nothing was asked yet.", error=True)
            return
        before = list(messages)
        del messages[place:]
        left = messages[-1:]
        try:
            self._turns.ask([before[place]])
        finally:
            # The answer that was there is paid for: it stays where no other came.
            if _same(messages[-1:], left):
                messages[:] = before
            self._keep()

    def _undo(self, _: str) -> None:
        messages = self._turns.conversation.messages
        place = last_question(messages)
        if place is None:
            self._say("Nothing was said yet.", error=True)
            return
        del messages[place:]
        self._say(f"Taken back. {_count(messages)} left.", dim=True)
        self._keep()

    def _clear(self, _: str) -> None:
        messages = self._turns.conversation.messages
        first = 0 if system_of(messages) is None else 1
        if messages[first:]:
            # What --continue would find is forgotten too, unless it is an earlier session's.
            del messages[first:]
            self._keep()
        self._pictures = []
        self._say("Forgotten.", dim=True)

    def _save(self, path: str) -> None:
        if not path:
            self._say("Give a path: /save notes.json", error=True)
            return
        file = typed_path(path_argument(path))
        self._turns.conversation.save(file)
        self._say(f"Saved to {file}.", dim=True)

    def _load(self, path: str) -> None:
        if not path:
            self._say("Give a path: /load notes.json", error=True)
            return
        loaded = self._client.chat.load_conversation(typed_path(path_argument(path)), **self._params)
        self._turns.conversation = loaded
        self._say(f"{_count(loaded.messages)} with {loaded.model}.", dim=True)


def _same(some: list[Any], others: list[Any]) -> bool:
    """Whether two lists hold the very same objects: messages that are equal can be said twice."""
    return [*map(id, some)] == [*map(id, others)]


def _count(messages: list[Any]) -> str:
    return f"{len(messages)} message{'' if len(messages) == 1 else 's'}"
