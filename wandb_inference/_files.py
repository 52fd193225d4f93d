"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from stat import S_IMODE

PRIVATE = 0o600
"""Permissions of a new file: its owner's alone, as a conversation is."""


def replace_file(given: str | os.PathLike[str], data: bytes, *, permissions: int = PRIVATE) -> None:
    """Writes a file in one go, for whoever reads it and for a machine that fails.

    A file that is replaced passes its permissions on; a new one is its owner's alone, unless others are given, of which
    the process may mask some (umask). A link leads on to its file.

    Raises:
        OSError: The file can't be written. It names the path as it was given.
    """
    try:
        _write(Path(os.path.realpath(given)), data, permissions)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(given)) from None


def _write(path: Path, data: bytes, permissions: int) -> None:
    new = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with open(new, "xb", opener=partial(os.open, mode=permissions)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            new.chmod(S_IMODE(path.stat().st_mode))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
