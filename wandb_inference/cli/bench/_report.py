"""The results for people: a block of figures for each level, and bars that compare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from .._console import one_line
from .._money import dollars
from ._plan import counted
from ._samples import MEASURES, SHARES, Level

_LABEL: Final = 17
_CELL: Final = 10
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def block(level: Level) -> list[str]:
    """A level's lines: what happened, what failed, and the percentiles of what was measured."""
    failed = sum(level.errors.values())
    cost = "" if level.cost is None else f", {dollars(level.cost)}"
    lines = [
        f"{level.concurrency} in flight: {counted(len(level.answers), 'answer')} in {seconds(level.seconds)}, "
        f"{counted(failed, 'error')}{f' ({failed / len(level.samples):.0%})' if failed else ''}, "
        f"{level.speed:.0f} tokens/s in all{cost}"
    ]
    for name, message in level.messages.items():
        lines.append(f"  {level.errors[name]} x {name}: {one_line(message)}")
    if level.answers:
        lines.append("  " + " " * _LABEL + "".join(f"{title:>{_CELL}}" for title in SHARES))
    for name, title in MEASURES.items():
        spread = level.spread(name)
        if spread is not None:
            shown: Callable[[float], str] = _speed if name == "speed" else seconds
            lines.append(f"  {title:<{_LABEL}}" + "".join(f"{shown(value):>{_CELL}}" for value in spread.values()))
    return lines


def bars(levels: Sequence[Level], width: int, *, is_plain: bool) -> list[str]:
    """The levels beside each other: tokens a second in all, and the wait for the first token.

    Args:
        levels: At least two that were answered are worth a picture; else there is none.
        width: Columns of the whole.
        is_plain: Whether to draw with `#` alone.
    """
    shown = [level for level in levels if level.answers]
    if len(shown) < 2:
        return []
    lines = _bars(
        "tokens/s in all", [(str(level.concurrency), level.speed) for level in shown], _speed, width, is_plain
    )
    for title in ("p50", "p99"):
        waits = [(str(level.concurrency), spread[title]) for level in shown if (spread := level.spread("first"))]
        lines += _bars(f"first token, {title}", waits, seconds, width, is_plain)
    return lines


def _bars(
    title: str, values: Sequence[tuple[str, float]], shown: Callable[[float], str], width: int, is_plain: bool
) -> list[str]:
    most = max((value for _, value in values), default=0.0)
    names = max((len(name) for name, _ in values), default=0)
    room = max(width - names - _CELL - 4, 10)
    return [
        title,
        *(
            f"  {name:>{names}} {_bar(value / most if most else 0.0, room, is_plain)} {shown(value):>{_CELL - 1}}"
            for name, value in values
        ),
    ]


def _bar(share: float, room: int, is_plain: bool) -> str:
    if is_plain:
        return f"{'#' * round(share * room):<{room}}"
    whole, eighths = divmod(round(share * room * 8), 8)
    return f"{'█' * whole + (_EIGHTHS[eighths] if eighths else ''):<{room}}"


def seconds(value: float) -> str:
    """A time with three significant digits: `1.24 s`, `87.0 ms`."""
    if value >= 1:
        return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} s"
    thousandths = value * 1000
    return f"{thousandths:.{2 if thousandths < 10 else 1 if thousandths < 100 else 0}f} ms"


def _speed(value: float) -> str:
    return f"{value:.{1 if value < 100 else 0}f}"
