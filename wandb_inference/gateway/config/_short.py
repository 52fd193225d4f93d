"""Our short form: `models:`, a mapping of names to where they lead.

```yaml
models:
  fast: openai/gpt-oss-20b
  smart:
    deployments:
      - {model: zai-org/GLM-5.3, weight: 3}
      - {model: zai-org/GLM-5.3, project: another/project, weight: 1}
    fallbacks: [fast]
    aliases: [gpt-4]
  "*": "*"
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ._checking import mapping, quote
from ._deployments import Entry
from ._findings import Findings, kind_of
from ._routes import names_of
from ._tree import Item

_ITS_OWN = ("deployments", "fallbacks", "aliases")


@dataclass
class ShortForm:
    """What `models:` says."""

    entries: list[Entry] = field(default_factory=list)
    fallbacks: dict[str, tuple[Item, list[Item]]] = field(default_factory=dict)
    """By model: where they stand, and the names."""
    aliases: list[tuple[str, Item]] = field(default_factory=list)
    """The alias, and the model's name at the alias's place."""


def read_short(item: Item | None, findings: Findings) -> ShortForm:
    """The short form as entries, fallbacks and aliases."""
    found = ShortForm()
    checked = mapping(item, findings)
    for name, entry in checked.entries.items() if checked else ():
        own = {key: entry.entries[key] for key in _ITS_OWN if key in entry.entries}
        rest = {key: each for key, each in entry.entries.items() if key not in own}
        several = own.get("deployments")
        if several is not None and rest:
            key, first = next(iter(rest.items()))
            findings.error(first, "this stands beside deployments", f"write {key} into each of them, or under defaults")
        alone = replace(entry, value=rest) if own else entry
        for way in _ways(several or alone, findings):
            found.entries.append(Entry(name, entry, way, short=True))
        for key in ("fallbacks", "aliases"):
            names = _names(own.get(key), findings)
            if key == "fallbacks" and key in own:
                found.fallbacks[name] = (own[key], names)
            elif key == "aliases":
                found.aliases += [(str(each.value), replace(each, value=name, origin=None)) for each in names]
    return found


def _ways(item: Item, findings: Findings) -> Iterator[Item]:
    for way in item.items if isinstance(item.value, list) else [item]:
        if isinstance(way.value, str):
            yield replace(way, value={"model": way})
        elif isinstance(way.value, dict):
            yield way
        else:
            findings.error(way, f"{quote(way)} is no model", "write the model's id, or a mapping with model: in it")


def _names(item: Item | None, findings: Findings) -> list[Item]:
    names = names_of(item) if item else []
    if item is not None and (not names or not all(isinstance(each.value, str) for each in names)):
        findings.error(item, f"{kind_of(item.value)} is not a list of names")
    return [each for each in names if isinstance(each.value, str)]
