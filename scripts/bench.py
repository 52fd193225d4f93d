"""Measurements beside the peers, in one table with the targets. Run as `scripts/bench`.

Without arguments everything is measured, in less than ten minutes; table, chart and all samples then lie in
`.cache/bench/last`. `--write` puts them where the README shows them. `scripts/bench gateway` is about the gateway.

Every peer has a virtual environment of its own under `.cache/bench`, installed once; delete a folder there to measure
that peer's newest release.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from setup_venv import ROOT, prepare

sys.path.insert(0, str(ROOT))  # for `benchmarks`, which is no part of the package

from benchmarks import import_time, machine, publish, run, table
from benchmarks.results import Figure, Results, to_json
from benchmarks.rows import DRIVEN, GROUPS, IMPORTS, OURS, ROWS, Row

ENVIRONMENTS = ROOT / ".cache" / "bench"
UVLOOP = "uvloop; sys_platform != 'win32'"
INSTALLED = {
    "python": (),  # bare Python has one, too: what is installed beside the system's own can slow down its start
    OURS: ("--editable", ".", UVLOOP),
    "httpx + pydantic": ("httpx", "pydantic"),
    "openai": ("openai",),
    "litellm": ("litellm",),
    "aiohttp": ("aiohttp", UVLOOP),
}
SAME = {"json": "python", "httpx": "httpx + pydantic"}
"""Peers that live in another's environment."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment. Our own package is installed from this checkout."""
    name = SAME.get(peer, peer)
    follows = ROOT / "pyproject.toml" if name == OURS else None
    return prepare(ENVIRONMENTS / name.replace(" + ", "-"), *INSTALLED[name], follows=follows)


def versions(peers: Sequence[str]) -> dict[str, str]:
    """What is installed, by peer."""
    packages = {OURS: ["wandb-inference"], "aiohttp": ["aiohttp", "uvloop"], "httpx + pydantic": ["httpx", "pydantic"]}
    clean = {"PATH": os.defpath, "HOME": os.devnull}
    return {
        peer: import_time.versions(python_of(peer), packages.get(peer, [peer]), clean)
        for peer in dict.fromkeys(SAME.get(peer, peer) for peer in peers)
        if peer != "python"
    }


def measured(rows: Sequence[Row], rounds: int | None) -> tuple[Results, str]:
    """What was measured, and the details of the start-up, which have a table of their own.

    Args:
        rows: Rows of `benchmarks.rows`.
        rounds: How often each is run; `None` for what each row says.
    """
    started = time.monotonic()
    about = machine.describe()
    peers = [OURS, *dict.fromkeys(peer for row in rows for peer in row.peers)]
    pythons = {peer: python_of(peer) for peer in [*peers, "python"]}
    figures: list[Figure] = []
    details = ""
    if any(row in IMPORTS for row in rows):
        with run.served() as server:
            starts = import_time.measure(pythons, server.url("now", tls=False), rounds or IMPORTS[0].rounds, progress)
        figures += [figure for figure in import_time.figures(starts) if ROWS[figure.row] in rows]
        details = import_time.markdown(starts, about)
    figures += run.measure(rows, pythons, rounds, progress)
    return Results(about, versions(peers), round(time.monotonic() - started), tuple(figures)), details


def progress(text: str) -> None:
    """Says what is going on, where it does not mix with the results."""
    print(text, file=sys.stderr, flush=True)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line, read and checked."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measurements beside the peers.")
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"what to measure (default: all): {', '.join(GROUPS)}"
    )
    parser.add_argument("--row", action="append", help="a single row instead, by its key in benchmarks/rows.py")
    parser.add_argument("--rounds", type=int, help="how often each is run (default: 1 to 7, by row)")
    parser.add_argument("--json", action="store_true", help="every sample as JSON instead of a Markdown table")
    parser.add_argument("--write", action="store_true", help="show the result in README.md and docs/benchmark.svg")
    parser.add_argument(
        "--readme", action="store_true", help="measure nothing: show what benchmarks/results.json holds"
    )
    read = parser.parse_args(given)
    for group in read.groups:
        if group not in GROUPS:
            parser.error(f"there is no {group!r}: choose from {', '.join(GROUPS)}")
    for row in read.row or ():
        if row not in ROWS:
            parser.error(f"there is no row {row!r}: choose from {', '.join(map(repr, ROWS))}")
    if read.rounds is not None and read.rounds < 1:
        parser.error("--rounds is a number from 1 up")
    if read.write and (read.groups or read.row):
        parser.error("--write is for whole runs: name no group and no row")
    return read


def main(given: Sequence[str]) -> None:
    """Does what the command line says, and prints the result."""
    if given[:1] == ["gateway"]:
        from bench_gateway import main as gateway  # which has options of its own

        sys.exit(gateway([*given[1:]]))
    read = arguments(given)
    if read.readme:
        publish.show()
        return
    every = not read.groups and not read.row
    rows = [row for row in (*IMPORTS, *DRIVEN) if every or row.group in read.groups or row.key in (read.row or ())]
    results, details = measured(rows, read.rounds)
    print(to_json(results) if read.json else table.markdown(results))
    if details and not every and not read.json:
        print(f"\n{details}")
    if every:
        publish.write_beside(ENVIRONMENTS / "last", results)
        progress(f"Table, chart and samples: {ENVIRONMENTS / 'last'}")
    if read.write:
        publish.write(results)
        progress("README.md, docs/benchmark.svg and benchmarks/results.json show this run now.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
