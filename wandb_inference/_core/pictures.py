"""What a picture's bytes say without being decoded: its kind, its size, and whether they are all there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import error as TooShort
from struct import unpack_from
from typing import Final, Literal, NamedTuple, TypeAlias
from zlib import crc32

Kind: TypeAlias = Literal["png", "jpeg", "gif", "webp"]

HEAD: Final = 32
"""Bytes that tell the kind."""

_KINDS: Final[Mapping[bytes, Kind]] = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
}
_OTHERS: Final = {
    b"%PDF": "a PDF",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"\0\0\1\0": "an icon",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"PK\3\4": "a ZIP archive or an Office document",
    b"{": "JSON",
}
_BRANDS: Final = {b"heic": "a HEIC picture", b"heix": "a HEIC picture", b"mif1": "a HEIC picture"} | dict.fromkeys(
    (b"avif", b"avis"), "an AVIF picture"
)


class PictureError(Exception):
    """Bytes that are no picture the service takes; the message goes behind their name: `is a PDF`."""


class Picture(NamedTuple):
    """What the bytes say of themselves."""

    kind: Kind
    width: int
    """Pixels, before the picture is turned upright."""
    height: int
    """Pixels, before the picture is turned upright."""


def kind_of(head: bytes) -> Kind:
    """The kind of the picture that begins so.

    Args:
        head: The first 32 bytes, or all where there are fewer.

    Raises:
        PictureError: Another kind, or no picture.
    """
    for start, kind in _KINDS.items():
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if not head:
        raise PictureError("is empty")
    raise PictureError(f"is {_other(head)}")


def _other(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video, or sound")
    for start, name in _OTHERS.items():
        if head.startswith(start):
            return name
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "an SVG drawing, or other XML"
    return "a page of HTML" if text.startswith((b"<!doctype html", b"<html")) else "no picture"


def read_picture(data: bytes) -> Picture:
    """The picture's kind and size.

    Raises:
        PictureError: Another kind, or no picture, or one that is cut short or damaged as far as its frame tells.
    """
    kind = kind_of(data[:HEAD])
    try:
        width, height = _READERS[kind](data)
    except (TooShort, IndexError):
        raise PictureError("is cut short") from None
    if not (width and height):
        raise _damaged("its size is 0")
    return Picture(kind, width, height)


def _damaged(why: str) -> PictureError:
    return PictureError(f"is damaged: {why}")


def _png(data: bytes) -> tuple[int, int]:
    # PNG specification (third edition), 5.3 and 11.2: chunks of length, type, data and checksum, from IHDR to IEND.
    view = memoryview(data)
    width, height = unpack_from(">II", data, 16)
    at, drawn, kind = 8, False, b""
    while kind != b"IEND":
        length, kind = unpack_from(">I4s", data, at)
        end = at + 8 + length
        (checksum,) = unpack_from(">I", data, end)
        if at == 8 and kind != b"IHDR":
            raise _damaged("it does not begin with its header")
        # Chunks in lower case may be skipped; what is wrong in them is not seen.
        if kind[:1].isupper() and crc32(view[at + 4 : end]) != checksum:
            raise _damaged(f"a checksum is wrong at byte {at}")
        drawn = drawn or kind == b"IDAT"
        at = end + 4
    if not drawn:
        raise _damaged("there is nothing in it")
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    # ITU T.81, B.1 and B.2: segments that begin with FF and a marker, then data in which FF is never followed by D9.
    at, size = 2, (0, 0)
    while True:
        if data[at] != 0xFF:
            raise _damaged(f"there is no segment at byte {at}")
        while data[at] == 0xFF:  # any number of them may stand before a marker
            at += 1
        marker = data[at]
        at += 1
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these stand alone
            continue
        if marker == 0xD9:
            raise _damaged("there is nothing in it")
        (length,) = unpack_from(">H", data, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = unpack_from(">HH", data, at + 3)
            size = width, height
        at += length
        if marker == 0xDA:
            if data.find(b"\xff\xd9", at) < 0:
                raise PictureError("is cut short")
            return size


def _gif(data: bytes) -> tuple[int, int]:
    # GIF89a, 17 to 27: the screen, then blocks that begin with 21 or 2C, up to 3B, which some writers leave out.
    width, height, flags = unpack_from("<HHB", data, 6)
    at, drawn = 13 + _colours(flags), False
    while at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x2C:
            drawn = True
            at += 10 + _colours(data[at + 9]) + 1
        else:
            at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    if not drawn:
        raise _damaged("there is nothing in it")
    return width, height


def _colours(flags: int) -> int:
    """Bytes of the table of colours that a block's flags tell of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> tuple[int, int]:
    # RFC 9649, 2.4 to 2.7.
    size, form = unpack_from("<I4x4s", data, 4)
    if len(data) < size + 8:
        raise PictureError("is cut short")
    if form == b"VP8X":
        wide = unpack_from("<HBHB", data, 24)
        return (wide[0] | wide[1] << 16) + 1, (wide[2] | wide[3] << 16) + 1
    if form == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 ":
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise _damaged("its first part is unknown")


_READERS: Final[Mapping[Kind, Callable[[bytes], tuple[int, int]]]] = {
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "webp": _webp,
}
