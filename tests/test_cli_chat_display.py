"""How `chat` shows an answer on a terminal: pyte looks at what rich has drawn."""

from __future__ import annotations

import io

import pyte
import pytest
from rich.console import Console
from terminal import styled

from wandb_inference.cli.chat import _display
from wandb_inference.cli.chat._display import PlainDisplay, TerminalDisplay

ANSWER = """\
# Title

Some **bold** words, and a [link](https://example.com/x).

1. first
2. second

```python
print("hi")
```

| a | b |
|---|---|
| 1 | 2 |

The end."""


class Window:
    """A terminal that is a string, with the console that draws on it."""

    def __init__(self, width: int = 40, height: int = 12, **options: object) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, force_terminal=True, width=width, height=height, color_system="standard", **options
        )

    def screen(self, height: int = 60) -> pyte.Screen:
        """What a terminal of so many lines would show."""
        screen = pyte.Screen(self.console.width, height)
        pyte.Stream(screen).feed(self.file.getvalue().replace("\n", "\r\n"))
        return screen

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen().display).rstrip()


@pytest.fixture(autouse=True)
def _a_terminal(monkeypatch):
    """Rich takes sizes and colours from the console alone."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def show(window: Window, text: str, size: int = 3, thought: str = "", **options: bool) -> str:
    display = TerminalDisplay(window.console, **options)
    display.begin()
    for start in range(0, len(thought), size):
        display.thought(thought[start : start + size])
    for start in range(0, len(text), size):
        display.said(text[start : start + size])
    display.end()
    display.end()
    return window.text()


SHOWN = """\
                 Title

