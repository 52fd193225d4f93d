"""The account that deployments take what they leave out from: the SDK's own search, done once and only if needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from ..._config import Config, resolve
from ...exceptions import ConfigurationError
from ._findings import Findings
from ._references import Environment


class Account:
    """Key, project and address of the environment, netrc and W&B's settings files.

    Args:
        environment: The environment, with what the file adds to it.
        cwd: Directory with the local settings; by default the working directory.
        home: Directory that `~` stands for; by default the user's.
        findings: Gets what is wrong with the environment.
    """

    def __init__(self, environment: Environment, *, cwd: Path | None, home: Path | None, findings: Findings) -> None:
        self._environment = environment
        self._cwd = cwd
        self._home = home
        self._findings = findings

    @cached_property
    def config(self) -> Config | None:
        """What was found; `None` where something in it can't work, which was noted."""
        variables: Mapping[str, str] = self._environment.all
        try:
            return resolve(environ=variables, cwd=self._cwd, home=self._home)
        except ConfigurationError as error:
            self._findings.error(None, error.message, error.hint and error.hint.rstrip("."))
            return None

    @property
    def team(self) -> str | None:
        """The team of a project that is named alone."""
        return self.config.team if self.config else None

    def source(self, name: str) -> str:
        """Where `api_key`, `project` or `base_url` came from."""
        found = self.config.sources[name] if self.config else "not set"
        variables = found.split(" + ")
        if all(variable in self._environment.all for variable in variables):
            return " + ".join(self._environment.origin(variable) for variable in variables)
        return found
