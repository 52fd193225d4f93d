"""Where a run is kept, and the README that shows it."""

from __future__ import annotations

import re
from pathlib import Path

from . import chart, table
from .results import Results, from_json, to_json
from .run import ROOT

RESULTS = ROOT / "benchmarks" / "results.json"
CHART = ROOT / "docs" / "benchmark.svg"
README = ROOT / "README.md"

_SHOWN = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- end of benchmark -->)", re.DOTALL)


def readme(text: str, results: Results) -> str:
    """The README with this run in it, between its two marks.

    Raises:
        RuntimeError: A mark is missing.
    """
    if not _SHOWN.search(text):
        raise RuntimeError("README.md lacks the lines <!-- benchmark --> and <!-- end of benchmark -->")
    return _SHOWN.sub(lambda _: f"\n{table.markdown(results)}\n\n", text)


def write(results: Results) -> None:
    """Keeps the run in the repository, and shows it."""
    RESULTS.write_text(to_json(results), "utf-8")
    show()


def show() -> None:
    """Draws the chart and the README's table from the run that is kept."""
    results = from_json(RESULTS.read_text("utf-8"))
    CHART.write_text(chart.draw(results), "utf-8")
    README.write_text(readme(README.read_text("utf-8"), results), "utf-8")


def write_beside(folder: Path, results: Results) -> None:
    """Writes the run, its table and its chart into a folder, and changes nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(to_json(results), "utf-8")
    (folder / "table.md").write_text(table.markdown(results) + "\n", "utf-8")
    (folder / "benchmark.svg").write_text(chart.draw(results), "utf-8")
