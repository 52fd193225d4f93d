"""Tries the clients with others' software, each in an environment of its own below `.cache/interop`.

`scripts/interop` starts llama.cpp's HTTP server (`tiny_server.py`) on a model with random weights and runs
`interop_run.py` on it: both clients, and what differs from W&B's.

`scripts/interop NAME` installs a library of `interop_table.py` and runs its examples on the emulator, by
`interop_library.py`. Its newest release is installed once; delete its folder to have a newer one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from interop_table import LIBRARIES
from setup_venv import ROOT, prepare

SERVER = "llama.cpp"
SERVER_PACKAGES = ("xllamacpp", "gguf", "numpy")
"""llama.cpp's own HTTP server, as a wheel, and what writes the model's file."""
ENVIRONMENTS = ROOT / ".cache" / "interop"


def main(arguments: list[str]) -> int:
    """0 if all did as they should, whatever the server did; else 1."""
    parser = argparse.ArgumentParser(prog="scripts/interop", description="Tries the clients with others' software.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"a library, or all; none is {SERVER}'s server")
    parser.add_argument("--list", action="store_true", help="print the names, what is installed, and the page of each")
    parser.add_argument("--write", action="store_true", help="put what a library's examples print into its page")
    given = parser.parse_args(arguments)
    if given.list:
        print(listing())
        return 0
    everything = [SERVER, *LIBRARIES]
    for name in given.names:
        if name not in (*everything, "all"):
            parser.error(f"{name!r} is none of {', '.join((*everything, 'all'))}")
    names = everything if "all" in given.names else given.names or [SERVER]
    failed = [name for name in names if (server() if name == SERVER else library(name, write=given.write))]
    if len(names) > 1:
        print(
            f"{len(names) - len(failed)} of {len(names)} did as they should"
            + f"; not {', '.join(failed)}" * bool(failed)
        )
    return int(bool(failed))


def listing() -> str:
    """A line for each name."""
    rows = [(SERVER, ", ".join(SERVER_PACKAGES), "both clients, one call after the other")]
    rows += [(name, ", ".join(row.packages), f"docs/integrations/{name}.md") for name, row in LIBRARIES.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {packages:<{widths[1]}}  {page}" for name, packages, page in rows)


def library(name: str, *, write: bool) -> int:
    """Exit code of a library's examples."""
    row = LIBRARIES[name]
    # Named without its extras as well: pip would else look on PyPI for what a plugin of a row asks for, this package.
    ours = ("--editable", ".", "--editable", f".[{row.extras}]")
    python = prepare(ENVIRONMENTS / name, *ours, *row.packages, follows=ROOT / "pyproject.toml")
    script = str(Path(__file__).parent / "interop_library.py")
    command = [str(python), script, name, *(["--write"] if write else [])]
    return subprocess.run(command, env=clean(), check=False).returncode


def server() -> int:
    """Exit code of both clients with llama.cpp's server."""
    print(
        f"Server: {', '.join(SERVER_PACKAGES)} from PyPI, in .cache/interop; a llama with random weights.", flush=True
    )
    where = ENVIRONMENTS / SERVER
    only = ("--only-binary", ",".join(SERVER_PACKAGES))
    python = prepare(where, *only, "--editable", ".", *SERVER_PACKAGES, follows=ROOT / "pyproject.toml")
    scripts = Path(__file__).parent
    log = where / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [python, scripts / "tiny_server.py"],
            env=clean(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        base_url = process.stdout.readline().decode().strip()
        if not base_url:
            raise SystemExit(f"The server did not start; see {log}")
        try:
            run = str(scripts / "interop_run.py")
            return subprocess.run([python, run, base_url], env=clean(), check=False).returncode
        finally:
            process.stdin.close()


def clean() -> dict[str, str]:
    """Settings of the caller's own account have no part in this, nor has a proxy in what stays on this machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "PYTHON"))}
    return {**environment, "NO_PROXY": "*", "no_proxy": "*"}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
