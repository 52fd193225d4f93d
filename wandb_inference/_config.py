"""Where a client's settings come from: arguments, then the environment, then W&B's own files, then defaults."""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from inspect import currentframe
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from ._checks import DEFAULT_BASE_URL, DEFAULT_HOST, check_base_url, check_key, check_project, quoted, shown_url
from ._credentials import CredentialFiles, Found
from .exceptions import ConfigurationError

__all__ = ["DEFAULT_BASE_URL", "ApiKey", "Config", "check_key", "resolve"]

ApiKey: TypeAlias = "str | Callable[[], str] | Callable[[], Awaitable[str]]"
"""A key, or a callable that is asked for it before each request."""

_VARIABLES: Final = (
    "NETRC",
    "WANDB_API_BASE",
    "WANDB_API_KEY",
    "WANDB_BASE_URL",
    "WANDB_CONFIG_DIR",
    "WANDB_ENTITY",
    "WANDB_INFERENCE_LOG",
    "WANDB_PROJECT",
)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}  # the numbers of `logging`

_ARGUMENT: Final = "argument"
_NOT_SET: Final = "not set"
_INCOMPLETE: Final = "project "  # how a problem begins that a complete project puts right
_NO_KEY: Final = "Pass api_key=..., set WANDB_API_KEY, or run `wandb login`; keys are made at wandb.ai/settings."
_NO_PROJECT: Final = (
    'Pass project="team/project", set WANDB_PROJECT=team/project, or write `entity` and `project` under [default] in '
    './wandb/settings (project="" sends none, for servers other than W&B\'s).'
)


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """The settings of a client, each with its source. No key is in its `repr` or its pickle."""

    api_key: ApiKey | None
    """The key, or a callable that is asked for it before each request; `None` where none was found."""
    project: str | None
    """`team/project`; `""` to send none, `None` where none was found."""
    base_url: str
    """Without a slash at its end."""
    log_level: int | None
    """A level of `logging`, from `WANDB_INFERENCE_LOG`; `None` leaves logging as it is."""
    team: str | None
    """The team of a project that `override` is given by its name alone."""
    sources: Mapping[str, str]
    """Where `api_key`, `project` and `base_url` came from: `argument`, `WANDB_API_KEY`, `default`, `not set`,
    `netrc ~/.netrc (api.wandb.ai)`, `settings ./wandb/settings`."""
    problems: tuple[str, ...]
    """What was passed over in the search, or is incomplete; one text each, without a full stop."""

    @property
    def on_default_host(self) -> bool:
        """Whether `base_url` is the service itself, so that the catalogue's names hold."""
        return urlsplit(self.base_url).hostname == DEFAULT_HOST

    @property
    def summary(self) -> str:
        """Each value with its source, for a client's `repr`: no key, and no password of the URL."""
        source = self.sources
        if self.api_key is None:
            key = f"<{_NOT_SET}>"
        else:
            key = f"<{'callable, ' if callable(self.api_key) else 'from '}{source['api_key']}>"
        project = f"<{_NOT_SET}>" if self.project is None else f"{self.project!r} <from {source['project']}>"
        return f"api_key={key}, project={project}, base_url={shown_url(self.base_url)!r} <from {source['base_url']}>"

    def __repr__(self) -> str:
        return f"Config({self.summary})"

    def __reduce__(self) -> tuple[object, ...]:
        if isinstance(self.api_key, str) and self.sources["api_key"] == _ARGUMENT:
            raise TypeError(
                "an api_key given as a string is never pickled: set WANDB_API_KEY, or give an importable callable"
            )
        key = self.api_key if callable(self.api_key) else None
        return _reload, (key, self.project, self.base_url, dict(self.sources), self.team)

    def require(self, *, key: bool = True, project: bool = True) -> None:
        """Check that there are a key and a project.

        Args:
            key: Whether a key is needed.
            project: Whether a project is needed.

        Raises:
            ConfigurationError: One is missing, or both. The message says what was passed over, and how to set it.
        """
        missing: list[str] = []
        hints = [f"{problem}." for problem in self.problems]
        if key and self.api_key is None:
            missing.append("no API key")
            hints.append(_NO_KEY)
        if project and self.project is None:
            missing.append("no project")
            hints.append(_NO_PROJECT)
        if missing:
            raise ConfigurationError(f"There is {' and '.join(missing)}", hint=" ".join(hints))

    def override(
        self, *, api_key: ApiKey | None = None, project: str | None = None, base_url: str | None = None
    ) -> Config:
        """A copy with these settings, checked as `resolve` does; neither environment nor files are read again.

        Args:
            api_key: `None` keeps the present one.
            project: `None` keeps the present one. A bare name gets `team`.
            base_url: `None` keeps the present one.

        Raises:
            ConfigurationError: A value that can't work.
        """
        config, sources, problems = self, dict(self.sources), self.problems
        if api_key is not None:
            config = replace(config, api_key=_given_key(api_key))
            sources["api_key"] = _ARGUMENT
        if base_url is not None:
            config = replace(config, base_url=check_base_url(base_url, _ARGUMENT))
            sources["base_url"] = _ARGUMENT
        if project is not None:
            name = check_project(project, _ARGUMENT, self.team)
            config = replace(config, project=name)
            sources["project"] = _NOT_SET if name is None else _ARGUMENT
            problems = tuple(problem for problem in problems if not problem.startswith(_INCOMPLETE))
            if name is None:
                problems += (_no_team(project),)
        return replace(config, sources=sources, problems=problems)


