"""Bodies in the pieces they came in, and how to change them without moving the cuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """Bytes of a body that came together."""

    seconds: float
    """When they came, from when the request was sent."""
    data: bytes


class Span(NamedTuple):
    """A change of a body."""

    start: int
    end: int
    data: bytes
    """What takes the place of the bytes between."""


def replaced(pieces: Sequence[Piece], spans: Sequence[Span]) -> list[Piece]:
    """The body with its spans replaced; where one reaches over cuts, all of it comes with the first of its pieces.

    Args:
        pieces: The body.
        spans: In order, and apart from each other.
    """
    whole = b"".join(piece.data for piece in pieces)
    made: list[Piece] = []
    pending = list(reversed(spans))
    at = end = 0
    for piece in pieces:
        end += len(piece.data)
        parts: list[bytes] = []
        while pending and pending[-1].start < end:
            span = pending.pop()
            parts += whole[at : span.start], span.data
            at = span.end
        parts.append(whole[at:end])
        at = max(at, end)
        made.append(Piece(piece.seconds, b"".join(parts)))
    return [piece for piece in made if piece.data]


def recut(texts: Sequence[str], changed: str) -> list[str]:
    """A changed text in as many parts as before: what is changed comes with the part in which the change begins."""
    whole = "".join(texts)
    shortest = min(len(whole), len(changed))
    begins = next((at for at in range(shortest) if whole[at] != changed[at]), shortest)
    rest = shortest - begins
    ends = next((at for at in range(rest) if whole[-1 - at] != changed[-1 - at]), rest)
    middle = changed[begins : len(changed) - ends]
    until = len(whole) - ends
    made: list[str] = []
    at = 0
    for text in texts:
        end = at + len(text)
        part = whole[at : min(end, begins)] if at < begins else ""
        if middle and end > begins:
            part, middle = part + middle, ""
        made.append(part + whole[max(at, until) : max(end, until)])
        at = end
    made[-1] += middle  # where the change is that something was added behind it all
    return made
