"""Recordings as they stand in a file: JSON that a person can read, one event of a stream on a line."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Annotated, Any, Final, NamedTuple, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..exceptions import ConfigurationError
from ._json import dumps, parse
from ._layout import Rows, layout
from ._pieces import Piece

FORMAT: Final = "wandb_inference.cassette"
VERSION: Final = 1

_EVENT: Final = b"data: "
_END: Final = b"\n\n"


def _checked_base64(text: str) -> str:
    base64.b64decode(text, validate=True)
    return text


def _checked_row(row: list[Any]) -> list[Any]:
    if not row or not isinstance(row[0], (int, float)) or row[0] < 0:
        raise ValueError("a row begins with its seconds")
    for part in row[1:]:
        if isinstance(part, list):
            kind, data = cast("list[object]", part) if len(cast("list[object]", part)) == 2 else ("", "")
            if kind != "base64" or not isinstance(data, str):
                raise ValueError('a list in a row is ["base64", "..."]')
            _checked_base64(data)
        elif not isinstance(part, (str, dict)):
            raise ValueError("a part of a row is an object, a text or a list")
    return row


_Base64 = Annotated[str, AfterValidator(_checked_base64)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(_Form):
    """A request. Its body stands in one of the last three fields."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: Any = None
    """A JSON value."""
    text: str | None = None
    base64: _Base64 | None = None
    """What is no UTF-8."""
    hidden: list[str] = []
    """Where something was taken out: stand-ins there match whatever is asked; elsewhere they are texts like others."""


class Answered(_Form):
    """An answer. Its body stands in one of the last four fields, or nowhere if it is empty."""

    status: int
    seconds: float = Field(0.0, ge=0)
    """When its head had come, from when the request was sent; as are all times."""
    headers: dict[str, str] = {}
    ended: float = Field(0.0, ge=0)
    """When its body had come."""
    body: Any = None
    """A JSON value that was written without white space, as it is again when it is played."""
    text: str | None = None
    base64: _Base64 | None = None
    """What is no UTF-8."""
    events: list[Annotated[list[Any], AfterValidator(_checked_row)]] | None = None
    """A stream piece by piece: when it came, then what it held. An object is an event, `data: {...}` and an empty line;
    a text stands for itself, and `["base64", "..."]` for what is no UTF-8."""


class Broke(_Form):
    """How an exchange failed."""

    type: str
    """The name of httpx's error."""
    message: str
    seconds: float = Field(0.0, ge=0)
    cause: list[Any] | None = None
    """Of an error of the system: name of its class, number, text; of TLS."""


