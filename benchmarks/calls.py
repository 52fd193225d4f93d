"""What a call and a streamed chunk cost: processor time of the client, beside bare libraries and openai.

Every run is a process of its own against one server with canned answers. Rounds are interleaved (A B C, then C B A); a
figure is the median over the rounds, a ratio the median of the ratios within each round. The server is written in
Python, so the wall clock shows the server as much as the client: it is not printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from .drive import Driven

HERE = Path(__file__).parent

PEERS = ("wandb_inference", "httpx", "aiohttp", "openai")
SCENARIOS = {
    "call": "blocking call",
    "async 50": "async call, 50 in flight",
    "async 300": "async call, 300 in flight",
    "single": "streamed chunk, one write each",
    "burst": "streamed chunk, 64 a write",
}


def takes_part(peer: str, scenario: str) -> bool:
    """Whether there is something to measure: aiohttp has no blocking half."""
    return peer != "aiohttp" or scenario.startswith("async")


Results = dict[tuple[str, str], list[Driven]]


@contextmanager
def served() -> Iterator[int]:
    """The port of a server with canned answers."""
    process = subprocess.Popen([sys.executable, HERE / "canned.py"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(pythons: Mapping[str, Path], rounds: int, progress: Callable[[str], None]) -> Results:
    """The samples of each peer and scenario.

    Args:
        pythons: The interpreter of each peer, by its name.
        rounds: Times that each is run, at least 1.
        progress: Told what is going on.

    Raises:
        RuntimeError: A peer failed, or did not do the same as the others.
    """
    cases = [(peer, scenario) for scenario in SCENARIOS for peer in PEERS if takes_part(peer, scenario)]
    results: Results = {case: [] for case in cases}
    with served() as port:
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            for peer, scenario in cases if number % 2 == 0 else reversed(cases):
                results[peer, scenario].append(_run(pythons[peer], peer, scenario, port))
    for scenario in SCENARIOS:
        done = {(taken[0].units, taken[0].characters) for (_, of), taken in results.items() if of == scenario}
        if len(done) != 1:
            raise RuntimeError(f"the clients did not do the same in {scenario!r}: {sorted(done)}")
    return results


def _run(python: Path, peer: str, scenario: str, port: int) -> Driven:
    command = [str(python), "-I", str(HERE / "drive.py"), peer, scenario, str(port)]
    environment = {"PATH": os.defpath, "HOME": os.devnull}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{peer} failed in {scenario!r}:\n{ran.stderr}")
    return Driven(*json.loads(ran.stdout))


def markdown(results: Results, about: str) -> str:
    """The table, with our ratio to each peer."""
    others = [peer for peer in PEERS if peer != "wandb_inference"]
    lines = [
        "| processor time, us | wandb_inference | " + " | ".join(f"{peer} | ratio" for peer in others) + " |",
        "|---|--:|" + "--:|--:|" * len(others),
    ]
    for scenario, title in SCENARIOS.items():
        ours = results["wandb_inference", scenario]
        cells = [title, f"{median(one.cpu for one in ours):.3g}"]
        for peer in others:
            theirs = results.get((peer, scenario), [])
            if not theirs:
                cells += ["", ""]
                continue
            ratio = median(mine.cpu / other.cpu for mine, other in zip(ours, theirs, strict=True))
            cells += [f"{median(one.cpu for one in theirs):.3g}", f"{ratio:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Medians; the ratio is ours to theirs. {about}"])
