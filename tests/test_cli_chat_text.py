"""What the command `chat` decides without a terminal: lines, blocks, files, schemas, parameters, models."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from wandb_inference.cli._options import Connection
from wandb_inference.cli._paths import is_file, typed_path
from wandb_inference.cli._printable import printable, visible
from wandb_inference.cli.chat import _attachments, _places
from wandb_inference.cli.chat._attachments import Attachment, joined
from wandb_inference.cli.chat._blocks import LONGEST_CODE, Block, Blocks
from wandb_inference.cli.chat._commands import (
    COMMANDS,
    command_named,
    help_text,
    last_question,
    set_system,
    system_of,
    unknown_command,
)
from wandb_inference.cli.chat._model import DEFAULT, choose
from wandb_inference.cli.chat._options import Options, Terminal, is_interactive, problem
from wandb_inference.cli.chat._parameters import read_parameters
from wandb_inference.cli.chat._status import Answer, Totals, cost_line, notice
from wandb_inference.cli.chat._typed import (
    Command,
    Message,
    completions,
    finished,
    is_unfinished,
    path_argument,
    understood,
)
from wandb_inference.exceptions import APIConnectionError, InvalidRequestError, NotFoundError
from wandb_inference.types import CompletionUsage, Meta

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000000200"
    "0148afa4710000000049454e44ae426082"
)


def test_printable():
    """Control characters go, C1 and those that begin a sequence too; newlines, tabs and all letters stay."""
    assert printable("a\x1b[31mb\x07\r\n\tc\x9b2J\x7f é 日本 👍") == "a[31mb\n\tc2J é 日本 👍"


def test_what_turns_a_text_around():
    """It goes from answers; joiners of emoji, of Persian and marks of Hebrew are letters like others."""
    ordinary = "👩\u200d💻 \u0645\u06cc\u200c\u062e\u0648 \u05d0\u200f"
    assert printable(f"{ordinary}\u202ecod.exe\u202c\u2066x\u2069") == f"{ordinary}cod.exex"


def test_visible():
    """Where something is decided about a text, nothing in it is hidden."""
    assert visible('f(a="é 日本 👍")') == 'f(a="é 日本 👍")'
    hidden = "\u202e\u200d\u200b\xa0\x1b\n\ufe0f\u3164\u2800\U000e0041\ufeff\u2028"
    assert visible(hidden) == (r"\u202e\u200d\u200b\u00a0\u001b\u000a\ufe0f\u3164\u2800\U000e0041\ufeff\u2028")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("notes.json", "notes.json"),
        ('"my notes.json"', "my notes.json"),
        ("'my notes.json'", "my notes.json"),
        ("my\\ notes.json", "my notes.json"),
        ("my notes.json", "my notes.json"),
        ("file:///tmp/a%20b", "/tmp/a b"),
        ("https://example.com/a.png", "https://example.com/a.png"),
    ],
)
def test_a_path_as_an_argument(typed, path):
    """Quotes and backslashes around a path are none of it, and one with spaces needs none."""
    assert path_argument(typed) == path


def test_paths():
    """No text is too odd to be asked about: a user that does not exist has no home, and a long text is no file."""
    assert typed_path("~no-such-user/x") == Path("~no-such-user/x")
    assert typed_path("~/x") == Path.home() / "x"
    assert [is_file(text) for text in ("~no-such-user/x", "a\0b", "a" * 5000, __file__)] == [False, False, False, True]
    with pytest.raises(InvalidRequestError, match="NUL"):
        typed_path("a\0b")


def cut(text: str, size: int) -> list[Block]:
    """The blocks of a text that comes in pieces of a size."""
    blocks, found = Blocks(), []
    for start in range(0, len(text), size):
        found += blocks.feed(text[start : start + size])
    return found + blocks.end()


CODE = "\n".join(f"line {number}" for number in range(LONGEST_CODE))


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("one\ntwo\n\nthree", [("one\ntwo", False), ("three", True)]),
        ("\n\nfirst", [("first", False)]),
        ("# Title\ntext\n## Next\n\nmore", [("# Title", False), ("text", False), ("## Next", False), ("more", True)]),
        (
            "so:\n- a\n- b\n\n  still b\n\nend",
            [("so:", False), ("- a", False), ("- b\n\n  still b", False), ("end", True)],
        ),
        ("1. a\n2. b\n\n3. c", [("1. a", False), ("2. b", False), ("3. c", True)]),
        ("text\n2. no list", [("text\n2. no list", False)]),
        ("- a\n  ```\n  x\n\n  ```\n- b", [("- a\n  ```\n  x\n\n  ```", False), ("- b", False)]),
        ("a\n```py\nx\n\ny\n```\nb", [("a", False), ("```py\nx\n\ny\n```", False), ("b", False)]),
        ("~~~\n```\n~~~\nx", [("~~~\n```\n~~~", False), ("x", False)]),
        ("```\nopen", [("```\nopen", False)]),
        ("| a |\n|---|\n| 1 |\n\n> q\n> r", [("| a |\n|---|\n| 1 |", False), ("> q\n> r", True)]),
        ("- a\n\ntext", [("- a", False), ("text", True)]),
        (f"```py\n{CODE}\nlast\n```", [(f"```py\n{CODE}\n```", False), ("```py\nlast\n```", False)]),
        ("", []),
    ],
)
def test_blocks(text, blocks, size):
    """Markdown is cut where nothing that follows can change what came, however it arrives."""
    assert cut(text, size) == [Block(*block) for block in blocks]


def test_the_rest_of_a_block():
    """What is open is known with the empty lines in it, and whether it stands apart."""
    blocks = Blocks()
    blocks.feed("text\n\n- a\n\n  mo")
    assert blocks.rest == Block("- a\n\n  mo", True)
    blocks = Blocks()
    blocks.feed("text\n\nne")
    assert blocks.rest == Block("ne", True)


@pytest.mark.parametrize(
    ("text", "unfinished", "meaning"),
    [
        ("hello", False, "hello"),
        ("a\\", True, "a\\"),
        ("a\\\\", False, "a\\\\"),
        ("a\\\nb", False, "a\\\nb"),
        ('"""a\\', True, '"""a\\'),
        (" \n\n  a\n   b \n", False, "  a\n   b"),
        ('"""a', True, '"""a'),
        ('"""\na\nb\n"""', False, "a\nb"),
        ('say """x""" now', False, 'say """x""" now'),
    ],
)
def test_several_lines(text, unfinished, meaning):
    """A backslash at the end, or three quotes that are open, ask for another line; lines stay as they are."""
    assert is_unfinished(text) == unfinished
    assert finished(text) == meaning


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/help", Command("help", "")),
        ("/model  a/b ", Command("model", "a/b")),
        ("/system be\nbrief", Command("system", "be\nbrief")),
        ("  /Help", Command("help", "")),
        ("/Users", Message("/Users")),
        ("//help", Message("/help")),
        ('"""/help"""', Message("/help")),
        ("/etc/passwd is what?", Message("/etc/passwd is what?")),
        ("/tmp/cat.png", Message("cat.png", ("/tmp/cat.png",))),
        ("what is '/tmp/my cat.jpg'?", Message("what is my cat.jpg?", ("/tmp/my cat.jpg",))),
        ('"/tmp/my cat.jpg" or /tmp/my\\ cat.jpg', Message("my cat.jpg or my cat.jpg", ("/tmp/my cat.jpg",) * 2)),
        ("see file:///tmp/my%20cat.jpg.", Message("see my cat.jpg.", ("/tmp/my cat.jpg",))),
        ("it's /tmp/cat.png isn't it", Message("it's cat.png isn't it", ("/tmp/cat.png",))),
        ("no.png here", Message("no.png here")),
        ("/picture", Message("/picture")),
    ],
)
def test_what_is_typed(text, meant):
    """Commands are told from texts, and pictures that are there are found in them, as terminals paste their paths."""
    files = {"/tmp/cat.png", "/tmp/my cat.jpg", "/picture"}

    assert understood(text, files.__contains__) == meant


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("/mo", [("/model", 3)]),
        ("/s", [("/system", 2), ("/save", 2)]),
        ("hello", []),
        ("/model GPT", [("openai/gpt-oss", 3)]),
        ("/model open", [("openai/gpt-oss", 4)]),
        ("/help x", []),
    ],
)
def test_completions(before, found):
    """Commands are completed, and ids of models by any part after a slash."""
    assert completions(before, list(COMMANDS), ["openai/gpt-oss", "a/b"]) == found


def test_commands():
    """Aliases lead to commands, a wrong one to the nearest, and each has its line of help."""
    assert [command_named(name) for name in ("quit", "undo", "nothing")] == ["exit", "undo", None]
    assert unknown_command("undoo").startswith("There is no command /undoo. Did you mean /undo?")
    assert "Did you mean" not in unknown_command("xyzzy")
    assert all(f"/{name}" in help_text() for name in COMMANDS)


def test_the_history():
    """The last question and the instructions are found and changed."""
    messages = []
    assert (last_question(messages), system_of(messages)) == (None, None)
    set_system(messages, "one")
    set_system(messages, "two")
    messages += [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert (last_question(messages), system_of(messages)) == (1, "two")
    messages[0]["content"] = [{"type": "text", "text": "x"}]
    assert system_of(messages) == "(content parts)"
    set_system(messages, None)
    assert len(messages) == 2


def test_joined():
    """Prompt, pipe and files become one text; pictures follow it as parts."""
    files = [Attachment("", b"\xef\xbb\xbfpiped\r\n"), Attachment("a.txt", b"\nA\n"), Attachment("", b"")]
    text = 'Say\n\npiped\n\n<file name="a.txt">\nA\n</file>'
    assert joined("Say", files) == text
    parts = joined("Say", [*files, Attachment("x.png", PNG)])
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[0]["text"] == text
    assert len(joined("", [Attachment("x.png", PNG)])) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe", "a.bin is neither text in UTF-8 nor"),
        (b"a\0b", "a.bin is neither text"),
        (b"", "There is nothing to say"),
    ],
)
def test_files_that_cannot_be_sent(data, words):
    """What is neither text nor a picture is named, and nothing at all is refused."""
    with pytest.raises(InvalidRequestError, match=words):
        joined(" ", [Attachment("a.bin", data)])
    assert not _attachments.is_picture(data)


@pytest.mark.parametrize(
    ("pairs", "params"),
    [
        ([("seed", "7")], {"seed": 7}),
        ([("user", "7")], {"user": "7"}),
        ([("logprobs", "True")], {"logprobs": True}),
        ([("stop", '["a", "b"]')], {"stop": ["a", "b"]}),
        ([("stop", "END")], {"stop": "END"}),
        ([("reasoning_effort", "low")], {"reasoning_effort": "low"}),
        ([("timeout", "30"), ("extra_body", '{"a": null}')], {"timeout": 30, "extra_body": {"a": None}}),
    ],
)
def test_parameters(pairs, params):
    """Values are read as the parameter takes them."""
    assert read_parameters(pairs, {"temperature": None}) == params


@pytest.mark.parametrize(
    ("pairs", "named", "words"),
    [
        ([("temprature", "1")], {}, "-o temprature: there is no such parameter. Did you mean 'temperature'"),
        ([("zzz", "1")], {}, "-o zzz: there is no such parameter"),
        ([("top_p", "warm")], {}, "top_p is 'warm', expected"),
        ([("top_p", "2")], {}, "top_p is 2, expected at most 1"),
        ([("stop", "[1]")], {}, r"stop\[0\] is 1, expected text"),
        ([("thinking", "maybe")], {}, "thinking is 'maybe', expected true or false"),
        ([("model", "x")], {}, "Use --model"),
        ([("seed", "1"), ("seed", "2")], {}, "seed is given twice"),
        ([("temperature", "1")], {"temperature": 0.5}, "temperature is given twice"),
        ([], {"max_tokens": 0}, "max_tokens is 0, expected at least 1"),
    ],
)
def test_parameters_that_cannot_be(pairs, named, words):
    """A wrong name leads to the nearest, a wrong value is said with what was expected."""
    with pytest.raises(InvalidRequestError, match=words):
        read_parameters(pairs, named)


def test_which_model():
    """The one named, that of the environment, the default, and elsewhere what the server has."""
    assert choose("a", "b", None) == "a"
    assert choose(None, "b", None) == "b"
    assert choose(None, None, None) == DEFAULT
    assert choose(None, None, lambda: ["x", DEFAULT]) == DEFAULT
    assert choose(None, None, lambda: ["only"]) == "only"


@pytest.mark.parametrize(
    ("models", "words"),
    [([], "the server lists none"), (["a", "b"], "The server has 2:\n  a\n  b$"), (["m"] * 25, "and 5 more$")],
)
def test_no_model_to_choose(models, words):
    """Where there is a choice the user makes it, with the list at hand."""
    with pytest.raises(InvalidRequestError, match=words):
        choose(None, None, lambda: models)


def test_a_server_that_does_not_list():
    """A server without a list is one whose model must be named; what can't be reached, or refuses, says so itself."""

    def raising(error):
        def fail():
            raise error

        return fail

    missing = NotFoundError("nothing here", status_code=404)
    with pytest.raises(InvalidRequestError, match=r"does not list its own: 404: nothing here. Name one by --model"):
        choose(None, None, raising(missing))
    with pytest.raises(APIConnectionError, match="refused"):
        choose(None, None, raising(APIConnectionError("refused")))


