"""A run as Markdown: one table, targets beside the figures, and where they come from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .results import Figure, Results, Verdict
from .rows import ALONE, OURS, ROWS

_HEAD = "| | wandb-inference | of openai | of others | over TLS | of openai | of others | server, us |"

_NOTES = (
    "Ratios are ours to theirs, with the target after ≤ or >. us: processor time of the client for a call or, in "
    "streams, a chunk; the last column is the server's for the same. Imports, first chunk and making a client: wall "
    "time. httpx, aiohttp and json are the bare library with `json.loads`. Growth is of resident memory or of what "
    "Python has allocated, whichever is more, after a warm-up; up to 128 KB count as none. Answers are canned, on "
    "loopback, and compared; each peer runs in an environment and a process of its own, and all take turns."
)


def markdown(results: Results) -> str:
    """The table and the lines below it."""
    verdicts = results.verdicts()
    lines = [_HEAD, "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for figure in results.figures:
        if figure.tls:
            continue
        own = [verdict for verdict in verdicts if verdict.figure is figure]
        cells = [ROWS[figure.row].title, *_cells(figure, own)]
        over_tls = results.figure(figure.row, tls=True)
        cells += ["", "", ""] if over_tls is None else _cells(over_tls, [])
        cells.append("" if figure.server is None else number(figure.server))
        lines.append(f"| {' | '.join(cells)} |")
    missed = sum(not verdict.met for verdict in verdicts)
    rounds = [len(figure.samples[OURS]) for figure in results.figures]
    # No " + ": at the start of a line it would begin a list.
    installed = ", ".join(dict.fromkeys(results.versions.values())).replace(" + ", ", ")
    met = (
        f"{len(verdicts) - missed} of {len(verdicts)} targets are met (✓). Medians of {_span(rounds)}; the run took "
        f"{results.seconds / 60:.0f} min. {installed}. {results.machine}."
    )
    return "\n".join([*lines, "", textwrap.fill(_NOTES, 120), "", textwrap.fill(met, 120)])


def _cells(figure: Figure, verdicts: Sequence[Verdict]) -> list[str]:
    judged = {verdict.peer: f" {_judged(verdict)}" for verdict in verdicts}
    ratios = {peer: number(figure.ratio(peer)) + judged.get(peer, "") for peer in figure.samples if peer != OURS}
    ours = f"{number(figure.middle())} {ROWS[figure.row].unit.partition('/')[0]}{judged.get(ALONE, '')}"
    openai = ratios.pop("openai", "")
    return [ours, openai, ", ".join(f"{peer} {ratio}" for peer, ratio in ratios.items())]


def _judged(verdict: Verdict) -> str:
    return f"≤ {verdict.at_most:g} ✓" if verdict.met else f"> {verdict.at_most:g} ✗"


def number(value: float) -> str:
    """A figure with three significant digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _span(rounds: Sequence[int]) -> str:
    if min(rounds) < max(rounds):
        return f"{min(rounds)} to {max(rounds)} rounds"
    return "1 round" if rounds[0] == 1 else f"{rounds[0]} rounds"
