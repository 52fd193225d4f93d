"""The types of values: strict, but for numbers and switches that come from the environment as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Any, Final, TypeAlias, cast

from pydantic import BeforeValidator

_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,9})(s|m|h|d|w|mo)", re.ASCII)
_MOST: Final = 10**18
"""What no limit and no number of seconds comes near."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400}
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time that budgets are renewed by."""

    amount: int
    unit: str
    """`s`, `m`, `h`, `d`, `w`, or `mo` for months."""

    @property
    def seconds(self) -> int:
        """Its length; a month counts 30 days."""
        return self.amount * _SECONDS[self.unit]

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


def wanted(what: str) -> ValueError:
    """The error for a value that should have been this; pydantic keeps it in its own."""
    return ValueError(what)


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    if len(text) > 60 or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number) <= _MOST else None


def _whole(least: int) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 10**18:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
            raise wanted("a whole number" if least < 0 else f"a whole number, {least} or more")
        return value

    return BeforeValidator(check)


def _real(what: str, least: float | None = None, *, above: bool = False) -> BeforeValidator:
    def check(value: object) -> object:
        number = _number(value)
        if number is None or (least is not None and (number <= least if above else number < least)):
            raise wanted(what)
        return float(number)

    return BeforeValidator(check)


def _dollars(value: object) -> object:
    number = _number(value)
    if number is None or number < 0:
        raise wanted("a number of dollars, 0 or more")
    return number


def _seconds(least: float, what: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
            value = int(match[1]) * _SECONDS[match[2]]
        number = _number(value)
        if number is None or number < 0 or (least and not number):
            raise wanted(what)
        return float(number)

    return BeforeValidator(check)


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())) and int(match[1]):
        return Duration(int(match[1]), match[2])
    raise wanted("a span of time: 30s, 30m, 24h, 7d, 1w, 1mo")


def _flag(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise wanted("true or false")
    return value


def _text(value: object) -> object:
    if not isinstance(value, str):
        more = "" if value is None or isinstance(value, dict | list) else ": write it in quotes"
        raise wanted(f"text{more}")
    if not value.strip():
        raise wanted("a text of one character or more")
    return value.strip()


def _name(value: object) -> object:
    text = _text(value)
    if not str(text).isprintable():  # names travel in headers
        raise wanted("a text without line breaks and the like")
    return text


def _header_name(value: object) -> object:
    if not isinstance(value, str) or not HEADER_NAME.fullmatch(value.strip()):
        raise wanted("the name of a header")
    return value.strip()


def _texts(value: object) -> object:
    if isinstance(value, str):
        return [value]
    return value


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise wanted("a mapping")
    return cast("dict[str, object]", value)


def _headers(value: object) -> object:
    for name, text in _mapping(value).items():
        if not HEADER_NAME.fullmatch(name):
            raise wanted("a mapping of headers: a name has a character that none can have")
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise wanted("a mapping of headers to text")
        if not re.fullmatch(r"[\x20-\x7e\t]*", str(text)):
            raise wanted("a mapping of headers to text that a header can hold")
    return value


def _network(value: object) -> object:
    try:
        return str(ip_network(str(value).strip(), strict=False))
    except ValueError:
        raise wanted("an address or a network, as 10.0.0.7 or 10.0.0.0/8") from None


def _moment(value: object) -> object:
    try:
        moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).timestamp()
    except (ValueError, OverflowError):
        raise wanted("a day or a time, as 2027-01-31 or 2027-01-31T12:00:00Z") from None


Count: TypeAlias = Annotated[int, _whole(0)]
Positive: TypeAlias = Annotated[int, _whole(1)]
Whole: TypeAlias = Annotated[int, _whole(-(10**18))]
Number: TypeAlias = Annotated[float, _real("a number")]
Share: TypeAlias = Annotated[float, _real("a number, 0 or more", 0)]
Size: TypeAlias = Annotated[float, _real("a number above 0", 0, above=True)]
Dollars: TypeAlias = Annotated[Decimal, BeforeValidator(_dollars)]
Seconds: TypeAlias = Annotated[float, _seconds(1, "a number of seconds above 0")]
Pause: TypeAlias = Annotated[float, _seconds(0, "a number of seconds, 0 or more")]
Span: TypeAlias = Annotated[Duration, BeforeValidator(_duration)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag)]
Text: TypeAlias = Annotated[str, BeforeValidator(_text)]
Texts: TypeAlias = Annotated[list[Text], BeforeValidator(_texts)]
Json: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_mapping)]
Headers: TypeAlias = Annotated[Mapping[str, Any], BeforeValidator(_headers)]
Name: TypeAlias = Annotated[str, BeforeValidator(_name)]
HeaderName: TypeAlias = Annotated[str, BeforeValidator(_header_name)]
Network: TypeAlias = Annotated[str, BeforeValidator(_network)]
Moment: TypeAlias = Annotated[float, BeforeValidator(_moment)]
