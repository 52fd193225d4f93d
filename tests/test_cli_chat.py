"""`wandb-inference chat "prompt"`: one answer, for scripts and pipes."""

from __future__ import annotations

import io
import json
import sys

import click
import pytest
from test_cli_chat_text import PNG

from wandb_inference.cli import main
from wandb_inference.cli.chat import _one_shot, command
from wandb_inference.testing import Emulator, Fault

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
SCHEMA = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'


class Stream(io.TextIOWrapper):
    """A standard stream that may be a terminal."""

    def __init__(self, data=b"", *, terminal=False):
        super().__init__(io.BytesIO(data), encoding="utf-8", write_through=True)
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    @property
    def text(self):
        return self.buffer.getvalue().decode()


@pytest.fixture
def emulator(monkeypatch):
    with Emulator() as emulator:
        monkeypatch.setenv("WANDB_API_BASE", emulator.base_url)
        monkeypatch.setenv("WANDB_API_KEY", "key")
        monkeypatch.setenv("WANDB_PROJECT", "team/project")
        monkeypatch.setenv("WANDB_INFERENCE_MODEL", MODEL)
        yield emulator


@pytest.fixture
def chat(emulator, monkeypatch):
    """Runs a command line: exit code, standard output, standard error."""

    def chat(*arguments, stdin=b"", terminal=(), keys=""):
        streams = {
            "stdin": Stream(stdin or keys.encode(), terminal="stdin" in terminal),
            "stdout": Stream(terminal="stdout" in terminal),
            "stderr": Stream(terminal="stderr" in terminal),
        }
        for name, stream in streams.items():
            monkeypatch.setattr(sys, name, stream)
        code = main(["chat", *arguments])
        return code, streams["stdout"].text, streams["stderr"].text

    return chat


def test_an_answer(chat, emulator):
    """The answer's text is on the standard output, streamed and as it is, and nothing else is anywhere."""
    emulator.reply("**101**\x1b", reasoning="Hm.")

    assert chat("Name", "a prime.") == (0, "**101**\x1b\n", "")
    body = emulator.requests[0].body
    assert (body["model"], body["stream"]) == (MODEL, True)
    assert body["messages"] == [{"role": "user", "content": "Name a prime."}]


def test_a_terminal(chat, emulator):
    """There Markdown is shown as what it means, without control sequences of the model's, and what it took below."""
    emulator.reply("**101**\x1b[2J", reasoning="Hm.")

    code, out, err = chat("Name a prime.", terminal=("stdin", "stdout", "stderr"))

    assert (code, "\x1b[1m101\x1b[0m" in out, "\x1b[2J" in out, "Thinking:" in out) == (0, True, False, True)
    assert "tokens" in err
    emulator.reply("**101**", reasoning="Hm.")
    code, out, err = chat("--raw", "--no-reasoning", "Name a prime.", terminal=("stdout",))
    assert (code, out, err) == (0, "**101**\n", "")


def test_a_pipe_and_files(chat, emulator, tmp_path):
    """Prompt, piped text and files are one question; a picture goes as one, through the pipe too."""
    (tmp_path / "a.txt").write_text("A")
    emulator.reply("ok", times=3)

    chat("Sum up.", "-f", "a.txt", stdin=b"piped")
    assert emulator.requests[0].body["messages"][0]["content"] == 'Sum up.\n\npiped\n\n<file name="a.txt">\nA\n</file>'
    chat("-f", "-", stdin=b"alone", terminal=("stdin",))
    assert emulator.requests[1].body["messages"][0]["content"] == "alone"
    chat("-m", "google/gemma-4-31B-it", "What?", stdin=PNG)
    assert emulator.requests[2].body["messages"][0]["content"][1]["type"] == "image_url"


def test_parameters(chat, emulator):
    """Options reach the request."""
    emulator.reply("ok")
    options = ["--max-tokens", "5", "--temperature", "0.5", "--no-thinking", "-o", "seed", "7", "-s", "Be brief."]

    code, _, err = chat(*options, "--no-stream", "-m", "zai-org/GLM-5.2", "Hi")

    body = emulator.requests[0].body
    assert (code, err) == (0, "")
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (5, 0.5, 7)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "stream" not in body


