"""The commands in a real terminal: what fits, what has colours, what Ctrl-C does."""

from __future__ import annotations

import sys

import pytest
from conftest import KEY, PROJECT
from terminal import Terminal, styled

from wandb_inference.testing import Emulator


@pytest.fixture
def spawn(tmp_path):
    """Runs a command of ours in a terminal of 80 columns."""

    def spawn(*argv, **environment):
        command = [sys.executable, "-m", "wandb_inference", *argv]
        return Terminal.spawn(command, {"PYTHONPATH": ":".join(sys.path), **environment}, rows=40, cwd=tmp_path)

    return spawn


def settings(emulator):
    """The environment of somebody whose service is the emulator."""
    return {"WANDB_API_BASE": emulator.base_url, "WANDB_API_KEY": KEY, "WANDB_PROJECT": PROJECT}


def test_models_fit_the_terminal(spawn):
    """The table has a line for each model in 80 columns, and says what was left out."""
    with spawn("models", "--offline") as terminal:
        assert terminal.wait() == 0
        lines = terminal.screen().splitlines()

    assert lines[0].split() == ["model", "context", "$in", "$out", "reasoning"]
    assert all("/" in line.split()[0] for line in lines[1:24])
    assert lines[24].startswith("23 models, by the table of ")
    assert "Too narrow for: output, $cached, vision, tools, lifecycle, source." in " ".join(lines[24:])


def test_doctor_in_colour(spawn, emulator):
    """What is well is green, what is skipped dim; lines are wrapped beside the status."""
    with spawn("doctor", "--project", "a/b/c", **settings(emulator)) as terminal:
        assert terminal.wait() == 1
        seen = terminal.screen()
        colours = [next(iter(styled(terminal.cells, f"{status} "))).fg for status in ("ok", "fail", "skipped")]

    assert colours == ["green", "red", "default"]
    assert "Wrong: project." in seen
    assert any(line.startswith(f"{'':20}-> ") for line in seen.splitlines())


def test_no_color(spawn, emulator):
    """`NO_COLOR` is heeded."""
    with spawn("doctor", NO_COLOR="1", **settings(emulator)) as terminal:
        assert terminal.wait() == 0
        terminal.screen()
        colours = {cell.fg for row in terminal.cells.buffer.values() for cell in row.values()}

    assert colours == {"default"}


def test_ctrl_c_in_bench(spawn):
    """Ctrl-C shows what was measured so far, quickly and without a traceback."""
    with Emulator(tokens_per_second=100) as emulator:
        command = ("bench", "-m", "openai/gpt-oss-20b", "-n", "1000", "-c", "2", "--max-tokens", "4", "--warmup", "0")
        with spawn(*command, **settings(emulator)) as terminal:
            terminal.wait_for(" of 1000")
            terminal.send("\x03")
            assert terminal.wait() == 130
            seen = terminal.everything()

    assert "Interrupted: that is what was measured so far." in seen
    assert "first token" in seen
    assert "Traceback" not in seen


def test_bench_asks(spawn, emulator):
    """A dear run is asked for, and a no ends it before anything is paid."""
    with spawn("bench", "-m", "zai-org/GLM-5.2", "--max-tokens", "100k", **settings(emulator)) as terminal:
        terminal.wait_for("Go on? [y/N]:")
        terminal.send("n\r")
        assert terminal.wait() == 130

    assert emulator.requests == []
