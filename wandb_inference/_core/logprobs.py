"""Completions whose logprobs are built when they are read.

The probabilities of 32,000 tokens are 3 MB of JSON, ten times as much in objects, and most of the time it takes to read
an answer; many callers ask for them just in case. So they are cut out of a large body, checked to be JSON, which is
cheap, and kept as bytes. What is refused and what is read is the same as if all were read at once, and where a cut
leaves that in doubt, all is.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..types import ChatCompletion
from .deferred import defer
from .reading import read_model

_PIECE = 65_536
"""Bytes checked at a time. To check JSON is to build a tree; one that fits the processor's cache is built faster."""

_KEY = re.compile(rb'"logprobs"\s*:\s*(?=\{)')

_BETWEEN = re.compile(rb'(?:\}|probs"\s*:\s*\[)\s*\]\s*\}\s*(,)\s*\{\s*"\w')
"""From the end of one token's `top_logprobs`, its last field, to the next token. In text the quote would be escaped."""

_LIST = b'{"content":['

_MARK = 7_305_514_210_000_000
"""Numbers from here on stand where something was cut. JSON spells a whole number in one way, so none can be forged."""

_DECODER = json.JSONDecoder()


class _Cut(NamedTuple):
    start: int
    end: int


class _AnyObject(TypedDict):
    """A JSON object of which nothing is kept."""


@cache
def _object_adapter() -> TypeAdapter[tuple[tuple[tuple[_AnyObject]]]]:
    return TypeAdapter(tuple[tuple[tuple[_AnyObject]]])


def read_completion(data: bytes) -> ChatCompletion:
    """The completion in a large body, as `read_model` reads it; the logprobs wait until they are looked at.

    Raises:
        UnreadableError: It is no JSON, or what it lacks can't be left out.
    """
    cuts = _cuts(data)
    completion = _without(cuts, data) if cuts else None
    return completion or read_model(ChatCompletion, data)


def _cuts(data: bytes) -> list[_Cut]:
    """The places of what may be the choices' logprobs, each a JSON object; empty where to tell them takes too long."""
    cuts: list[_Cut] = []
    place = 0
    # `find` comes first because a search for the expression takes longer.
    while (place := data.find(b'"logprobs"', place)) >= 0:
        key = _KEY.match(data, place)
        place += 1
        if key is None:
            continue  # it is null, or a token
        end = _end_of_object(data, key.end())
        # To cut costs as much as to read a piece, so it does not pay for many small objects.
        if end is None or len(cuts) > len(data) // _PIECE:
            return []
        cuts.append(_Cut(key.end(), end))
        place = end
    return cuts


def _end_of_object(data: bytes, start: int) -> int | None:
    """Where the JSON object that begins at `start` ends; `None` where it is none, or is not as servers write logprobs.

    A piece that a list's end makes an object leaves that list open; if the next pieces continue it, each on its own,
    and the last one ends it, all of them together are an object too.
    """
    before, here = b"", start
    for size in (_PIECE, _PIECE // 8, _PIECE // 64):
        while between := _BETWEEN.search(data, here + size, here + 2 * size):
            comma = between.start(1)
            if not _is_object(before + data[here:comma] + b"]}"):
                break  # the object ends before: only a smaller piece has room
            before, here = _LIST, comma + 1
    rest = before + data[here : here + 2 * _PIECE]
    try:
        _, size = _DECODER.raw_decode(rest.decode("latin-1"))  # a character for each byte, so that places are the same
    except (ValueError, RecursionError):
        return None
    return here + size - len(before) if _is_object(rest[:size]) else None


def _is_object(data: bytes) -> bool:
    try:
        # At the depth of a choice's fields, because depth is limited, and in tuples, which hold one value and no more.
        _object_adapter().validate_json(b"[[[" + data + b"]]]")
    except ValidationError:
        return False
    return True


def _without(cuts: list[_Cut], data: bytes) -> ChatCompletion | None:
    """The completion with deferred logprobs; `None` where a cut is no choice's logprobs, or the rest does not fit."""
    parts: list[bytes] = []
    place = 0
    for mark, cut in enumerate(cuts, _MARK):
        parts += data[place : cut.start], b'{"cut":%d}' % mark
        place = cut.end
    body = b"".join((*parts, data[place:]))
    if body.count(b"%d" % (_MARK // 1_000_000)) != len(cuts):
        return None
    try:
        completion = ChatCompletion.model_validate_json(body)
    except ValidationError:
        return None
    left = dict(enumerate(cuts, _MARK))
    for choice in completion.choices:
        extra = choice.logprobs.__pydantic_extra__ if choice.logprobs else None
        number: object = extra.get("cut") if extra else None
        if isinstance(number, int) and number in left:
            start, end = left.pop(number)
            vars(choice)["logprobs"] = defer(data[start:end])
    return None if left else completion
