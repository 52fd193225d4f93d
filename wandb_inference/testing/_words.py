"""Sentences out of thin air, the same for the same random numbers."""

from __future__ import annotations

import re
from random import Random

_SENTENCES = (
    "The {adjective} {noun} {verb} {place}, and the {noun} {verb} {manner}.",
    "{time}, a {adjective} {noun} {verb} {place}.",
    "Every {noun} {place} {verb} {manner}, as {adjective} as the first {noun}.",
    "There is a {adjective} {noun} {place} that {verb} {manner}.",
    "When the {noun} {verb}, the {adjective} {noun} {verb} {manner}.",
    "No {noun} {verb} {place} without a {adjective} {noun}.",
    "{time}, the {noun} {verb} {manner} while a {noun} {verb} {place}.",
    "A {adjective} {noun} and a {adjective} {noun} make one {adjective} {noun}.",
)
_THOUGHTS = (
    "The question is about a {noun}, so the {adjective} case comes first.",
    "Suppose the {noun} {verb} {manner}; then the {noun} has to be {adjective}.",
    "That leaves the {adjective} {noun}, which {verb} {place}.",
    "Check it once more: a {noun} {place} is {adjective}, and nothing else {verb}.",
)
_WORDS = {
    "adjective": (
        "quiet", "bright", "patient", "narrow", "golden", "distant", "curious", "gentle", "northern", "wooden", "early",
        "silver", "careful", "restless", "warm", "unlikely",
    ),
    "noun": (
        "harbour", "lantern", "river", "orchard", "signal", "letter", "bridge", "sparrow", "engine", "window", "garden",
        "compass", "mountain", "lighthouse", "melody", "train",
    ),
    "verb": (
        "waits", "turns", "sings", "drifts", "glows", "listens", "travels", "answers", "gathers", "rests", "wanders",
        "wakes", "settles", "returns",
    ),
    "place": (
        "by the sea", "under the old roof", "beyond the hills", "at the edge of town", "along the shore",
        "between two stations", "above the clouds", "behind the mill",
    ),
    "manner": (
        "slowly", "without a sound", "in small steps", "once more", "as if by chance", "with great care",
        "until morning", "one by one",
    ),
    "time": (
        "At dawn", "After the rain", "Late in the evening", "In the first days of spring", "Once a year",
        "On a clear night",
    ),
}  # fmt: skip


def prose(random: Random, sentences: int) -> str:
    """So many sentences of plain English."""
    return " ".join(_fill(random, _SENTENCES) for _ in range(sentences))


def thoughts(random: Random, sentences: int) -> str:
    """So many sentences that sound like thinking."""
    return " ".join(_fill(random, _THOUGHTS) for _ in range(sentences))


def word(random: Random) -> str:
    """One word."""
    return random.choice(_WORDS["noun"])


def _fill(random: Random, templates: tuple[str, ...]) -> str:
    sentence = random.choice(templates)
    for kind, words in _WORDS.items():
        slot = "{" + kind + "}"
        # Drawn without repetition: one sentence has no use for the same word twice.
        for choice in random.sample(words, sentence.count(slot)):
            sentence = sentence.replace(slot, choice, 1)
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", sentence)
