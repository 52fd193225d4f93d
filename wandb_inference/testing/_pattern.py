"""Strings that match a regular expression."""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from ._words import word

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_PRINTABLE = "".join(map(chr, range(33, 127)))
_CLASSES = {"d": _DIGITS, "w": _LETTERS + _DIGITS + "_", "s": " ", "D": _LETTERS, "W": "-", "S": _LETTERS}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}

_LONGEST = 10_000  # repetitions of one piece
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")


def matching(pattern: str, random: Random, least: int, most: int) -> str:
    """A string of `least` to `most` characters that matches a pattern.

    Knows literals, classes, groups, alternatives, repetition and anchors. Where that isn't enough, which a look by `re`
    tells, the string is a word.
    """
    try:
        parsed = _Parser(pattern).alternatives()
        for _ in range(50):
            text = _written(parsed, random)
            if least <= len(text) <= most and re.search(pattern, text):
                return text
    except (IndexError, ValueError, re.error):
        pass
    return word(random)[:most].ljust(least, ".")


class _Piece(NamedTuple):
    """One of some characters, or a group of alternatives, and how often it comes."""

    what: str | list[list[_Piece]]
    least: int
    most: int


def _written(alternatives: list[list[_Piece]], random: Random) -> str:
    text = ""
    for piece in random.choice(alternatives):
        for _ in range(random.randint(piece.least, piece.most)):
            text += random.choice(piece.what) if isinstance(piece.what, str) else _written(piece.what, random)
    return text


class _Parser:
    """Reads a pattern from left to right.

    Raises:
        IndexError: The pattern ends too early.
        ValueError: It holds what can't be written, such as a look-around.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> list[list[_Piece]]:
        """The alternatives up to a closing parenthesis or the end."""
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options

    def _sequence(self) -> list[_Piece]:
        pieces: list[_Piece] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            if not self._take("^") and not self._take("$"):
                pieces.append(_Piece(self._atom(), *self._repetition()))
        return pieces

    def _atom(self) -> str | list[list[_Piece]]:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._set()
        if sign == ".":
            return _LETTERS
        return self._escaped() if sign == "\\" else sign

    def _group(self) -> list[list[_Piece]]:
        if self._take("?") and not self._take(":"):
            if not self._take("P<") and not (self._take("<") and self._pattern[self._at] not in "=!"):
                raise ValueError("a look-around")
            self._at = self._pattern.index(">", self._at) + 1
        alternatives = self.alternatives()
        self._next()
        return alternatives

    def _escaped(self) -> str:
        sign = self._next()
        if sign in "bBAZz":
            raise ValueError("a boundary")
        return _CLASSES.get(sign) or _CONTROLS.get(sign, sign)

    def _set(self) -> str:
        negated = self._take("^")
        signs = ""
        while not signs or not self._take("]"):
            sign = self._next()
            if sign == "\\":
                signs += self._escaped()
            elif self._pattern[self._at] == "-" and self._pattern[self._at + 1] != "]":
                self._next()
                signs += "".join(map(chr, range(ord(sign), ord(self._next()) + 1)))
            else:
                signs += sign
        return "".join(sign for sign in _PRINTABLE if sign not in signs) if negated else signs

    def _repetition(self) -> tuple[int, int]:
        least, most = 1, 1
        if self._take("*"):
            least, most = 0, 6
        elif self._take("+"):
            least, most = 1, 8
        elif self._take("?"):
            least, most = 0, 1
        elif found := _COUNT.match(self._pattern, self._at):
            self._at = found.end()
            least = int(found[1] or 0)
            most = int(found[3]) if found[3] else least + 4 * len(found[2])
            if most > _LONGEST:
                raise ValueError("too long")
        self._take("?")  # a lazy match accepts the same strings
        return least, most

    def _take(self, sign: str) -> bool:
        if self._pattern.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]
