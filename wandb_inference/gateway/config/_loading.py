"""A gateway's configuration, from a file or from the environment alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ._access import is_loopback
from ._account import Account
from ._build import Options, build
from ._config import GatewayConfig
from ._files import gather
from ._findings import ConfigFileError, Finding, Findings, Place, hide, shown
from ._references import Environment, settle
from ._tree import Item, Unreadable

LOOPBACK: Final = "127.0.0.1"

_NOWHERE: Final = Place("", 0, 0)
_ALL_MODELS: Final = Item(
    {"models": Item({"*": Item("*", _NOWHERE, path="models.*")}, _NOWHERE, path="models")}, _NOWHERE
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    findings: tuple[Finding, ...]
    """All mistakes and warnings, file by file and line by line."""
    resolved: GatewayConfig | None
    """The configuration with everything looked up; `None` where there is a mistake."""
    files: tuple[Path, ...] = ()
    """Those that were read, or could not be."""


def check(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] | None = None,
    host: str = LOOPBACK,
    skip_foreign: bool = False,
    api_base: str | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> Report:
    """All that is wrong with a file, and the configuration if nothing is. Nothing is raised, and nothing sent.

    Args:
        path: The file; what it includes is found from there.
        environ: By default `os.environ`. It is read, and not changed.
        host: The address that the gateway is to listen on: without a key it may only be one of this machine.
        skip_foreign: Leave out models of other providers, with a warning, instead of refusing them.
        api_base: An address that takes the place of every W&B address in the file, for tests; else
            `WANDB_INFERENCE_GATEWAY_API_BASE`.
        cwd: Directory with W&B's local settings; by default the working directory.
        home: Directory with W&B's settings and netrc; by default the user's.
    """
    findings = Findings()
    try:
        root, files = gather(Path(path), os.fspath(path), findings)
    except Unreadable:
        return Report(findings.ordered(), None, (Path(path),))
    root, environment = settle(root, os.environ if environ is None else environ, findings)
    options = Options(host, skip_foreign=skip_foreign, api_base=api_base, cwd=cwd, home=home)
    resolved = build(root, environment, files, options, findings)
    return Report(findings.ordered(), resolved, files)


def load(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] | None = None,
    host: str = LOOPBACK,
    skip_foreign: bool = False,
    api_base: str | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> GatewayConfig:
    """The configuration in a file, ready for use; `.warnings` says what is not as its author may think.

    Args:
        path: The file; what it includes is found from there.
        environ: By default `os.environ`. It is read, and not changed.
        host: The address that the gateway is to listen on: without a key it may only be one of this machine.
        skip_foreign: Leave out models of other providers, with a warning, instead of refusing them.
        api_base: An address that takes the place of every W&B address in the file, for tests; else
            `WANDB_INFERENCE_GATEWAY_API_BASE`.
        cwd: Directory with W&B's local settings; by default the working directory.
        home: Directory with W&B's settings and netrc; by default the user's.

    Raises:
        ConfigFileError: The file can't be used; `.findings` has each mistake with its place.
    """
    report = check(path, environ=environ, host=host, skip_foreign=skip_foreign, api_base=api_base, cwd=cwd, home=home)
    return _resolved(report, shown(os.fspath(path)))


def from_environment(
    environ: Mapping[str, str] | None = None,
    *,
    host: str = LOOPBACK,
    api_base: str | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> GatewayConfig:
    """The configuration without a file: all models of the account in the environment, for this machine alone.

    Args:
        environ: By default `os.environ`.
        host: The address that the gateway is to listen on; one of this machine.
        api_base: An address that takes the place of W&B's, for tests.
        cwd: Directory with W&B's local settings; by default the working directory.
        home: Directory with W&B's settings and netrc; by default the user's.

    Raises:
        ConfigFileError: There is no key or no project, or the address is not one of this machine.
    """
    findings = Findings()
    environment = Environment(os.environ if environ is None else environ)
    if not is_loopback(host):
        findings.error(
            None,
            f"without a file the gateway serves this machine alone, and {shown(host)} can be reached from others",
            "write a file with a master_key, and name it by --config",
        )
    account = Account(environment, cwd=cwd, home=home, findings=findings).config
    for problem in account.problems if account else ():
        findings.warn(None, problem)
    if account and account.api_key is None:
        findings.error(None, "there is no API key", "set WANDB_API_KEY, or run `wandb login`")
    if account and account.project is None:
        findings.error(None, "there is no project", "set WANDB_PROJECT=team/project")
    resolved = None
    if not findings.failed:
        options = Options(host, api_base=api_base, cwd=cwd, home=home)
        resolved = build(_ALL_MODELS, environment, (), options, findings)
    return _resolved(Report(findings.ordered(), resolved), "the environment")


def _resolved(report: Report, name: str) -> GatewayConfig:
    if report.resolved is not None:
        return report.resolved
    mistakes = sum(finding.severity == "error" for finding in report.findings)
    count = f"{mistakes} mistakes" if mistakes > 1 else "a mistake"
    raise ConfigFileError(
        hide(f"{name} can't be used for the gateway: {count}"), findings=report.findings, files=report.files
    )
