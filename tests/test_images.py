"""Pictures as content parts."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import ask
from PIL import Image

from wandb_inference import APIError, InternalServerError, InvalidRequestError, image
from wandb_inference.testing import Emulator
from wandb_inference.types import UserMessage

SEEING = "google/gemma-4-31B-it"
TURNED = 6  # EXIF: what is stored at the left belongs to the top
ORIENTATION = 0x0112


def drawn(form: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    """A picture made by Pillow."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()


PNG, JPEG, GIF, WEBP = drawn("PNG"), drawn("JPEG"), drawn("GIF", mode="P"), drawn("WEBP")
LARGE = drawn("PNG", (3000, 1500))


def read(part: Any) -> tuple[str, bytes]:
    """The media type and the bytes in a content part."""
    assert part["type"] == "image_url"
    head, _, text = part["image_url"]["url"].partition(",")
    return head, base64.b64decode(text, validate=True)


def opened(part: Any) -> Image.Image:
    """The picture in a content part, decoded."""
    return Image.open(io.BytesIO(read(part)[1]))


@pytest.mark.parametrize(("data", "kind"), [(PNG, "png"), (JPEG, "jpeg"), (GIF, "gif"), (WEBP, "webp")])
class TestWithinTheLimit:
    """Pictures that go as they are, from wherever they come."""

    def test_bytes(self, data: bytes, kind: str) -> None:
        """Bytes go byte for byte, under the type they are of."""
        expected = (f"data:image/{kind};base64", data)

        assert read(image(data)) == read(image(bytearray(data))) == read(image(memoryview(data))) == expected

    def test_paths(self, data: bytes, kind: str, tmp_path: Path) -> None:
        """A file goes byte for byte, whatever its name says."""
        path = tmp_path / "a picture.txt"
        path.write_bytes(data)

        assert read(image(path)) == read(image(str(path))) == (f"data:image/{kind};base64", data)

    def test_files(self, data: bytes, kind: str, tmp_path: Path) -> None:
        """So does what is read from a file, on the disk or in memory."""
        path = tmp_path / "x"
        path.write_bytes(data)

        with path.open("rb") as file:
            assert read(image(file)) == read(image(io.BytesIO(data))) == (f"data:image/{kind};base64", data)

    def test_data_urls(self, data: bytes, kind: str) -> None:
        """So does a `data:` URL, under its right type, without line breaks."""
        text = base64.encodebytes(data).decode()

        assert read(image(f" data:image/x;base64,{text}")) == (f"data:image/{kind};base64", data)
        assert read(image(image(data)["image_url"]["url"])) == (f"data:image/{kind};base64", data)


