"""Bodies that were compressed, although we ask for none that are."""

from __future__ import annotations

import zlib
from typing import Final

MAX_RATIO: Final = 100
"""A body may grow to this many times its size, and to 1 MiB at least: beyond, it is a bomb. Text grows tenfold or so,
zeros a thousandfold."""

_FLOOR: Final = 1024 * 1024


class DecodingError(Exception):
    """A body that is not compressed as it says, or grows beyond the bound."""


class Decoder:
    """Decompresses `gzip` and `deflate` as the bytes come.

    Args:
        coding: The value of `Content-Encoding`.

    """

    def __init__(self, coding: str) -> None:
        self._coding = coding.strip().lower()
        # 47 reads the wrapping of gzip and of zlib.
        self._inflate = zlib.decompressobj(47)
        self._may_be_raw = self._coding == "deflate"
        self._read = 0
        self._made = 0

    def feed(self, data: bytes) -> bytes:
        """The bytes that these decompress to.

        Raises:
            DecodingError: They are corrupt, or grow beyond the bound.
        """
        if self._coding == "identity":
            return data
        if self._coding not in ("gzip", "x-gzip", "deflate"):
            raise DecodingError(f"the body's Content-Encoding is {self._coding!r}, which was not asked for")
        self._read += len(data)
        room = max(_FLOOR, self._read * MAX_RATIO) - self._made
        try:
            made = self._inflate.decompress(data, room)
        except zlib.error as error:
            if not self._may_be_raw or self._made:
                raise DecodingError(f"the compressed body is corrupt: {error}") from None
            # Some servers send `deflate` without zlib's wrapping.
            self._may_be_raw = False
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self.feed(data)
        self._made += len(made)
        if self._inflate.unconsumed_tail:
            raise DecodingError(f"the compressed body grows beyond {self._made} bytes")
        return made

    def end(self) -> None:
        """Return if the compressed body was complete.

        Raises:
            DecodingError: It was not.
        """
        if self._read and not self._inflate.eof:
            raise DecodingError("the compressed body ended early")
