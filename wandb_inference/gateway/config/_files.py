"""Files and what they include, put together as LiteLLM does: lists are extended, other values replaced."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ._findings import Findings, Place, kind_of, shown
from ._tree import Item, Unreadable, read_yaml

_LARGEST: Final = 8 * 1024 * 1024
_GUARDS: Final = ("general_settings", "litellm_settings", "router_settings")


def gather(path: Path, shown_as: str, findings: Findings) -> tuple[Item, tuple[Path, ...]]:
    """What a file and those it includes add up to, and all files that were looked at.

    Args:
        path: The file.
        shown_as: Its name in messages.
        findings: Gets what is wrong with the files.

    Raises:
        Unreadable: The file itself can't be read; `findings` says why.
    """
    files: dict[Path, None] = {}
    root = _gather(path, shown_as, None, files, findings)
    return root, tuple(files)


def _gather(path: Path, name: str, by: Item | None, files: dict[Path, None], findings: Findings) -> Item:
    with suppress(ValueError):  # a null character
        files[_real(path)] = None  # with those that can't be read: once they can, a reload is due
    root = read_yaml(_text(path, name, by, findings), name, findings)
    if root.value is None:
        findings.error(root.place, "the file is empty" if by is None else "the included file is empty")
        raise Unreadable
    if not isinstance(root.value, dict):
        findings.error(root.place, f"the file holds {kind_of(root.value)}, not a mapping of settings")
        raise Unreadable
    entries = dict(root.entries)
    include = entries.pop("include", None)
    for entry in _included(include, findings):
        other = Path(name).parent / str(entry.value)
        target = path.parent / str(entry.value)
        if _real(target) in files:
            continue
        try:
            added = _gather(target, str(other), entry, files, findings)
        except Unreadable:
            continue
        _extend(entries, added, findings)
    return replace(root, value=entries)


def _included(include: Item | None, findings: Findings) -> list[Item]:
    if include is None or include.value is None:
        return []
    include = replace(include, path="include")
    if not isinstance(include.value, list):
        findings.error(include, f"{kind_of(include.value)} is not a list of files", "write include: [models.yaml]")
        return []
    names = [each for each in include.items if isinstance(each.value, str) and each.value.strip("\0 ") == each.value]
    for number, item in enumerate(include.items):
        if item not in names:
            findings.error(item.place, f"{shown(item.value)} is no file's name", path=f"include[{number}]")
    return names


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve() fails for links that lead to each other


def _text(path: Path, name: str, by: Item | None, findings: Findings) -> str:
    place = Place(name, 1, 1) if by is None else by.place
    what = "the file" if by is None else f"the file to include, {shown(by.value)},"
    try:
        if path.stat().st_size > _LARGEST:
            findings.error(place, f"{what} is larger than {_LARGEST // 1024 // 1024} MiB")
            raise Unreadable
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        findings.error(Place(name, line, 1), "the file is not UTF-8 text", "save it as UTF-8")
    except FileNotFoundError:
        findings.error(place, f"{what} is not there", None if by is None else "paths count from the including file")
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is no file's name"
        findings.error(place, f"{what} can't be read: {reason}")
    raise Unreadable


def _extend(entries: dict[str, Item], added: Item, findings: Findings) -> None:
    for name, item in added.entries.items():
        before = entries.get(name)
        if before is None:
            entries[name] = item
        elif isinstance(before.value, list) and isinstance(item.value, list):
            entries[name] = replace(before, value=[*before.items, *item.items])
        else:
            lost = sorted(before.entries.keys() - item.entries.keys())
            if lost and name in _GUARDS:
                # LiteLLM drops the whole section without a word, and with it a master_key.
                findings.error(
                    item,
                    f"this section is also in {before.place}, and an included one replaces it: "
                    f"{', '.join(map(shown, lost))} would be lost",
                    "write the section in one file",
                    path=name,
                )
            elif before.value not in (None, {}):
                findings.warn(item, f"this replaces what is in {before.place}", path=name)
            entries[name] = item
