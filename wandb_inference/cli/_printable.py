"""Text of others, made safe for a terminal."""

from __future__ import annotations

# C0, DEL and C1, but for the end of a line and the tab. Without the character that begins one, a control sequence is
# harmless text: nothing moves the cursor, sets the title, or answers in the user's name.
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))
del _CONTROL[ord("\n")], _CONTROL[ord("\t")]


def printable(text: str) -> str:
    """The text without control characters, which can make a terminal do things; newlines and tabs stay."""
    return text.translate(_CONTROL)
