"""What was measured, and what follows from it: medians, ratios, verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple, cast

from .rows import ALONE, OURS, ROWS


class Figure(NamedTuple):
    """One row, measured once for each peer in each round."""

    row: str
    """The row's key."""
    tls: bool
    samples: Mapping[str, Sequence[float]]
    """In the row's unit: one for each round, by peer."""
    server: float | None
    """Microseconds of processor time the server took for each call or chunk of ours; `None` where that says nothing."""

    def middle(self, peer: str = OURS) -> float:
        """The median over the rounds."""
        return median(self.samples[peer])

    def ratio(self, peer: str) -> float:
        """How many times a peer's cost is ours: the median of the ratios within each round, which vary least."""
        return median(ours / theirs for ours, theirs in zip(self.samples[OURS], self.samples[peer], strict=True))


class Verdict(NamedTuple):
    """A target, and how it was met."""

    figure: Figure
    peer: str
    """Whom the target refers to; `ALONE` for a figure of its own."""
    at_most: float
    measured: float

    @property
    def met(self) -> bool:
        """Whether the measured figure, to the three digits that are printed, is within the target."""
        return float(f"{self.measured:.3g}") <= self.at_most


class Results(NamedTuple):
    """One run."""

    machine: str
    versions: Mapping[str, str]
    """What was installed, by peer."""
    seconds: float
    """How long the run took."""
    figures: tuple[Figure, ...]

    def verdicts(self) -> list[Verdict]:
        """Each target that this run has a figure for. TLS is shown beside, without targets of its own."""
        return [
            Verdict(figure, peer, at_most, figure.middle() if peer == ALONE else figure.ratio(peer))
            for figure in self.figures
            if not figure.tls
            for peer, at_most in ROWS[figure.row].targets.items()
        ]

    def figure(self, row: str, *, tls: bool = False) -> Figure | None:
        """The figure of a row; `None` if it was not measured."""
        return next((figure for figure in self.figures if (figure.row, figure.tls) == (row, tls)), None)


def to_json(results: Results) -> str:
    """The run as text that `from_json` reads, with four significant digits."""
    plain = {**results._asdict(), "figures": [_plain(figure) for figure in results.figures]}
    return json.dumps(plain, indent=1) + "\n"


def _plain(figure: Figure) -> dict[str, object]:
    samples = {peer: " ".join(f"{sample:.4g}" for sample in taken) for peer, taken in figure.samples.items()}
    return {**figure._asdict(), "samples": samples}


def from_json(text: str) -> Results:
    """The run that `to_json` wrote."""
    plain = cast("dict[str, object]", json.loads(text))
    figures = cast("list[dict[str, object]]", plain["figures"])
    return Results(
        cast("str", plain["machine"]),
        cast("dict[str, str]", plain["versions"]),
        cast("float", plain["seconds"]),
        tuple(
            Figure(
                cast("str", one["row"]),
                cast("bool", one["tls"]),
                {
                    peer: tuple(float(sample) for sample in samples.split())
                    for peer, samples in cast("dict[str, str]", one["samples"]).items()
                },
                cast("float | None", one["server"]),
            )
            for one in figures
        ),
    )
