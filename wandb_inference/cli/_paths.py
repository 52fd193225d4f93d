"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path

from ..exceptions import InvalidRequestError


def typed_path(text: str) -> Path:
    """The path that is meant: `~` is the home directory, and `~name` that of a user, where there is one.

    Raises:
        InvalidRequestError: There is a NUL in it, which no path can hold.
    """
    if "\0" in text:
        raise InvalidRequestError(f"{text!r} is no path: it has a NUL character in it")
    # `Path.expanduser` raises where there is no such user; a file may well be called `~name`.
    return Path(os.path.expanduser(text))


def is_file(text: str) -> bool:
    """Whether there is a file at a path; a text that is too long to be one, or has a NUL in it, is none."""
    return os.path.isfile(os.path.expanduser(text))
