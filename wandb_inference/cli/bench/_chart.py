"""The results as a picture: for each level its tokens a second, and its waits for the first token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from ._report import seconds
from ._samples import Level

_WIDTH: Final = 720
_LEFT: Final = 110
_SCALE: Final = 480
"""Pixels of the longest bar."""
_BAR: Final = 14
_STYLE: Final = """
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: #24292f; }
.panel { fill: #ffffff; stroke: #d0d7de; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 11px; fill: #57606a; }
.speed { fill: #b7791f; }
.p50 { fill: #0969da; }
.p90 { fill: #6e9bd1; }
.p99 { fill: #b6c8de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .panel { fill: #0d1117; stroke: #30363d; }
  .small { fill: #9198a1; }
  .speed { fill: #ffcc33; }
}
"""


def draw(title: str, note: str, levels: Sequence[Level]) -> str:
    """The picture, as SVG.

    Args:
        title: What was measured.
        note: What else a reader should know: one line at the bottom.
        levels: Those without answers have no bars.
    """
    parts: list[str] = []
    y = 64
    fastest = max([level.speed for level in levels] + [1e-9])
    spreads = [level.spread("first") or {} for level in levels]
    slowest = max([value for spread in spreads for value in spread.values()] + [1e-9])
    parts.append(_text("small", 20, y, "tokens a second, all calls together"))
    for level in levels:
        y += _BAR + 8
        parts += _bar("speed", y, f"{level.concurrency} in flight", level.speed / fastest, f"{level.speed:.0f}")
    y += 40
    parts.append(_text("small", 20, y, "time to the first token: p50, p90, p99; shorter is better"))
    for level, spread in zip(levels, spreads, strict=True):
        y += 8
        for place, (name, value) in enumerate(spread.items()):
            y += _BAR
            label = f"{level.concurrency} in flight" if place == 0 else ""
            parts += _bar(name, y, label, value / slowest, f"{name} {seconds(value)}")
    height = y + 50
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            f"<style>{_STYLE}</style>",
            f'<rect class="panel" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
            _text("title", 20, 32, title),
            *parts,
            _text("small", 20, height - 16, note),
            "</svg>\n",
        ]
    )


def _bar(kind: str, y: int, label: str, share: float, value: str) -> list[str]:
    length = share * _SCALE
    return [
        *([_text("label", 20, y + _BAR - 3, label)] if label else []),
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR - 2}"/>',
        _text("small", round(_LEFT + length) + 6, y + _BAR - 4, value),
    ]


def _text(kind: str, x: int, y: int, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
