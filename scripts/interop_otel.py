"""Sets up `.cache/interop-otel` and runs `interop_otel_run.py` there. Run as `scripts/interop-otel`.

The environment gets this package with its extras `emulator` and `otel`, and `rotel`: a collector for OpenTelemetry in Rust, as a wheel
with its program (https://github.com/streamfold/rotel). Wheels are for Linux and macOS. Nothing leaves this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup_venv import ROOT, prepare


def main() -> int:
    """0 if what came out of the collector is what went in; else 1."""
    print("Collector: rotel from PyPI, in .cache/interop-otel.", flush=True)
    where = ROOT / ".cache" / "interop-otel"
    python = prepare(
        where, "--only-binary", "rotel", "--editable", ".[emulator,otel]", "rotel", follows=ROOT / "pyproject.toml"
    )
    # Settings of the caller's own account have no part in this, nor has a proxy in what stays on this machine.
    left_out = ("WANDB_", "WF_", "OTEL_", "ROTEL_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    environment |= {"NO_PROXY": "*", "no_proxy": "*"}
    run = str(Path(__file__).with_name("interop_otel_run.py"))
    return subprocess.run([python, run], env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
