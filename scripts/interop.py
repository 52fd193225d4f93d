"""Sets up `.cache/interop`, starts `tiny_server.py` there and runs `interop_run.py` on it. Run as `scripts/interop`.

The environment gets this package, `xllamacpp` (llama.cpp's own HTTP server, as a wheel) and `gguf` (which writes the
model's file). Nothing else is fetched: the model is made up, with random weights.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup_venv import ROOT, prepare

PACKAGES = ("xllamacpp", "gguf", "numpy")


def main() -> int:
    """0 if both clients did as they should, whatever the server did; else 1."""
    print(f"Server: {', '.join(PACKAGES)} from PyPI, in .cache/interop; a llama with random weights.", flush=True)
    where = ROOT / ".cache" / "interop"
    python = prepare(
        where, "--only-binary", ",".join(PACKAGES), "--editable", ".", *PACKAGES, follows=ROOT / "pyproject.toml"
    )
    scripts = Path(__file__).parent
    # Settings of the caller's own account have no part in this, nor has a proxy in what stays on this machine.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "PYTHON"))}
    environment |= {"NO_PROXY": "*", "no_proxy": "*"}
    log = where / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [python, scripts / "tiny_server.py"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as server,
    ):
        assert server.stdout is not None
        assert server.stdin is not None
        base_url = server.stdout.readline().decode().strip()
        if not base_url:
            raise SystemExit(f"The server did not start; see {log}")
        try:
            run = str(scripts / "interop_run.py")
            return subprocess.run([python, run, base_url], env=environment, check=False).returncode
        finally:
            server.stdin.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
