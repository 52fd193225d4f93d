"""The command line's frame: which command is run, what becomes of errors and pipes, and shell completion."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import wandb_inference
from wandb_inference.cli import _app, _console, _options, _terms, main
from wandb_inference.exceptions import AuthenticationError, ConfigurationError, InvalidRequestError

ROOT = Path(wandb_inference.__file__).parents[1]
COMMAND = [sys.executable, "-m", "wandb_inference"]


@pytest.fixture
def raising(monkeypatch):
    """Makes `models` raise."""

    def raising(error):
        def fail(self, ctx):
            raise error

        monkeypatch.setattr(_app.Commands, "invoke", fail)

    return raising


def test_help_lists_every_command_without_loading_it():
    """`--help` costs neither rich nor pydantic: commands are imported when they are run."""
    check = (
        "import sys; from wandb_inference.cli import main; code = main(['--help']); "
        "print({'rich', 'pydantic', 'httpx', 'prompt_toolkit'} & set(sys.modules), code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True)

    assert done.stderr == "set() 0\n"
    assert all(f"\n  {name} " in done.stdout for name in _app.COMMANDS)
    assert "Exit codes:\n    0    it worked" in done.stdout


@pytest.mark.parametrize("name", _app.COMMANDS)
def test_help_of_each_command(capsys, name):
    """Each command's help has examples or steps, each on a line of its own, and options that are explained."""
    assert main([name, "-h"]) == 0

    out = capsys.readouterr().out
    assert f"Usage: wandb-inference {name} " in out
    assert f"\n    wandb-inference {name}" in out
    assert "\\b" not in out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["modles"], ["There is no command 'modles'. Did you mean 'models'?"]),
        (["xyz"], ["There is no command 'xyz'.\n"]),
        (["--nonsense"], ["No such option", "--nonsense"]),
        (["models", "--visoin"], ["No such option", "--visoin", "--vision"]),
    ],
)
def test_what_is_no_command_line(capsys, argv, words):
    """A misspelt command or option is exit code 2, and the nearest is named."""
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert all(word in err for word in words)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigurationError("no key", hint="Set one."), 2, "wandb-inference: no key. Set one.\n"),
        (InvalidRequestError("no messages"), 2, "wandb-inference: no messages\n"),
        (AuthenticationError("bad key", hint="Make one."), 1, "wandb-inference: 401: bad key. Make one.\n"),
        (ModuleNotFoundError("rich", name="rich.console"), 2, "pip install 'wandb-inference[cli]'\n"),
        (click.Abort(), 130, ""),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (click.exceptions.Exit(3), 3, ""),
        (OSError(28, "No space left"), 1, "wandb-inference: the output can't be written: No space left\n"),
        (PermissionError(13, "Permission denied", "a/b"), 1, "wandb-inference: a/b: Permission denied\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_become_exit_codes(capsys, raising, error, code, says):
    """What a command raises is one line and the code that the help names."""
    raising(error)

    assert main(["models"]) == code
    err = capsys.readouterr().err
    assert err.endswith(says)
    assert err.count("\n") == bool(says)


def test_a_bug_is_not_hidden(raising):
    """A module that is missing for another reason is no matter of an extra."""
    raising(ModuleNotFoundError("wandb_inference.nonsense", name="wandb_inference.nonsense"))
    with pytest.raises(ModuleNotFoundError):
        main(["models"])


def test_without_click(capsys, monkeypatch):
    """Without the extra, the command says what to install; an import that fails for another reason shows."""
    monkeypatch.delitem(sys.modules, "wandb_inference.cli._app")
    monkeypatch.setitem(sys.modules, "click", None)
    assert main(["models"]) == 2
    assert capsys.readouterr().err == "wandb-inference: this command needs: pip install 'wandb-inference[cli]'\n"

    monkeypatch.setitem(sys.modules, "wandb_inference.cli._app", None)
    with pytest.raises(ImportError):
        main(["models"])


def test_a_pipe_that_breaks():
    """Whoever reads has had enough: no complaint, not even at the interpreter's end."""
    with subprocess.Popen(
        [*COMMAND, "models", "--offline", "--all", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        assert (process.wait(20), err) == (0, b"")


def test_no_output_at_all():
    """A standard output that is closed is no reason to fail."""
    line = f"{' '.join(COMMAND)} --version >&-"
    assert subprocess.run(line, shell=True, cwd=ROOT, stderr=subprocess.PIPE, check=True).stderr == b""


@pytest.mark.parametrize("arguments", ["models --offline", "--help", "nosuch"])
def test_an_output_that_is_full(arguments):
    """A disk that is full is said in a line, once; and where that can't be written either, the exit code tells."""
    if not os.path.exists("/dev/full"):
        return  # Linux alone has such a file
    line = f"{' '.join(COMMAND)} {arguments}"
    code = 2 if arguments == "nosuch" else 1
    both = subprocess.run(f"{line} >/dev/full 2>/dev/full", shell=True, cwd=ROOT, capture_output=True)
    assert (both.returncode, both.stderr) == (code, b"")
    if code == 1:
        one = subprocess.run(f"{line} >/dev/full", shell=True, cwd=ROOT, capture_output=True, text=True)
        assert (one.returncode, one.stderr.count("\n")) == (1, 1)
        assert one.stderr.endswith("the output can't be written: No space left on device\n")


def test_no_standard_error(monkeypatch, raising):
    """Errors are not put into the output where the standard error is closed."""
    monkeypatch.setattr(sys, "stderr", None)
    raising(ConfigurationError("no key"))
    assert main(["models"]) == 2
    line = f"{' '.join(COMMAND)} nosuch 2>&-"
    done = subprocess.run(line, shell=True, cwd=ROOT, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_table_for_head():
    """`head` has its line, and the command did all that was asked of it."""
    line = f"{' '.join(COMMAND)} models --offline --all | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.splitlines()[1:], done.stderr) == (["0"], "")


@pytest.mark.parametrize("of_python", [term for term, _ in _terms._TERMS])
def test_advice_that_is_put_in_other_terms(of_python):
    """Each such advice is one that the library gives: where its words change, the command line's must."""
    package = Path(wandb_inference.__file__).parent
    assert any(of_python in file.read_text("utf-8") for file in package.rglob("*.py") if file.parent.name != "cli")


def test_advice_in_terms_of_commands(capsys, raising):
    """Who types is told of variables, options and commands, and not of arguments."""
    raising(
        ConfigurationError("There is no API key", hint="Pass api_key=..., set WANDB_API_KEY, or run `wandb login`.")
    )
    assert main(["models"]) == 2
    said = "wandb-inference: There is no API key. Set WANDB_API_KEY, or run `wandb login`.\n"
    assert capsys.readouterr().err == said


def test_a_terminal_without_unicode(monkeypatch):
    """What the output can't write becomes a question mark."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(_app, "_run", lambda arguments: print("§") or 0)

    assert main(["models"]) == 0
    assert out.buffer.getvalue() == b"?\n"  # type: ignore[attr-defined]


def test_notes_fit_the_terminal(capsys, monkeypatch):
    """What is said beside the output is folded between words on a terminal, and holds no control characters."""
    monkeypatch.setattr(_console, "is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", "20")
    _console.note("It is of no use \x1b[31mat all.\nIndeed.")
    _console.complain("meta-llama/Llama-3.1-8B-Instruct is there")

    assert capsys.readouterr().err == (
        "It is of no use\n[31mat all.\nIndeed.\nwandb-inference:\nmeta-llama/Llama-3.1-8B-Instruct\nis there\n"
    )
    assert _console.one_line(" a\x1b]0;title\x07\n\tb ") == "a]0;title b"


def test_ctrl_c_ends_the_line(capsys, monkeypatch, raising):
    """On a terminal, the line that shows ^C is ended."""
    raising(KeyboardInterrupt())
    monkeypatch.setattr(_app, "is_terminal", lambda stream: True)

    assert main(["models"]) == 130
    assert capsys.readouterr().err == "\n"


def test_commands_by_name():
    """Commands are looked up by their whole name."""
    context = click.Context(_app.app)
    assert _app.app.get_command(context, "modles") is None
    assert _app.app.list_commands(context) == list(_app.COMMANDS)


def test_is_terminal():
    """A stream that was closed before we began is no terminal."""
    assert not _console.is_terminal(None)
    assert not _console.is_terminal(io.StringIO())


def test_completion_in_bash(tmp_path):
    """The script works in bash: it completes commands, options, and model ids by id and by name."""
    bash = shutil.which("bash") or "bash"
    program = tmp_path / "wandb-inference"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {" ".join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    script = f"""
export PATH={tmp_path}:$PATH
eval "$(wandb-inference completion bash)"
ask() {{
    COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _wandb_inference_completion "$1"
    echo "${{COMPREPLY[*]}}"
}}
ask wandb-inference mo
ask wandb-inference bench --max
ask wandb-inference bench --model meta-llama/Llama-3.1
ask wandb-inference bench -m gpt-oss
ask wandb-inference models s
"""
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "models",
        "--max-tokens --max-cost",
        "meta-llama/Llama-3.1-8B-Instruct",
        "openai/gpt-oss-120b openai/gpt-oss-20b",
        "show",
    ]


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "complete -o nosort -F _wandb_inference_completion wandb-inference"),
        ("zsh", "#compdef wandb-inference"),
        ("fish", "complete --no-files --command wandb-inference"),
    ],
)
def test_completion_scripts(capsys, shell, words):
    """Each shell's script asks this program, by its name."""
    assert main(["completion", shell]) == 0

    out = capsys.readouterr().out
    assert words in out
    assert f"_WANDB_INFERENCE_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completions_for_other_shells(capsys, monkeypatch, shell):
    """What the scripts of zsh and fish ask for is answered."""
    monkeypatch.setenv("_WANDB_INFERENCE_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "wandb-inference completion ")
    monkeypatch.setenv("COMP_CWORD", "2" if shell == "zsh" else "")

    assert main([]) in (0, 2)
    out = capsys.readouterr().out
    assert all(name in out for name in ("bash", "zsh", "fish"))


def test_completion_wants_a_shell(capsys):
    """Another shell is refused, with the three that there are."""
    assert main(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


def test_model_option():
    """`--model` is required, optional, or has a default that the help shows."""

    def options(**settings):
        command = click.command()(_options.model(**settings)(lambda model: model))
        return command.main([], standalone_mode=False)

    assert options() is None
    assert options(default="a/b") == "a/b"
    with pytest.raises(click.MissingParameter):
        options(required=True)
