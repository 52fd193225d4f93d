"""Who a certificate is for and who signed it, read from its DER: Python tells it of verified certificates alone.

Structure: RFC 5280, section 4.1. Nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Final, NamedTuple

_COMMON_NAME: Final = b"\x55\x04\x03"
_ORGANISATION: Final = b"\x55\x04\x0a"
_BMP_STRING: Final = 0x1E
_UTC_TIME: Final = 0x17


class Certificate(NamedTuple):
    """What a person needs to know of a certificate."""

    subject: str
    """Whose it is."""
    issuer: str
    """Who signed it: organisation and name."""
    begins: datetime
    """When it begins to hold."""
    ends: datetime
    """When it ends to."""

    @property
    def is_self_signed(self) -> bool:
        """Whether its owner signed it."""
        return self.subject == self.issuer


def read_certificate(der: bytes) -> Certificate | None:
    """The certificate; `None` where the bytes are none."""
    try:
        (_, whole), *_ = _parts(der)
        (_, body), *_ = _parts(whole)
        fields = list(_parts(body))
        if fields[0][0] == 0xA0:  # the version, which old certificates leave out
            del fields[0]
        _, _, (_, issuer), (_, validity), (_, subject), *_ = fields
        begins, ends = (_moment(kind, value) for kind, value in _parts(validity))
        return Certificate(_name(subject), _name(issuer), begins, ends)
    except (IndexError, ValueError):
        return None


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each element."""
    place = 0
    while place < len(data):
        tag, length = data[place], data[place + 1]
        place += 2
        if length > 0x80:
            count = length - 0x80
            length = int.from_bytes(data[place : place + count], "big")
            place += count
        if place + length > len(data):
            raise ValueError("an element that goes beyond its end")
        yield tag, data[place : place + length]
        place += length


def _name(data: bytes) -> str:
    found: dict[bytes, str] = {}
    for _, group in _parts(data):
        for _, pair in _parts(group):
            (_, kind), (tag, value) = _parts(pair)
            found.setdefault(kind, value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace"))
    parts = dict.fromkeys(found[kind] for kind in (_ORGANISATION, _COMMON_NAME) if kind in found)
    text = ", ".join(parts) or "no name"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:100]


def _moment(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        # Two digits of the year: those below 50 are of this century.
        text = f"{'20' if text < '5' else '19'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
