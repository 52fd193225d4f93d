"""A run as a picture: for each row three bars, the client of openai being 1."""

from __future__ import annotations

from xml.sax.saxutils import escape

from .results import Figure, Results
from .rows import OURS, ROWS
from .table import number

WIDTH = 860
LABELS = 290
"""Pixels for the titles, left of the bars."""
SCALE = 440
"""Pixels of a bar of 1."""
BAR = 11
GAP = 14
TOP = 74
BOTTOM = 44

_STYLE = """
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: #24292f; }
.panel { fill: #ffffff; stroke: #d0d7de; }
.title { font-size: 16px; font-weight: 600; }
.value { font-size: 10px; }
.small { font-size: 11px; fill: #57606a; }
.ours { fill: #b7791f; }
.bare { fill: #6e7781; }
.openai { fill: #c3cad2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .panel { fill: #0d1117; stroke: #30363d; }
  .small { fill: #9198a1; }
  .ours { fill: #ffcc33; }
  .bare { fill: #8b949e; }
  .openai { fill: #444c56; }
}
"""


def draw(results: Results) -> str:
    """The picture, as SVG. Rows that openai or a bare library takes no part in are left out."""
    shown = [figure for figure in results.figures if not figure.tls and _bare(figure) and "openai" in figure.samples]
    height = TOP + len(shown) * (3 * BAR + GAP) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        '<title id="title">What wandb-inference costs beside openai and bare HTTP libraries</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="panel" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text("title", 20, 30, "What the client costs; openai is 1, shorter is better"),
        *_legend(),
    ]
    for index, figure in enumerate(shown):
        parts += _bars(figure, TOP + index * (3 * BAR + GAP))
    parts += [_text("small", 20, height - 16, results.machine), "</svg>\n"]
    return "\n".join(parts)


def _bare(figure: Figure) -> str:
    """The bare library that a figure has beside openai; empty if none."""
    return next((peer for peer in figure.samples if peer not in {OURS, "openai", "litellm"}), "")


def _legend() -> list[str]:
    names = (("ours", "wandb-inference"), ("bare", "the bare HTTP library, with json.loads"), ("openai", "openai"))
    parts: list[str] = []
    left = 20
    for kind, name in names:
        parts += [f'<rect class="{kind}" x="{left}" y="44" width="{BAR}" height="{BAR}"/>']
        parts += [_text("small", left + 17, 54, name)]
        left += 40 + round(6.3 * len(name))
    return parts


def _bars(figure: Figure, top: int) -> list[str]:
    row = ROWS[figure.row]
    bare = _bare(figure)
    openai = figure.middle("openai")
    bars = (
        ("ours", figure.ratio("openai"), ""),
        ("bare", figure.middle(bare) / openai, f" {bare}"),
        ("openai", 1.0, f" = {number(openai)} {row.unit}"),
    )
    parts = [_text("row", 20, top + 2 * BAR, row.title)]
    for place, (kind, share, note) in enumerate(bars):
        y = top + place * BAR
        width = min(share, 1.05) * SCALE
        parts.append(f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR - 1}"/>')
        parts.append(_text("value", round(LABELS + width) + 6, y + BAR - 2, f"{share:.2g}{note}"))
    return parts


def _text(kind: str, x: int, y: int, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
