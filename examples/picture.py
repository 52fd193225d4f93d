"""A question about a picture: `python picture.py photo.jpg`. Needs WANDB_API_KEY and WANDB_PROJECT."""

import struct
import sys
import zlib

from wandb_inference import Client, InvalidRequestError, image


def red_square() -> bytes:
    """A PNG of 64 by 64 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * 64) * 64
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


try:
    # A path, a URL, bytes, an open file or a Pillow image; what is too large is shrunk where Pillow is installed.
    picture = image(sys.argv[1] if len(sys.argv) > 1 else red_square())
except InvalidRequestError as error:
    sys.exit(str(error))

with Client() as client:
    answer = client.chat.completions.create(
        model="google/gemma-4-31B-it",
        messages=[{"role": "user", "content": [{"type": "text", "text": "What is in the picture?"}, picture]}],
    )
print(answer.text)