@pytest.mark.parametrize("url", ["https://example.com/cat.jpg", "http://a/b?c=d,e", "HTTPS://example.com/"])
def test_urls(url: str) -> None:
    """An address is sent as it is: the server fetches it."""
    assert image(url) == {"type": "image_url", "image_url": {"url": url}}
    assert image(f" {url}\n", detail="low") == {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def test_detail() -> None:
    """`detail` stands beside the URL where it was given."""
    assert "detail" not in image(PNG)["image_url"]
    assert image(PNG, detail="high")["image_url"].get("detail") == "high"


class TestBeyondTheLimit:
    """Pictures that are shrunk."""

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
    @pytest.mark.parametrize("size", [(3200, 200), (200, 3200), (1601, 1600), (4000, 1)])
    def test_shrunk(self, form: str, size: tuple[int, int]) -> None:
        """The longest edge comes to the limit, and the kind stays."""
        part = image(drawn(form, size))

        assert read(part)[0] == f"data:image/{form.lower()};base64"
        assert opened(part).format == form
        assert max(opened(part).size) == 1600
        assert opened(part).size[size[0] < size[1]] == 1600

    def test_the_limit_itself(self) -> None:
        """A picture at the limit is within it."""
        data = drawn("PNG", (1600, 1600))

        assert read(image(data))[1] == data

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
    def test_upright(self, form: str) -> None:
        """A photo that the camera turned is turned back, and says so no more."""
        photo = Image.new("RGB", (2000, 1000), "black")
        photo.paste("white", (1000, 0, 2000, 1000))
        exif = Image.Exif()
        exif[ORIENTATION] = TURNED
        buffer = io.BytesIO()
        photo.save(buffer, form, exif=exif)

        upright = opened(image(buffer.getvalue()))

        assert upright.size == (800, 1600)
        assert upright.getexif().get(ORIENTATION) is None
        grey = upright.convert("L")
        assert (grey.getpixel((400, 100)), grey.getpixel((400, 1500))) == (0, 255)

    @pytest.mark.parametrize(
        ("form", "mode", "becomes"),
        [
            ("PNG", "P", "RGB"),
            ("PNG", "1", "RGB"),
            ("PNG", "L", "L"),
            ("PNG", "LA", "LA"),
            ("PNG", "RGBA", "RGBA"),
            ("PNG", "I;16", "I"),
            ("JPEG", "L", "L"),
            ("JPEG", "CMYK", "RGB"),
            ("WEBP", "RGBA", "RGBA"),
            ("GIF", "P", "RGB"),
            ("GIF", "L", "RGB"),
        ],
    )
    def test_modes(self, form: str, mode: str, becomes: str) -> None:
        """Pixels of every kind are shrunk; palettes become colours, a GIF a PNG."""
        part = opened(image(drawn(form, (1700, 10), mode)))

        # Older versions of Pillow read 16 bits a pixel into 32.
        assert (part.mode.partition(";")[0], part.size) == (becomes, (1600, 9))
        assert part.format == ("PNG" if form == "GIF" else form)

    def test_what_can_be_seen_through(self) -> None:
        """A transparent colour of a palette stays transparent."""
        clear = opened(image(drawn("PNG", (1700, 10), "P", transparency=0)))

        assert clear.convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)

    def test_profiles(self) -> None:
        """The profile of the colours goes along."""
        part = opened(image(drawn("JPEG", (1700, 10), icc_profile=b"a profile")))

        assert part.info["icc_profile"] == b"a profile"

    def test_first_frame(self) -> None:
        """Of what moves the first frame is kept; within the limit it moves on."""
        frames = [Image.new("RGB", (1700, 20), colour) for colour in ("red", "blue")]
        buffer = io.BytesIO()
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])

        still = opened(image(buffer.getvalue()))

        assert still.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
        assert getattr(still, "n_frames", 1) == 1
        assert read(image(buffer.getvalue(), longest_edge=1700))[1] == buffer.getvalue()

    def test_another_limit(self) -> None:
        """The limit can be another, or none."""
        assert opened(image(LARGE, longest_edge=100)).size == (100, 50)
        assert read(image(LARGE, longest_edge=3000))[1] == LARGE
        assert read(image(LARGE, longest_edge=None))[1] == LARGE

    def test_files_too(self, tmp_path: Path) -> None:
        """Files, `data:` URLs and file objects are shrunk like bytes."""
        path = tmp_path / "large.png"
        path.write_bytes(LARGE)
        url = f"data:image/png;base64,{base64.b64encode(LARGE).decode()}"

        assert {opened(image(source)).size for source in (path, url, io.BytesIO(LARGE))} == {(1600, 800)}


class TestPillow:
    """Images of Pillow's."""

    def test_made(self) -> None:
        """One that was made is written as PNG, shrunk where it must be, and not changed."""
        made = Image.new("RGB", (3000, 1500))

        assert opened(image(made)).format == "PNG"
        assert opened(image(made)).size == (1600, 800)
        assert opened(image(made, longest_edge=None)).size == (3000, 1500)
        assert made.size == (3000, 1500)

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
    def test_read(self, form: str) -> None:
        """One that was read keeps its format."""
        assert opened(image(Image.open(io.BytesIO(drawn(form))))).format == form

    def test_clear_jpeg(self) -> None:
        """A JPEG that was made to be seen through becomes a PNG."""
        photo = Image.open(io.BytesIO(JPEG))
        photo.putalpha(7)

        assert opened(image(photo)).getpixel((0, 0)) == (0, 0, 0, 7)

    def test_others(self) -> None:
        """Formats that the service does not take are converted so."""
        assert opened(image(Image.open(io.BytesIO(drawn("BMP"))))).format == "PNG"
        assert opened(image(Image.open(io.BytesIO(drawn("TIFF", mode="CMYK"))))).mode == "RGB"

    @pytest.mark.parametrize("size", [(3, 3), (1700, 10)])
    def test_whole_numbers(self, size: tuple[int, int]) -> None:
        """Numbers of 32 bits are written in 16: those beyond become the nearest."""
        for value, becomes in ((70_000, 65_535), (300, 300), (-5, 0)):
            assert opened(image(Image.new("I", size, value))).getpixel((0, 0)) == becomes

    @pytest.mark.parametrize("size", [(3, 3), (1700, 10)])
    def test_premultiplied(self, size: tuple[int, int]) -> None:
        """Grey that was multiplied by its alpha becomes what it was."""
        part = opened(image(Image.new("LA", size, (200, 255)).convert("La")))

        assert (part.mode, part.getpixel((0, 0))) == ("LA", (200, 255))

    def test_fractions(self) -> None:
        """Fractions are no picture yet: the error says how they become one."""
        with pytest.raises(InvalidRequestError, match=r'mode F.*picture\.convert\("L"\)\), or "RGB"'):
            image(Image.new("F", (3, 3)))

    def test_none(self) -> None:
        """One that can't be written is an error."""
        with pytest.raises(InvalidRequestError, match=r"the image fails in Pillow"):
            image(Image.new("RGB", (0, 0)))


