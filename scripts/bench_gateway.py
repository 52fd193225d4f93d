"""`scripts/bench gateway`: the gateway beside LiteLLM's proxy and nginx, and `--soak`, whether it grows.

    scripts/bench gateway                      all figures, about four minutes, and LiteLLM's installation once
    scripts/bench gateway --seconds 2          shorter; --without litellm leaves a peer out
    scripts/bench gateway --soak               ten minutes at half of what it can do, with faults; --seconds N for less

The gateway has one core, clients and service another one. nginx is measured where it is installed. `--write` puts the
table into docs/gateway.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from setup_venv import ROOT, prepare

sys.path.insert(0, str(ROOT))  # for `benchmarks`, which is no part of the package

from benchmarks import machine
from benchmarks.gateway.measure import cores, measured, table
from benchmarks.gateway.peers import LITELLM, NGINX, OURS
from benchmarks.gateway.soak import soak

ENVIRONMENTS = ROOT / ".cache" / "bench"
PAGE = ROOT / "docs" / "gateway.md"
_BLOCK = re.compile(r"<!-- measured -->\n.*?<!-- end of what was measured -->", re.DOTALL)


def pythons(names: list[str]) -> dict[str, str]:
    """The interpreters of the peers that have one."""
    found: dict[str, Path] = {
        OURS: prepare(ENVIRONMENTS / "gateway", "--editable", ".[gateway]", follows=ROOT / "pyproject.toml")
    }
    if LITELLM in names:
        found[LITELLM] = prepare(ENVIRONMENTS / "litellm-proxy", "litellm[proxy]")
    return {name: str(path) for name, path in found.items()}


def progress(text: str) -> None:
    """Says what is going on, where it does not mix with the results."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """0, or 1 where the soak found growth."""
    parser = argparse.ArgumentParser(prog="scripts/bench gateway", description="The gateway beside its peers.")
    parser.add_argument("--soak", action="store_true", help="whether it grows, with faults at half of what it can do")
    parser.add_argument("--seconds", type=float, help="of each measurement (5), or of the soak (600)")
    parser.add_argument("--without", action="append", default=[], choices=[LITELLM, NGINX], help="leave a peer out")
    parser.add_argument("--write", action="store_true", help="put the table into docs/gateway.md")
    given = parser.parse_args(arguments)
    if not Path("/proc/self/stat").exists():
        parser.error("this needs Linux, whose /proc says what processes use")
    if given.soak:
        problems = soak(pythons([]), given.seconds or 600.0, progress)
        print("\n".join(problems) or "Nothing has grown.")
        return int(bool(problems))
    names = [name for name in (OURS, LITELLM, NGINX) if name not in given.without]
    if NGINX in names and shutil.which("nginx") is None:
        progress("nginx is not installed, and is not measured.")
        names.remove(NGINX)
    about = machine.describe()
    found = measured(names, pythons(names), given.seconds or 5.0, progress)
    text = table(found, f"{about}; {cores()}.")
    print(text)
    if given.write:
        block = f"<!-- measured -->\n{text}\n<!-- end of what was measured -->"
        PAGE.write_text(_BLOCK.sub(lambda _: block, PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