def options(**changes: object) -> Options:
    """A command line with a prompt."""
    return Options(
        **{
            "prompt": "Hi", "connection": Connection(None, None), "model": None, "system": None, "files": (),
            "tools": None, "yes": False, "schema": None, "json": False, "stream": True, "raw": False,
            "reasoning": True, "history": True, "go_on": False, "params": {}, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "stdin", "stdout", "words"),
    [
        ({}, True, True, None),
        ({"prompt": ""}, True, True, None),
        ({"prompt": ""}, False, False, None),
        ({"prompt": "", "json": True}, True, True, "--json is for a single answer"),
        ({"prompt": "", "schema": {}}, True, True, "--schema is for a single answer"),
        ({"prompt": "", "stream": False}, True, True, "--no-stream is for a single answer"),
        ({"prompt": ""}, True, False, "needs a terminal"),
        ({"tools": "x", "schema": {}}, True, True, "don't go together"),
        ({"tools": "x"}, False, True, "allow all by --yes"),
        ({"tools": "x", "yes": True}, False, True, None),
        ({"params": {"n": 2}}, True, True, "--json shows them all"),
        ({"params": {"n": 2}, "json": True}, True, True, None),
    ],
)
def test_what_goes_together(changes, stdin, stdout, words):
    """Options that contradict each other, or the terminal, are told before anything is sent."""
    given, terminal = options(**changes), Terminal(stdin, stdout)

    found = problem(given, terminal)

    assert found is None if words is None else words in found
    assert is_interactive(given, terminal) == (stdin and not given.prompt)