def test_warnings(chat, emulator):
    """What the package warns of is said in one line."""
    emulator.reply("ok")
    code, _, err = chat("--thinking", "Hi")
    assert code == 0
    assert err.startswith(f"{MODEL} does not think")
    assert err.count("\n") == 1


def test_the_whole_completion(chat, emulator):
    """`--json` gives the completion; on a terminal it can be read, and can do nothing to it."""
    emulator.reply("Hi \x9b", times=2)
    code, out, _ = chat("--json", "Hi")
    assert code == 0
    assert out.count("\n") == 1
    assert json.loads(out)["choices"][0]["message"]["content"] == "Hi \x9b"
    code, out, _ = chat("--json", "Hi", terminal=("stdout", "stderr"))
    assert out.startswith('{\n  "')
    assert "\x9b" not in out


def test_errors_as_json(chat, emulator):
    """With `--json` errors are JSON too, with the same exit codes."""
    emulator.fault(Fault.status(401))
    code, out, err = chat("--json", "Hi")
    about = json.loads(err)["error"]
    assert (code, out) == (1, "")
    assert (about["type"], about["status"]) == ("AuthenticationError", 401)
    code, _, err = chat("--json", "-o", "top_p", "7", "Hi")
    assert (code, json.loads(err)["error"]["type"]) == (2, "InvalidRequestError")


def test_schema(chat, emulator, tmp_path):
    """The answer is JSON that was checked, and nothing else."""
    (tmp_path / "schema.json").write_text(SCHEMA)
    emulator.reply('Here: {"n": 1}', times=3)
    assert chat("--schema", "n int", "Hi") == (0, '{"n": 1}\n', "")
    assert chat("--schema", "schema.json", "Hi", terminal=("stdout",)) == (0, '{\n  "n": 1\n}\n', "")
    code, out, _ = chat("--schema", SCHEMA, "--json", "Hi")
    assert (code, json.loads(out)["object"]) == (0, "chat.completion")
    form = emulator.requests[0].body["response_format"]
    assert form["json_schema"]["schema"]["properties"] == {"n": {"type": "integer"}}


def test_an_answer_that_does_not_fit(chat, emulator):
    """It is said what does not fit, with the answer, which was paid for; the standard output stays clean."""
    emulator.reply('{"n": "x"}', times=2)
    code, out, err = chat("--schema", "n int", "Hi")
    assert (code, out) == (1, "")
    assert 'the answer.n is "x", expected integer. It was: {"n": "x"}' in err
    code, _, err = chat("--schema", "n int", "--json", "Hi")
    assert json.loads(err)["error"]["text"] == '{"n": "x"}'


@pytest.mark.parametrize("fault", [Fault.cut(after_chunks=3), Fault.error_event(500, after_chunks=3)])
def test_an_answer_that_breaks(chat, emulator, fault):
    """What had come is on the standard output, the error on the other, and the exit code is 1."""
    emulator.reply("One two three four five.")
    emulator.fault(fault)
    code, out, err = chat("-o", "max_retries", "0", "Count.")
    assert code == 1
    assert out.startswith("One")
    assert out.endswith("\n")
    assert err.startswith("wandb-inference: ")


def test_an_error_cannot_write_on_the_terminal(chat, emulator):
    """A server's words are shown without control characters."""
    emulator.fault(Fault.status(401, "no\x1b[2J"))
    assert "no[2J" in chat("Hi")[2]


def test_cut_at_the_limit(chat, emulator):
    """A cut answer is said on the standard error."""
    emulator.reply("One two three.", max_tokens=2)
    code, out, err = chat("Count.")
    assert (code, out) == (0, "One two\n")
    assert "cut at its limit" in err


def test_the_last_conversation(chat, emulator, tmp_path, monkeypatch):
    """`--continue` goes on with it, with another model or other instructions where they are given."""
    for text in ("A", "B", "C"):
        emulator.reply(text)
    assert chat("-c", "a")[2].startswith("wandb-inference: There is no conversation to go on with")
    chat("a")
    chat("-c", "-s", "Be brief.", "-m", "openai/gpt-oss-20b", "b")
    chat("-c", "c")
    body = emulator.requests[2].body
    assert body["model"] == "openai/gpt-oss-20b"
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "a", "A", "b", "B", "c"]
    kept = tmp_path / ".local/state/wandb-inference/last-conversation.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("WANDB_INFERENCE_NO_HISTORY", "1")
    before = kept.read_text()
    assert chat("d")[0] == 0
    assert chat("-c", "e")[0] == 0
    assert emulator.requests[4].body["messages"][-2]["content"] == "C"
    assert kept.read_text() == before
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "none"))
    assert chat("-c", "f")[0] == 2
    assert not (tmp_path / "none").exists()


