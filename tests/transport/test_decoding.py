"""Bodies that come compressed although nobody asked."""

from __future__ import annotations

import gzip
import zlib

import pytest

from wandb_inference._transport.decoding import Decoder, DecodingError

TEXT = b"Hello there. " * 100


def raw(data: bytes) -> bytes:
    """Deflate without zlib's wrapping."""
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("X-GZip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw(TEXT)),
    ],
)
def test_decodes(coding: str, data: bytes) -> None:
    """gzip and both readings of deflate, whole and cut."""
    whole = Decoder(coding)
    assert whole.feed(data) == TEXT
    whole.end()

    cut = Decoder(coding)
    assert b"".join(cut.feed(data[at : at + 7]) for at in range(0, len(data), 7)) == TEXT
    cut.end()


def test_identity() -> None:
    """`identity` says that there is nothing to do."""
    decoder = Decoder("identity")
    assert decoder.feed(TEXT) == TEXT
    decoder.end()


def test_unknown() -> None:
    """A coding that was not asked for is named."""
    with pytest.raises(DecodingError, match="'br'"):
        Decoder("br").feed(b"x")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_corrupt(coding: str) -> None:
    """Corrupt bytes are an error of ours."""
    with pytest.raises(DecodingError, match="corrupt"):
        Decoder(coding).feed(b"\xff" * 20)


def test_cut() -> None:
    """A body that ends within its compression ended early."""
    decoder = Decoder("gzip")
    decoder.feed(gzip.compress(TEXT, mtime=0)[:-4])
    with pytest.raises(DecodingError, match="early"):
        decoder.end()


def test_nothing() -> None:
    """No bytes at all are no error."""
    Decoder("gzip").end()


def test_bomb() -> None:
    """A body that grows beyond all measure is given up."""
    with pytest.raises(DecodingError, match="grows beyond 1048576 bytes"):
        Decoder("gzip").feed(gzip.compress(b"\0" * 3_000_000, mtime=0))
