"""The page about recordings, run as a reader would run it."""

from __future__ import annotations

import re
from pathlib import Path

from test_docs import ROOT, run

from wandb_inference.testing import Emulator
from wandb_inference.testing._scrubbing import Scrubber

NAMES = ("API_BASE", "API_KEY", "PROJECT")
PAGE = (ROOT / "docs" / "recordings.md").read_text()


def test_the_page(tmp_path: Path) -> None:
    """Its programs print what it shows, one after the other, and write the file it shows."""
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    [shown] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    program = tmp_path / "program.py"
    assert len(blocks) == PAGE.count("```python") == 2
    with Emulator() as emulator:
        emulator.stop()  # nobody listens there: the page needs no server
        for code, output in blocks:
            # The page shows what a reader sees who has neither key nor project.
            program.write_text(f"import os\n\n[os.environ.pop(f'WANDB_{{name}}') for name in {NAMES}]\n{code}")
            assert run([str(program)], emulator, tmp_path) == output

    written = (tmp_path / "cassettes" / "prime.json").read_text()
    assert without_times(written) == without_times(shown)


def test_the_headers_it_names() -> None:
    """Headers that it says are left out are, by default."""
    scrubber = Scrubber()
    for name in ("cf-ray", "via", "openai-organization", "set-cookie"):
        assert scrubber.of_answer({name: "x"}) == {}


def without_times(text: str) -> str:
    """A recording without its seconds."""
    return re.sub(r"\b\d\.\d+", "0.5", text)
