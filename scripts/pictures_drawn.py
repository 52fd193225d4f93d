"""Draws what the commands show in a terminal of 80 columns, on the emulator: `docs/{chat,models,doctor}.svg`.

Ports, versions and dates differ from run to run. They are set to the same values, or left out of the comparison: a
picture that shows nothing new is left as it is, so that running this twice changes no file.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import capture
from capture import COLUMNS, ROOT, draw

from wandb_inference.testing import Emulator

DOCS = ROOT / "docs"
KEY = "0123456789abcdef0123456789abcdef01234567"
PROJECT = "my-team/inference"
_YELLOW = ".yellow { fill: #7d4e00; }\n@media (prefers-color-scheme: dark) { .yellow { fill: #d29922; } }\n"
_PORT = re.compile(r"127\.0\.0\.1:\d+")
_PASSING = re.compile(r"\d+\.\d+\.\d+|\d{4}-\d\d-\d\d")
RUN = """
import datetime, sys
from wandb_inference.catalogue import TABLE_DATE
from wandb_inference.cli import main
from wandb_inference.cli.doctor import _examine
_examine.today = lambda: datetime.date.fromisoformat(TABLE_DATE)
sys.exit(main(sys.argv[1:]))
"""
"""The command line on the day of the package's table, which gets old and is told so."""


class Shot(NamedTuple):
    """A command whose output is drawn."""

    arguments: tuple[str, ...]
    title: str
    environment: Mapping[str, str] = {}


SHOTS = {
    "models": Shot(
        ("models", "--tools", "--max-price", "3"),
        "wandb-inference models: ids, windows, prices and abilities, the cheapest first",
    ),
    "doctor": Shot(
        ("doctor",),
        "wandb-inference doctor: each check with its result, and how to mend a project that is wrong",
        {"WANDB_PROJECT": "my-team/inferense"},
    ),
}


def shown(shot: Shot, emulator: Emulator) -> str:
    """What a terminal of 80 columns gets from a command, with its colours and the service's usual port."""
    keep = {name: value for name, value in os.environ.items() if not re.match("WANDB_|NETRC$|NO_COLOR$|COLUMNS$", name)}
    no_proxy = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as home, open(master, "rb", buffering=0) as screen:
        environment = {
            **keep,
            **no_proxy,
            "PYTHONPATH": str(ROOT),
            "HOME": home,
            "TERM": "xterm-256color",
            "WANDB_API_BASE": emulator.base_url,
            "WANDB_API_KEY": KEY,
            "WANDB_PROJECT": PROJECT,
            **shot.environment,
        }
        command = [sys.executable, "-c", RUN, *shot.arguments]
        with subprocess.Popen(command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave):
            os.close(slave)
            output = b"".join(iter(lambda: _piece(screen.read), b"")).decode()
    # Some versions of rich style the ends of lines as well.
    lines = re.sub(r"\x1b\[[\d;]+m\n\x1b\[0m", "\n", output.replace("\r\n", "\n"))
    return _PORT.sub("127.0.0.1:8000", lines)


def _piece(read: Callable[[int], bytes]) -> bytes:
    try:
        return read(65536)
    except OSError:  # how Linux says that nobody holds the other end
        return b""


def picture(name: str) -> str:
    """A picture of a command, drawn anew."""
    shot = SHOTS[name]
    with Emulator(api_key=KEY, project=PROJECT) as emulator:
        typed = " ".join(["wandb-inference", *shot.arguments])
        return draw(shown(shot, emulator), typed, shot.title, capture.STYLE + _YELLOW)


def lasting(drawn: str) -> str:
    """A picture's text without what differs from run to run: versions, which also move the ends of lines, and dates."""
    lines = re.findall(r"<text [^>]*>(.*)</text>", drawn)
    text = " ".join(re.sub(r"<[^>]+>", "", line) for line in lines)
    return " ".join(_PASSING.sub("", text).split())


def save(name: str, drawn: str) -> None:
    """Writes a picture, if it shows something new."""
    path = DOCS / f"{name}.svg"
    if path.exists() and lasting(path.read_text("utf-8")) == lasting(drawn):
        print(f"{path}: nothing new")
        return
    path.write_text(drawn, "utf-8")
    print(f"{path}: drawn")


def main() -> None:
    """Draws all of them."""
    if find_spec("pictures_chat") is not None:
        import_module("pictures_chat").main([])
    for name in SHOTS:
        save(name, picture(name))


if __name__ == "__main__":
    main()
