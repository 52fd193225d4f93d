"""What a cassette can be told, each with the message for what makes no sense."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final, Literal, cast

from ..exceptions import ConfigurationError
from ._differences import FIELDS

Mode = Literal["auto", "replay", "record"]

MODES: Final[tuple[Mode, ...]] = ("auto", "replay", "record")

MATCH_ON: Final = ("method", "path", "query", "body")
"""What requests are compared by, unless told otherwise: not by host, since a recording is good for any."""

# What vcrpy calls modes and fields.
MODES_OF_VCRPY: Final = {"none": "replay", "once": "auto", "new_episodes": "auto", "all": "record", "rewrite": "record"}
_FIELDS_OF_VCRPY: Final = {"uri": "scheme, host, port, path and query", "raw_body": "body"}


def checked_path(path: object) -> str:
    """The path as a text.

    Raises:
        ConfigurationError: It is none.
    """
    given = os.fspath(cast("os.PathLike[str]", path)) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(cast("object", given), str) or not given:
        raise ConfigurationError(f"path is {path!r}", hint='Give the path of a file: Cassette("cassettes/hello.json").')
    if "\0" in given:
        raise ConfigurationError(f"path is {path!r}", hint="A path has no character of code 0.")
    return os.path.expanduser(given)


def checked_mode(mode: object) -> Mode:
    """The mode.

    Raises:
        ConfigurationError: There is none of this name.
    """
    if mode in MODES:
        return mode
    meant = MODES_OF_VCRPY.get(mode) if isinstance(mode, str) else None
    if meant:
        raise ConfigurationError(f'mode is "{mode}", as vcrpy calls it', hint=f'Write mode="{meant}".')
    hint = "auto plays what is there and records the rest, replay plays alone, record records all of it anew."
    raise ConfigurationError(f"mode is {mode!r}", hint=hint)


def checked_speed(speed: object) -> float:
    """How many times the original speed.

    Raises:
        ConfigurationError: No number from 0 up.
    """
    if isinstance(speed, bool) or not isinstance(speed, (int, float)) or not 0 <= speed < math.inf:
        hint = "It is how many times the original speed, 1 being that; 0 is as fast as it goes."
        raise ConfigurationError(f"speed is {speed!r}", hint=hint)
    return float(speed)


def checked_fields(match_on: object) -> tuple[str, ...]:
    """What requests are compared by.

    Raises:
        ConfigurationError: Not names of fields, or none.
    """
    fields = checked_names("match_on", match_on)
    for field in fields:
        if field not in FIELDS:
            meant = _FIELDS_OF_VCRPY.get(field) or "".join(get_close_matches(field, FIELDS, n=1))
            hint = f"Did you mean {meant}?" if meant else f"There are {', '.join(FIELDS)}."
            raise ConfigurationError(f'match_on names "{field}", which there is not', hint=hint)
    if not fields:
        raise ConfigurationError("match_on is empty", hint=f"There are {', '.join(FIELDS)}.")
    return fields


def checked_names(name: str, value: object) -> tuple[str, ...]:
    """Names.

    Raises:
        ConfigurationError: No iterable of texts.
    """
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        names = tuple(cast("Iterable[object]", value))
        if all(isinstance(item, str) for item in names):
            return cast("tuple[str, ...]", names)
    hint = f'Give a list of names: {name}=["{value}"].' if isinstance(value, str) else "Give a list of names."
    raise ConfigurationError(f"{name} is {value!r}", hint=hint)


def checked_filter(filter: object) -> Callable[[str], str] | None:
    """What takes out of texts what is to stay out of the file.

    Raises:
        ConfigurationError: Not to be called.
    """
    if filter is not None and not callable(filter):
        hint = 'Give a function from text to text: filter=lambda text: text.replace("Ms. Hill", "NAME").'
        raise ConfigurationError(f"filter is {filter!r}", hint=hint)
    return cast("Callable[[str], str] | None", filter)


def check_transport(transport: object) -> None:
    """Return if it is a transport of httpx, of one kind or of both.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(transport, type) or not (
        hasattr(transport, "handle_request") or hasattr(transport, "handle_async_request")
    ):
        kind = (
            f"the class {transport.__name__}" if isinstance(transport, type) else f"of type {type(transport).__name__}"
        )
        hint = "Give a transport of httpx, such as httpx.HTTPTransport() or emulator.transport()."
        raise ConfigurationError(f"transport is {kind}", hint=hint)
