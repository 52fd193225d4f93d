"""A section against the table of keys and its model: what is taken over, with each mistake at its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from ._findings import NOT_SHOWN, Findings, kind_of, nearest, shown
from ._keys import Section as SectionName
from ._keys import elsewhere, find, names
from ._sections import Section
from ._tree import Item, plain

M = TypeVar("M", bound=Section)
T = TypeVar("T")

_BUILT_IN: Final = {"string_type": "text", "list_type": "a list", "dict_type": "a mapping"}
"""What pydantic's own errors ask for."""

_SECRET: Final = re.compile(
    r"(?:^|(?<!_per)_)(?:api_?key|master_key|key|password|passwd|secret|token|credentials?|salt|authorization|cookie)$"
    r"|^database_url$|^redis_url$|webhook_url$|(?:^|_)pass$|^(?:x-)?(?:[\w-]+-)?(?:key|token|auth|authorization|secret|signature)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fields(Generic[M]):
    """A section that was checked."""

    values: M
    """What is right in it; `None` for what is left out or wrong."""
    items: Mapping[str, Item]
    """The same with places, by key."""

    def get(self, name: str) -> Item | None:
        """The value of a key with its place; `None` where it is left out or null."""
        item = self.items.get(name)
        return None if item is None or item.value is None else item


def is_secret(name: str) -> bool:
    """Whether what stands under such a name is not to be shown."""
    return _SECRET.search(name) is not None


def quote(item: Item) -> str:
    """A value for a message, unless it may be secret."""
    if item.origin:
        return f"the value of {item.origin}"
    if is_secret(item.path.rpartition(".")[2].partition("[")[0]):
        return NOT_SHOWN
    return shown(item.value)


def mapping(item: Item | None, findings: Findings) -> Item | None:
    """The item if it is a mapping; an empty section is none, and anything else a mistake."""
    if item is None or item.value is None:
        return None
    if not isinstance(item.value, dict):
        findings.error(item, f"{kind_of(item.value)} is not a mapping")
        return None
    return item


def elements(item: Item | None, findings: Findings) -> list[Item]:
    """What a list holds; anything else is a mistake."""
    if item is None or item.value is None:
        return []
    if not isinstance(item.value, list):
        findings.error(item, f"{kind_of(item.value)} is not a list", 'its entries begin with "- "')
    return item.items


def known(section: SectionName, item: Item | None, findings: Findings) -> dict[str, Item]:
    """The entries of a section that are taken over; the others are noted."""
    taken: dict[str, Item] = {}
    notices: dict[str, list[Item]] = {}
    for name, entry in item.entries.items() if item else ():
        key = find(section, name)
        if key is None:
            findings.error(entry, "there is no such key", _meant(section, name))
        elif key.verdict == "T":
            taken[name] = entry
            if key.notice and not is_off(entry):
                notices.setdefault(key.notice, []).append(entry)
        elif key.off and is_off(entry):
            continue
        elif key.verdict == "W":
            findings.warn(entry, key.text)
        else:
            hint = f"it belongs under {key.belongs}" if key.belongs else None
            findings.error(entry, key.text if key.belongs else f"this is not supported: {key.text}", hint)
    for notice, (first, *others) in notices.items():
        also = ", ".join(other.path.rpartition(".")[2] for other in others)
        findings.warn(first, f"{notice} (as for {also})" if also else notice)
    return taken


def is_off(item: Item) -> bool:
    """Whether a value says that a thing is not used."""
    return item.value in (None, False, "", [], {}) and not (
        isinstance(item.value, int | float) and item.value is not False
    )


def check(section: SectionName, kind: type[M], item: Item | None, findings: Findings) -> Fields[M]:
    """A section that has all its keys and values checked."""
    return read(kind, known(section, item, findings), findings)


def read(kind: type[M], items: Mapping[str, Item], findings: Findings) -> Fields[M]:
    """The model of these entries; one that has the wrong type is noted, and left out."""
    data = {name: plain(item) for name, item in items.items() if item.value is not None}
    try:
        return Fields(kind.model_validate(data), items)
    except ValidationError as error:
        wrong: set[str] = set()
        for problem in error.errors(include_url=False, include_input=False):
            field = str(problem["loc"][0])
            wrong.add(field)
            item = _item_at(items[field], problem["loc"][1:])
            # Those of our own types have their text as pydantic's context.
            wanted = problem.get("ctx", {}).get("error") or _BUILT_IN.get(problem["type"], problem["msg"])
            is_whole = str(wanted).startswith(("a mapping", "a list"))
            findings.error(item, f"{kind_of(item.value) if is_whole else quote(item)} is not {wanted}")
    kept = {name: item for name, item in items.items() if name not in wrong}
    return Fields(kind.model_validate({name: data[name] for name in kept if name in data}), kept)


def one_of(item: Item | None, allowed: Sequence[str], findings: Findings) -> bool:
    """Whether the value is one of these; what is not is noted."""
    if item is None or item.value in allowed:
        return item is not None
    listed = ", ".join(allowed)
    near = nearest(item.value, allowed) if isinstance(item.value, str) and not item.origin else None
    findings.error(item, f"{quote(item)} is none of {listed}", near)
    return False


def same(item: Item, other: Item) -> bool:
    """Whether two places say the same."""
    return plain(item) == plain(other)


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def _item_at(item: Item, steps: Iterable[int | str]) -> Item:
    for step in steps:
        # A text can stand for a list of one: what is wrong with that one has no place of its own.
        item = (item.items[step] if item.items else item) if isinstance(step, int) else item.entries.get(step, item)
    return item


def _meant(section: SectionName, name: str) -> str | None:
    places = elsewhere(section, name)
    if places:
        home = places[0]
        if home == "root":
            return "it belongs at the left margin, under no other key"
        return f"it belongs under {home}"
    if near := nearest(name, names(section)):
        return near
    return "fields for the request's body go under extra_body" if section == "litellm_params" else None
