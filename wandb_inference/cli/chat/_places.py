"""Where chat keeps what it remembers: what was typed, and the last conversation."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_NAME = "wandb-inference"


def state_directory(environ: Mapping[str, str], home: Path, *, windows: bool = sys.platform == "win32") -> Path:
    """The user's directory for what a program remembers: `$XDG_STATE_HOME`, else `~/.local/state`; `%LOCALAPPDATA%`."""
    if windows:
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / _NAME
    given = environ.get("XDG_STATE_HOME", "")
    # By the specification a relative path means nothing.
    return (Path(given) if given.startswith("/") else home / ".local" / "state") / _NAME


def known_directory() -> Path | None:
    """The directory, which need not be there; `None` where there is no home."""
    try:
        return state_directory(os.environ, Path.home())
    except RuntimeError:
        return None


def private_directory() -> Path | None:
    """The directory, made for its owner alone; `None` where it can't be."""
    directory = known_directory()
    try:
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # a home that is read-only
        return None
    return directory


def private_file(path: Path) -> Path | None:
    """The file, made if it is not there, and its owner's alone; `None` where it can't be written."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError:
        return None
    return path


def last_conversation(directory: Path) -> Path:
    """The file that `--continue` reads."""
    return directory / "last-conversation.json"


def history(directory: Path) -> Path:
    """The file with what was typed."""
    return directory / "history"