def test_the_options_of_the_last_conversation(chat, emulator):
    """They held for its command alone: what one answer was given does not cut or change those that follow."""
    emulator.reply("A")
    chat("-m", "wandb/openai/gpt-oss-20b", "--max-tokens", "5", "-o", "n", "2", "--json", "a")
    chat("-c", "--temperature", "0.5", "b")
    body = emulator.requests[1].body
    assert (body["model"], body["temperature"]) == ("openai/gpt-oss-20b", 0.5)
    assert not {"n", "max_tokens"} & set(body)


def test_completion_in_a_shell():
    """Models are completed from the table, and paths by the shell."""
    options = {option.name: option for option in command.params}
    context = click.Context(command)
    assert [item.value for item in options["model"].shell_complete(context, "gpt-oss-20")] == ["openai/gpt-oss-20b"]
    for name in ("files", "tools"):
        assert [(item.value, item.type) for item in options[name].shell_complete(context, "a/")] == [("a/", "file")]


def test_a_conversation_that_cannot_be_kept(chat, tmp_path):
    """The answer is there all the same, and it is said."""
    (tmp_path / ".local/state/wandb-inference/last-conversation.json").mkdir(parents=True)
    code, out, err = chat("Hi")
    assert (code, bool(out)) == (0, True)
    assert "--continue won't find it" in err


@pytest.mark.parametrize(("key", "said"), [("y\n", "3 degrees"), ("n not now\n", "not approved: not now")])
def test_tools(chat, emulator, tmp_path, key, said):
    """A call is asked about on the terminal, and what came of it is told to the model."""
    (tmp_path / "tools.py").write_text('def weather(city: str): return "3 degrees"')
    emulator.reply(tool_calls=[("weather", {"city": "Oslo"})])
    emulator.reply("Cold.")
    code, out, err = chat("--tools", "tools.py", "Hi", keys=key, terminal=("stdin",))
    assert (code, out) == (0, "Cold.\n")
    assert 'weather(city="Oslo")\nAllow it? [y]es, [n]o, [a]lways: ' in err
    assert said in emulator.requests[1].body["messages"][-1]["content"]


def test_what_tools_print(chat, emulator, tmp_path):
    """It goes beside the answer, which is alone on the standard output."""
    (tmp_path / "tools.py").write_text('print("loaded")\ndef weather(city: str):\n    print("asked")\n    return "3"')
    emulator.reply(tool_calls=[("weather", {"city": "Oslo"})])
    emulator.reply("Cold.")
    code, out, err = chat("--tools", "tools.py", "--yes", "Hi", stdin=b"", terminal=("stdin",))
    assert (code, out) == (0, "Cold.\n")
    assert "loaded" in err
    assert "asked" in err


def test_a_refusal_in_place_of_json(chat, emulator):
    """A model that refuses is quoted."""
    emulator.reply(refusal="I won't count.")
    code, out, err = chat("--schema", "n int", "Hi", terminal=("stdin",))
    assert (code, out) == (1, "")
    assert err == "wandb-inference: The answer does not fit the schema: the model refused: I won't count.\n"


def test_a_schema_that_says_more(chat, emulator):
    """What of a schema is not checked is said."""
    emulator.reply('{"n": 1}')
    schema = '{"type": "object", "properties": {"n": {"type": "integer"}}, "requred": ["n"]}'
    code, out, err = chat("--schema", schema, "Hi", terminal=("stdin",))
    assert (code, out) == (0, '{"n": 1}\n')
    assert err == "--schema: whether the answer keeps to requred is not checked here.\n"


