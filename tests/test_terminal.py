"""The pseudo-terminal that tests of the command line look at."""

from __future__ import annotations

import sys

import pytest
from terminal import Terminal, styled

ECHO = "print('\\x1b[1mready\\x1b[0m\\n', end='', flush=True); print('got', input()); raise SystemExit(3)"


def test_a_conversation_with_a_command():
    """Text is typed and seen, styles too, and the exit code is the command's."""
    with Terminal.spawn([sys.executable, "-c", ECHO], rows=5, cols=20) as terminal:
        terminal.wait_for("ready")
        assert all(cell.bold for cell in styled(terminal.cells, "ready"))
        terminal.send("a word\r")
        assert terminal.wait() == 3
        assert terminal.screen() == "ready\na word\ngot a word"


def test_ctrl_c_is_a_signal():
    """Ctrl-C interrupts, as the kernel does it."""
    code = "import time; print('ready', flush=True); time.sleep(30)"
    with Terminal.spawn([sys.executable, "-c", code]) as terminal:
        terminal.wait_for("ready")
        terminal.send("\x03")
        terminal.wait_for("KeyboardInterrupt")
        assert terminal.wait() != 0


def test_the_environment_the_size_and_what_has_scrolled_away():
    """Variables are added and taken away, the window has its size and a new one, and scrolling up shows what was."""
    code = (
        "import os, signal; print(os.get_terminal_size(), os.environ['A'], 'B' in os.environ);\n"
        "for n in range(9): print('line', n)\n"
        "signal.signal(signal.SIGWINCH, lambda *_: os.write(1, str(os.get_terminal_size()).encode()))\n"
        "print('ready', flush=True); signal.pause()"
    )
    with Terminal.spawn([sys.executable, "-c", code], {"A": "x", "B": None}, rows=5, cols=60) as terminal:
        terminal.wait_for("ready")
        assert "columns=60, lines=5) x False" in terminal.everything()
        assert "line 1" not in terminal.screen()
        terminal.resize(7, 50)
        terminal.wait_for("columns=50, lines=7")


def test_what_does_not_come():
    """Waiting ends with what was seen instead, at its time or with the command."""
    with Terminal.spawn([sys.executable, "-c", "print('other', flush=True); input()"]) as terminal:
        terminal.wait_for("other")
        with pytest.raises(AssertionError, match=r"within 0.2 s:\s+other"):
            terminal.wait_for("this", timeout=0.2)
        terminal.send("\r")
        with pytest.raises(AssertionError, match="before the command ended"):
            terminal.wait_for("this")
        with pytest.raises(AssertionError, match="not on the screen"):
            styled(terminal.cells, "this")
