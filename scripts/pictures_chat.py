"""Draws a conversation in the terminal as `docs/chat.svg`. Run as `python scripts/pictures_chat.py`.

The command runs in a real pseudo-terminal, on an emulator; a screen of pyte's is what is drawn. Paces and durations
differ from run to run: a picture that would differ in nothing else is left as it is.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

import capture
import pyte

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "chat.svg"
COLUMNS, ROWS = 78, 34
PASSING = re.compile(r"\d+ tokens/s|after \d+\.\d\d s|(?<=four, five)[^<]*| +(?=<)")
"""What differs from run to run, and moves the ends of lines."""

_QUESTION = "How do I count words in Python?"
_ANSWER = """\
Use `Counter`, which **counts** whatever you give it:

```python
from collections import Counter

words = Counter(text.lower().split())
print(words.most_common(3))
```

- `split()` cuts at any white space
- `most_common(3)` gives the three most frequent
"""
_STYLE = ".code { fill: #0550ae; }\n@media (prefers-color-scheme: dark) { .code { fill: #79c0ff; } }\n"


def prepare(emulator: Any) -> None:
    """Queues what the model says in the picture."""
    emulator.reply(_ANSWER, reasoning="A dictionary would do, but Counter says it in one line.", tokens_per_second=60)
    emulator.reply("One, two, three, four, five, six, seven, eight, nine, ten, " * 9, tokens_per_second=30)


def chat(emulator_url: str) -> str:
    """The picture of a conversation with an emulator that is prepared for it, as SVG."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "WANDB_API_BASE": emulator_url,
            "WANDB_API_KEY": "a-key-for-the-emulator",
            "WANDB_PROJECT": "team/project",
            "WANDB_INFERENCE_MODEL": "zai-org/GLM-5.2",
            "HOME": home,
            "XDG_STATE_HOME": None,
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "wandb_inference", "chat"]
        with _terminal().spawn(command, environment, rows=ROWS, cols=COLUMNS, cwd=home) as terminal:
            terminal.wait_for("\n>")
            terminal.send(f"{_QUESTION}\r")
            terminal.wait_for("tokens/s")
            terminal.wait_for("\n>", count=2)
            terminal.send("And now count to a thousand.\r")
            terminal.wait_for("four, five")
            terminal.send("\x03")
            terminal.wait_for("stopped")
            terminal.wait_for("\n>", count=3)
            # Pyte knows no dim: it is given as blinking, which nothing here does.
            return draw(terminal.raw.replace(b"\x1b[2m", b"\x1b[5m"))


def draw(written: bytes) -> str:
    """What a terminal shows that this was written to, as SVG in the manner of `docs/demo.svg`."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(written)
    lines = ["$ wandb-inference chat", *(_spans(screen.buffer[row], screen.columns) for row in range(screen.lines))]
    while not lines[-1]:
        del lines[-1]
    title = "A conversation: thinking, an answer with code, and one that was stopped"
    return capture.window(lines, title, capture.STYLE + _STYLE, COLUMNS)


def _spans(row: Any, columns: int) -> str:
    """A line of the screen, its styles as classes."""
    runs: list[tuple[str, str]] = []
    for column in range(columns):
        cell = row[column]
        name = runs[-1][0] if runs and cell.data.isspace() else _class(cell)
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + cell.data)
        else:
            runs.append((name, cell.data))
    while runs and not runs[-1][1].strip():
        del runs[-1]
    return "".join(
        f'<tspan class="{name}">{escape(text)}</tspan>' if name else escape(text) for name, text in runs
    ).rstrip()


def _class(cell: Any) -> str:
    if cell.blink:
        return "dim"
    if cell.fg != "default":
        return "code"
    return "bold" if cell.bold else ""


def _terminal() -> Any:
    """The class that the tests use; there is another module of its name here."""
    spec = spec_from_file_location("pseudo_terminal", ROOT / "tests" / "terminal.py")
    module = module_from_spec(cast("Any", spec))
    cast("Any", spec).loader.exec_module(module)
    return module.Terminal


def main(arguments: list[str]) -> int:
    """Writes the picture, if it shows something new; with `--check`, 1 if it does."""
    from wandb_inference.testing import Emulator

    with Emulator() as emulator:
        prepare(emulator)
        picture = chat(emulator.base_url)
    before = PICTURE.read_text("utf-8") if PICTURE.exists() else ""
    if PASSING.sub("", picture) == PASSING.sub("", before):
        print(f"{PICTURE}: nothing new")
        return 0
    if arguments == ["--check"]:
        print(f"{PICTURE} shows something else than:\n{picture}")
        return 1
    PICTURE.write_text(picture, "utf-8")
    print(f"{PICTURE}: drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
