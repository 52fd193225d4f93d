"""Sets up `.cache/interop-otel` and runs the two `*_run.py` there. Run as `scripts/interop-otel`.

The environment gets this package with two of its extras, Weave, and `rotel`: a collector for OpenTelemetry in Rust, as
a wheel with its program (https://github.com/streamfold/rotel), for Linux and macOS. Nothing leaves this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup_venv import ROOT, prepare


def main() -> int:
    """0 if what came out of the collector is what went in, and Weave counts nothing twice; else 1."""
    print("From PyPI, in .cache/interop-otel: the collector rotel, and Weave.", flush=True)
    where = ROOT / ".cache" / "interop-otel"
    packages = ("rotel", "weave>=0.54")
    python = prepare(
        where, "--only-binary", "rotel", "--editable", ".[emulator,otel]", *packages, follows=ROOT / "pyproject.toml"
    )
    # Settings of the caller's own account have no part in this, nor has a proxy in what stays on this machine.
    left_out = ("WANDB_", "WF_", "OTEL_", "ROTEL_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    environment |= {"NO_PROXY": "*", "no_proxy": "*", "HOME": str(where)}
    scripts = Path(__file__).parent
    runs = [str(scripts / name) for name in ("interop_otel_run.py", "interop_weave_run.py")]
    codes = [subprocess.run([python, run], env=environment, cwd=where, check=False).returncode for run in runs]
    return int(any(codes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
