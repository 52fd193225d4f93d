"""Pictures as content parts."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

from typing_extensions import Self

from ._checks import quoted, shown_url, without_data
from ._core.pictures import HEAD, PictureError, kind_of, read_picture
from .exceptions import InvalidRequestError, RequestProblem

if TYPE_CHECKING:
    from PIL import Image

    from .types.parts import ImagePartParam, ImageURLParam

LONGEST_EDGE: Final = 1600
"""Pixels. The service's answer to `ext_proc failed`, with which its gateway fails for pictures that are too large; the
limit itself, in bytes, isn't published."""

QUALITY: Final = 90
"""Of JPEG and WebP that were shrunk, 0 to 100."""

_EXPECTED: Final = "a PNG, JPEG, GIF or WebP picture"
_SOURCES: Final = "a path, a URL, bytes, a file opened for reading bytes, or a Pillow image"

# What PNG, JPEG, GIF and WebP begin with when they are in base64.
_BASE64: Final = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR")

# Modes of Pillow's that can be scaled as they are; the others, palettes above all, become RGB first.
_SCALABLE: Final = ("L", "LA", "RGB", "RGBA", "CMYK", "I", "I;16", "I;16B")
_WRITABLE: Final = {
    "png": ("L", "LA", "RGB", "RGBA", "I;16", "I;16B"),
    "jpeg": ("L", "RGB"),
    "webp": ("RGB", "RGBA"),
}
_BY_FORMAT: Final = {"JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp"}


class Readable(Protocol):
    """A file opened for reading bytes."""

    def read(self) -> bytes:
        """All that is left in it."""
        ...


class PillowImage(Protocol):
    """An image of Pillow's."""

    @property
    def mode(self) -> str:
        """Kind of its pixels."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        ...

    def getexif(self) -> Any:
        """What the camera wrote down."""
        ...


Source: TypeAlias = "str | bytes | bytearray | memoryview | os.PathLike[str] | Readable | PillowImage"


class DataURL(str):
    """A `data:` URL, whose `repr` leaves out the data."""

    __slots__ = ()

    def __repr__(self) -> str:
        return without_data(super().__repr__())

    def __deepcopy__(self, memo: object) -> Self:
        return self  # as a plain str: what may be megabytes is not copied


def image(
    source: Source,
    *,
    detail: Literal["auto", "low", "high"] | None = None,
    longest_edge: int | None = LONGEST_EDGE,
) -> ImagePartParam:
    """A content part with a picture: PNG, JPEG, GIF or WebP.

    An `http(s):` URL goes as it is, for the server to fetch. All else is read here and sent along, byte for byte where
    it is within the limit. Beyond the limit it is shrunk by Pillow (extra `images`): upright, without the camera's
    notes, a PNG as PNG, a JPEG or WebP as the same at quality 90, a GIF as PNG, and of what moves the first frame. A
    Pillow image is written as what it was opened from, else as PNG, and is not changed. Reading blocks: in async code
    use `await asyncio.to_thread(image, path)`.

    Args:
        source: A path, an `http:`, `https:` or `data:` URL, bytes, a file opened for reading bytes, or a Pillow image.
        detail: How closely the model is to look; not every server heeds it.
        longest_edge: Pixels that neither width nor height may pass, at least 1; `None` for no limit. The default is the
            service's, 1600.

    Raises:
        InvalidRequestError: It can't be read, is no such picture, is cut short or damaged, or is too large and Pillow
            is not there. The error names it.
    """
    if detail is not None and detail not in ("auto", "low", "high"):
        raise _wrong("detail", f"detail is {_short(detail)}", "auto, low or high")
    if longest_edge is not None and (type(longest_edge) is not int or longest_edge < 1):
        raise _wrong("longest_edge", f"longest_edge is {_short(longest_edge)}", "a whole number from 1 up, or None")
    url = _url(source)
    if url is None:
        kind, data = _picture(source, longest_edge)
        url = DataURL(f"data:image/{kind};base64,{b64encode(data).decode()}")
    place: ImageURLParam = {"url": url}
    if detail is not None:
        place["detail"] = detail
    return {"type": "image_url", "image_url": place}


def _url(source: object) -> str | None:
    """The address where the server is to fetch the picture; `None` where it is to be read here."""
    if not isinstance(source, str):
        return None
    text = source.strip()
    scheme, colon, rest = text.partition("://")
    if not colon or text[:5].lower() == "data:" or not re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return None
    name = quoted(shown_url(text))
    if scheme.lower() not in ("http", "https"):
        hint = "Give the path alone." if scheme.lower() == "file" else "Fetch it, and give its bytes."
        raise _wrong("image", f"the image's address {name} is none that a server fetches", "http or https", hint)
    if not re.match("[^/?#]", rest):
        raise _wrong("image", f"the image's address {name} has no host", "https://host/path")
    return text


def _picture(source: object, edge: int | None) -> tuple[str, bytes]:
    """Kind and bytes of a picture that is to be sent along."""
    if hasattr(source, "getexif") and hasattr(source, "mode"):
        if cast("PillowImage", source).mode == "F":
            hint = 'Scale its values to 0 to 255, and convert it: image(picture.convert("L")), or "RGB" for colours.'
            raise _wrong(
                "image", "the image is of mode F: fractions, which no picture format here holds", _EXPECTED, hint
            )
        return _written(cast("Image.Image", source).copy, str(getattr(source, "format", None)), edge, "the image")
    name, data = _read(source)
    try:
        kind, width, height = read_picture(data)
    except PictureError as error:
        raise _refused(name, str(error)) from None
    if edge is None or max(width, height) <= edge:
        return kind, data
    try:
        from PIL import Image
    except ImportError:
        raise _wrong(
            "image",
            f"{name} has {width} x {height} pixels, and the longest edge may have {edge}",
            f"at most {edge} pixels",
            "To have it shrunk here: pip install 'wandb-inference[images]'. longest_edge=None sends it as it is.",
        ) from None
    return _written(lambda: Image.open(BytesIO(data)), kind.upper(), edge, name)


def _read(source: object) -> tuple[str, bytes]:
    """What to call the picture, and its bytes."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(cast("bytes", source))
        return f"the image of {len(data):,} bytes", data
    if isinstance(source, str) and source.strip()[:5].lower() == "data:":
        return "the image's data URL", _decoded(source.strip())
    if isinstance(source, (str, os.PathLike)):
        return _from_path(cast("str | os.PathLike[str]", source))
    read = getattr(source, "read", None)
    if callable(read):
        return _from_file(source, read())
    kind = type(source).__name__
    raise _wrong("image", f"the image is of type {kind}", _SOURCES)


