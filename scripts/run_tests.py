"""Everything a change must pass, in one summary: lint, formatting, types, tests, coverage. Run as `scripts/test`.

Every step runs, whatever became of the one before; the exit code is 1 if any failed. Arguments go to pytest
(`scripts/test tests/core -k sse`), and coverage is then left out, as part of the tests can't cover the package.

The tools live in `.venv-test` (or `$TEST_VENV`), made on the first run and again when pyproject.toml changes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from setup_venv import ROOT, prepare

# What a caller's shell may hold that would change what is tested: keys, proxies, another Python's path, options.
_LEAKS = re.compile(
    r"WANDB_.*|NETRC|.*_PROXY|(NO|FORCE)_COLOR|PYTHON(PATH|HOME|WARNINGS)|(PYTEST|COVERAGE|MYPY|RUFF)_.*", re.IGNORECASE
)


# Most tests wait for clocks and sockets. Those of one file stay together: they share servers.
_TOGETHER = ("--numprocesses", "4", "--dist", "loadfile")

# The first import of a test takes pytest long. What it keeps of that is ready by the time that the types are checked.
_IMPORTS = ("pytest", "--collect-only", "--quiet")


class Step(NamedTuple):
    """A check: its commands run one after the other until one fails."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    live: bool = False
    """Shown while it runs; the output of the others is shown if they fail."""
    beside: tuple[str, ...] = ()
    """Runs at the same time, for what it leaves behind; nobody asks how it went."""


class Result(NamedTuple):
    """How a step went."""

    name: str
    ok: bool
    seconds: float
    note: str
    """The last thing it said."""


def steps(pytest_arguments: list[str], python: Path) -> Iterator[Step]:
    """The checks, quickest first."""
    # pytest writes into our pipe and can't see the terminal behind it.
    color = "--color=yes" if sys.stdout.isatty() else "--color=no"
    # In a git repository .gitignore says the same, in an unpacked source distribution nothing does.
    ours = ("--config", 'extend-exclude=[".cache", ".venv-*"]', ".")
    yield Step("ruff check", (("ruff", "check", *ours),))
    yield Step("ruff format", (("ruff", "format", "--check", *ours),))
    yield Step("mypy", (("mypy",),), beside=() if pytest_arguments else _IMPORTS)
    yield Step("basedpyright", (("basedpyright", "--pythonpath", str(python)),))
    if pytest_arguments:
        yield Step("pytest", (("pytest", color, *pytest_arguments),), live=True)
    else:
        yield Step("pytest", (("coverage", "erase"), ("coverage", "run", "-m", "pytest", color, *_TOGETHER)), live=True)
        yield Step("coverage", (("coverage", "combine", "--quiet"), ("coverage", "report")))


def run(step: Step, python: Path, environment: dict[str, str]) -> Result:
    """Runs a step and prints what there is to see of it."""
    started = time.monotonic()
    print(f"{step.name} ...", flush=True)
    output = b""
    code = 0
    with _beside(step, python, environment):
        for command in step.commands:
            # `python -m`, as the first line of the tools' own scripts breaks where a path is long or has a space.
            with subprocess.Popen(
                [python, "-m", *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                assert process.stdout is not None
                while piece := os.read(process.stdout.fileno(), 65536):
                    output += piece
                    if step.live:
                        _show(piece)
            code = process.returncode
            if code:
                break
    if code and not step.live:
        _show(output)
    lines = re.sub(rb"\x1b\[[\d;]*m", b"", output).decode(errors="replace").splitlines()
    note = next((line.strip("= ") for line in reversed(lines) if line.strip("= ")), "")
    return Result(step.name, not code, time.monotonic() - started, note)


def _beside(step: Step, python: Path, environment: dict[str, str]) -> AbstractContextManager[object]:
    """What runs beside a step, until it has ended as well."""
    if not step.beside:
        return nullcontext()
    none = subprocess.DEVNULL
    return subprocess.Popen([python, "-m", *step.beside], cwd=ROOT, env=environment, stdout=none, stderr=none)


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


def summary(results: list[Result]) -> str:
    """One line per step: name, result, seconds, and the last thing it said."""
    rows = [("step", "result", "seconds", "")]
    rows += [(r.name, "ok" if r.ok else "FAILED", f"{r.seconds:.1f}", r.note[:80]) for r in results]
    return "\n".join(f"{name:<13} {result:<7} {seconds:>7}  {note}".rstrip() for name, result, seconds, note in rows)


def main(arguments: list[str]) -> int:
    """The exit code: 0 if every step passed."""
    python = prepare(
        Path(os.environ.get("TEST_VENV") or ROOT / ".venv-test"),
        *("--editable", ".[emulator]", "--group", "dev"),
        follows=ROOT / "pyproject.toml",
        pip="pip>=25.1",  # the first that knows --group
    )
    environment = {name: value for name, value in os.environ.items() if not _LEAKS.fullmatch(name)}
    results = [run(step, python, environment) for step in steps(arguments, python)]
    print(f"\n{summary(results)}")
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
