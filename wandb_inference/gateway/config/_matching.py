"""Names with `*`, and the names that they take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ...catalogue import resolve_name

if TYPE_CHECKING:
    from ._models import Deployment, Group


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name in which each `*` stands for at least one character.

    There is no regular expression in it: the name that is matched comes from a client, and must not cost more for
    being chosen well.
    """

    text: str
    _parts: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_parts", tuple(self.text.split("*")))

    @property
    def rank(self) -> tuple[int, int]:
        """What patterns are sorted by, the greatest first: text of their own, then fewer stars."""
        return sum(map(len, self._parts)), -len(self._parts)

    def tails(self, name: str) -> tuple[str, ...] | None:
        """What each `*` stands for in the name; `None` where it does not fit."""
        first, *rest = self._parts
        if not rest:
            return () if name == first else None
        if not name.startswith(first):
            return None
        *between, last = rest
        start, end = len(first), len(name) - len(last)
        if not name.endswith(last):
            return None
        tails: list[str] = []
        for part in between:
            at = name.find(part, start + 1, end)
            if at < 0:
                return None
            tails.append(name[start:at])
            start = at + len(part)
        if start >= end:
            return None
        return (*tails, name[start:end])

    def fill(self, tails: tuple[str, ...]) -> str:
        """The text with these in place of its stars; a star beyond them stays."""
        first, *rest = self._parts
        filled = [first]
        for number, part in enumerate(rest):
            filled += [tails[number] if number < len(tails) else "*", part]
        return "".join(filled)


class Match(NamedTuple):
    """What a client's name leads to."""

    group: Group
    asked: str
    """The client's own word, which answers come back under."""
    name: str
    """The same with an alias replaced."""
    tails: tuple[str, ...] = ()
    """What the stars of a wildcard group stand for."""

    def upstream_id(self, deployment: Deployment) -> str:
        """The model id to send to one of the group's deployments."""
        if not self.tails:
            return deployment.model
        id = Pattern(deployment.model).fill(self.tails)
        # A catch-all is asked for wandb/... by those who know only that spelling.
        return short_name(id.removeprefix("wandb/"), deployment.short_names) if deployment.provider == "wandb" else id


def short_name(id: str, known_here: bool) -> str:
    """The full id of a name without its publisher, where the catalogue's names hold; else the name as it is."""
    return (resolve_name(id) or id) if known_here and "/" not in id else id
