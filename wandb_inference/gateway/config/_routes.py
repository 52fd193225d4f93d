"""Aliases and fallbacks: every name in them leads to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ._checking import elements, one_of, quote, same
from ._config import RouterSettings
from ._findings import Findings, kind_of, nearest, shown
from ._matching import Pattern
from ._models import Alias, Fallbacks, Group
from ._settings import Settings
from ._sources import Sources
from ._tree import Item

_KINDS: Final = {
    "general": "fallbacks",
    "context_window": "context_window_fallbacks",
    "content_policy": "content_policy_fallbacks",
}
_ALL: Final = "*"


class Routes:
    """Reads them against the models that there are.

    Args:
        groups: The models.
        dropped: Names of models that `--skip-foreign` left out: what leads to them is dropped too.
        sources: Gets where things came from.
        findings: Gets what is wrong.
    """

    def __init__(
        self, groups: Mapping[str, Group], dropped: frozenset[str], sources: Sources, findings: Findings
    ) -> None:
        self._groups = groups
        self.dropped = dropped
        self._sources = sources
        self._findings = findings
        self._patterns = [Pattern(name) for name in groups if _ALL in name]
        self.aliases: dict[str, Alias] = {}

    def knows(self, name: str) -> bool:
        """Whether a client can ask for this name."""
        return (
            name in self._groups
            or name in self.aliases
            or any(pattern.tails(name) is not None for pattern in self._patterns)
        )

    @property
    def names(self) -> list[str]:
        """The names that one may have meant."""
        return [*self._groups, *self.aliases]

    def read_aliases(self, item: Item | None) -> None:
        """Takes in `model_group_alias`."""
        for name, entry in item.entries.items() if item else ():
            model, hidden = entry, False
            if isinstance(entry.value, dict):
                for key in entry.entries:
                    one_of(replace(entry.entries[key], value=key), ("model", "hidden"), self._findings)
                flag = entry.entries.get("hidden")
                if flag is not None and not isinstance(flag.value, bool):
                    self._findings.error(flag, f"{quote(flag)} is not true or false")
                hidden = flag is not None and flag.value is True
                model = entry.entries.get("model", entry)
            if not isinstance(model.value, str):
                self._findings.error(model, "an alias leads to the name of a model")
                continue
            self.add_alias(name, model, hidden=hidden)

    def check_names(self, item: Item | None) -> None:
        """Notes the keys of a mapping that are no models."""
        for name, entry in item.entries.items() if item else ():
            if not self.knows(name) and name not in self.dropped:
                self._findings.error(entry, f"there is no model {shown(name)}", nearest(name, self.names))

    def add_alias(self, name: str, model: Item, *, hidden: bool = False) -> None:
        """Takes in one alias.

        Args:
            name: The alias.
            model: Where it leads.
            hidden: Whether lists leave it out.
        """
        target = str(model.value)
        if _ALL in name:
            self._findings.error(
                model, f"the alias {shown(name)} stands for itself alone", "a model's name may have a *"
            )
        if target in self.dropped:
            self._findings.warn(model, f"{shown(target)} was left out, and this alias with it")
            return
        if name in self.aliases and self.aliases[name].model != target:
            self._findings.error(model, f"{shown(name)} already leads to {shown(self.aliases[name].model)}")
        elif name in self._groups and name != target:
            self._findings.warn(model, f"the alias {shown(name)} hides the model of that name")
        self.aliases[name] = Alias(target, hidden)
        self._sources.note(f"aliases.{name}", model)
        if not (target in self._groups or any(each.tails(target) is not None for each in self._patterns)):
            hint = "an alias can't lead to an alias" if target in self.aliases else nearest(target, self._groups)
            self._findings.error(model, f"there is no model {shown(target)}", hint)

    def fallbacks(
        self, settings: Settings, short: Mapping[str, tuple[Item, list[Item]]], router: RouterSettings
    ) -> Fallbacks:
        """All fallbacks.

        Args:
            settings: The sections that they may be in.
            short: Those of our short form, by model: where they stand, and the names.
            router: For the longest chain that is allowed.
        """
        lists = {kind: self._list(settings, kind, key) for kind, key in _KINDS.items()}
        for name, (item, targets) in short.items():
            if name in lists["general"]:
                self._findings.error(item, f"fallbacks of {shown(name)} are also under router_settings")
            lists["general"][name] = self._targets(name, item, targets)
            self._sources.note(f"fallbacks.general.{name}", item)
        default = self._one_place(settings, "default_fallbacks")
        self._sources.note("fallbacks.default", default)
        named = self._targets(None, default, elements(default, self._findings)) if default else ()
        for found in lists.values():
            self._check_chains(found, router.max_fallbacks)
        kinds = {kind: {name: names for name, (_, names) in found.items()} for kind, found in lists.items()}
        return Fallbacks(**kinds, default=named[1] if named else ())

    def _one_place(self, settings: Settings, key: str) -> Item | None:
        router, litellm = settings.router.get(key), settings.litellm.get(key)
        if router and litellm and not same(router, litellm):
            self._findings.error(
                litellm, f"other {key} are in {router.place}", f"write {key} under router_settings alone"
            )
        return router or litellm

    def _list(self, settings: Settings, kind: str, key: str) -> dict[str, tuple[Item, tuple[str, ...]]]:
        found: dict[str, tuple[Item, tuple[str, ...]]] = {}
        form = f"write {key}: [{{model: [another]}}]"
        item = self._one_place(settings, key)
        if item is not None and isinstance(item.value, dict):
            self._findings.error(item, "this is a mapping, not a list of mappings", form)
            return found
        for entry in elements(item, self._findings):
            if not isinstance(entry.value, dict):
                self._findings.error(entry, f"{kind_of(entry.value)} is not a mapping of a model to a list", form)
            for name, targets in entry.entries.items():
                if name != _ALL and not self.knows(name):
                    if name in self.dropped:
                        self._findings.warn(targets, f"{shown(name)} is left out, and its fallbacks with it")
                        continue
                    self._findings.error(targets, f"there is no model {shown(name)}", nearest(name, self.names))
                if name in found:
                    self._findings.error(
                        targets, f"{shown(name)} has fallbacks in line {found[name][0].place.line} already"
                    )
                found[name] = self._targets(name, targets, elements(targets, self._findings))
                self._sources.note(f"fallbacks.{kind}.{name}", targets)
        return found

    def _targets(self, name: str | None, item: Item, targets: list[Item]) -> tuple[Item, tuple[str, ...]]:
        names: list[str] = []
        for target in targets:
            if isinstance(target.value, dict):
                self._findings.error(target, "a fallback with parameters of its own is not supported", "write a name")
            elif not isinstance(target.value, str):
                self._findings.error(target, f"{quote(target)} is no model's name")
            elif target.value in self.dropped:
                self._findings.warn(target, f"{shown(target.value)} was left out, and this fallback with it")
            elif target.value == name:
                self._findings.error(target, f"{shown(name)} is its own fallback")
            elif not self.knows(target.value):
                hint = nearest(target.value, self.names)
                self._findings.error(target, f"there is no model {shown(target.value)}", hint)
            else:
                names.append(target.value)
        return item, tuple(dict.fromkeys(names))

    def _check_chains(self, lists: Mapping[str, tuple[Item, tuple[str, ...]]], longest: int) -> None:
        circles: set[frozenset[str]] = set()
        for name, (item, _) in lists.items():
            chain: dict[str, None] = {}
            waiting = [name]
            while waiting:
                at = waiting.pop(0)
                for target in lists[at][1] if at in lists else ():
                    if target == name:
                        circle = frozenset({name, at})
                        if circle not in circles:
                            self._findings.warn(
                                item, f"{shown(name)} and {shown(at)} lead to each other; each is tried once a request"
                            )
                        circles.add(circle)
                    elif target not in chain:
                        chain[target] = None
                        waiting.append(target)
            if len(chain) > longest:
                self._findings.error(
                    item,
                    f"this leads to {len(chain)} models one after another, and at most {longest} are tried",
                    "shorten it, or raise router_settings.max_fallbacks",
                )


def names_of(item: Item) -> list[Item]:
    """A name, or a list of names."""
    return [item] if isinstance(item.value, str) else item.items
