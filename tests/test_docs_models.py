"""`docs/models.md`, run as a reader would run it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_docs import ROOT, run

from wandb_inference.testing import Emulator

TEXT = (ROOT / "docs" / "models.md").read_text()
PATTERN = r"(<!-- host: service -->\n)?```python\n(.*?)```\n\n```text\n(.*?)```"
BLOCKS = [(match[1], match[2], match[3]) for match in re.finditer(PATTERN, TEXT, re.DOTALL)]
# The service's own host, which is not reached: what the block shows comes before anything is sent.
ELSEWHERE = 'import os\ndel os.environ["WANDB_API_BASE"]\n'


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator on a port."""
    with Emulator() as emulator:
        yield emulator


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, emulator: Emulator, tmp_path: Path) -> None:
    """Each block runs, and prints what stands below it."""
    service, code, output = BLOCKS[number]
    program = tmp_path / "block.py"
    program.write_text((ELSEWHERE if service else "") + code)

    assert run([str(program)], emulator, tmp_path) == output
    assert not (service and emulator.requests)


def test_all_blocks_are_run() -> None:
    """Every block of Python has its output."""
    assert len(BLOCKS) == TEXT.count("```python") == 4
