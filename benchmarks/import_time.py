"""Start-up: what `import` costs, and `import` with a first client that has sent nothing.

Each figure is of a whole process, a fresh interpreter that runs one line, with the `.pyc` files already there. Rounds
are interleaved (A B C, then C B A), so that a busy moment hits everybody. Times are medians over the rounds; a ratio
is the median of the ratios within each round, which varies less than the times do.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

Step = Literal["import", "client"]
Clock = Literal["wall", "cpu"]

STEPS: tuple[Step, ...] = ("import", "client")

YARDSTICK = "openai"
"""The peer that ratios refer to."""


class Peer(NamedTuple):
    """Something to start up."""

    name: str
    packages: tuple[str, ...]
    """What pip installs, and whose versions are shown; empty for bare Python."""
    imports: str
    client: str
    """What makes the first client."""


class Case(NamedTuple):
    """What is run."""

    peer: Peer
    step: Step

    @property
    def line(self) -> str:
        """The Python that the process runs."""
        return self.peer.imports if self.step == "import" else f"{self.peer.imports}; {self.peer.client}"


PEERS = (
    Peer("python", (), "pass", "pass"),
    Peer(
        "wandb_inference",
        ("wandb-inference",),
        "import wandb_inference",
        "wandb_inference.Client(api_key='k', project='t/p')",
    ),
    Peer("httpx + pydantic", ("httpx", "pydantic"), "import httpx, pydantic", "httpx.Client()"),
    Peer("openai", ("openai",), "import openai", "openai.OpenAI(api_key='k')"),
    # LiteLLM has no client object: its function is what a first call needs.
    Peer("litellm", ("litellm",), "import litellm", "litellm.completion"),
)

# A process reads its own peak: what wait4 reports is never less than the size of the process that started it.
_OWN_SIZE = """
import sys
modules = len(sys.modules)
import pathlib, resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
status = pathlib.Path("/proc/self/status")
for line in status.read_text().splitlines() if status.exists() else ():
    if line.startswith("VmHWM:"):
        peak = int(line.split()[1]) * 1024
print(peak, modules)
"""


class Sample(NamedTuple):
    """One process, from its start to its end."""

    wall: float
    """Seconds by the clock."""
    cpu: float
    """Seconds of processor time, user and system."""


class Size(NamedTuple):
    """What one process held at its end."""

    peak: int
    """Peak resident memory, bytes."""
    modules: int
    """Modules loaded."""


class Row(NamedTuple):
    """One peer, one step."""

    peer: str
    versions: str
    step: Step
    samples: tuple[Sample, ...]
    size: Size


def measure(pythons: Mapping[str, Path], rounds: int, progress: Callable[[str], None]) -> list[Row]:
    """A row for each peer and step.

    Args:
        pythons: The interpreter of each peer, by its name.
        rounds: Times that each line is run, at least 1.
        progress: Told what is going on.

    Raises:
        RuntimeError: A peer does not start; the message is its own.
    """
    cases = [Case(peer, step) for peer in PEERS if peer.name in pythons for step in STEPS]
    with tempfile.TemporaryDirectory() as home:
        # LiteLLM would fetch its price list while it is imported.
        environment = {"HOME": home, "PATH": os.defpath, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        versions = [_versions(pythons[case.peer.name], case.peer, environment) for case in cases]
        # This first run of each also writes the .pyc files.
        sizes = [_size(pythons[case.peer.name], case.line, environment) for case in cases]
        samples: list[list[Sample]] = [[] for _ in cases]
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            order = range(len(cases)) if number % 2 == 0 else reversed(range(len(cases)))
            for index in order:
                case = cases[index]
                samples[index].append(_time(pythons[case.peer.name], case.line, environment))
    return [
        Row(case.peer.name, version, case.step, tuple(taken), size)
        for case, version, taken, size in zip(cases, versions, samples, sizes, strict=True)
    ]


def _time(python: Path, line: str, environment: Mapping[str, str]) -> Sample:
    started = time.perf_counter()
    process = subprocess.Popen([python, "-I", "-c", line], env=environment, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{line!r} ended with exit code {process.returncode}")
    return Sample(wall, usage.ru_utime + usage.ru_stime)


def _size(python: Path, line: str, environment: Mapping[str, str]) -> Size:
    peak, modules = _output(python, f"{line}\n{_OWN_SIZE}", environment).split()[-2:]
    return Size(int(peak), int(modules))


def _versions(python: Path, peer: Peer, environment: Mapping[str, str]) -> str:
    if not peer.packages:
        return "python -c pass"
    line = f"from importlib.metadata import version; print(*map(version, {peer.packages!r}))"
    numbers = _output(python, line, environment).split()
    return " + ".join(f"{package} {number}" for package, number in zip(peer.packages, numbers, strict=True))


def _output(python: Path, line: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run([python, "-I", "-c", line], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{line!r} failed:\n{done.stderr.strip()}")
    return done.stdout


def markdown(rows: Sequence[Row], machine: str) -> str:
    """The table, and a line that says where it comes from."""
    rounds = len(rows[0].samples)
    lines = [
        "| | import: wall ms | CPU ms | peak MB | modules | import + client: wall ms | CPU ms | peak MB | modules |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in dict.fromkeys(row.peer for row in rows):
        own = [row for row in rows if row.peer == name]
        cells = [cell for row in own for cell in _cells(row, rows)]
        lines.append(f"| {own[0].versions} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Medians of {rounds} rounds; in brackets the ratio to {YARDSTICK}. {machine}."])


def _cells(row: Row, rows: Sequence[Row]) -> list[str]:
    def times(clock: Clock) -> str:
        middle = median(_seconds(sample, clock) for sample in row.samples) * 1000
        against = ratio(row, rows, clock)
        return f"{middle:.0f}" if against is None else f"{middle:.0f} ({against:.2f})"

    return [times("wall"), times("cpu"), f"{row.size.peak / 2**20:.0f}", str(row.size.modules)]


def ratio(row: Row, rows: Sequence[Row], clock: Clock) -> float | None:
    """How many times the yardstick's time this row takes; `None` where the yardstick was not measured."""
    others = [other for other in rows if other.peer == YARDSTICK and other.step == row.step]
    if not others:
        return None
    pairs = zip(row.samples, others[0].samples, strict=True)
    return median(_seconds(mine, clock) / _seconds(other, clock) for mine, other in pairs)


def _seconds(sample: Sample, clock: Clock) -> float:
    return sample.wall if clock == "wall" else sample.cpu


def as_json(rows: Sequence[Row], machine: str) -> str:
    """Every sample, in seconds and bytes."""
    return json.dumps(
        {
            "benchmark": "import",
            "machine": machine,
            "rows": [
                {
                    "peer": row.peer,
                    "versions": row.versions,
                    "step": row.step,
                    "wall": [sample.wall for sample in row.samples],
                    "cpu": [sample.cpu for sample in row.samples],
                    "wall_ratio": ratio(row, rows, "wall"),
                    "cpu_ratio": ratio(row, rows, "cpu"),
                    **row.size._asdict(),
                }
                for row in rows
            ],
        },
        indent=2,
    )
