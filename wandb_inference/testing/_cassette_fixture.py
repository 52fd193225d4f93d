"""The fixture and marker of recordings, as users of vcrpy and pytest-recording know them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

# Loaded into every pytest run where the package is installed: all that costs time is imported in the fixture.
if TYPE_CHECKING:
    from ._cassette import Cassette
    from ._cassette_options import Mode

_MARKER: Final = "wandb_cassette"
_CHOICES: Final[Mapping[str, Mode]] = {
    "auto": "auto",
    "replay": "replay",
    "record": "record",
    "none": "replay",
    "all": "record",
}
_LONGEST: Final = 150
"""Characters of a file's name, which systems bound at 255 bytes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--wandb-record`."""
    parser.getgroup("wandb-inference").addoption(
        "--wandb-record",
        choices=list(_CHOICES),
        help="What wandb_cassette does: auto plays what is there and records the rest, replay (or none) plays alone, "
        "record (or all) records all of it anew. Default: replay where the variable CI is set, else auto.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tells of the marker."""
    config.addinivalue_line(
        "markers",
        "wandb_cassette(path, strict=False, **options): record the calls of the test into a file and play them from "
        "there; options are those of wandb_inference.testing.Cassette",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Gives a test that is marked the fixture."""
    names = getattr(item, "fixturenames", None)
    if names is not None and _MARKER not in names and item.get_closest_marker(_MARKER):
        names.insert(0, _MARKER)


@pytest.fixture
def wandb_cassette(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cassette]:
    """The test's recordings, which unchanged code plays and adds to; `@pytest.mark.wandb_cassette` does as well.

    The file is `cassettes/<module>/<test>.json` beside the test's own, unless the marker names another, relative to the
    same folder. Requests for chat completions and models, and all to `WANDB_API_BASE`, are played and recorded, of our
    clients and of every other that is built on httpx. Where nothing is recorded no key and no project are needed.

    The marker takes the options of `Cassette`, and `strict=True`: the test fails if a recording was not played. The
    mode is that of `--wandb-record`, else the marker's, else `replay` where the variable `CI` is set, else `auto`.
    """
    marker = request.node.get_closest_marker(_MARKER)
    options: dict[str, Any] = {} if marker is None else dict(marker.kwargs)
    strict = options.pop("strict", False)
    folder = request.path.parent
    given = options.pop("path", None) if marker is None else _path(marker.args, options)
    path = folder / "cassettes" / request.path.stem / _file_name(request.node) if given is None else folder / given
    told = request.config.getoption("wandb_record", None)
    mode = _CHOICES[told] if told else options.pop("mode", "replay" if _is_ci() else "auto")
    cassette = _routed(_shown(path), {**options, "mode": mode}, monkeypatch)
    yield cassette
    cassette.close()
    if strict and cassette.mode != "record":
        cassette.assert_all_used()


def _path(args: tuple[object, ...], options: dict[str, Any]) -> str | os.PathLike[str] | None:
    """The path that a marker names; `None` where it names none.

    Raises:
        ConfigurationError: What it is given makes no sense, or is vcrpy's.
    """
    from ..exceptions import ConfigurationError
    from ._cassette_options import MODES_OF_VCRPY, checked_path

    if "record_mode" in options:
        mode = MODES_OF_VCRPY.get(options["record_mode"], "auto")
        raise ConfigurationError("wandb_cassette() has no record_mode, as vcrpy calls it", hint=f'Write mode="{mode}".')
    if len(args) > 1 or (args and "path" in options):
        raise ConfigurationError(f"wandb_cassette() takes one path, not {args!r}", hint="Name the other options.")
    given: Any = args[0] if args else options.pop("path", None)
    return None if given is None else checked_path(given)


def _file_name(item: pytest.Item) -> str:
    """The name of a test as that of a file, which is no other test's."""
    name = ".".join(item.nodeid.split("::")[1:])
    plain = re.sub(r"[^\w.,=+\[\]-]", "-", name, flags=re.ASCII)[:_LONGEST]
    if plain != name:
        plain += f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{plain}.json"


def _shown(path: Path) -> str:
    """The path as people write it: from where they are, if it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def _routed(name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Cassette:
    """A cassette through which the inference requests of every client of httpx go."""
    import httpx

    from ._cassette_routing import RoutedCassette

    cassette = RoutedCassette(name, **options)
    for variable, value in cassette.environment().items():
        monkeypatch.setenv(variable, value)
    outside, outside_async = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def handle_request(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return cassette.carry(request, partial(outside, self))

    async def handle_async_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return await cassette.carry_async(request, partial(outside_async, self))

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle_request)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async_request)
    return cassette