class Wrong(NamedTuple):
    """A mistake, and words of what is said about it."""

    source: Any
    says: tuple[str, ...]
    options: dict[str, Any] = {}


class Coming:
    """A file that has to be awaited."""

    name = "photo.jpg"

    async def read(self) -> bytes:
        return JPEG


class Text:
    name = 3

    def read(self) -> str:
        return "text"


def ended() -> io.BytesIO:
    """A file that was just written."""
    file = io.BytesIO()
    file.write(PNG)
    return file


ENCODED = base64.b64encode(LARGE).decode()
WRONG = [
    Wrong("nowhere.png", ('image "nowhere.png" is no file', "Relative paths begin at '/", "https://")),
    Wrong(Path("nowhere.png"), ('image "nowhere.png" is no file',)),
    Wrong("www.example.com/cat.png", ("is no file", "a URL begins with https://")),
    Wrong("~/cat.png", ("is no file", "expanduser")),
    Wrong("/", ('image "/" can\'t be read', "directory")),
    Wrong("a\0b.png", ("can't be read: embedded null",)),
    Wrong("x" * 5000, ("a text of 5,000 characters", "can't be read: file name too long")),
    Wrong("document.pdf", ('image "document.pdf" is a PDF', "PNG, JPEG, GIF or WebP")),
    Wrong("photo.heic", ('"photo.heic" is a HEIC picture', "image(Image.open(...))")),
    Wrong("broken.png", ('"broken.png" is cut short',)),
    Wrong("empty.png", ('"empty.png" is empty',)),
    Wrong(b"", ("the image of 0 bytes is empty",)),
    Wrong(b"hello", ("the image of 5 bytes is no picture",)),
    Wrong(PNG[:-3], ("is cut short",)),
    Wrong(JPEG[:-2], ("is cut short",)),
    Wrong(ENCODED, ("characters, is no file", "looks like base64", "b64decode")),
    Wrong(ENCODED[:90], ("a text of 90 characters, is no file", "b64decode")),
    Wrong("data:image/png;base64,???", ("the image's data URL holds what is no base64",)),
    Wrong(f"data:image/png;base64{ENCODED}", ("the image's data URL is not in base64",)),
    Wrong("data:image/svg+xml,<svg/>", ("is not in base64", "data:image/png;base64,...")),
    Wrong("data:image/png;base64,aGVsbG8=", ("the image's data URL is no picture",)),
    Wrong("ftp://example.com/cat.png", ("ftp://example.com/cat.png", "http or https", "give its bytes")),
    Wrong("ftp://user:secret@h/x.png", ("ftp://***@h/x.png", "http or https")),
    Wrong("file:///cat.png", ("file:///cat.png", "Give the path alone")),
    Wrong("https:///cat.png", ("https:///cat.png", "no host")),
    Wrong(7, ("type int", "a path, a URL, bytes")),
    Wrong(None, ("type NoneType",)),
    Wrong(io.StringIO("x"), ("gives str, not bytes", "mode 'rb'")),
    Wrong(Text(), ("the image's file gives str",)),
    Wrong(Coming(), ('image "photo.jpg" is an async file', "image(await file.read())")),
    Wrong(ended(), ("read to its end", "seek(0)")),
    Wrong(PNG, ("detail is 'fine'", "auto, low or high"), {"detail": "fine"}),
    Wrong(PNG, ("longest_edge is 0", "from 1 up, or None"), {"longest_edge": 0}),
    Wrong(PNG, ("longest_edge is True",), {"longest_edge": True}),
    Wrong(PNG, ("longest_edge is 'xxx", "..."), {"longest_edge": "x" * 99}),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong.source)[:40].partition(" object at ")[0])
