"""Runs the workers of each row side by side, one at a time, against one server.

Each peer is a process of its own in its own environment, pinned to one core, with the server on another. All workers
of a row are started and warmed up, then take turns: A B C, then C B A, so that a busy moment hits everybody.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, cast
from urllib.request import urlopen

from .results import Figure
from .rows import DRIVEN, OURS, Row
from .workers.slices import Slice

ROOT = Path(__file__).resolve().parent.parent
CERTIFICATE = ROOT / "tests" / "data" / "localhost.pem"
"""Self-signed, for 127.0.0.1. All clients are told to trust it by `SSL_CERT_FILE`."""


class Served(NamedTuple):
    """A server that runs."""

    port: int
    statistics: int
    """The port where it tells what it has used: it is never TLS."""

    def url(self, path: str, *, tls: bool) -> str:
        """The base URL whose answers `canned.answer(path)` describes."""
        return f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/{path}/v1"

    def used(self) -> tuple[float, int]:
        """Seconds of processor time so far, and how many calls and chunks it has served."""
        with urlopen(f"http://127.0.0.1:{self.statistics}/stats") as response:
            stats = cast("dict[str, float]", json.loads(response.read()))
        return stats["cpu"], int(stats["units"])


@contextmanager
def served(*, tls: bool = False) -> Iterator[Served]:
    """A server with canned answers."""
    keys = [str(CERTIFICATE), str(CERTIFICATE.with_suffix(".key"))] if tls else []
    command = [sys.executable, "-m", "benchmarks.server", *keys]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Served(*map(int, process.stdout.readline().split()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def working(python: Path, row: str, peer: str, url: str) -> Iterator[Callable[[], Slice]]:
    """A peer at work on one row, warmed up: each call does a slice.

    Raises:
        RuntimeError: It failed; the message is its own.
    """
    # Not for plain HTTP: clients that read the usual 150 certificates, needed or not, are to be seen doing so.
    trust = {"SSL_CERT_FILE": str(CERTIFICATE)} if url.startswith("https:") else {}
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks.workers.drive import main; main()"
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            [str(python), "-I", "-c", start, row, peer, url],
            env={"PATH": os.defpath, "HOME": os.devnull, **trust},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def answer() -> object:
            line = answers.readline()
            if not line:
                complaints.seek(0)
                raise RuntimeError(f"{peer} failed in {row!r}:\n{complaints.read()}")
            return json.loads(line)

        def measure() -> Slice:
            print("go", file=orders, flush=True)
            return Slice(*cast("tuple[float, int, int]", answer()))

        try:
            answer()
            yield measure
        finally:
            process.kill()


def measure(
    rows: Sequence[Row], pythons: Mapping[str, Path], rounds: int | None, progress: Callable[[str], None]
) -> list[Figure]:
    """A figure for each row, and one more over TLS where the row wants it.

    Args:
        rows: Those of `IMPORTS` are left out.
        pythons: The interpreter of each peer, by its name.
        rounds: How often each is run; `None` for what the row says.
        progress: Told what is going on.

    Raises:
        RuntimeError: A peer failed, or did not do the same as the others.
    """
    figures: list[Figure] = []
    for tls in (False, True):
        chosen = [row for row in rows if row in DRIVEN and (row.tls or not tls)]
        if not chosen:
            continue
        with served(tls=tls) as server:
            for row in chosen:
                progress(f"{row.title}{', over TLS' if tls else ''}")
                figures.append(_figure(row, server, pythons, rounds or row.rounds, tls=tls))
    order = {row.key: number for number, row in enumerate(DRIVEN)}
    return sorted(figures, key=lambda figure: (order[figure.row], figure.tls))


def _figure(row: Row, server: Served, pythons: Mapping[str, Path], rounds: int, *, tls: bool) -> Figure:
    samples: dict[str, list[float]] = {peer: [] for peer in (OURS, *row.peers)}
    spent, answered = 0.0, 0
    done: set[tuple[int, int]] = set()
    with ExitStack() as stack:
        url = server.url(row.path, tls=tls)
        workers = {peer: stack.enter_context(working(pythons[peer], row.key, peer, url)) for peer in samples}
        for number in range(rounds):
            for peer in samples if number % 2 == 0 else reversed(samples):
                before = server.used()
                taken = workers[peer]()
                if peer == OURS:
                    after = server.used()
                    spent, answered = spent + after[0] - before[0], answered + after[1] - before[1]
                samples[peer].append(taken.cost)
                done.add((taken.units, taken.characters))
    if len(done) != 1:
        raise RuntimeError(f"the clients did not do the same in {row.key!r}: {sorted(done)}")
    return Figure(row.key, tls, samples, spent / answered * 1e6 if answered else None)
