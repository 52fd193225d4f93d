"""`wandb-inference chat`: a conversation with a model, or one answer."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ..._checks import DEFAULT_HOST
from ...exceptions import APIError, ConfigurationError, InvalidRequestError
from .._console import complain, console, is_terminal, note, to_stderr
from .._options import Connection, connection, model_ids, paths
from .._paths import is_file, typed_path
from ._model import DEFAULT, VARIABLE, choose, plain
from ._options import Options, Terminal, is_interactive, problem
from ._places import history, known_directory, last_conversation, private_directory, private_file

if TYPE_CHECKING:
    from pathlib import Path

    from ..._client import Client
    from ..._conversation import Conversation

EPILOG = f"""\b
Examples:
  wandb-inference chat                                  a conversation
  wandb-inference chat "Name a prime above 100."        one answer
  git diff | wandb-inference chat "Write a commit message."
  wandb-inference chat -f report.txt -f plot.png "Is this so?"
  wandb-inference chat --schema "name, age int" "Invent a person."
  wandb-inference chat -c "And why?"                    goes on with the last one
  wandb-inference chat --tools tools.py "What is the weather in Oslo?"

\b
Without --model, {VARIABLE} says who answers, else it is
{DEFAULT}; on another server the only model that it has.

What was typed and the last conversation are kept for you alone, below
$XDG_STATE_HOME/wandb-inference or ~/.local/state/wandb-inference;
--no-history or WANDB_INFERENCE_NO_HISTORY=1 keeps nothing.
"""


@click.command("chat", short_help="Talk to a model, or ask it one thing.", epilog=EPILOG)
@click.argument("prompt", nargs=-1)
@click.option(
    "-m",
    "--model",
    metavar="ID",
    shell_complete=model_ids,
    help=f"Model to ask  [default: {VARIABLE}, else {DEFAULT}]",
)
@click.option("-s", "--system", metavar="TEXT", help="Instructions to the model")
@click.option(
    "-f",
    "--file",
    "files",
    metavar="PATH",
    multiple=True,
    shell_complete=paths,
    help="Text or picture to send along; - is the standard input",
)
@click.option(
    "-c", "--continue", "go_on", is_flag=True, help="Go on with the last conversation, its model and instructions"
)
@click.option("--tools", metavar="FILE.py", shell_complete=paths, help="Let the model call the functions of a file")
@click.option("-y", "--yes", is_flag=True, help="Allow all calls of tools without asking")
@click.option("--schema", metavar="SCHEMA", help='JSON that fits: a path, a JSON schema, or "name, age int"')
@click.option("--json", "as_json", is_flag=True, help="The whole completion as JSON, and errors too")
@click.option("--no-stream", is_flag=True, help="Get the answer in one piece")
@click.option("--raw", is_flag=True, help="Show Markdown as it is written")
@click.option("--no-reasoning", is_flag=True, help="Hide what the model thinks first")
@click.option("--max-tokens", type=int, metavar="N", help="Tokens of an answer at most, thinking included")
@click.option("--temperature", type=float, metavar="T", help="How far to stray from the likeliest, 0 to 2")
@click.option("--thinking/--no-thinking", default=None, help="Whether the model thinks first")
@click.option("-o", "--option", "pairs", metavar="KEY VALUE", nargs=2, multiple=True, help="Any other parameter")
@click.option("--no-history", is_flag=True, envvar="WANDB_INFERENCE_NO_HISTORY", help="Keep nothing on this machine")
@connection
def command(**given: Any) -> int:
    """Talk to a model; with a PROMPT or text through a pipe, get one answer."""
    terminal = Terminal(is_terminal(sys.stdin), is_terminal(sys.stdout))
    try:
        return _chat(_read(given), terminal)
    except APIError as error:
        if not given["as_json"]:
            raise
        from ._one_shot import as_json

        to_stderr(as_json(error))
        return 2 if isinstance(error, (ConfigurationError, InvalidRequestError)) else 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain(f"the answer can't be written: {error}")
        sys.stdout = None  # else Python would try once more when it ends
        return 1


def _read(given: dict[str, Any]) -> Options:
    from ._parameters import read_parameters

    named = {name: given[name] for name in ("max_tokens", "temperature", "thinking")}
    return Options(
        prompt=" ".join(given["prompt"]),
        connection=Connection(given["base_url"], given["project"]),
        model=given["model"],
        system=given["system"],
        files=given["files"],
        tools=given["tools"],
        yes=given["yes"],
        schema=None if given["schema"] is None else _read_schema(given["schema"]),
        json=given["as_json"],
        stream=not given["no_stream"],
        raw=given["raw"],
        reasoning=not given["no_reasoning"],
        history=not given["no_history"],
        go_on=given["go_on"],
        params=read_parameters(given["pairs"], named),
    )


def _read_schema(text: str) -> dict[str, object]:
    from ._conforming import SchemaError, unchecked
    from ._schema import read_schema

    def read(path: str) -> str | None:
        return typed_path(path).read_text("utf-8") if is_file(path) else None

    try:
        schema = read_schema(text, read)
    except (OSError, SchemaError, UnicodeError) as error:
        raise click.UsageError(f"--schema: {error}") from None
    if unknown := unchecked(schema):
        note(f"--schema: whether the answer keeps to {', '.join(unknown)} is not checked here.")
    return schema


def _chat(options: Options, terminal: Terminal) -> int:
    if (wrong := problem(options, terminal)) is not None:
        raise click.UsageError(wrong)
    directory = private_directory() if options.history else None
    last = None if directory is None else last_conversation(directory)
    # With --no-history nothing is written; what there is can be read.
    earlier = last if options.history else _earlier()
    content: Any = None
    if not is_interactive(options, terminal):
        from ._one_shot import question

        try:
            content = question(options, terminal)
        except OSError as error:
            raise click.UsageError(f"--file: {error}") from None
    from ..._client import Client

    with Client(base_url=options.connection.base_url, project=options.connection.project) as client:
        conversation = _conversation(client, options, earlier)
        if content is not None:
            from ._one_shot import answer

            answer(options, terminal, conversation, content, last)
            return 0
        return _talk(client, conversation, options, directory)


def _earlier() -> Path | None:
    directory = known_directory()
    return None if directory is None else last_conversation(directory)


def _conversation(client: Client, options: Options, earlier: Path | None) -> Conversation:
    from ._commands import set_system

    if options.go_on:
        if earlier is None or not earlier.exists():
            raise InvalidRequestError("There is no conversation to go on with", hint="Leave out --continue.")
        conversation = client.chat.load_conversation(earlier)
        # An option is for the command that it is given to: `--max-tokens 5` must not cut all that follows.
        conversation.params = dict(options.params)
        if options.system is not None:
            set_system(conversation.messages, options.system or None)
        conversation.model = plain(options.model or conversation.model)
        return conversation
    own = urlsplit(client.base_url).hostname == DEFAULT_HOST
    listed = None if own else lambda: [model.id for model in client.models.list()]
    model = choose(options.model, os.environ.get(VARIABLE), listed)
    return client.chat.conversation(model=model, system=options.system or None, **options.params)


def _talk(client: Client, conversation: Conversation, options: Options, directory: Path | None) -> int:
    from ...catalogue import MODELS
    from ._commands import COMMANDS
    from ._display import TerminalDisplay
    from ._line import Line
    from ._session import Session
    from ._tools import load_tools
    from ._turns import still_running

    kept = None if directory is None else private_file(history(directory))
    if options.history and kept is None:
        complain("what you type can't be kept: the directory for it can't be written")
    living = [model.id for model in MODELS.values() if model.lifecycle != "retired"]
    screen = console()
    session = Session(
        client,
        conversation,
        screen,
        Line(kept, list(COMMANDS), living),
        TerminalDisplay(screen, thoughts=options.reasoning, markdown=not options.raw),
        tools=load_tools(options.tools) if options.tools else [],
        yes=options.yes,
        last=None if directory is None else last_conversation(directory),
        params=options.params,
    )
    code = session.run()
    if still_running():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python, which waits for it, would show a traceback
        complain("a tool that you interrupted still runs, and is waited for; Ctrl-C ends it")
    return code
