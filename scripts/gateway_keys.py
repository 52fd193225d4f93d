"""Writes the tables of keys in docs/gateway-config.md, from the table that the gateway itself goes by."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wandb_inference.gateway.config._keys import Key, Section, table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "gateway-config.md"
_TABLE = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_VERDICTS = {"T": "yes", "W": "warns", "R": "refused"}


def rows(keys: list[Key]) -> str:
    """A table of keys; those with the same verdict and text that follow one another share a row."""
    lines = ["| key | taken over | meaning, or why not |", "|---|---|---|"]
    together: list[Key] = []
    for number, key in enumerate(keys):
        together.append(key)
        following = keys[number + 1] if number + 1 < len(keys) else None
        if following is None or following._replace(name=key.name) != key:
            names = ", ".join(f"`{each.name}`" for each in together)
            verdict = _VERDICTS[key.verdict] + (" (ours)" if key.ours else "")
            why = key.text + (f". At start: {key.notice}" if key.notice else "")
            why += f". It belongs under `{key.belongs}`" if key.belongs else ""
            lines.append(f"| {names} | {verdict} | {why} |")
            together = []
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables as they are to be."""

    def one(match: re.Match[str]) -> str:
        keys = table()[cast("Section", match[2])]
        return f"{match[1]}{rows(list(keys.values()))}\n{match[3]}"

    return _TABLE.sub(one, page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
