"""The pages of `docs/integrations`: the files they show, and what these print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "integrations"
EXAMPLES = ROOT / "examples" / "integrations"

_BLOCK = re.compile(
    r"<!-- file: (?P<name>\S+) -->\n```(?P<language>\w+)\n(?P<code>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?",
    re.DOTALL,
)
_LANGUAGES = {".py": "python", ".ipynb": "python", ".sh": "sh", ".toml": "toml", ".mjs": "js"}
_RUN = re.compile(r"^Run with .*$", re.MULTILINE)


class Shown(NamedTuple):
    """A file that a page shows."""

    name: str
    """Path below `examples/integrations`."""
    code: str
    """As the page has it."""
    output: str | None
    """What it prints; `None` for what is not run."""


def page_of(name: str) -> Path:
    """The page of a library."""
    return PAGES / f"{name}.md"


def shown(text: str) -> Iterator[Shown]:
    """The files of a page, in its order."""
    for match in _BLOCK.finditer(text):
        yield Shown(match["name"], match["code"], match["output"])


def filled(text: str, outputs: Mapping[str, str], versions: str) -> str:
    """The page with its files as they are, and what was printed below those that were run."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        code = f"<!-- file: {name} -->\n```{_LANGUAGES[Path(name).suffix]}\n{code_of(EXAMPLES / name)}```\n"
        output = outputs.get(name)
        return code if output is None else f"{code}\n```text\n{output}```\n"

    return _RUN.sub(lambda _: f"Run with {versions}.", _BLOCK.sub(block, text))


def code_of(path: Path) -> str:
    """A file as a page shows it: of a notebook the code of its cells."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = ("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    return "\n\n".join(f"# %%\n{cell}\n" for cell in cells)