Some bold words, and a link
(https://example.com/x).

 1 first
 2 second

 print("hi")

"""


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_markdown(size):
    """Markdown is shown as what it means, the same however it arrives; where a link leads is seen."""
    window = Window()

    shown = show(window, ANSWER, size)

    assert shown.startswith(SHOWN)
    assert shown.endswith("\n\nThe end.")
    assert all(cell.bold for cell in styled(window.screen(), "bold"))


def test_what_is_finished_is_drawn_once(monkeypatch):
    """Each block is rendered for good once: the cost of an answer grows with its length, not with its square."""
    rendered = []
    render = TerminalDisplay._rendered
    monkeypatch.setattr(
        TerminalDisplay, "_rendered", lambda self, text, **_: rendered.append(text) or render(self, text)
    )
    monkeypatch.setattr(_display, "_SHARE", 0)
    text = "\n\n".join(f"Paragraph {number}." for number in range(50))

    show(Window(), text, size=4)

    assert max(map(len, rendered)) <= len("Paragraph 10.") + 4
    assert all(rendered.count(f"Paragraph {number}.") <= 2 for number in range(50))


def test_an_unfinished_block_is_not_drawn_too_often(monkeypatch):
    """What takes long to draw is drawn after a pause alone, and whole at the end."""
    monkeypatch.setattr(_display, "_SHARE", 1e9)
    window = Window()

    assert show(window, "one two three", size=1) == "one two three"
    assert "one t\r" not in window.file.getvalue()


def test_a_block_taller_than_the_window():
    """Its last lines are shown while it grows, all of it once it is finished."""
    rows = "\n".join(f"> line {number}\n>" for number in range(30))
    window = Window(height=6)

    shown = show(window, rows, size=7)

    assert [f"line {number}" in shown for number in range(30)] == [True] * 30
    assert shown.count("line 7") == 1


def test_a_window_made_narrower(monkeypatch):
    """Lines that the terminal has broken in two are taken back whole."""
    monkeypatch.setattr(_display, "_SHARE", 0)
    window = Window(width=40)
    display = TerminalDisplay(window.console)
    display.said("word " * 7)
    window.console.width = 20
    before = window.file.getvalue()
    display.said("end")
    drawn = window.file.getvalue()[len(before) :]
    assert drawn.count("\x1b[1A") == 1
    display.end()


def test_thinking():
    """Thinking is dim and above the answer; it can be hidden."""
    window = Window()
    shown = show(window, "Yes.", thought="Is it\nso?")
    assert shown == "Thinking:\nIs it\nso?\n\nYes."
    screen = window.screen()
    assert [cell.data for cell in styled(screen, "Is it")] == list("Is it")
    assert "\x1b[2mIs" in window.file.getvalue()
    assert show(Window(), "Yes.", thought="Is it?", thoughts=False) == "Yes."
    assert show(Window(), "", thought="Is it?") == "Thinking:\nIs it?"
    assert show(Window(), "Yes.\n", thought="Hm\n", markdown=False) == "Thinking:\nHm\n\nYes."


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_thinking_that_wraps(size):
    """Words of thinking stay whole, and dim on each line, as an answer's do; empty lines around it are left out."""
    window = Window(width=12)
    shown = show(window, "Yes.", size, thought="\n\nSomething about thinking.\n\nIndeed so.\n\n")
    assert shown == "Thinking:\nSomething\nabout\nthinking.\n\nIndeed so.\n\nYes."
    screen = window.screen()
    assert not any(line.startswith("hing") for line in screen.display)
    drawn = window.file.getvalue()
    assert "\x1b[2mabout\x1b[0m" in drawn


def test_a_thought_of_white_space_alone():
    """It is none."""
    assert show(Window(), "Yes.", thought="\n \n") == "Yes."


def test_wide_characters():
    """They wrap where they must, and are taken back as the cells that they are."""
    window = Window(width=10)
    text = "日本語の文章です。とても長い。"

    shown = show(window, text, size=1)

    assert "".join(shown.split()) == text


@pytest.mark.parametrize("markdown", [True, False])
def test_control_sequences(markdown):
    """Nothing a model writes reaches the terminal as a control sequence, not even by an entity of HTML."""
    evil = "a \x1b]0;title\x07 b \x9b2J c &#13;&#27;[2J `\x1b[31m`\n\n    \x1b[8mhidden\x1b[0m\n\n[x](https://e.com/\x1b[2J)"
    window = Window()

    show(window, evil, thought="\x1b[2J\x07", markdown=markdown)

    written = window.file.getvalue()
    assert "\x1b]0" not in written
    assert "\x07" not in written
    assert "\x1b[2J" not in written
    assert "\x1b[8m" not in written
    assert "\x9b" not in written


def test_raw():
    """Markdown can be left as it is written; a dumb terminal always has it so, and nothing is drawn twice."""
    assert show(Window(80), ANSWER, markdown=False) == ANSWER
    window = Window(legacy_windows=True)
    assert show(window, "**a**\n") == "**a**"
    assert "\x1b[1A" not in window.file.getvalue()


def test_no_colours(monkeypatch):
    """With NO_COLOR there are none."""
    monkeypatch.setenv("NO_COLOR", "1")
    window = Window(no_color=True)
    show(window, ANSWER, thought="hm")
    assert not any(f"\x1b[{code}m" in window.file.getvalue() for code in range(30, 38))


def test_a_pipe():
    """A pipe gets the text as it is, with a newline at its end, and no thinking."""
    file = io.StringIO()
    display = PlainDisplay(file)
    display.begin()
    display.thought("hm")
    for piece in ("**a**\x1b", "", "\nb"):
        display.said(piece)
    display.end()
    display.end()
    assert file.getvalue() == "**a**\x1b\nb\n"


def test_markdown_as_models_write_it():
    """HTML and TeX are text like other, and lines stay lines; marks of Markdown are none."""
    window = Window()
    display = TerminalDisplay(window.console)
    display.said("Write List<int>, <name> and <b>x</b>:\nroses\n*violets*\n\n<div>\nstill here\n</div>\n\n")
    display.said("So \\[ a_1 * b_1 * c \\] and \\(x\\),\n$$a*b*c$$, a lone \\[, \\* and [a\\(b\\)](c).")
    display.end()
    assert window.text().splitlines() == [
        "Write List<int>, <name> and <b>x</b>:",
        "roses",
        "violets",
        "",
        "<div>",
        "still here",
        "</div>",
        "",
        "So \\[ a_1 * b_1 * c \\] and \\(x\\),",
        "$$a*b*c$$, a lone \\[, * and a\\(b\\) (c).",
    ]