def test_nobody_to_ask(chat, emulator, tmp_path):
    """An end of input stops the run; without a terminal `--yes` allows all calls."""
    (tmp_path / "tools.py").write_text('def weather(city: str): return "3 degrees"')
    emulator.reply(tool_calls=[("weather", {"city": "Oslo"})], times=2)
    emulator.reply("Cold.")
    assert chat("--tools", "tools.py", "Hi", terminal=("stdin",))[0] == 130
    assert chat("--tools", "tools.py", "--yes", "--no-stream", "Hi")[1] == "Cold.\n"
    assert chat("--tools", "tools.py", "Hi")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "There is nothing to say"),
        (["-f", "none.txt", "Hi"], "--file: [Errno 2] No such file or directory: 'none.txt'"),
        (["-f", "~no-such-user/x", "Hi"], "--file: [Errno 2] No such file or directory: '~no-such-user/x'"),
        (["-f", "a\0b", "Hi"], "'a\\x00b' is no path: it has a NUL character in it"),
        (["-f", "a" * 5000, "Hi"], "--file: [Errno 36] File name too long"),
        (
            ["--tools", "~no-such-user/x", "--yes", "Hi"],
            "The tools in ~no-such-user/x can't be loaded: FileNotFoundError",
        ),
        (["--schema", "a" * 5000 + " date", "Hi"], "is no field"),
        (["--schema", "a date", "Hi"], "--schema: 'a date' is no field"),
        (["--schema", "n", "--tools", "t.py", "Hi"], "don't go together"),
        (["--tools", "none.py", "--yes", "Hi"], "The tools in none.py can't be loaded: FileNotFoundError"),
        (["--max-tokens", "many", "Hi"], "'many' is not a valid integer"),
        (["--max-tokens", "0", "Hi"], "max_tokens is 0, expected at least 1"),
        (["-o", "temprature", "1", "Hi"], "Did you mean 'temperature'"),
        (["--project", "nonsense", "Hi"], "nonsense"),
        (["--base-url", "ftp://x", "Hi"], "ftp://x"),
        (["--no-such-option", "Hi"], "No such option"),
    ],
)
def test_command_lines_that_cannot_work(chat, emulator, arguments, words):
    """They are told before anything is sent, with exit code 2."""
    code, out, err = chat(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert emulator.requests == []


def test_the_model_of_another_server(chat, emulator, monkeypatch):
    """Where no model is named the server's is asked, the default if it has that."""
    monkeypatch.delenv("WANDB_INFERENCE_MODEL")
    assert chat("Hi")[0] == 0
    assert emulator.requests[-1].body["model"] == "openai/gpt-oss-120b"


def test_the_default_model(monkeypatch, emulator, chat):
    """On W&B's own host nobody is asked for it."""
    monkeypatch.delenv("WANDB_INFERENCE_MODEL")
    monkeypatch.delenv("WANDB_API_BASE")
    monkeypatch.setattr(_one_shot, "answer", lambda options, terminal, conversation, *_: print(conversation.model))
    assert chat("Hi")[:2] == (0, "openai/gpt-oss-120b\n")


def test_no_standard_input(emulator, monkeypatch):
    """A program that was started without one asks the prompt alone."""
    out = Stream()
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", out)
    emulator.reply("ok")
    assert main(["chat", "Hi"]) == 0
    assert out.text == "ok\n"


def test_a_reader_that_leaves(emulator, monkeypatch):
    """A pipe that is closed ends the program quietly, and the stream with it: nothing more is paid for."""

    class Closed(Stream):
        def write(self, text):
            if "two" in text:
                raise BrokenPipeError
            return super().write(text)

    emulator.reply("one two three four five six", tokens_per_second=20)
    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(sys, "stdout", Closed())
    assert main(["chat", "Count."]) == 0
    for _ in range(100):
        if emulator.requests[0].outcome != "open":
            break
        __import__("time").sleep(0.01)
    assert emulator.requests[0].outcome == "left"


def test_a_disk_that_is_full(emulator, monkeypatch):
    """It is told that the answer could not be written."""

    class Full(Stream):
        def write(self, text):
            raise OSError(28, "No space left on device")

    err = Stream()
    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["chat", "Count."]) == 1
    assert err.text == "wandb-inference: the answer can't be written: [Errno 28] No space left on device\n"


def test_help(chat):
    """The help shows examples, and says which model is asked."""
    code, out, _ = chat("--help")
    assert code == 0
    assert 'git diff | wandb-inference chat "Write a commit message."' in out
    assert "WANDB_INFERENCE_MODEL" in out
