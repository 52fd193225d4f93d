"""The last lines of a terminal, drawn again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.control import Control
from rich.segment import ControlType, Segment, Segments

if TYPE_CHECKING:
    from rich.console import Console

Lines = list[list[Segment]]


class LastLines:
    """Lines at the bottom of the terminal that are taken back when others take their place.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._widths: list[int] = []

    def show(self, lines: Lines) -> None:
        """Draws lines in place of those drawn before; of more than fit, the last."""
        lines = lines[-max(1, self._console.height - 1) :]
        with self._console:  # one write, so that nothing flickers
            self.take_back()
            for number, line in enumerate(lines):
                self._console.print(Segments([Segment("\n"), *line] if number else line), end="")
            self._widths = [sum(cell_len(segment.text) for segment in line) for line in lines]

    def take_back(self) -> None:
        """Erases what was drawn."""
        if not self._widths:
            return
        # A window that was made narrower has broken lines in two.
        columns = self._console.width
        rows = sum(max(1, -(-width // columns)) for width in self._widths)
        up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * (rows - 1)
        self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up))
        self._widths = []
