"""`wandb-inference chat` in a real pseudo-terminal: what people see and type."""

from __future__ import annotations

import signal
import sys
import termios

import pytest
from terminal import Terminal, styled

from wandb_inference.testing import Emulator, Fault


@pytest.fixture
def emulator():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def chat(emulator, tmp_path):
    """Opens a terminal of 60 columns with `chat` in it."""
    opened = []

    def chat(*arguments, **env):
        variables = {
            "WANDB_API_BASE": emulator.base_url,
            "WANDB_API_KEY": "key",
            "WANDB_PROJECT": "team/project",
            "WANDB_INFERENCE_MODEL": "openai/gpt-oss-20b",
            "HOME": str(tmp_path),
            **env,
        }
        command = [sys.executable, "-W", "error", "-m", "wandb_inference", "chat", *arguments]
        terminal = Terminal.spawn(command, variables, rows=20, cols=60)
        opened.append(terminal)
        return terminal

    yield chat
    for terminal in opened:
        terminal.close()


def test_a_conversation(chat, emulator, tmp_path):
    """Answers come as Markdown with thinking dim above; Ctrl-C stops one and keeps its text; errors leave all going."""
    emulator.reply("Some **bold** words.\n\n- one\n- two", reasoning="Hm.")
    emulator.reply("One two three " * 400, tokens_per_second=60)
    emulator.reply("It was stopped.")
    terminal = chat()
    terminal.wait_for("\n>")
    terminal.send("Hello\r")
    terminal.wait_for("first after")
    assert "> Hello\nThinking:\nHm.\n\nSome bold words.\n\n • one\n • two\n" in terminal.screen()
    assert all(cell.bold for cell in styled(terminal.cells, "bold"))
    assert "\x1b[2mHm" in terminal.raw.decode()

    terminal.send("Count on.\\\rFor ever.\r")
    terminal.wait_for("One two three")
    terminal.send("unseen")
    terminal.send("\x03")
    terminal.wait_for("stopped · ")
    assert not any(text in terminal.screen() for text in ("^C", "unseen"))
    terminal.send("\x12")
    terminal.wait_for("I-search backward:")
    terminal.send("ello")
    terminal.wait_for("> Hello", count=2)
    terminal.send("\r\r")
    terminal.wait_for("It was stopped.")

    emulator.fault(Fault.status(402))
    terminal.send("More?\r")
    terminal.wait_for("402: ")
    terminal.send("\x03")
    terminal.wait_for("Ctrl-D or /exit leaves.")
    terminal.send("\x04")

    assert terminal.wait() == 0
    messages = emulator.requests[2].body["messages"]
    assert messages[2]["content"] == "Count on.\nFor ever."
    assert messages[3]["content"].startswith("One two three")
    assert messages[4]["content"] == "Hello"
    history = tmp_path / ".local/state/wandb-inference/history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "Count on" in history.read_text()


def test_nothing_is_kept(chat, tmp_path):
    """With --no-history no file is written."""
    terminal = chat("--no-history")
    terminal.wait_for("\n>")
    terminal.send("/exit\r")
    assert terminal.wait() == 0
    assert not (tmp_path / ".local").exists()


def test_nothing_can_be_kept(chat, tmp_path):
    """Where the directory can't be written the conversation works all the same."""
    (tmp_path / ".local").write_text("")
    terminal = chat()
    terminal.wait_for("what you type can't be kept")
    terminal.wait_for("\n>")
    terminal.send("\x04")
    assert terminal.wait() == 0


def test_one_answer(chat, emulator):
    """A single answer is Markdown on a terminal too, and Ctrl-C ends it with 130 and what had come."""
    emulator.reply("**Hello** " * 300, tokens_per_second=60)
    terminal = chat("Say hello.")
    terminal.wait_for("Hello Hello")
    terminal.send("\x03")
    assert terminal.wait() == 130
    assert "Hello Hello" in terminal.everything()
    assert "Traceback" not in terminal.everything()


def test_tools(chat, emulator, tmp_path):
    """A call is asked about at the prompt; Ctrl-D there stops the run, not the conversation."""
    (tmp_path / "tools.py").write_text('def weather(city: str): return "3 degrees"')
    emulator.reply(tool_calls=[("weather", {"city": "Oslo"})])
    emulator.reply("Cold.")
    emulator.reply(tool_calls=[("weather", {"city": "Rome"})])
    terminal = chat("--tools", str(tmp_path / "tools.py"))
    terminal.wait_for("\n>")
    terminal.send("Is it cold?\r")
    terminal.wait_for("Allow it?")
    terminal.send("y\r")
    terminal.wait_for("Cold.")
    terminal.send("And there?\r")
    terminal.wait_for("Allow it?", count=2)
    terminal.send("\x04")
    terminal.send("/exit\r")
    assert terminal.wait() == 0
    assert "weather → 3 degrees" in terminal.everything()


