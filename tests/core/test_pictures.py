"""What a picture's bytes say."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wandb_inference._core.pictures import HEAD, Picture, PictureError, kind_of, read_picture


def drawn(form: str, size: tuple[int, int] = (7, 5), mode: str = "RGB", **options: object) -> bytes:
    """A picture made by Pillow."""
    buffer = io.BytesIO()
    Image.new(mode, size, 1 if mode == "P" else None).save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = drawn("PNG")
JPEG = drawn("JPEG")
GIF = drawn("GIF", mode="P")
WEBP = drawn("WEBP")
FRAMES = [Image.new("P", (7, 5), colour) for colour in range(3)]

PICTURES = {
    "PNG": (PNG, "png"),
    "PNG, palette": (drawn("PNG", mode="P"), "png"),
    "PNG, something behind it": (PNG + b"more", "png"),
    "PNG, a skipped chunk is wrong": (PNG[:33] + chunk(b"teXt", b"x")[:-1] + b"?" + PNG[33:], "png"),
    "JPEG": (JPEG, "jpeg"),
    "JPEG, progressive": (drawn("JPEG", progressive=True), "jpeg"),
    "JPEG, grey": (drawn("JPEG", mode="L"), "jpeg"),
    "JPEG, notes": (drawn("JPEG", comment=b"\xff\xd9", exif=b"Exif\0\0" + b"\xff" * 99), "jpeg"),
    "JPEG, fill bytes and lone markers": (JPEG[:2] + b"\xff\xff\x01\xff\xd0\xff" + JPEG[2:], "jpeg"),
    "JPEG, something behind it": (JPEG + b"more", "jpeg"),
    "GIF": (GIF, "gif"),
    "GIF87a": (b"GIF87a" + GIF[6:], "gif"),
    "GIF, moving": (drawn("GIF", mode="P", save_all=True, append_images=FRAMES, loop=0), "gif"),
    "GIF, without its last byte": (GIF[:-1], "gif"),
    "GIF, colours of its own": (
        GIF[:10] + b"\0" + GIF[11:13] + b"," + b"\0" * 8 + b"\x80" + b"\0" * 6 + b"\2\1\0\0;",
        "gif",
    ),
    "WebP": (WEBP, "webp"),
    "WebP, lossless": (drawn("WEBP", lossless=True), "webp"),
    "WebP, extended": (drawn("WEBP", mode="RGBA", exif=b"Exif\0\0" + b"x"), "webp"),
}


@pytest.mark.parametrize(("data", "kind"), PICTURES.values(), ids=PICTURES)
def test_pictures(data, kind):
    """The size of each kind of picture is read from its frame."""
    assert read_picture(data) == Picture(kind, 7, 5)
    assert kind_of(data[:HEAD]) == kind


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "WEBP lossless", "WEBP extended"])
def test_large_sizes(form):
    """Sizes of more than a byte are read, width and height apart."""
    name, _, option = form.partition(" ")
    exif = b"Exif\0\0x" if option == "extended" else b""
    options = {"lossless": option == "lossless", "exif": exif} if name == "WEBP" else {}

    assert read_picture(drawn(name, (3000, 401), **options))[1:] == (3000, 401)


@pytest.mark.parametrize("data", [PNG, JPEG, GIF, WEBP, drawn("WEBP", lossless=True)], ids=lambda data: str(data[:4]))
def test_cut_anywhere(data):
    """A picture that ends too early is an error, wherever it ends; a GIF may lack its last byte."""
    for end in range(len(data) - (data[:3] == b"GIF")):
        with pytest.raises(PictureError, match=r"cut short|empty|no picture|damaged"):
            read_picture(data[:end])


NONE = {
    b"": "is empty",
    b"hello": "is no picture",
    b"\0" * 50: "is no picture",
    b"%PDF-1.7": "is a PDF",
    b"BM\1\2": "is a BMP picture",
    b"II*\0": "is a TIFF picture",
    b"MM\0*": "is a TIFF picture",
    b"\0\0\0\x1cftypheic": "is a HEIC picture",
    b"\0\0\0\x1cftypavif": "is an AVIF picture",
    b"\0\0\0\x1cftypisom": "is a video, or sound",
    b"RIFF\0\0\0\0WAVE": "is no picture",
    b"\xef\xbb\xbf <svg xmlns": "is an SVG drawing, or other XML",
    b"\n<!DOCTYPE html>": "is a page of HTML",
    b'{"error"': "is JSON",
    PNG[:8] + chunk(b"IDAT", b"x" * 30): "is damaged: it does not begin with its header",
    PNG[:20] + b"\xff" + PNG[21:]: "is damaged: a checksum is wrong at byte 8",
    PNG[:33] + chunk(b"IEND"): "is damaged: there is nothing in it",
    PNG[:8] + chunk(b"IHDR", b"\0" * 13) + PNG[33:]: "is damaged: its size is 0",
    JPEG[:2] + b"\xff\xd9": "is damaged: there is nothing in it",
    JPEG[:20] + b"\0" + JPEG[21:]: "is damaged: there is no segment at byte 20",
    b"\xff\xd8\xff\xda\0\2\xff\xd9": "is damaged: its size is 0",
    GIF[:13] + b";" * 800: "is damaged: there is nothing in it",
    WEBP[:12] + b"VP9 " + WEBP[16:]: "is damaged: its first part is unknown",
}


@pytest.mark.parametrize(("data", "says"), NONE.items(), ids=NONE.values())
def test_what_is_none(data, says):
    """What is no picture, or a broken one, is told as what it is."""
    with pytest.raises(PictureError) as caught:
        read_picture(data)

    assert str(caught.value) == says


@given(
    st.sampled_from([PNG, JPEG, GIF, WEBP]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    st.binary(max_size=40),
)
def test_garbage(data, changes, end):
    """No matter what the bytes are, they are read or refused, and nothing else happens."""
    garbage = bytearray(data + end)
    for at, byte in changes:
        garbage[at % len(garbage)] = byte

    with suppress(PictureError):
        assert read_picture(bytes(garbage)).width