def test_where_things_are_kept(tmp_path, monkeypatch):
    """In the user's state directory, private; nowhere if there is none."""
    home = Path("/home/me")
    assert _places.state_directory({}, home, windows=False) == home / ".local/state/wandb-inference"
    assert _places.state_directory({"XDG_STATE_HOME": "/s"}, home, windows=False) == Path("/s/wandb-inference")
    assert (
        _places.state_directory({"XDG_STATE_HOME": "s"}, home, windows=False) == home / ".local/state/wandb-inference"
    )
    assert _places.state_directory({"LOCALAPPDATA": "/l"}, home, windows=True) == Path("/l/wandb-inference")
    assert _places.state_directory({}, home, windows=True) == home / "AppData/Local/wandb-inference"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    directory = _places.private_directory()
    assert directory is not None
    assert directory.stat().st_mode & 0o777 == 0o700
    file = _places.history(directory)
    file.write_text("old")
    file.chmod(0o644)
    assert _places.private_file(file) == file
    assert file.stat().st_mode & 0o777 == 0o600
    assert _places.private_file(tmp_path) is None
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert _places.private_directory() is None
    monkeypatch.setattr(Path, "home", _homeless)
    assert (_places.private_directory(), _places.known_directory()) == (None, None)


def _homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_the_line_below_an_answer():
    """Tokens, pace, time to the first token and cost, as far as they are known."""
    usage = CompletionUsage.model_validate(
        {
            "prompt_tokens": 5,
            "completion_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        }
    )
    meta = Meta("id", 200, {}, (), 0.1, 0.5, 1.5, completion_tokens=11)
    assert cost_line(Answer(usage, meta, Decimal("0.02"))) == (
        "5 (4 cached) + 11 (3 thinking) tokens · 10 tokens/s · first after 0.50 s · $0.02"
    )
    whole = Meta("id", 200, {}, (), 0.1, None, 1.5)
    assert cost_line(Answer(None, whole, None, stopped=True)) == "stopped · 1.50 s"
    assert cost_line(Answer(None, Meta("id", 200, {}, (), None, None, None), None)) == ""
    assert cost_line(Answer(None, None, None)) == ""
    assert cost_line(Answer(None, Meta("id", 200, {}, (), 0.0, 0.004, 1.5), None)) == "first after < 0.01 s"


def test_how_an_answer_ended():
    """A cut answer says so, with what to do."""
    ended = [notice(Answer(None, None, None, finish_reason=reason)) for reason in ("length", "content_filter", "stop")]
    assert "--max-tokens" in (ended[0] or "")
    assert "content filter" in (ended[1] or "")
    assert ended[2] is None


def test_what_a_session_has_come_to():
    """Tokens and known costs add up; answers without one are counted apart."""
    totals = Totals()
    usage = CompletionUsage(prompt_tokens=1, completion_tokens=2)
    totals.add(Answer(usage, None, Decimal("0.5")))
    assert str(totals) == "1 answer: 1 tokens in, 2 out, $0.50"
    totals.add(Answer(None, None, None))
    assert str(totals) == "2 answers: 1 tokens in, 2 out, $0.50 (1 without a known cost)"