def test_a_long_call(chat, emulator, tmp_path):
    """All of it can be read before it is allowed, however small the window is."""
    (tmp_path / "tools.py").write_text('def run(script: str): return "done"')
    script = " ".join(f"line{number}" for number in range(400))
    emulator.reply(tool_calls=[("run", {"script": script})])
    emulator.reply("Well.")
    terminal = chat("--tools", str(tmp_path / "tools.py"))
    terminal.wait_for("\n>")
    terminal.send("Do it.\r")
    seen = terminal.wait_for("Allow it?")
    assert f'run(script="{script}")' in seen.replace("\n", "") or script.replace(" ", "") in "".join(seen.split())
    assert "longer than the window: scroll up" in seen
    terminal.send("y\r")
    terminal.wait_for("Well.")
    terminal.send("\x04")
    assert terminal.wait() == 0


def test_typed_ahead(chat, emulator, tmp_path):
    """What was typed before a call was shown does not allow it."""
    (tmp_path / "tools.py").write_text('def weather(city: str): return "3 degrees"')
    emulator.reply("Let me look that up now. " * 20, tool_calls=[("weather", {"city": "Oslo"})], tokens_per_second=200)
    emulator.reply("Well.")
    terminal = chat("--tools", str(tmp_path / "tools.py"))
    terminal.wait_for("\n>")
    terminal.send("Is it cold?\r")
    terminal.wait_for("Let me look")
    terminal.send("y\r")
    terminal.wait_for("Allow it?")
    terminal.send("n\r")
    terminal.wait_for("Well.")
    assert "weather → Error: This call was not approved." in terminal.everything()
    terminal.send("\x04")
    assert terminal.wait() == 0


def test_a_paste(chat, emulator):
    """Pasted text goes as it is, backslashes and indentation too."""
    emulator.reply("ok")
    terminal = chat()
    terminal.wait_for("\n>")
    terminal.send("\x1b[200~  make \\\r    all\\\x1b[201~\r")
    terminal.wait_for("first after")
    assert emulator.requests[0].body["messages"][0]["content"] == "  make \\\n    all\\"


@pytest.mark.parametrize("answering", [False, True])
def test_sigterm(chat, emulator, answering):
    """It leaves a terminal that shows what is typed, without the marks of pastes."""
    emulator.reply("word " * 500, tokens_per_second=50)
    terminal = chat()
    terminal.wait_for("\n>")
    before = terminal.modes()
    if answering:
        terminal.send("Hi\r")
        terminal.wait_for("word word")
    terminal.kill(signal.SIGTERM)
    assert terminal.wait() == 143
    assert terminal.modes() & termios.ECHO
    assert terminal.modes() & termios.ICANON
    assert not before & termios.ICANON
    assert terminal.raw.rindex(b"\x1b[?2004l") > terminal.raw.rindex(b"\x1b[?2004h")
    assert "Traceback" not in terminal.everything()


def test_a_dumb_terminal(chat, emulator):
    """It gets no control sequences."""
    emulator.reply("Some **bold** words.", reasoning="Hm.")
    terminal = chat(TERM="dumb")
    terminal.wait_for("\n>")
    terminal.send("Hi\r")
    terminal.wait_for("first after")
    terminal.send("\x04")
    assert terminal.wait() == 0
    assert b"\x1b" not in terminal.raw
    assert "Some **bold** words." in terminal.everything()


WAIT = """
import pathlib, time
def wait(n: int):
    print("begun\\n", end="", flush=True)
    while not pathlib.Path({!r}, "end").exists():
        time.sleep(0.01)
"""


@pytest.mark.parametrize("patient", [True, False])
def test_a_tool_that_goes_on(chat, emulator, tmp_path, patient):
    """What runs can be interrupted but not stopped: the session goes on, and its end says what it waits for."""
    (tmp_path / "tools.py").write_text(WAIT.format(str(tmp_path)))
    emulator.reply(tool_calls=[("wait", {"n": 1}), ("wait", {"n": 2})])
    terminal = chat("--yes", "--tools", str(tmp_path / "tools.py"))
    terminal.wait_for("\n>")
    terminal.send("Go.\r")
    terminal.wait_for("begun", count=2)
    terminal.send("\x03")
    terminal.wait_for("wait → Error: The user interrupted this call", count=2)
    terminal.send("/exit\r")
    terminal.wait_for("still runs")
    if patient:
        (tmp_path / "end").touch()
    else:
        terminal.send("\x03")
    assert terminal.wait() == (0 if patient else -signal.SIGINT)
    assert "Traceback" not in terminal.everything()
