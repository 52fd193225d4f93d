"""Text of others, made safe for a terminal."""

from __future__ import annotations

# C0, DEL and C1, but for the end of a line and the tab. Without the character that begins one, a control sequence is
# harmless text: nothing moves the cursor, sets the title, or answers in the user's name.
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))
del _CONTROL[ord("\n")], _CONTROL[ord("\t")]

# What turns the direction of a text around, so that it reads as another one. The marks that right-to-left scripts need
# within a word or beside one (U+200C to U+200F, U+061C), and the joiner of emoji, turn nothing around.
_TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))

_REMOVED = _CONTROL | _TURNING

# Letters and marks to Unicode, and yet nothing to the eye: the default ignorable code points that are no format
# characters (Unicode 16, DerivedCoreProperties.txt), and the braille pattern without a dot.
_BLANKS = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
_BLANK = frozenset(map(chr, (*_BLANKS, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


def printable(text: str) -> str:
    """The text without what can make a terminal do things, or show words in another order; newlines and tabs stay."""
    return text.translate(_REMOVED)


def visible(text: str) -> str:
    """The text with all that nobody can see written as JSON does, or Python: what is decided about is seen whole.

    Format characters are among it, such as the joiner in an emoji, and all spaces but the common one.
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable() and character not in _BLANK:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
