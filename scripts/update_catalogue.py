"""Brings the catalogue's table up to the service's public feed. Run as `scripts/update-catalogue`.

    scripts/update-catalogue                      what the feed says otherwise, a line for each model
    scripts/update-catalogue feed.json --write    the same from a file, and into the table
    scripts/update-catalogue --check              exit code 1 where the table differs

Takes the feed of the service's console and the one in the shape of models.dev, as a file or a URL. What a feed doesn't
know stays: effort, successors, days, models that are not in it. What it leaves open is said, to be put into the table.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from catalogue_table import render

from wandb_inference.catalogue import MODELS, SOURCES, TABLE_DATE, ModelInfo
from wandb_inference.catalogue._feed import FEED_URL, merged, read_feed

FEED = "feed"
BESIDE = frozenset({"id", "prices", "sources"})


class Change(NamedTuple):
    """What becomes of one model."""

    line: str
    model: ModelInfo
    differs: bool


def changes(table: Mapping[str, ModelInfo], feed: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """What the feed says otherwise than the table, by id."""
    ids = sorted({*table, *feed}, key=str.lower)
    return [_change(id, table.get(id), feed.get(id)) for id in ids]


def _change(id: str, old: ModelInfo | None, entry: Mapping[str, Any] | None) -> Change:
    if entry is None:
        assert old is not None
        line = "" if old.lifecycle == "retired" else f"? {id}: not in the feed; kept as {old.lifecycle}"
        return Change(line, old, differs=False)
    new = merged(old, entry, id)
    before = ModelInfo(id) if old is None else old
    said = [
        f"{name} {_shown(now)}" if was is None or old is None else f"{name} {_shown(was)} -> {_shown(now)}"
        for (name, was), now in zip(_facts(before).items(), _facts(new).values(), strict=True)
        if was != now
    ]
    if old is not None and not said:
        return Change("", old, differs=False)
    said += _open(before, new)
    new = new._replace(sources=(FEED, *(source for source in new.sources if source != FEED)))
    return Change(f"{'~' if old else '+'} {id}: {', '.join(said)}", new, differs=True)


def _open(old: ModelInfo, new: ModelInfo) -> Iterator[str]:
    """What a person has to find out."""
    if new.prices is None:
        yield "no price"
    if new.lifecycle != old.lifecycle and new.lifecycle in ("deprecated", "retired"):
        day = "retired_on" if new.lifecycle == "retired" else "deprecated_on"
        missing = [name for name in (day, "successor") if getattr(new, name) is None]
        if missing:
            yield f"its {' and '.join(missing)} to be found out"


def _facts(model: ModelInfo) -> dict[str, object]:
    """What is compared of a model, by its name."""
    prices = dict(zip(("input", "output", "cached"), model.prices or (None, None, None), strict=True))
    return {**prices, **{name: value for name, value in model._asdict().items() if name not in BESIDE}}


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def load(source: str) -> object:
    """The JSON of a file or a URL.

    Raises:
        OSError: It can't be read.
        ValueError: It is no JSON.
    """
    if source.startswith(("http://", "https://")):
        # The service's edge refuses Python's own name.
        request = urllib.request.Request(source, headers={"user-agent": "wandb-inference-update-catalogue"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    return json.loads(Path(source).read_bytes())


def write(found: Iterable[Change], date: str) -> None:
    """Writes the table anew, as of a day."""
    sources = {
        FEED: f"the service's public feed, {date}",
        **{key: text for key, text in SOURCES.items() if key != FEED},
    }
    for path, text in render([change.model for change in found], sources, date).items():
        path.write_text(text)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 1 where the table differs and `--check` was asked for, 2 where there is no feed."""
    parser = argparse.ArgumentParser(
        prog="scripts/update-catalogue", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("feed", nargs="?", default=FEED_URL, help=f"a file or a URL; by default {FEED_URL}")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the table differs")
    parser.add_argument("--write", action="store_true", help="write the table")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="day of the feed; today by default")
    given = parser.parse_args(arguments)
    try:
        datetime.date.fromisoformat(given.date)
        feed = read_feed(load(given.feed))
    except RecursionError:
        print(f"{given.feed}: nested too deeply to be a feed", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"{given.feed}: {error}", file=sys.stderr)
        return 2
    found = changes(MODELS, feed)
    for change in found:
        if change.line:
            print(change.line)
    differing = sum(change.differs for change in found)
    print(f"{differing} of {len(found)} models differ from the table of {TABLE_DATE}; {len(feed)} are in the feed.")
    if given.write and differing:
        write(found, given.date)
    return 1 if given.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
