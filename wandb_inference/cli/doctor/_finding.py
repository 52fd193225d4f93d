"""What a check found, and how it is told."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from .._console import one_line

Status = Literal["ok", "warn", "fail", "skipped"]

_NAME = 11
"""Columns of a check's name, the space behind it included."""
_STATUS = 9
"""Columns of a status."""


class Finding(NamedTuple):
    """How one check ended. Never holds any part of a key or a password."""

    check: str
    """Its name: one or two words."""
    status: Status
    """`fail` is what keeps calls from working, `warn` what may, `skipped` what could not or need not be looked at."""
    detail: str
    """What was found, or why it was skipped."""
    fix: str | None = None
    """What to do about it."""
    blame: str | None = None
    """What is wrong, where it is another thing than the check's name says: the check of the models knows of the key."""

    @property
    def culprit(self) -> str:
        """What is wrong."""
        return self.blame or self.check

    def lines(self, width: int | None) -> tuple[str, list[str]]:
        """The status, padded, and the lines beside it, the first of which begins with the check's name.

        Args:
            width: Columns of the terminal; `None` for a pipe, where each text is one line.
        """
        indent = " " * (_STATUS + _NAME)
        texts = [one_line(self.detail), *([f"-> {one_line(self.fix)}"] if self.fix else [])]
        lines = [line for text in texts for line in _wrapped(text, width and width - len(indent))]
        shown = [f"{self.check:<{_NAME}}{lines[0]}", *(indent + line for line in lines[1:])]
        return f"{self.status:<{_STATUS}}", shown


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None:
        return [text]
    indent = "   " if text.startswith("-> ") else ""
    return textwrap.wrap(text, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def failed(findings: Iterable[Finding]) -> list[str]:
    """What is wrong, each once."""
    return list(dict.fromkeys(finding.culprit for finding in findings if finding.status == "fail"))


def conclusion(findings: Sequence[Finding]) -> str:
    """All of it in one line."""
    warnings = [finding.culprit for finding in findings if finding.status == "warn"]
    parts = [
        *([f"Wrong: {', '.join(failed(findings))}."] if failed(findings) else []),
        *([f"Worth a look: {', '.join(warnings)}."] if warnings else []),
    ]
    return " ".join(parts) or "All is well."


def as_data(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for a program."""
    return {"ok": not failed(findings), "checks": [finding._asdict() for finding in findings]}
