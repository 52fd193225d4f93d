"""Start-up: what `import` costs, and `import` with a first client and its first answer.

Each figure is of a whole process, a fresh interpreter that runs one line, with the `.pyc` files already there and the
server already up. Rounds are interleaved (A B C, then C B A), so that a busy moment hits everybody. Times are medians
over the rounds; a ratio is the median of the ratios within each round, which varies less than the times do.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from .results import Figure

Step = Literal["import", "request"]
Clock = Literal["wall", "cpu"]

STEPS: tuple[Step, ...] = ("import", "request")

YARDSTICK = "openai"
"""The peer that ratios refer to."""

_MESSAGES = "[{'role': 'user', 'content': 'Name a prime.'}]"
_CREATE = f"chat.completions.create(model='m', messages={_MESSAGES}).choices[0].message.content"


class Peer(NamedTuple):
    """Something to start up."""

    name: str
    packages: tuple[str, ...]
    """What pip installs, and whose versions are shown; empty for bare Python."""
    imports: str
    request: str
    """What makes the first client and gets the first answer; `URL` is the base URL."""


class Case(NamedTuple):
    """What is run."""

    peer: Peer
    step: Step

    def line(self, url: str) -> str:
        """The Python that the process runs."""
        if self.step == "import":
            return self.peer.imports
        return f"{self.peer.imports}; {self.peer.request.replace('URL', repr(url))}"


PEERS = (
    Peer("python", (), "pass", "pass"),
    Peer(
        "wandb_inference",
        ("wandb-inference",),
        "import wandb_inference",
        f"wandb_inference.Client(api_key='k', project='t/p', base_url=URL).{_CREATE}",
    ),
    Peer(
        "httpx + pydantic",
        ("httpx", "pydantic"),
        "import httpx, pydantic",
        f"httpx.Client().post(URL + '/chat/completions', json={{'model': 'm', 'messages': {_MESSAGES}}}).json()",
    ),
    Peer("openai", ("openai",), "import openai", f"openai.OpenAI(api_key='k', base_url=URL).{_CREATE}"),
    Peer(
        "litellm",
        ("litellm",),
        "import litellm",
        f"litellm.completion('openai/m', {_MESSAGES}, api_key='k', api_base=URL).choices[0].message.content",
    ),
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


def measure(pythons: Mapping[str, Path], url: str, rounds: int, progress: Callable[[str], None]) -> list[Row]:
    """A row for each peer and step.

    Args:
        pythons: The interpreter of each peer, by its name.
        url: The base URL that is asked.
        rounds: Times that each line is run, at least 1.
        progress: Told what is going on.

    Raises:
        RuntimeError: A peer does not start; the message is its own.
    """
    cases = [Case(peer, step) for peer in PEERS if peer.name in pythons for step in STEPS]
    with tempfile.TemporaryDirectory() as home:
        # LiteLLM would fetch its price list while it is imported.
        environment = {"HOME": home, "PATH": os.defpath, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        installed = [versions(pythons[case.peer.name], case.peer.packages, environment) for case in cases]
        # This first run of each also writes the .pyc files.
        sizes = [_size(pythons[case.peer.name], case.line(url), environment) for case in cases]
        samples: list[list[Sample]] = [[] for _ in cases]
        for number in range(rounds):
            progress(f"start-up, round {number + 1} of {rounds}")
            order = range(len(cases)) if number % 2 == 0 else reversed(range(len(cases)))
            for index in order:
                case = cases[index]
                samples[index].append(_time(pythons[case.peer.name], case.line(url), environment))
    return [
        Row(case.peer.name, version, case.step, tuple(taken), size)
        for case, version, taken, size in zip(cases, installed, samples, sizes, strict=True)
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


def versions(python: Path, packages: Sequence[str], environment: Mapping[str, str]) -> str:
    """Names and versions of what is installed."""
    if not packages:
        return "bare Python"
    line = f"from importlib.metadata import version; print(*map(version, {tuple(packages)!r}))"
    numbers = _output(python, line, environment).split()
    return " + ".join(f"{package} {number}" for package, number in zip(packages, numbers, strict=True))


def _output(python: Path, line: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run([python, "-I", "-c", line], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{line!r} failed:\n{done.stderr.strip()}")
    return done.stdout


def markdown(rows: Sequence[Row], machine: str) -> str:
    """The table, and a line that says where it comes from."""
    rounds = len(rows[0].samples)
    lines = [
        "| | import: wall ms | CPU ms | peak MB | modules | + first request: wall ms | CPU ms | peak MB | modules |",
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


def figures(rows: Sequence[Row]) -> list[Figure]:
    """The steps as rows of the common table: milliseconds on the wall."""
    return [
        Figure(
            step,
            tls=False,
            samples={
                row.peer: [sample.wall * 1000 for sample in row.samples]
                for row in rows
                if row.step == step and row.peer != "python"
            },
            server=None,
        )
        for step in STEPS
    ]
