"""Every key of a configuration, with its verdict: one table, for the checks and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, Literal, NamedTuple

Verdict = Literal["T", "W", "R"]
"""`T`: taken over. `W`: accepted without effect, with a warning. `R`: refused."""

Section = Literal[
    "root",
    "model_list",
    "litellm_params",
    "model_info",
    "router_settings",
    "litellm_settings",
    "general_settings",
    "credential_list",
    "keys",
    "models",
]


class Key(NamedTuple):
    """What becomes of one key."""

    section: Section
    name: str
    """A `*` stands for any text."""
    verdict: Verdict
    text: str
    """T: what it means. W and R: why it is not taken over; a clause that follows the key's name and a colon."""
    notice: str | None = None
    """What one who sets it must know at start; a warning, for a key that is taken over."""
    ours: bool = False
    """Whether LiteLLM does not know it."""
    belongs: Section | None = None
    """The section it should stand in."""
    off: bool = True
    """Whether false, null and what is empty say that it is not used, so that nothing is amiss."""


def taken(section: Section, names: str, text: str, notice: str | None = None, *, ours: bool = False) -> Iterable[Key]:
    """Keys that are taken over; the names stand with spaces between them."""
    return [Key(section, name, "T", text, notice, ours) for name in names.split()]


def warned(section: Section, names: str, text: str) -> Iterable[Key]:
    """Keys that are accepted without effect."""
    return [Key(section, name, "W", text) for name in names.split()]


def refused(
    section: Section, names: str, text: str, *, belongs: Section | None = None, off: bool = True
) -> Iterable[Key]:
    """Keys that keep the gateway from starting."""
    return [Key(section, name, "R", text, belongs=belongs, off=off) for name in names.split()]


@lru_cache(maxsize=1)
def table() -> dict[Section, dict[str, Key]]:
    """All keys by section and name, in the order of the documentation."""
    from . import _model_keys, _setting_keys

    keys: dict[Section, dict[str, Key]] = {}
    for key in (*_setting_keys.ROOT, *_model_keys.KEYS, *_setting_keys.KEYS):
        keys.setdefault(key.section, {})[key.name] = key
    return keys


def find(section: Section, name: str) -> Key | None:
    """The entry of a key: that of its name, else the first whose `*` fits; `None` for one that nobody knows."""
    keys = table()[section]
    if name in keys:
        return keys[name]
    return next((key for pattern, key in keys.items() if "*" in pattern and fnmatchcase(name, pattern)), None)


def elsewhere(section: Section, name: str) -> list[Section]:
    """The sections other than this one in which a key of this name is taken over, or accepted."""
    order: Final[tuple[Section, ...]] = (
        "general_settings",
        "router_settings",
        "litellm_settings",
        "litellm_params",
        "model_list",
        "root",
    )
    return [
        other
        for other in order
        if other != section and (key := table()[other].get(name)) is not None and key.verdict != "R"
    ]


def names(section: Section) -> list[str]:
    """The names that one may have meant: those of keys that are taken over."""
    return [name for name, key in table()[section].items() if key.verdict == "T" and "*" not in name]
