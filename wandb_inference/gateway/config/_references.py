"""`os.environ/NAME`: the environment's values put in place, after what the file itself adds to the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ._findings import Findings, kind_of, nearest, shown
from ._tree import Item, Value

_PREFIX: Final = "os.environ/"
_LOOKS_LIKE_ONE: Final = re.compile(r"\s*os\.(?:environ|getenv)\b|\s*getenv\(|\s*env[:/.]\w+$", re.IGNORECASE)
_SHELL: Final = re.compile(
    r"\$\{\s*(?:env[.:])?([A-Za-z_]\w*)[^}]*\}|^\$([A-Z_][A-Z0-9_]*)$|\{\{[^}]*?\b([A-Z_]{3,})\b"
)
_TEXTS: Final = re.compile(r"\.(?:model_info|metadata|extra_body|tools|response_format|stop|mock_response)\b")
"""Paths below which text is for models and people to read, and may hold a `${NAME}`."""


class Environment:
    """The environment as the configuration sees it: what the file adds comes first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.added: dict[str, str] = {}
        """What `environment_variables` adds."""
        self.places: dict[str, str] = {}
        """Where it does."""

    def add(self, name: str, value: str, item: Item) -> None:
        """Puts a variable before those of the process."""
        self.added[name] = value
        self.places[name] = str(item.place)

    def get(self, name: str) -> str | None:
        """The variable's value; `None` where it is not set."""
        return self.added.get(name, self._environ.get(name))

    def origin(self, name: str) -> str:
        """Where a variable is set: `environment NAME`, or `environment_variables NAME, config.yaml:3`."""
        if name in self.added:
            return f"environment_variables {name}, {self.places[name]}"
        return f"environment {name}"

    @property
    def names(self) -> list[str]:
        """The names of all that is set."""
        return [*self.added, *self._environ]

    @property
    def all(self) -> dict[str, str]:
        """All that is set."""
        return {**self._environ, **self.added}


def settle(root: Item, environ: Mapping[str, str], findings: Findings) -> tuple[Item, Environment]:
    """The tree with its paths, and with values in place of references; and the environment these came from.

    Args:
        root: What all files add up to.
        environ: The environment of the process.
        findings: Gets the references to what is not set, and what only looks like a reference.
    """
    environment = Environment(environ)
    entries = dict(root.entries)
    variables = entries.pop("environment_variables", None)
    settled: dict[str, Item] = {}
    if variables is not None:
        settled["environment_variables"] = _variables(variables, environment, findings)
    for name, item in entries.items():
        settled[name] = _settle(item, name, environment, findings)
    return replace(root, value=settled), environment


def _variables(item: Item, environment: Environment, findings: Findings) -> Item:
    item = replace(item, path="environment_variables")
    if item.value is not None and not isinstance(item.value, dict):
        findings.error(item, f"{kind_of(item.value)} is not a mapping of names to values")
    for name, entry in item.entries.items():
        at = _settle(entry, f"{item.path}.{name}", environment, findings)
        if isinstance(at.value, bool):
            environment.add(name, str(at.value).lower(), at)
        elif isinstance(at.value, str | int | float):
            environment.add(name, str(at.value), at)
        elif at.origin is None:
            findings.error(at, "a variable's value is text", "write it in quotes")
    return replace(item, value={})


def _settle(item: Item, path: str, environment: Environment, findings: Findings) -> Item:
    value: Value = item.value
    origin = None
    if isinstance(value, dict):
        value = {name: _settle(each, f"{path}.{name}", environment, findings) for name, each in value.items()}
    elif isinstance(value, list):
        value = [_settle(each, f"{path}[{number}]", environment, findings) for number, each in enumerate(value)]
    elif isinstance(value, str):
        value, origin = _looked_up(value, replace(item, path=path), environment, findings)
    return replace(item, value=value, path=path, origin=origin)


def _looked_up(text: str, item: Item, environment: Environment, findings: Findings) -> tuple[str | None, str | None]:
    if text.startswith(_PREFIX):
        name = text.removeprefix(_PREFIX).strip()
        value = environment.get(name)
        if value is not None and value.strip():
            findings.keep_secret(value)
            return value, environment.origin(name)
        if value is None:
            hint = nearest(name, environment.names) or "set it, or take the line away"
            findings.error(item, f"{shown(name)} is not set in the environment", hint)
        else:
            findings.error(item, f"{shown(name)} is set in the environment, but empty")
        return None, f"environment {name}"
    if not _TEXTS.search(item.path):
        if found := _SHELL.search(text):
            name = next(group for group in found.groups() if group)
            form = "{{...}}" if found[0].startswith("{{") else "${...}" if found[0].startswith("${") else "$NAME"
            hint = f"write os.environ/{name}, for the whole value"
            findings.error(item, f'"{form}" is not expanded in a configuration', hint)
            return None, f"environment {name}"
        if _LOOKS_LIKE_ONE.match(text):
            findings.error(item, "this looks like a variable of the environment", "write os.environ/NAME")
            return None, "environment"
    return text, None
