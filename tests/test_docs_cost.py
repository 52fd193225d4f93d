"""`docs/cost.md`, run as a reader would run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_docs import ROOT, run

from wandb_inference.testing import Emulator

TEXT = (ROOT / "docs" / "cost.md").read_text()
PATTERN = r"((?:<!-- .*? -->\n)*)```python\n(.*?)```\n\n```text\n(.*?)```"
BLOCKS = re.findall(PATTERN, TEXT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, tmp_path: Path) -> None:
    """Each block runs, with the usage that stands above it, and prints what stands below it."""
    above, code, output = BLOCKS[number]
    models = re.findall(r"<!-- model: (.*?) -->", above) or None
    program = tmp_path / "block.py"
    program.write_text(code)
    with Emulator(models=models) as emulator:
        for usage in re.findall(r"<!-- usage: (.*?) -->", above):
            emulator.reply("Hello.", usage=json.loads(usage))

        assert run([str(program)], emulator, tmp_path) == output


def test_all_blocks_are_run() -> None:
    """Every block of Python has its output."""
    assert len(BLOCKS) == TEXT.count("```python") == 4
