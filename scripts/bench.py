"""Side-by-side measurements, one subcommand each. Run as `scripts/bench`.

Every peer has a virtual environment of its own under `.cache/bench`, installed once; delete a folder there to measure
that peer's newest release.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from setup_venv import ROOT, prepare

sys.path.insert(0, str(ROOT))  # for `benchmarks`, which is no part of the package

from benchmarks import calls, import_time, machine


def venv_for(peer: import_time.Peer) -> Path:
    """The interpreter of a peer's environment. Our own package is installed from this checkout."""
    where = ROOT / ".cache" / "bench" / peer.name.replace(" + ", "-")
    if peer.packages == ("wandb-inference",):
        return prepare(where, "--editable", ".", follows=ROOT / "pyproject.toml")
    # Bare Python has one, too: what is installed beside the system's own can slow down its start.
    return prepare(where, *peer.packages)


def bench_import(arguments: argparse.Namespace) -> str:
    """The result of `scripts/bench import`."""
    about = machine.describe()
    pythons = {peer.name: venv_for(peer) for peer in import_time.PEERS}
    rows = import_time.measure(pythons, arguments.rounds, lambda text: print(text, file=sys.stderr))
    return import_time.as_json(rows, about) if arguments.json else import_time.markdown(rows, about)


def bench_calls(arguments: argparse.Namespace) -> str:
    """The result of `scripts/bench calls`."""
    about = machine.describe()
    pythons = {
        "wandb_inference": venv_for(next(peer for peer in import_time.PEERS if peer.name == "wandb_inference")),
        **{name: prepare(ROOT / ".cache" / "bench" / name, name) for name in calls.PEERS if name != "wandb_inference"},
    }
    return calls.markdown(calls.measure(pythons, arguments.rounds, lambda text: print(text, file=sys.stderr)), about)


def main() -> None:
    """Reads the command line and prints one benchmark's result."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measurements beside the peers.")
    commands = parser.add_subparsers(required=True, metavar="BENCHMARK")
    start_up = commands.add_parser("import", help="import, and import with a first client: time, memory, modules")
    start_up.add_argument("--rounds", type=int, default=11, help="how often each line is run (default: %(default)s)")
    start_up.add_argument("--json", action="store_true", help="every sample as JSON instead of a Markdown table")
    start_up.set_defaults(run=bench_import)
    per_call = commands.add_parser("calls", help="a call and a streamed chunk: processor time of the client")
    per_call.add_argument("--rounds", type=int, default=5, help="how often each is run (default: %(default)s)")
    per_call.set_defaults(run=bench_calls)
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds is a number from 1 up")
    print(arguments.run(arguments))


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
