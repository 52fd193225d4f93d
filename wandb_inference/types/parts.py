"""Content parts to put into a message, as mappings."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict


class ImageURLParam(TypedDict):
    """Where a picture is, and how closely to look at it."""

    url: str
    """An `http(s):` or `data:` URL."""
    detail: NotRequired[str]
    """`auto`, `low` or `high`, for servers that know the difference."""


class ImagePartParam(TypedDict):
    """A content part with a picture."""

    type: Literal["image_url"]
    """Kind of part."""
    image_url: ImageURLParam
    """The picture."""
