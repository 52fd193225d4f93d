"""What is wrong with a configuration, each with its place, and how it is said without giving a secret away."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ...exceptions import ConfigurationError

if TYPE_CHECKING:
    from ._tree import Item

Severity = Literal["error", "warning"]

# W&B's keys, OpenAI's and LiteLLM's, tokens of the web. What stands in a place of its own for secrets is hidden
# whatever it looks like; this is for keys that are pasted somewhere else.
_KEY_SHAPE: Final = re.compile(
    r"wandb_v\d+_[\w-]+|\b(?:sk|pk|rk)-[\w-]{4,}|\b(?=[\w-]*\d)[0-9a-fA-F]{32,}\b|eyJ[\w-]+(?:\.[\w-]*)*"
)
_LONGEST: Final = 80
_SHORTEST: Final = 6

NOT_SHOWN: Final = "(not shown)"


class Place(NamedTuple):
    """Where something stands in a file."""

    file: str
    line: int
    """Counted from 1."""
    column: int
    """Counted from 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in a configuration, or one thing that is not as its author may think."""

    file: str | None
    """The file it stands in, the included one where it is in one; `None` for what stands in no file."""
    line: int | None
    """Counted from 1."""
    column: int | None
    """Counted from 1."""
    path: str
    """Which setting: `model_list[2].litellm_params.rpm`; empty for a whole file."""
    severity: Severity
    """An `error` keeps the gateway from starting, a `warning` does not."""
    message: str
    """What is wrong. No secret is in it."""
    hint: str | None = None
    """What to write instead, where that is known."""

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        what = f"{self.path}: {self.message}" if self.path else self.message
        text = f"{where}: {what}" if where else what
        return f"{text}; {self.hint}" if self.hint else text


class ConfigFileError(ConfigurationError):
    """A configuration that can't be used. The text lists every mistake, one a line.

    Args:
        message: What can't be used.
        findings: All that is wrong with it, and its warnings.
        files: Those that were read, or could not be.
    """

    findings: tuple[Finding, ...]
    """All that is wrong, warnings included, in the order of the files."""
    files: tuple[Path, ...]
    """Those that were read, or could not be: when one changes, another try is due."""

    def __init__(self, message: str, *, findings: Iterable[Finding] = (), files: Iterable[Path] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
        self.files = tuple(files)

    def _what(self) -> str:
        return "\n  ".join([self.message, *(str(finding) for finding in self.findings if finding.severity == "error")])


class Findings:
    """Collects what is found; each thing is said once."""

    def __init__(self) -> None:
        self._all: dict[Finding, None] = {}
        self._hidden: set[str] = set()

    def keep_secret(self, value: str) -> None:
        """Keeps a value of the environment out of all findings; what is shorter than a key may be a word of theirs."""
        if len(value) >= _SHORTEST:
            self._hidden |= {value, repr(value)[1:-1]}

    def error(self, where: Item | Place | None, message: str, hint: str | None = None, *, path: str = "") -> None:
        """Notes a mistake.

        Args:
            where: The value that is wrong, or its place; `None` for what stands in no file.
            message: What is wrong.
            hint: What to write instead.
            path: Which setting; by default that of the value.
        """
        self._add("error", where, message, hint, path)

    def warn(self, where: Item | Place | None, message: str, hint: str | None = None, *, path: str = "") -> None:
        """Notes what is not as its author may think; the arguments are those of `error`."""
        self._add("warning", where, message, hint, path)

    def drop(self, path: str) -> None:
        """Forgets what was found at a path and below."""
        self._all = {each: None for each in self._all if not f"{each.path}.".startswith(f"{path}.")}

    def add(self, finding: Finding) -> None:
        """Notes a finding that was made elsewhere."""
        self._all[finding] = None

    def _add(self, severity: Severity, where: Item | Place | None, message: str, hint: str | None, path: str) -> None:
        place = where if where is None or isinstance(where, Place) else where.key or where.place
        if where is not None and not isinstance(where, Place):
            path = path or where.path
        file, line, column = place if place and place.line else (None, None, None)
        self.add(
            Finding(file, line, column, self._hide(path), severity, self._hide(message), hint and self._hide(hint))
        )

    def _hide(self, text: str) -> str:
        for value in self._hidden:
            text = text.replace(value, "***")
        # Names come from the file as they are; each finding is one line.
        return hide("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(finding.severity == "error" for finding in self._all)

    def ordered(self) -> tuple[Finding, ...]:
        """All of them: file by file in the order they were met, and by line in each."""
        files = {finding.file: number for number, finding in reversed(list(enumerate(self._all)))}
        wrong = {(each.file, each.line, each.path) for each in self._all if each.line and each.severity == "error"}
        # What is wrong needs no warning beside it.
        kept = [
            each for each in self._all if each.severity == "error" or (each.file, each.line, each.path) not in wrong
        ]
        return tuple(sorted(kept, key=lambda f: (f.line is not None, files[f.file], f.line or 0, f.column or 0)))


def hide(text: str) -> str:
    """The text with stars in place of what has the form of a key."""
    return _KEY_SHAPE.sub("***", text)


def shown(value: object) -> str:
    """A value for a message: text in double quotes, cut to 80 characters, stars for what has the form of a key."""
    if isinstance(value, str):
        text = hide(repr(value)[1:-1])
        return f'"{text[:_LONGEST]}..."' if len(text) > _LONGEST else f'"{text}"'
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST]


def kind_of(value: object) -> str:
    """What a value is, where a section belongs: a text is not shown, as it may be a key whose space is missing."""
    return "a text" if isinstance(value, str) else shown(value)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The hint that names the one nearest to a misspelt name; `None` where none is near."""
    spelt = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), spelt, n=1, cutoff=0.6)
    return f"did you mean {shown(spelt[near[0]])}?" if near else None
