"""Sets up `.venv-demo` (or `$DEMO_VENV`) with this package and runs `tour.py` in it. Run as `scripts/demo`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup_venv import ROOT, prepare


def main(arguments: list[str]) -> int:
    """The tour's exit code."""
    python = prepare(
        Path(os.environ.get("DEMO_VENV") or ROOT / ".venv-demo"),
        *("--editable", ".[emulator]"),
        follows=ROOT / "pyproject.toml",
    )
    # -E: the caller's PYTHONPATH belongs to another environment.
    return subprocess.run([python, "-E", Path(__file__).with_name("tour.py"), *arguments], check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
