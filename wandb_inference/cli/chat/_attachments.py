"""What goes with a prompt: files, pictures, and what comes through a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..._core.pictures import HEAD, PictureError, kind_of
from ..._images import image
from ...exceptions import InvalidRequestError, RequestProblem
from .._paths import typed_path

STDIN = "-"
"""The path that stands for the standard input."""


class Attachment(NamedTuple):
    """A file."""

    name: str
    """What the model is told that it is called; empty for what came through a pipe."""
    data: bytes


def read_file(path: str) -> Attachment:
    """The file at a path.

    Raises:
        InvalidRequestError: There can't be a file at it.
        OSError: It can't be read.
    """
    return Attachment(Path(path).name, typed_path(path).read_bytes())


def joined(prompt: str, attachments: Sequence[Attachment]) -> str | list[Any]:
    """One message of a prompt and what goes with it: text, or content parts where there are pictures.

    Text from a pipe follows after an empty line; a file's stands between two lines with its name.

    Raises:
        InvalidRequestError: There is nothing at all, or a file is neither text in UTF-8 nor a picture.
    """
    texts = [prompt] if prompt.strip() else []
    pictures: list[Any] = []
    for attachment in attachments:
        if is_picture(attachment.data):
            pictures.append(image(attachment.data))
        elif text := _text(attachment).strip("\n"):
            texts.append(f'<file name="{attachment.name}">\n{text}\n</file>' if attachment.name else text)
    text = "\n\n".join(texts)
    if not pictures:
        if not text.strip():
            raise InvalidRequestError("There is nothing to say", hint="Give a prompt, a file, or text through a pipe.")
        return text
    return [*([{"type": "text", "text": text}] if text else []), *pictures]


def is_picture(data: bytes) -> bool:
    """Whether a file is a picture that models take."""
    try:
        kind_of(data[:HEAD])
    except PictureError:
        return False
    return True


def _text(attachment: Attachment) -> str:
    try:
        if b"\0" in attachment.data:
            raise UnicodeError
        return attachment.data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeError:
        name = attachment.name or "the standard input"
        raise InvalidRequestError(
            f"{name} is neither text in UTF-8 nor a PNG, JPEG, GIF or WebP picture",
            hint="Convert it first.",
            errors=[RequestProblem("file", name, "text in UTF-8, or a picture")],
        ) from None