def _decoded(url: str) -> bytes:
    head, _, text = url.partition(",")
    if not head.lower().endswith(";base64"):
        raise _wrong("image", "the image's data URL is not in base64", "data:image/png;base64,...")
    try:
        return b64decode("".join(text.split()), validate=True)
    except ValueError:  # what stands there is not for an error to show
        raise _refused("the image's data URL", "holds what is no base64") from None


def _from_path(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    text = os.fsdecode(path)
    data = text.startswith(_BASE64)  # which no error shows, and a path may begin so, too
    name = f"the image, a text of {len(text):,} characters," if data or len(text) > 200 else f"the image {quoted(text)}"
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            kind_of(head)  # before all of a file is read that may be as large as a film
            return name, head + file.read()
    except PictureError as error:
        raise _refused(name, str(error)) from None
    except (OSError, ValueError) as error:
        if not data and not isinstance(error, FileNotFoundError):
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise _refused(name, f"can't be read: {reason.lower()}") from None
        hint = f"Relative paths begin at {str(Path.cwd())!r}; a URL begins with https://."
        if data:
            hint = "It looks like base64: decode it first, image(base64.b64decode(text))."
        elif text.startswith("~"):
            hint = "Write the home directory out: Path(...).expanduser()."
        raise _wrong("image", f"{name} is no file", "the path of a file", hint) from None


def _from_file(file: object, data: object) -> tuple[str, bytes]:
    given = getattr(file, "name", None)
    name = f"the image {quoted(given)}" if isinstance(given, str) else "the image's file"
    if not isinstance(data, bytes):
        close = getattr(data, "close", None)
        if callable(close):
            close()  # else Python warns that a coroutine was never awaited
            raise _wrong("image", f"{name} is an async file", _SOURCES, "Give what it reads: image(await file.read()).")
        raise _wrong("image", f"{name} gives {type(data).__name__}, not bytes", _SOURCES, "Open it with mode 'rb'.")
    if not data:
        raise _wrong("image", f"{name} is empty, or was read to its end", _EXPECTED, "Go back by file.seek(0).")
    return name, data


def _written(opened: Callable[[], Image.Image], kind: str, edge: int | None, name: str) -> tuple[str, bytes]:
    """Kind and bytes of what Pillow makes of a picture, upright and within the limit.

    Args:
        opened: Gives an image of Pillow's that may be changed.
        kind: What Pillow calls the format it came in.
        edge: Pixels of the longest edge, or `None`.
        name: What to call it in an error.
    """
    from PIL import Image, ImageOps

    wanted = _BY_FORMAT.get(kind, "png")
    buffer = BytesIO()
    try:
        picture = opened()
        if picture.mode == "La":
            picture = picture.convert("LA")  # the only mode that Pillow makes of it
        profile = picture.info.get("icc_profile") if picture.mode != "CMYK" else None
        if _is_clear(picture) and wanted == "jpeg":
            wanted = "png"  # a JPEG can't be seen through
        if picture.mode not in _SCALABLE or "transparency" in picture.info:
            picture = _plain(picture)
        if edge is not None:
            # Before anything else: a JPEG is then decoded at an eighth, a quarter or half of its size.
            picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        upright = ImageOps.exif_transpose(picture)
        if upright.mode not in _WRITABLE[wanted]:
            # A PNG has 16 bits at most: larger numbers become the largest.
            upright = upright.convert("I;16") if upright.mode == "I" else _plain(upright)
        upright.save(buffer, wanted, quality=QUALITY, icc_profile=profile)
    except Exception as error:  # each of its decoders has errors of its own, and a bomb another
        raise _refused(name, f"fails in Pillow: {without_data(str(error))}") from error
    return wanted, buffer.getvalue()


def _plain(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA" if _is_clear(picture) else "RGB")


def _is_clear(picture: Image.Image) -> bool:
    """Whether parts of it may be seen through."""
    return picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info


def _refused(name: str, problem: str) -> InvalidRequestError:
    hint = None
    if re.fullmatch("is an? .+ picture", problem):
        hint = "Open it with Pillow, and give its image: image(Image.open(...))."
    return _wrong("image", f"{name} {problem}", _EXPECTED, hint)


def _wrong(path: str, what: str, expected: str, hint: str | None = None) -> InvalidRequestError:
    said = f"Expected {expected}." if hint is None else f"Expected {expected}. {hint}"
    return InvalidRequestError(what, hint=said, errors=[RequestProblem(path, what, expected)])


def _short(value: object) -> str:
    text = without_data(repr(value))
    return text if len(text) <= 60 else f"{text[:60]}..."
