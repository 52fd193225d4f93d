"""Markdown that comes in pieces, cut into blocks that can be shown each by itself."""

from __future__ import annotations

import re
from typing import NamedTuple

_FENCE = re.compile(r"\s*(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_ITEM = re.compile(r" {0,1}(?:[-*+]|\d{1,9}[.)])\s+\S")
_BEGINS_LIST = re.compile(r" {0,1}(?:[-*+]|1[.)])\s+\S")  # what may follow a paragraph without an empty line between

LONGEST_CODE = 40
"""Lines of code that are one block at most: what is still growing is drawn again with each piece."""


class Block(NamedTuple):
    """Markdown that stands by itself."""

    text: str
    """Its lines, without the newline at the end."""
    apart: bool
    """Whether there is an empty line before it."""


class Blocks:
    """Takes the pieces of a text, and gives its blocks as they are finished.

    A block is finished once nothing that may come can change how it looks, but for the definition of a link that stands
    further down. Items of a list, and each `LONGEST_CODE` lines of code, are blocks of their own.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line = ""
        self._empty = 0
        self._apart = False
        self._fence: re.Match[str] | None = None
        self._begun = False

    @property
    def rest(self) -> Block:
        """What is not finished yet; its text may be empty."""
        lines = [*self._lines, *[""] * self._empty, self._line] if self._lines else [self._line]
        return Block("\n".join(lines), self._apart or (not self._lines and bool(self._empty) and self._begun))

    def feed(self, piece: str) -> list[Block]:
        """The blocks that a piece finishes."""
        *whole, self._line = (self._line + piece).split("\n")
        return [block for line in whole for block in self._take(line)]

    def end(self) -> list[Block]:
        """What is left when nothing more comes."""
        line, self._line = self._line, ""
        return [*self._take(line), *self._close()]

    def _take(self, line: str) -> list[Block]:
        if self._fence is not None:
            return self._code(line, self._fence)
        if not line.strip():
            self._empty += 1
            return [] if self._is_list else self._close()
        done: list[Block] = []
        fence = _FENCE.match(line)
        inside = self._is_list and line[0] in " \t" and not _ITEM.match(line)
        if not inside and (self._empty or fence or _HEADING.match(line) or self._begins_item(line)):
            done = self._close()
        if not self._lines:
            self._apart, self._empty = bool(self._empty) and self._begun, 0
        self._lines += [*[""] * self._empty, line]
        self._begun, self._empty, self._fence = True, 0, fence
        if _HEADING.match(line) and len(self._lines) == 1:
            done += self._close()
        return done

    def _code(self, line: str, fence: re.Match[str]) -> list[Block]:
        self._lines.append(line)
        mark = line.strip()
        if mark.startswith(fence[1]) and not mark.strip(fence[1][0]):
            self._fence = None
            return [] if self._is_list else self._close()
        if self._is_list or len(self._lines) <= LONGEST_CODE:
            return []
        self._lines.append(fence[1])
        done = self._close()
        self._lines, self._apart = [fence[0]], False
        return done

    @property
    def _is_list(self) -> bool:
        return bool(self._lines) and _ITEM.match(self._lines[0]) is not None

    def _begins_item(self, line: str) -> bool:
        return bool((_ITEM if self._is_list else _BEGINS_LIST).match(line))

    def _close(self) -> list[Block]:
        if not self._lines:
            return []
        block = Block("\n".join(self._lines), self._apart)
        self._lines = []
        return [block]