class Recording(_Form):
    """A request, and what came of it."""

    request: Asked
    response: Answered | None = None
    error: Broke | None = None
    left: bool = False
    """Whether whoever asked left before the end of the answer."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Recording:
        if self.response is None and self.error is None:
            raise ValueError("there is neither response nor error")
        return self


class _File(_Form):
    format: str
    version: int
    exchanges: list[Recording]


class Raw(NamedTuple):
    """A response as it came in."""

    status: int
    seconds: float
    headers: dict[str, str]
    pieces: list[Piece]
    ended: float


def asked(method: str, url: str, headers: dict[str, str], content: bytes) -> Asked:
    """A request as it is written down. What is JSON need not be written as it was: servers make no difference."""
    try:
        body: dict[str, Any] = {"body": parse(content)} if content else {}
    except ValueError:
        body = _plain(content)
    return Asked(method=method, url=url, **_some(headers), **body)


def answered(raw: Raw) -> Answered:
    """An answer as it is written down, so that it can be played byte for byte."""
    head: dict[str, Any] = {
        "status": raw.status,
        "seconds": _rounded(raw.seconds),
        **_some(raw.headers),
        "ended": _rounded(raw.ended),
    }
    if is_stream(raw.headers):
        return Answered(**head, events=[_row(piece) for piece in raw.pieces])
    data = b"".join(piece.data for piece in raw.pieces)
    return Answered(**head, **(_json(data) or _plain(data)))


def is_stream(headers: dict[str, str]) -> bool:
    """Whether an answer is a stream of events."""
    return headers.get("content-type", "").startswith("text/event-stream")


def pieces(answer: Answered) -> list[Piece]:
    """The body of an answer as it came."""
    if answer.events is not None:
        return [Piece(row[0], b"".join(map(_part, row[1:]))) for row in answer.events]
    if "body" in answer.model_fields_set:
        data = dumps(answer.body)
    elif answer.base64 is not None:
        data = base64.b64decode(answer.base64)
    else:
        data = _encoded(answer.text or "")
    return [Piece(answer.ended, data)] if data else []


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _some(headers: dict[str, str]) -> dict[str, Any]:
    return {"headers": headers} if headers else {}


def _json(data: bytes) -> dict[str, Any] | None:
    """The JSON value; `None` where it would not be written again as it was."""
    try:
        value = parse(data, parse_constant=_refuse)
        return {"body": value} if dumps(value) == data else None
    except ValueError:
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _plain(data: bytes) -> dict[str, Any]:
    if not data:
        return {}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _row(piece: Piece) -> list[Any]:
    parts: list[Any] = []
    text = b""
    *events, rest = piece.data.split(_END)
    for event in events:
        value = _json(event[len(_EVENT) :]) if event.startswith(_EVENT) else None
        if value is not None and isinstance(value["body"], dict):
            parts += [*_texts(text), value["body"]]
            text = b""
        else:
            text += event + _END
    return [_rounded(piece.seconds), *parts, *_texts(text + rest)]


def _texts(data: bytes) -> list[object]:
    form = _plain(data)
    return [["base64", form["base64"]] if "base64" in form else form["text"]] if form else []


def _part(part: str | list[str] | dict[str, object]) -> bytes:
    if isinstance(part, str):
        return _encoded(part)
    return base64.b64decode(part[1]) if isinstance(part, list) else _EVENT + dumps(part) + _END


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def rendered(recording: Recording) -> str:
    """A recording as it stands in a file."""
    data = recording.model_dump(exclude_unset=True)
    if recording.response is not None and recording.response.events:
        data["response"]["events"] = Rows(data["response"]["events"])
    return layout(data, 2)


def file_of(recordings: Iterable[str]) -> bytes:
    """A file of rendered recordings."""
    exchanges = ",\n  ".join(recordings)
    head = f'{{\n "format": "{FORMAT}",\n "version": {VERSION},\n "exchanges": [\n  '
    # Half a surrogate pair has no UTF-8; its backslash form happens to be JSON's own escape.
    return f"{head}{exchanges}\n ]\n}}\n".encode("utf-8", "backslashreplace")


def read(data: bytes, name: str) -> list[Recording]:
    """The recordings of a file.

    Args:
        data: What it holds.
        name: Its name, for the message of an error.

    Raises:
        ConfigurationError: It is not JSON, of a newer version, or no cassette.
    """
    try:
        document = parse(data.decode("utf-8-sig").encode())
    except ValueError as error:
        raise _refusal(name, f"it is not JSON ({error})", "Delete it to record it again.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:  # pyright: ignore[reportUnknownMemberType]
        hint = "Cassette writes such files, and reads no other library's: give another path, and record again."
        raise _refusal(name, "it is no cassette of this package", hint)
    version = cast("dict[str, object]", document).get("version")
    if version != VERSION:
        hint = "Update wandb-inference, or delete the file to record it again."
        raise _refusal(name, f"its version is {version!r}, and this package reads {VERSION}", hint)
    try:
        return _File.model_validate(document).exchanges
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
        raise _refusal(name, f"{where}: {problem['msg']}", "Delete it to record it again.") from None


def _refusal(name: str, reason: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"The cassette {name!r} can't be read: {reason}", hint=hint)
