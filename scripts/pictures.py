"""Sets up `.venv-pictures` (or `$PICTURES_VENV`) and runs `pictures_drawn.py` in it. Run as `scripts/pictures`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup_venv import ROOT, prepare


def main(arguments: list[str]) -> int:
    """The exit code of the drawing."""
    python = prepare(
        Path(os.environ.get("PICTURES_VENV") or ROOT / ".venv-pictures"),
        *("--editable", ".[cli]", "pyte>=0.8"),
        follows=ROOT / "pyproject.toml",
    )
    # -E: the caller's PYTHONPATH belongs to another environment.
    drawn = Path(__file__).with_name("pictures_drawn.py")
    return subprocess.run([python, "-E", drawn, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
