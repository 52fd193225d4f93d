"""What W&B's own tools left on this machine: netrc and the W&B settings files.

Places, their order and the names in them are those of `wandb` 0.31.0 (`sdk/lib/wbauth`, `sdk/lib/settings_file.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

# `wandb login` writes the first since 0.31, and wrote the second before.
_CLOUD_MACHINES: Final = ("api.forge.coreweave.com", "api.wandb.ai")
_CLOUD_HOSTS: Final = frozenset({*_CLOUD_MACHINES, "forge.coreweave.com", "wandb.ai", "www.wandb.ai"})

T = TypeVar("T")


class Found(NamedTuple):
    """A setting's value, and where it stood."""

    value: str
    """Never empty, no white space around it."""
    source: str
    """For a person to read: `netrc ~/.netrc (api.wandb.ai)`."""


class _Place(NamedTuple):
    path: Path
    shown: str
    named: bool = False
    """Whether an environment variable names it, so that its absence is worth a word."""


class _SettingsFile(NamedTuple):
    source: str
    values: Mapping[str, str]


class CredentialFiles:
    """The files that may hold a key or a project: each read when first needed, and at most once.

    Args:
        environ: Looked at for `NETRC`, `WANDB_BASE_URL` and `WANDB_CONFIG_DIR`.
        cwd: Directory with the local settings; by default the working directory.
        home: Directory that `~` stands for; by default the user's.
    """

    unreadable: list[str]
    """Files that are there and can't be read, and why. No text in it comes from inside a file."""
    unused: list[str]
    """Files and values that were passed over for another reason, and why."""

    def __init__(self, environ: Mapping[str, str], *, cwd: Path | None = None, home: Path | None = None) -> None:
        self.unreadable = []
        self.unused = []
        self._netrc_variable = environ.get("NETRC")
        self._config_dir = environ.get("WANDB_CONFIG_DIR")
        self._base_url = environ.get("WANDB_BASE_URL")
        self._cwd = Path() if cwd is None else cwd
        self._given_home = home

    def netrc_key(self) -> Found | None:
        """The password of a W&B machine in `$NETRC`, `~/.netrc` or `~/_netrc`; never that of netrc's `default`."""
        for place in self._netrc_places():
            hosts = self._read(place, _parse_netrc) or {}
            for machine in self._machines():
                # Python 3.10 leaves the quotes around a word.
                if machine in hosts and (password := (hosts[machine][2] or "").strip('"')):
                    return Found(password, f"netrc {place.shown} ({machine})")
        return None

    def settings_key(self) -> Found | None:
        """The `api_key` of a settings file, unless it is for a private W&B server other than `WANDB_BASE_URL`."""
        merged = self.setting("base_url")
        for file in self._settings:
            if "api_key" not in file.values:
                continue
            # A file's own base_url says whose its key is; without one, the URL that wandb would use with it.
            base_url = file.values.get("base_url") or (merged and merged.value)
            host = base_url and _host(base_url)
            if base_url is None or host in _CLOUD_HOSTS or (host and host == _host(self._base_url or "")):
                return Found(file.values["api_key"], file.source)
            self.unused.append(f"the api_key in {file.source} was passed over (it is for {host or 'another server'})")
        return None

    def setting(self, name: str) -> Found | None:
        """The value of a name in the settings files: the local file's, else the global one's."""
        for file in self._settings:
            if name in file.values:
                return Found(file.values[name], file.source)
        return None

    def _netrc_places(self) -> Iterator[_Place]:
        if self._netrc_variable:
            yield _Place(self._expand(self._netrc_variable), self._netrc_variable, named=True)
        if self._home:
            yield _Place(self._home / ".netrc", "~/.netrc")
            yield _Place(self._home / "_netrc", "~/_netrc")

    def _machines(self) -> list[str]:
        url = self._base_url or ""
        # wandb writes the host with its port, other writers of netrc without.
        own = [_netloc(url), _host(url)]
        return [machine for machine in (*own, *_CLOUD_MACHINES) if machine and machine != "default"]

    @cached_property
    def _settings(self) -> list[_SettingsFile]:
        folder = ".wandb" if os.path.isdir(self._cwd / ".wandb") else "wandb"
        places = [_Place(self._cwd / folder / "settings", f"./{folder}/settings")]
        if self._config_dir:
            places.append(_Place(self._expand(self._config_dir) / "settings", f"{self._config_dir}/settings"))
        elif self._home:
            places.append(_Place(self._home / ".config" / "wandb" / "settings", "~/.config/wandb/settings"))
        return [_SettingsFile(f"settings {place.shown}", self._read(place, _parse_settings) or {}) for place in places]

    def _read(self, place: _Place, parse: Callable[[Path], T]) -> T | None:
        # Nothing of the parsers' own messages is passed on: they quote the file, and that may be a part of the key.
        try:
            return parse(place.path)
        except (FileNotFoundError, NotADirectoryError):
            if place.named:
                self.unused.append(f"{place.shown} was passed over (there is no such file)")
            return None
        except _MisshapenError as error:
            why = str(error)
        except UnicodeDecodeError:
            why = "not UTF-8 text"
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
        self.unreadable.append(f"{place.shown} was passed over ({why})")
        return None

    @cached_property
    def _home(self) -> Path | None:
        if self._given_home is not None:
            return self._given_home
        try:
            return Path.home()
        except RuntimeError:  # a container's user whom no passwd entry knows
            return None

    def _expand(self, path: str) -> Path:
        if path.startswith("~/") and self._home:
            return self._home / path[2:]
        return Path(path)


class _MisshapenError(Exception):
    """A file of another form than its name says; with the form, and nothing of the file."""


def _parse_netrc(path: Path) -> dict[str, tuple[str, str | None, str | None]]:
    """The entries by their machines."""
    import netrc  # who gives key and project does without

    try:
        return netrc.netrc(str(path)).hosts
    except netrc.NetrcParseError:
        raise _MisshapenError("not in the format of netrc") from None


def _parse_settings(path: Path) -> dict[str, str]:
    """The non-empty values of the section that wandb writes."""
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except configparser.Error:
        raise _MisshapenError("not an INI file") from None
    if not parser.has_section("default"):
        return {}
    return {name: value.strip() for name, value in parser.items("default") if value.strip()}


def _netloc(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _host(url: str) -> str | None:
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname
    except ValueError:
        return None
