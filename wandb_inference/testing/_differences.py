"""What differs between a request and a recorded one, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

from ._scrubbing import HIDDEN, PROJECT
from ._tape import Asked

FIELDS: Final = ("method", "scheme", "host", "port", "path", "query", "headers", "body")
"""What requests can be compared by."""

_SHOWN: Final = 60
"""Characters of a value that are shown."""


def differences(asked: Asked, recorded: Asked, match_on: Collection[str]) -> Iterator[str]:
    """What differs, one line each, in the order of `FIELDS`."""
    for field in FIELDS:
        if field in match_on:
            yield from _compared(_field(asked, field), _field(recorded, field), "" if field == "body" else field)


def _field(request: Asked, field: str) -> object:
    url = urlsplit(request.url)
    if field in ("method", "headers"):
        return getattr(request, field)
    if field == "body":
        return request.body if "body" in request.model_fields_set else request.text or request.base64
    if field == "query":
        # Names in any order, and values of the same name in theirs.
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return {name: values if values[1:] else values[0] for name, values in found.items()}
    return {"scheme": url.scheme, "host": url.hostname, "port": url.port, "path": url.path}[field]


def _compared(asked: object, recorded: object, path: str) -> Iterator[str]:
    both = (asked, recorded)
    if isinstance(asked, dict) and isinstance(recorded, dict):
        yield from _of_objects(cast("dict[str, object]", asked), cast("dict[str, object]", recorded), path)
    elif isinstance(asked, list) and isinstance(recorded, list):
        yield from _of_lists(cast("list[object]", asked), cast("list[object]", recorded), path)
    else:
        yield from _of_values(*both, path)


def _of_objects(asked: dict[str, object], recorded: dict[str, object], path: str) -> Iterator[str]:
    for name in {**asked, **recorded}:
        place = _place(path, name)
        if name not in recorded:
            yield f"{place}: {_shown(asked[name])} is not in the cassette"
        elif name not in asked:
            yield f"{place}: {_shown(recorded[name])} is in the cassette alone"
        else:
            yield from _compared(asked[name], recorded[name], place)


def _of_lists(asked: list[object], recorded: list[object], path: str) -> Iterator[str]:
    for number, (mine, theirs) in enumerate(zip(asked, recorded, strict=False)):
        yield from _compared(mine, theirs, f"{path}[{number}]")
    for number in range(len(recorded), len(asked)):
        yield f"{path}[{number}]: {_shown(asked[number])} is not in the cassette"
    for number in range(len(asked), len(recorded)):
        yield f"{path}[{number}]: {_shown(recorded[number])} is in the cassette alone"


def _of_values(asked: object, recorded: object, path: str) -> Iterator[str]:
    if not _is_same(asked, recorded):
        at = _first_difference(asked, recorded)
        yield f"{path or 'body'}: {_shown(asked, at)} is {_shown(recorded, at)} in the cassette"


_STAND_IN = re.compile(rf"(?<!\*){re.escape(HIDDEN)}(?!\*)")


def _is_same(asked: object, recorded: object) -> bool:
    if isinstance(asked, str) and isinstance(recorded, str):
        return asked == recorded or _stands_for(recorded, asked)
    # To Python, True is 1.
    return asked == recorded and isinstance(asked, bool) is isinstance(recorded, bool)


def _stands_for(recorded: str, asked: str) -> bool:
    """Whether a text is the recorded one but for what was taken out of that.

    A prompt that names the project is recorded without it; where it is played, the project is not known.
    """
    if HIDDEN not in recorded and PROJECT not in recorded:
        return False
    # A longer row of stars is one that somebody drew, and many of them would take for ever to match.
    parts = [re.escape(part).replace(re.escape(PROJECT), ".+?/.+?") for part in _STAND_IN.split(recorded)]
    return re.fullmatch(r"\S+?".join(parts), asked) is not None


def _place(path: str, name: str) -> str:
    if not name.replace("_", "a").replace("-", "a").isalnum():
        return f"{path}[{_shown(name)}]"
    return f"{path}.{name}" if path else name


def _first_difference(one: object, other: object) -> int:
    """Where two texts begin to differ; 0 for what is no text."""
    if not isinstance(one, str) or not isinstance(other, str):
        return 0
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _shown(value: object, at: int = 0) -> str:
    """The value as JSON, of a long one the part around a place."""
    if isinstance(value, str) and len(value) > _SHOWN:
        begins = max(0, min(at - _SHOWN // 3, len(value) - _SHOWN))
        part = value[begins : begins + _SHOWN]
        before, after = "..." if begins else "", "..." if begins + _SHOWN < len(value) else ""
        return f"{before}{json.dumps(part, ensure_ascii=False)}{after}"
    text = json.dumps(value, ensure_ascii=False)
    return text if isinstance(value, str) or len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
