"""Key, project and base URL: what a client would find, each looked up by itself, so that one mistake hides no other."""

from __future__ import annotations

import ipaddress
import sys
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from ..._checks import DEFAULT_HOST, shown_url
from ..._config import DEFAULT_BASE_URL, Config, resolve
from ..._version import __version__
from ...exceptions import ConfigurationError
from .._options import Connection
from ._finding import Finding

Looked: TypeAlias = "Config | ConfigurationError"

_STAND_IN: Final = "in-place-of-the-key"  # keeps `resolve` from looking for one
_SHORTEST: Final = 40
"""Characters of W&B's shortest keys. Newer ones have 86. Source: `wandb` 0.31.0, `sdk/lib/wbauth/validation.py`."""
_MADE: Final = "keys are made at wandb.ai/settings"


class Settings(NamedTuple):
    """What a client would go by, or the error that it would raise."""

    key: Looked
    project: Looked
    base_url: Looked
    other_source: str | None
    """Where another key lies that the one found hides."""

    @property
    def url(self) -> str | None:
        """The base URL, if it can be one."""
        return None if isinstance(self.base_url, ConfigurationError) else self.base_url.base_url

    @property
    def secret(self) -> str | None:
        """The key, if there is one that can be sent."""
        found = None if isinstance(self.key, ConfigurationError) else self.key.api_key
        return found if isinstance(found, str) else None

    @property
    def sent_project(self) -> str | None:
        """The project, `""` for none on purpose, `None` where none can be sent."""
        return None if isinstance(self.project, ConfigurationError) else self.project.project


def look(connection: Connection, environ: Mapping[str, str]) -> Settings:
    """Each setting, as a client would find it."""
    key = _resolved(environ, None, "", DEFAULT_BASE_URL)
    other = None
    if environ.get("WANDB_API_KEY", "").strip():
        without = {name: value for name, value in environ.items() if name != "WANDB_API_KEY"}
        hidden = _resolved(without, None, "", DEFAULT_BASE_URL)
        if isinstance(hidden, Config) and isinstance(key, Config) and hidden.api_key not in (None, key.api_key):
            other = hidden.sources["api_key"]
    return Settings(
        key=key,
        project=_resolved(environ, _STAND_IN, connection.project, DEFAULT_BASE_URL),
        base_url=_resolved(environ, _STAND_IN, "", connection.base_url),
        other_source=other,
    )


def _resolved(environ: Mapping[str, str], api_key: str | None, project: str | None, base_url: str | None) -> Looked:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what they say is among the problems as well
        try:
            return resolve(api_key=api_key, project=project, base_url=base_url, environ=environ)
        except ConfigurationError as error:
            return error


def judge_versions() -> Finding:
    """What runs here."""
    try:
        others = [f"{name} {version(name)}" for name in ("httpx", "pydantic")]
    except PackageNotFoundError as error:
        return Finding("versions", "fail", f"{error.name} is not installed", "Run: pip install wandb-inference")
    python = "{}.{}.{}".format(*sys.version_info)
    return Finding("versions", "ok", ", ".join([f"Python {python}", f"wandb-inference {__version__}", *others]))


def judge_key(settings: Settings, environ: Mapping[str, str]) -> Finding:
    """Whether there is a key, and whether it looks like one."""
    key, has_token_file = settings.key, bool(environ.get("WANDB_IDENTITY_TOKEN_FILE", "").strip())
    if isinstance(key, ConfigurationError):
        return Finding("key", "fail", key.message, key.hint)
    if not isinstance(key.api_key, str):
        passed = [*key.problems, *(["WANDB_IDENTITY_TOKEN_FILE is not read here"] if has_token_file else [])]
        fix = f"Set WANDB_API_KEY, or run `wandb login`; {_MADE}."
        return Finding("key", "fail", "; ".join(["there is none", *passed]), fix)

    source, secret = key.sources["api_key"], key.api_key
    what = f"{len(secret)} characters, from {source}"
    odd, fixes = list(key.problems), list[str]()
    if source == "WANDB_API_KEY" and environ["WANDB_API_KEY"] != secret:
        odd.append("with white space around it, which other programs may send along")
        fixes.append("Set WANDB_API_KEY without it.")
    if source == "WANDB_API_KEY" and has_token_file:
        odd.append("W&B's own programs refuse it beside WANDB_IDENTITY_TOKEN_FILE")
        fixes.append("Unset one of the two.")
    if is_service(settings.url) and len(secret) < _SHORTEST:
        odd.append(f"W&B's keys have {_SHORTEST} or more")
        fixes.append(f"Was it copied whole? {_MADE.capitalize()}.")
    if odd:
        return Finding("key", "warn", "; ".join([what, *odd]), " ".join(fixes) or None)
    return Finding("key", "ok", what)


def judge_project(settings: Settings) -> Finding:
    """Whether there is a project, of the right form."""
    project = settings.project
    if isinstance(project, ConfigurationError):
        return Finding("project", "fail", project.message, project.hint)
    if project.project is None:
        detail = "; ".join(["there is none", *project.problems])
        return Finding("project", "fail", detail, "Set WANDB_PROJECT=team/project, or give --project team/project.")
    if not project.project:
        return Finding("project", "skipped", "none is sent, as --project '' says")
    what = f"{project.project}, from {_shown_source(project.sources['project'])}"
    if project.problems:
        return Finding("project", "warn", "; ".join([what, *project.problems]))
    return Finding("project", "ok", what)


def judge_base_url(settings: Settings) -> Finding:
    """Whether the base URL can be one."""
    base_url = settings.base_url
    if isinstance(base_url, ConfigurationError):
        return Finding("base URL", "fail", base_url.message, base_url.hint)
    source = _shown_source(base_url.sources["base_url"])
    what = f"{shown_url(base_url.base_url)}, {'the default' if source == 'default' else f'from {source}'}"
    parts = urlsplit(base_url.base_url)
    if parts.scheme == "http" and not _is_near(parts.hostname or ""):
        return Finding("base URL", "warn", f"{what}; the key travels in clear", "Use https://, if the server has it.")
    return Finding("base URL", "ok", what)


def is_service(url: str | None) -> bool:
    """Whether a base URL is W&B's own."""
    return url is not None and urlsplit(url).hostname == DEFAULT_HOST


def _is_near(host: str) -> bool:
    """Whether a host is this machine, or in its own network."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan", ".test"))


def _shown_source(source: str) -> str:
    """The source, in the command line's terms."""
    return source.replace("argument", "the command line")
