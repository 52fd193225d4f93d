"""The README and the examples, run as a reader would run them, on the emulator."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from wandb_inference.testing import Emulator, Fault

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


class Block(NamedTuple):
    """A block of Python in the README."""

    line: int
    code: str
    output: str | None
    replies: list[str]
    faults: list[str]


def blocks() -> Iterator[Block]:
    """The README's Python blocks, each with the output shown below it and the directives above it."""
    pattern = r"((?:<!-- .*? -->\n)*)```python\n(.*?)```(?:\n\n```text\n(.*?)```)?"
    for match in re.finditer(pattern, README, re.DOTALL):
        directives = re.findall(r"<!-- (\w+): (.*?) -->", match[1])
        yield Block(
            line=README[: match.start(2)].count("\n") + 1,
            code=match[2],
            output=match[3],
            replies=[text for name, text in directives if name == "reply"],
            faults=[text for name, text in directives if name == "fault"],
        )


BLOCKS = list(blocks())


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator on a port, for programs of their own."""
    with Emulator() as emulator:
        yield emulator


def run(program: list[str], emulator: Emulator, tmp_path: Path) -> str:
    """What a program prints; it finds key, project and server in its environment, as a reader's would."""
    environment = {
        # What it covers of the package is covered already, and to see it would take as long again.
        **{name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "COVERAGE_"))},
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "WANDB_API_BASE": emulator.base_url,
        "WANDB_API_KEY": "a-key-for-the-emulator",
        "WANDB_PROJECT": "team/project",
    }
    command = [sys.executable, "-W", "error", *program]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_readme(block: Block, emulator: Emulator, tmp_path: Path) -> None:
    """Each block of the README runs, and prints what the README shows."""
    for text in block.replies:
        emulator.reply(text)
    for fault in block.faults:
        emulator.fault(Fault.status(int(fault.removeprefix("status "))))
    program = tmp_path / "block.py"
    tests = re.findall(r"^def (test_\w+)\(\)", block.code, re.MULTILINE)
    program.write_text(block.code + "".join(f"{name}()\n" for name in tests))

    printed = run([str(program)], emulator, tmp_path)

    if block.output is not None:
        expected = re.escape(block.output).replace(re.escape("..."), r"\S*?")
        assert re.fullmatch(expected, printed), printed


def test_readme_has_blocks() -> None:
    """The pattern finds the README's blocks: one for each that is fenced as Python."""
    assert len(BLOCKS) == README.count("```python") >= 6


def test_readme_links() -> None:
    """Each relative link of the README leads to a file, or to one of its headings."""
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)", README, re.M)
    }
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert target[1:] in headings if target.startswith("#") else (ROOT / target).exists(), target


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path: Path, emulator: Emulator, tmp_path: Path) -> None:
    """Each example runs, prints something, and fits on a page."""
    assert run([str(path)], emulator, tmp_path)
    assert len(path.read_text().splitlines()) <= 40
    assert ast.get_docstring(ast.parse(path.read_text()))
