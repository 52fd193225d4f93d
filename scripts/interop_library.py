"""Runs a library's examples on the emulator and compares what they print with their page: interop_library.py NAME.

Runs in the library's own environment. `--write` puts into the page what was printed.
"""

from __future__ import annotations

import argparse
import difflib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from interop_page import EXAMPLES, filled, page_of, shown
from interop_table import LIBRARIES, Library

from wandb_inference.testing import Emulator, RecordedRequest

KEY = "0123456789abcdef0123456789abcdef01234567"
PROJECT = "team/project"
LIMIT = 120.0  # seconds: an example takes two to ten, most of it imports
GATEWAY_KEYS = {
    name: f"a-key-of-the-gateway-{name.lower()}" for name in ("GATEWAY_MASTER_KEY", "GATEWAY_KEY", "GATEWAY_TRIAL_KEY")
}

NOTEBOOK = """
import nbformat, sys
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=60).execute()
for cell in notebook.cells:
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        print("".join(output.get("text") or data.get("text/markdown") or data.get("text/plain", "")).rstrip("\\n"))
"""


def versions(library: Library) -> str:
    """The library's packages as they are installed, and this Python."""
    names = [re.split(r"[\[><=]", package)[0] for package in library.packages if not package.startswith(".")]
    return ", ".join(f"{name} {version(name)}" for name in names) + f" on Python {platform.python_version()}"


@contextmanager
def before(emulator: Emulator, config: str) -> Iterator[dict[str, str]]:
    """A gateway before the emulator, and the variables that lead there.

    Raises:
        SystemExit: It did not start.
    """
    account = {"WANDB_API_KEY": KEY, "WANDB_PROJECT": PROJECT, "WANDB_INFERENCE_GATEWAY_API_BASE": emulator.base_url}
    command = [sys.executable, "-m", "wandb_inference", "gateway", "--config", str(EXAMPLES.parent / config)]
    with subprocess.Popen(
        [*command, "--port", "0"],
        env={**os.environ, **account, **GATEWAY_KEYS},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\w.:]+/v1", process.stdout.readline())
            if found is None:
                raise SystemExit("The gateway did not start.")
            key = GATEWAY_KEYS["GATEWAY_KEY"]
            yield {"OPENAI_BASE_URL": found[0], "OPENAI_API_KEY": key, **GATEWAY_KEYS}
        finally:
            process.terminate()


def modules(library: Library) -> Path:
    """The folder with what npm has installed for the library's files.

    Raises:
        SystemExit: It can't be done.
    """
    where = Path(sys.prefix) / "node"
    if not all((where / "node_modules" / name.split("@")[0]).is_dir() for name in library.node):
        where.mkdir(exist_ok=True)
        npm = shutil.which("npm")
        command = [npm or "npm", "install", "--prefix", str(where), "--no-audit", "--no-fund", *library.node]
        if npm is None or subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit(f"npm could not install {', '.join(library.node)}.")
    return where


def printed(path: Path, library: Library, emulator: Emulator) -> tuple[int, str]:
    """Exit code and output of an example, errors included."""
    if not library.gateway:
        return run(path, library, {"WANDB_API_BASE": emulator.base_url, "WANDB_API_KEY": KEY, "WANDB_PROJECT": PROJECT})
    with before(emulator, library.gateway) as variables:
        return run(path, library, variables)


def run(path: Path, library: Library, variables: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of an example, which gets these variables."""
    command: dict[str, list[str]] = {
        ".py": [sys.executable, str(path)],
        ".sh": ["sh", "-e", str(path)],
        ".ipynb": [sys.executable, "-c", NOTEBOOK, str(path)],
    }
    if path.suffix == ".mjs":
        # Node looks for modules beside the file.
        command[".mjs"] = ["node", str(shutil.copy(path, str(modules(library))))]
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
            **library.environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": home,
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",  # what goes to two streams comes in the order in which it was written
            **variables,
        }
        try:
            done = subprocess.run(
                command[path.suffix],
                env=environment,
                cwd=home,
                capture_output=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return 1, f"{(late.stdout or b'').decode()}\nstill running after {LIMIT:g} s\n"
    output = done.stdout.decode()
    return done.returncode, output if not done.returncode else output + done.stderr.decode()


def complaints(requests: list[RecordedRequest], left: int) -> list[str]:
    """What is wrong with how the library asked."""
    bare = [request for request in requests if request.headers.get("openai-project") != PROJECT]
    counted = sum(request.outcome == "left" for request in requests)
    found = [f"{len(bare)} of {len(requests)} requests name no project"] if bare else []
    return found if counted == left else [*found, f"{counted} answers were left before their end, not {left}"]


def difference(expected: str, output: str) -> str:
    """What was printed, beside what the page says."""
    lines = difflib.unified_diff(expected.splitlines(), output.splitlines(), "the page", "printed", lineterm="", n=1)
    return "\n".join(f"    {line}" for line in lines)


def settled(emulator: Emulator) -> list[RecordedRequest]:
    """The requests, once none is under way: that a client left is noticed a moment later."""
    end = time.monotonic() + 5
    while emulator.in_flight and time.monotonic() < end:
        time.sleep(0.01)
    return emulator.requests


def tried(name: str, *, write: bool) -> bool:
    """Whether the library did what its page shows."""
    library, page = LIBRARIES[name], page_of(name)
    text = page.read_text("utf-8")
    expected = {file.name: file.output or "" for file in shown(text)}
    met = versions(library)
    print(f"{name}: {met}", flush=True)
    outputs: dict[str, str] = {}
    good = True
    for file, replies in library.replies.items():
        if file.endswith(".mjs") and shutil.which("node") is None:
            print(f"  {file:<24} left out: there is no node on this machine", flush=True)
            outputs[file] = expected.get(file, "")
            continue
        with Emulator(api_key=KEY, project=PROJECT) as emulator:
            for reply in replies:
                emulator.reply(**reply)
            code, outputs[file] = printed(EXAMPLES / file, library, emulator)
            requests = settled(emulator)
        problems = complaints(requests, library.left)
        if code:
            problems.append(f"exit code {code}")
        if not write and outputs[file] != expected.get(file):
            problems.append(f"other output than {page.relative_to(page.parents[2])}")
        good = good and not problems
        told = f"{len(requests)} requests, each with the project" + (f", {library.left} left" if library.left else "")
        print(f"  {file:<24} {'FAILED   ' + '; '.join(problems) if problems else 'ok       ' + told}", flush=True)
        if problems:
            print(difference(expected.get(file, ""), outputs[file]) or outputs[file], flush=True)
    if write and good:
        page.write_text(filled(text, outputs, met), "utf-8")
        print(f"  written to {page.relative_to(page.parents[2])}")
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    sys.exit(not tried(given.name, write=given.write))
