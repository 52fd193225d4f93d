"""The page about traces and its example, run as a reader would run them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp import Receiver
from test_docs import ROOT, run

from wandb_inference.testing import Emulator

PAGE = (ROOT / "docs" / "traces.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
EXAMPLE = ROOT / "examples" / "integrations" / "opentelemetry_tracing.py"
TREE = ["weather report", "  invoke_agent", "    chat openai/gpt-oss-20b", "    execute_tool get_weather"]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator on a port, for programs of their own."""
    with Emulator() as emulator:
        yield emulator


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_page(number: int, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of the page prints what stands below it."""
    code, output = BLOCKS[number]
    program = tmp_path / "block.py"
    # Variables of W&B's are not handed on.
    with Receiver() as receiver:
        program.write_text(f"import os\nos.environ['WF_TRACE_SERVER_URL'] = {receiver.url!r}\n{code}")
        assert run([str(program)], emulator, tmp_path) == output
        assert bool(receiver.posts) is ("to_weave" in code)


def test_page_has_blocks() -> None:
    """The pattern finds the page's blocks."""
    assert len(BLOCKS) == PAGE.count("```python") == 2


def test_example(emulator: Emulator, tmp_path: Path) -> None:
    """The example prints a tree, and fits on a page."""
    printed = run([str(EXAMPLE)], emulator, tmp_path).splitlines()

    assert [line.partition(":")[0] for line in printed] == [*TREE, TREE[2]]
    assert printed[2].endswith(" tokens")
    assert len(EXAMPLE.read_text().splitlines()) <= 40
    assert ast.get_docstring(ast.parse(EXAMPLE.read_text()))
