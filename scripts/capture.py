"""Runs `scripts/demo` without a key and draws what it prints as `docs/demo.svg`. Run as `scripts/capture`.

Port and durations differ from run to run. A picture that would differ in nothing else is left as it is, so that running
this twice changes no file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "demo.svg"

COLUMNS = 80
CHARACTER = 8.4  # width in pixels of a monospaced character at FONT_SIZE: 0.6 em in nearly all such fonts
FONT_SIZE = 14
LINE = 19
MARGIN = 20
BAR = 34

# The ANSI styles of printing.py, as classes of the picture.
_CLASSES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow"}
_STYLED = re.compile(r"\x1b\[([\d;]+)m(.*?)\x1b\[0m")
_PASSING = re.compile(r"127\.0\.0\.1:\d+|\d+\.\d s\b")

STYLE = """
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #24292f; }
.window { fill: #ffffff; stroke: #d0d7de; }
.button { fill: #d0d7de; }
.bold { font-weight: bold; }
.dim { fill: #6e7781; }
.red { fill: #b3261e; }
.green { fill: #116329; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .window { fill: #0d1117; stroke: #30363d; }
  .button { fill: #30363d; }
  .dim { fill: #8b949e; }
  .red { fill: #ff7b72; }
  .green { fill: #7ee787; }
}
"""


def demo_output() -> str:
    """What the demo prints to somebody without a key, with its colours."""
    environment = {name: value for name, value in os.environ.items() if not re.match("WANDB_|NETRC$|NO_COLOR$", name)}
    with tempfile.TemporaryDirectory() as home:
        environment |= {"HOME": home, "FORCE_COLOR": "1"}
        demo = str(ROOT / "scripts" / "demo.py")
        # Run in the repository, where the commands it recommends are short.
        done = subprocess.run([sys.executable, demo], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"the demo ended with exit code {done.returncode}:\n{done.stdout.decode()}")
    return done.stdout.decode()


TITLE = "What scripts/demo prints: an answer, a stream, ten prompts at once, an error"


def draw(output: str, command: str = "scripts/demo", title: str = TITLE, style: str = STYLE) -> str:
    """A picture of a terminal that shows the output.

    Args:
        output: With its colours, as ANSI styles.
        command: What was typed; empty where the output shows it.
        title: For those who can't see the picture.
        style: For the classes of `_CLASSES`.
    """
    lines = [*([f"$ {command}"] if command else []), *output.rstrip("\n").split("\n")]
    return window([_spans(line) for line in lines], title, style)


def window(lines: Sequence[str], title: str, style: str = STYLE, columns: int = COLUMNS) -> str:
    """A picture of a terminal that shows the lines.

    Args:
        lines: As SVG has them inside `<text>`.
        title: For those who can't see the picture.
        style: For the classes in the lines.
        columns: How wide the terminal is.
    """
    width = round(2 * MARGIN + columns * CHARACTER)
    height = BAR + LINE * len(lines) + MARGIN
    texts = [
        f'<text x="{MARGIN}" y="{BAR + LINE * row + FONT_SIZE}" xml:space="preserve">{line}</text>'
        for row, line in enumerate(lines)
        if line
    ]
    buttons = [f'<circle class="button" cx="{MARGIN + 18 * number}" cy="18" r="6"/>' for number in range(3)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            f"<style>{style}</style>",
            f'<rect class="window" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
            *buttons,
            *texts,
            "</svg>\n",
        ]
    )


def _spans(line: str) -> str:
    def span(match: re.Match[str]) -> str:
        classes = [_CLASSES[code] for code in match[1].split(";")]
        return f'<tspan class="{" ".join(classes)}">{match[2]}</tspan>'

    return _STYLED.sub(span, escape(line))


def main() -> None:
    """Writes the picture, if it shows something new."""
    picture = draw(demo_output())
    before = PICTURE.read_text("utf-8") if PICTURE.exists() else ""
    if _PASSING.sub("", picture) == _PASSING.sub("", before):
        print(f"{PICTURE}: nothing new")
        return
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture, "utf-8")
    print(f"{PICTURE}: drawn")


if __name__ == "__main__":
    main()
