"""The pictures of `docs`, and the outputs of `docs/commands.md`: what the commands print today."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wandb_inference.testing import Emulator

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import pictures
import pictures_drawn

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "commands.md").read_text()
BLOCKS = [match[1] for match in re.finditer(r"```console\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("name", pictures_drawn.SHOTS)
def test_pictures_are_fresh(name):
    """A picture shows what its command prints today; `scripts/pictures` draws it anew."""
    drawn = pictures_drawn.picture(name)

    ElementTree.fromstring(drawn)
    kept = (ROOT / "docs" / f"{name}.svg").read_text("utf-8")
    assert pictures_drawn.lasting(kept) == pictures_drawn.lasting(drawn)
    assert pictures_drawn.KEY not in drawn


def test_a_picture_is_drawn_where_it_is_new(monkeypatch, tmp_path, capsys):
    """A picture that differs in versions and dates alone is left as it is."""
    monkeypatch.setattr(pictures_drawn, "DOCS", tmp_path)
    old = '<text x="1">Python 3.10.1,</text>\n<text x="2">of 2026-01-01</text>'
    pictures_drawn.save("a", old)
    pictures_drawn.save("a", '<text x="1">Python 3.12.0, of 2027-01-01</text>')
    assert (tmp_path / "a.svg").read_text() == old
    pictures_drawn.save("a", '<text x="1">new</text>')
    assert (tmp_path / "a.svg").read_text() == '<text x="1">new</text>'
    assert capsys.readouterr().out.count("nothing new") == 1


def test_pictures_are_drawn_in_an_environment_of_their_own(monkeypatch):
    """`scripts/pictures` sets its environment up, and passes on how the drawing ended."""
    monkeypatch.setattr(pictures, "prepare", lambda *arguments, **options: Path(sys.executable))
    seen = []

    def run(command, check):
        seen.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(pictures.subprocess, "run", run)
    assert pictures.main(["x"]) == 3
    assert seen == [[sys.executable, "-E", str(ROOT / "scripts" / "pictures_drawn.py"), "x"]]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0][2:])
def test_commands_page(block, tmp_path):
    """What the page shows of a command is what it prints; `...` stands for what differs from run to run."""
    typed, _, shown = block.partition("\n")
    with Emulator(api_key=pictures_drawn.KEY, project=pictures_drawn.PROJECT) as emulator:
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "WANDB_API_BASE": emulator.base_url,
            "WANDB_API_KEY": pictures_drawn.KEY,
            "WANDB_PROJECT": pictures_drawn.PROJECT,
        }
        program = tmp_path / "wandb-inference"
        program.write_text(f"#!{sys.executable}\n{pictures_drawn.RUN}")
        program.chmod(0o755)
        done = subprocess.run(
            typed.removeprefix("$ "),
            shell=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    expected = re.escape(shown).replace(re.escape("..."), r"[^\n]*?")
    assert re.fullmatch(expected, done.stdout), done.stdout


def test_the_page_has_blocks():
    """The pattern finds every command of the page."""
    assert len(BLOCKS) == PAGE.count("```console") >= 5
    assert all(block.startswith("$ wandb-inference ") for block in BLOCKS)