def test_mistakes(wrong: Wrong, tmp_path: Path) -> None:
    """A mistake names the picture and says what to do; none of its data is shown."""
    files = {"document.pdf": b"%PDF-1.7", "photo.heic": b"\0\0\0\x1cftypheic", "broken.png": PNG[:60], "empty.png": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)

    with pytest.raises(InvalidRequestError) as caught:
        image(wrong.source, **wrong.options)

    error = caught.value
    assert all(words in str(error) for words in wrong.says), str(error)
    shown = f"{error} {error!r} {error.errors}"
    assert ENCODED[:20] not in shown
    assert "secret" not in shown
    assert len(shown) < 1500
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_without_pillow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Pillow a large picture is refused with its numbers and the command; a small one goes."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    path = tmp_path / "large.png"
    path.write_bytes(LARGE)

    assert read(image(PNG))[1] == PNG
    assert read(image(path, longest_edge=None))[1] == LARGE
    with pytest.raises(InvalidRequestError) as caught:
        image(path)
    for words in ("large.png", "3000 x 1500 pixels", "1600", "pip install 'wandb-inference[images]'"):
        assert words in str(caught.value)


def test_what_pillow_refuses() -> None:
    """A frame that looks whole around data that is not is Pillow's to find."""
    drawing = struct.pack(">I4s9sI", 9, b"IDAT", b"not zlib.", zlib.crc32(b"IDATnot zlib."))
    broken = LARGE[:33] + drawing + LARGE[-12:]
    data = drawn("WEBP", (3000, 10))

    for source in (broken, data[:30] + bytes(len(data) - 30)):
        with pytest.raises(InvalidRequestError, match="fails in Pillow") as caught:
            image(source)
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize("show", [repr, str, lambda value: f"{value!r}"])
def test_reprs(show: Any) -> None:
    """A message with a picture can be shown: its data is left out, but not in the JSON."""
    part = image(LARGE, longest_edge=None)
    message = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}

    for value in (part, message, [message], UserMessage.model_validate(message)):
        assert "data:image/png;base64,..." in show(value)
        assert len(show(value)) < 300
    assert pickle.loads(pickle.dumps(part)) == json.loads(json.dumps(part)) == part


async def test_asking(client: Any, emulator: Emulator) -> None:
    """A picture reaches the server byte for byte, beside parts of every other kind."""
    parts = [
        {"type": "text", "text": "What is it?"},
        image(PNG),
        image("https://example.com/cat.jpg", detail="low"),
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "a_new_one", "anything": [None]},
    ]

    await ask(client, model=SEEING, messages=[{"role": "user", "content": parts}])

    assert emulator.requests[-1].messages[0]["content"] == parts
    assert base64.b64encode(PNG).decode() not in repr(emulator.requests[-1])


@pytest.mark.parametrize(
    "url", [image(LARGE, longest_edge=None)["image_url"]["url"], f"data:image/png;base64,{ENCODED}"]
)
async def test_errors_about_messages_show_no_picture(client: Any, url: str) -> None:
    """A picture in the wrong place is told by the beginning of its URL; other problems beside it, as ever."""
    part = {"type": "image_url", "image_url": {"url": url}}
    wrong: list[Any] = [
        [{"role": "user", "content": part}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}],
        [{"role": "nobody", "content": [part]}],
        [{"role": "user", "content": [url]}],
        [[url]],
        [{"role": "user", "content": (part, {1, "x"})}, url],
    ]
    for messages in wrong:
        with pytest.raises(InvalidRequestError) as caught:
            await ask(client, messages=messages)

        shown = f"{caught.value} {caught.value!r} {caught.value.errors}"
        assert "base64,iVBOR" not in shown
        assert len(shown) < 2000
    assert "data:image/png;base64,..." in shown


async def test_servers_that_repeat_it(client: Any, emulator: Emulator) -> None:
    """A server's own message is cut where it repeats the picture."""
    emulator.reply(status=422, json={"detail": [{"msg": f"input_value='data:image/png;base64,{ENCODED}', no picture"}]})

    with pytest.raises(APIError) as caught:
        await ask(client, model=SEEING, messages=[{"role": "user", "content": [image(PNG)]}])

    assert "input_value='data:image/png;base64,...', no picture" in str(caught.value)


async def test_pictures_that_are_too_large(make: Any) -> None:
    """Where the gateway fails, the error says how large the request was and how to make it smaller."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}

    with pytest.raises(InternalServerError, match=r"5\.0 MB: shrink images to 1600 pixels") as caught:
        await ask(make(max_retries=0), model=SEEING, messages=[{"role": "user", "content": [part]}])

    assert "as image() does" in str(caught.value)
    assert len(str(caught.value)) < 400