def resolve(
    *,
    api_key: ApiKey | None = None,
    project: str | None = None,
    base_url: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> Config:
    """The settings of a client. Files are read only for what arguments and environment leave open.

    Args:
        api_key: A key or a callable; else `WANDB_API_KEY`, netrc, the W&B settings files.
        project: `team/project`, a project's name, or `""` for none; else `WANDB_PROJECT`, the W&B settings files. A
            bare name takes the team from `WANDB_ENTITY`, else from the settings files.
        base_url: Else `WANDB_API_BASE`, else the service's.
        environ: By default `os.environ`. A variable that is empty counts as not set.
        cwd: Directory with the local settings; by default the working directory.
        home: Directory that `~` stands for; by default the user's.

    Raises:
        ConfigurationError: A value that can't work. One that is missing is left to `Config.require`.

    Warns:
        UserWarning: A file that is there can't be read, or `WANDB_INFERENCE_LOG` names no level.
    """
    given = os.environ if environ is None else environ
    environ = {name: value for name in _VARIABLES if (value := given.get(name, "").strip())}
    files = CredentialFiles(environ, cwd=cwd, home=home)
    problems: list[str] = []

    checked_url, url_source = _find_base_url(base_url, environ)
    key, key_source = _find_key(api_key, environ, files)
    name, project_source = _find_project(project, environ, files, problems)
    if files.unreadable:
        warn(f"wandb_inference: {'; '.join(files.unreadable)}")
    return Config(
        api_key=key,
        project=name,
        base_url=checked_url,
        log_level=_log_level(environ.get("WANDB_INFERENCE_LOG")),
        team=_team_for_later(name, environ, files),
        sources={"api_key": key_source, "project": project_source, "base_url": url_source},
        problems=(*files.unreadable, *files.unused, *problems),
    )


def _find_base_url(argument: object, environ: Mapping[str, str]) -> tuple[str, str]:
    if argument is not None:
        return check_base_url(argument, _ARGUMENT), _ARGUMENT
    if "WANDB_API_BASE" in environ:
        return check_base_url(environ["WANDB_API_BASE"], "WANDB_API_BASE"), "WANDB_API_BASE"
    return DEFAULT_BASE_URL, "default"


def _find_key(argument: ApiKey | None, environ: Mapping[str, str], files: CredentialFiles) -> tuple[ApiKey | None, str]:
    if argument is not None:
        return _given_key(argument), _ARGUMENT
    if "WANDB_API_KEY" in environ:
        return check_key(environ["WANDB_API_KEY"], "WANDB_API_KEY"), "WANDB_API_KEY"
    found = files.netrc_key() or files.settings_key()
    if found is None:
        return None, _NOT_SET
    return check_key(found.value, found.source), found.source


def _given_key(argument: ApiKey) -> ApiKey:
    return argument if callable(argument) else check_key(argument, _ARGUMENT)


def _find_project(
    argument: object, environ: Mapping[str, str], files: CredentialFiles, problems: list[str]
) -> tuple[str | None, str]:
    value, source = argument, _ARGUMENT
    if value is None and "WANDB_PROJECT" in environ:
        value, source = environ["WANDB_PROJECT"], "WANDB_PROJECT"
    elif value is None:
        found = files.setting("project")
        if found is None:
            return None, _NOT_SET
        value, source = found
    team = None
    if isinstance(value, str) and value.strip() and "/" not in value:
        team = _find_team(environ, files)
        if team is not None and team.source != source:
            source = f"{source} + {team.source}"
    name = check_project(value, source, team and team.value)
    if name is None:
        problems.append(_no_team(value))
        return None, _NOT_SET
    return name, source


def _find_team(environ: Mapping[str, str], files: CredentialFiles) -> Found | None:
    if "WANDB_ENTITY" in environ:
        return Found(environ["WANDB_ENTITY"], "WANDB_ENTITY")
    return files.setting("entity")


def _team_for_later(project: str | None, environ: Mapping[str, str], files: CredentialFiles) -> str | None:
    if project is None:
        team = _find_team(environ, files)
        return team and team.value
    # Not from the files here: a project that is given in full must not make us read any.
    return environ.get("WANDB_ENTITY") or project.partition("/")[0] or None


def _no_team(project: object) -> str:
    name = str(project).strip()
    return f"{_INCOMPLETE}{quoted(name)} names no team: write {quoted(f'team/{name}')} or set WANDB_ENTITY"


def _log_level(name: str | None) -> int | None:
    if name is None:
        return None
    level = _LEVELS.get(name.lower())
    if level is None:
        warn(f"WANDB_INFERENCE_LOG is {quoted(name)}; it can be {', '.join(_LEVELS)}")
    return level


def warn(message: str) -> None:
    """Warn with the line of the user's that led here, however many of our own frames are between."""
    package = __name__.partition(".")[0]
    level, frame = 1, currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _reload(
    api_key: ApiKey | None, project: str | None, base_url: str, sources: Mapping[str, str], team: str | None
) -> Config:
    """The config that was pickled, with the key of the machine and the environment that it is loaded in."""
    config = resolve(api_key=api_key, project=project, base_url=base_url)
    kept = dict(sources, api_key=config.sources["api_key"])
    if project is None:
        kept["project"], team = config.sources["project"], config.team
    return replace(config, sources=kept, team=team)
