"""A configuration as text: each value with where it came from, and no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Final, cast

from ._checking import is_secret
from ._config import GatewayConfig
from ._findings import hide
from ._models import Deployment, Price, Secret

_HIDDEN: Final = "***"
_COLUMN: Final = 52
_INDENT: Final = "  "

# In this order; what is not here, and differs from its default, follows.
_FIRST: Final = ("model", "provider", "base_url", "api_key", "project", "headers")
_OTHERWISE: Final = frozenset({"id", "short_names", "price", "model_info", "defaults", "extra_body"})


def render(config: GatewayConfig) -> str:
    """What a configuration says, for a person to read: the same text for the same configuration.

    Each line ends with the place that its value came from; where nothing is said, it is the default. Secrets are `***`.
    """
    lines = _Lines(config.sources)
    lines.add(0, "master_key", config.master_key, "master_key")
    if config.is_open:
        lines.raw("# open: any key will do, and none")
    lines.head(0, "models", config.groups)
    for name, group in config.groups.items():
        lines.head(1, _text(name))
        for number, deployment in enumerate(group.deployments):
            _deployment(lines, deployment, f"models.{name}[{number}]")
    lines.head(0, "aliases", config.aliases)
    for name, alias in config.aliases.items():
        lines.add(
            1, _text(name), {"model": alias.model, "hidden": True} if alias.hidden else alias.model, f"aliases.{name}"
        )
    _fallbacks(lines, config)
    _settings(lines, "router", config.router)
    _settings(lines, "server", config.server)
    _keys(lines, config)
    lines.head(0, "state", config.state.redis or config.state.database_url)
    lines.add_all(1, "state", {"database_url": config.state.database_url, **config.state.redis})
    lines.head(0, "environment_variables", config.environment)
    lines.add_all(1, "environment_variables", config.environment)
    lines.head(0, "files", config.files)
    for file in config.files:
        lines.raw(f"{_INDENT}- {_text(str(file))}")
    return lines.text


class _Lines:
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return hide("\n".join(self._lines) + "\n")

    def raw(self, line: str) -> None:
        self._lines.append(line)

    def head(self, depth: int, name: str, content: object = True) -> None:
        if content:
            self.raw(f"{_INDENT * depth}{name}:")

    def add(self, depth: int, name: str, value: object, path: str, mark: str = "") -> None:
        text = f"{_INDENT * depth}{mark}{name}: {_shown(value)}"
        source = self._sources.get(path, "default") if path else None
        self.raw(f"{text:<{_COLUMN}}  # {source}" if source else text)

    def add_all(self, depth: int, path: str, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            if value is not None:
                self.add(depth, name, value, f"{path}.{name}")


def _deployment(lines: _Lines, deployment: Deployment, path: str) -> None:
    lines.add(2, "id", deployment.id, "", mark="- ")
    for name in _FIRST[:5]:
        value = getattr(deployment, name)
        if value is not None:
            lines.add(3, name, value, "" if name == "provider" else f"{path}.{name}")
    for name in deployment.headers:
        lines.add(3, f"headers.{name}", Secret(""), f"{path}.headers.{name}")
    for name, default in _defaults_of(Deployment).items():
        value = getattr(deployment, name)
        if name not in _FIRST and name not in _OTHERWISE and value != default:
            lines.add(3, name, value, f"{path}.{name}")
    for field in fields(Price):
        value = getattr(deployment.price, field.name, None)
        if value is not None:
            lines.add(3, field.name, value, f"{path}.{field.name}")
    for name, value in deployment.defaults.items():
        lines.add(3, f"defaults.{name}", Secret("") if is_secret(name) else value, f"{path}.defaults.{name}")
    for name, value in deployment.extra_body.items():
        lines.add(3, f"extra_body.{name}", Secret("") if is_secret(name) else value, f"{path}.extra_body")
    for name, value in deployment.model_info.items():
        lines.add(3, f"model_info.{name}", Secret("") if is_secret(name) else value, f"{path}.model_info")


def _fallbacks(lines: _Lines, config: GatewayConfig) -> None:
    found = config.fallbacks
    kinds = {"general": found.general, "context_window": found.context_window, "content_policy": found.content_policy}
    lines.head(0, "fallbacks", any(kinds.values()) or found.default)
    for kind, lists in kinds.items():
        lines.head(1, kind, lists)
        for name, targets in lists.items():
            lines.add(2, _text(name), targets, f"fallbacks.{kind}.{name}")
    if found.default:
        lines.add(1, "default", found.default, "fallbacks.default")


def _settings(lines: _Lines, name: str, settings: Any) -> None:
    lines.head(0, name)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value not in (None, (), {}):
            lines.add(1, field.name, value, f"{name}.{field.name}")


def _keys(lines: _Lines, config: GatewayConfig) -> None:
    lines.head(0, "keys", config.keys)
    for number, rule in enumerate(config.keys):
        path = f"keys[{number}]"
        lines.add(1, "name", rule.name, f"{path}.name", mark="- ")
        lines.add(2, "key", Secret(""), f"{path}.key")
        for field in fields(rule):
            value = getattr(rule, field.name)
            if field.name in ("name", "sha256") or value in (None, {}):
                continue
            if field.name == "expires":
                value = datetime.fromtimestamp(value, tz=timezone.utc).isoformat()
            lines.add(2, field.name, value, f"{path}.{field.name}")


def _defaults_of(kind: type[Deployment]) -> dict[str, object]:
    return {field.name: field.default for field in fields(kind)}


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Secret):
        return _HIDDEN
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, Mapping | list | tuple):
        return str(value)
    return json.dumps(_without_secrets(cast("object", value)), ensure_ascii=False, default=str)


def _without_secrets(value: object) -> object:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {name: _HIDDEN if is_secret(name) else _without_secrets(each) for name, each in entries.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in cast("list[object]", value)]
    return value


def _text(text: str) -> str:
    """Text as YAML has it, in quotes where it would else be read as something different."""
    plain = text.replace("-", "").replace("/", "").replace(".", "").replace("_", "").replace(":", "")
    safe = plain.isalnum() and not text.startswith(("-", ":", ".")) and not text.endswith(":") and ": " not in text
    return text if safe else json.dumps(text, ensure_ascii=False)
