"""What differs between a request and a recorded one, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

from ._scrubbing import HIDDEN, PROJECT
from ._tape import Asked

FIELDS: Final = ("method", "scheme", "host", "port", "path", "query", "headers", "body")
"""What requests can be compared by."""

_SHOWN: Final = 60
"""Characters of a value that are shown."""


class _Difference(NamedTuple):
    """Where two requests differ, and what stands there."""

    path: str
    asked: object
    recorded: object


_ABSENT: Final = object()
"""What stands where there is nothing."""


def is_match(asked: Asked, recorded: Asked, match_on: Collection[str]) -> bool:
    """Whether nothing differs. It stops at the first difference, and makes no words of it."""
    return next(_found(asked, recorded, match_on), None) is None


def differences(asked: Asked, recorded: Asked, match_on: Collection[str]) -> Iterator[str]:
    """What differs, one line each, in the order of `FIELDS`."""
    return map(_told, _found(asked, recorded, match_on))


def changed(before: Asked, after: Asked) -> list[str]:
    """The places of the values that are not as they were."""
    found = _found(after, before, FIELDS)
    # Headers that are hidden whole are so in every request.
    whole = [name for name, value in after.headers.items() if value in (HIDDEN, PROJECT)]
    passed_over = {_place("headers", name) for name in whole}
    places = [each.path or "body" for each in found if _ABSENT not in each]
    return [place for place in places if place not in passed_over]


def _found(asked: Asked, recorded: Asked, match_on: Collection[str]) -> Iterator[_Difference]:
    for field in FIELDS:
        if field in match_on:
            for each in _compared(_field(asked, field), _field(recorded, field), "" if field == "body" else field):
                if (each.path or "body") not in recorded.hidden or not _stands_for(each.recorded, each.asked):
                    yield each


def _told(difference: _Difference) -> str:
    path, asked, recorded = difference
    if recorded is _ABSENT:
        return f"{path}: {_shown(asked)} is not in the cassette"
    if asked is _ABSENT:
        return f"{path}: {_shown(recorded)} is in the cassette alone"
    at = _first_difference(asked, recorded)
    return f"{path or 'body'}: {_shown(asked, at)} is {_shown(recorded, at)} in the cassette"


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


def _compared(asked: object, recorded: object, path: str) -> Iterator[_Difference]:
    if isinstance(asked, dict) and isinstance(recorded, dict):
        yield from _of_objects(cast("dict[str, object]", asked), cast("dict[str, object]", recorded), path)
    elif isinstance(asked, list) and isinstance(recorded, list):
        yield from _of_lists(cast("list[object]", asked), cast("list[object]", recorded), path)
    elif asked != recorded or isinstance(asked, bool) is not isinstance(recorded, bool):  # to Python, True is 1
        yield _Difference(path, asked, recorded)


def _of_objects(asked: dict[str, object], recorded: dict[str, object], path: str) -> Iterator[_Difference]:
    for name in {**asked, **recorded}:
        place = _place(path, name)
        if name in asked and name in recorded:
            yield from _compared(asked[name], recorded[name], place)
        else:
            yield _Difference(place, asked.get(name, _ABSENT), recorded.get(name, _ABSENT))


def _of_lists(asked: list[object], recorded: list[object], path: str) -> Iterator[_Difference]:
    for number, (mine, theirs) in enumerate(zip_longest(asked, recorded, fillvalue=_ABSENT)):
        place = f"{path}[{number}]"
        if mine is _ABSENT or theirs is _ABSENT:
            yield _Difference(place, mine, theirs)
        else:
            yield from _compared(mine, theirs, place)


_STAND_IN = re.compile(rf"(?<!\*){re.escape(HIDDEN)}(?!\*)")


def _stands_for(recorded: object, asked: object) -> bool:
    """Whether a text is the recorded one but for what was taken out of that.

    A prompt that names the project is recorded without it; where it is played, the project is not known.
    """
    if not isinstance(recorded, str) or not isinstance(asked, str):
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
