"""The figures of each peer, and what they are measured against."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .peers import DIRECT, GATEWAY_CORE, LITELLM, NGINX, OTHER_CORE, OURS, ROOT, Running, peer, pinned, upstream

Figures = dict[str, float]
CONNECTIONS = 64
STREAMS = 1000
LARGE = 100_000


class Target(NamedTuple):
    """What is wanted of one figure."""

    what: str
    unit: str
    digits: int
    wanted: str
    """In words."""
    is_met: Callable[[Mapping[str, Figures]], bool | None]
    """By the figures of all peers; `None` where a peer that it is measured against is missing."""


def _ratio(key: str, other: str, least: float) -> Callable[[Mapping[str, Figures]], bool | None]:
    def is_met(found: Mapping[str, Figures]) -> bool | None:
        if other not in found or key not in found[other]:
            return None
        return found[OURS][key] >= least * found[other][key]

    return is_met


def _most(key: str, most: float) -> Callable[[Mapping[str, Figures]], bool | None]:
    return lambda found: found[OURS][key] <= most


TARGETS: dict[str, Target] = {
    "rate": Target("requests/s, 1 KB, 64 connections", "", 0, ">= 150 x LiteLLM", _ratio("rate", LITELLM, 150)),
    "rate_nginx": Target("the same, beside nginx", "", 0, ">= 0.22 of nginx", _ratio("rate", NGINX, 0.22)),
    "cpu": Target("CPU for each of them", "us", 0, "", lambda found: None),
    "long": Target("requests/s, 1 KB, with a limit at the deployment", "", 0, "", lambda found: None),
    "p50": Target("added p50 at 50/s", "ms", 2, "<= 0.8 ms", _most("p50", 0.8)),
    "p99": Target("added p99 at 50/s", "ms", 2, "<= 3 ms", _most("p99", 3.0)),
    "chunk": Target("CPU for a relayed chunk", "us", 0, "<= 45 us", _most("chunk", 45.0)),
    "first": Target(f"{STREAMS:,} streams: first token, beyond direct", "ms", 1, "<= 10 ms", _most("first", 10.0)),
    "failed": Target(f"{STREAMS:,} streams: failed", "", 0, "0", _most("failed", 0.0)),
    "peak": Target(f"{STREAMS:,} streams: memory", "MB", 0, "<= 100 MB", _most("peak", 100.0)),
    "start": Target("start to first answer", "s", 2, "<= 0.6 s", _most("start", 0.6)),
    "idle": Target("memory when idle", "MB", 0, "<= 60 MB", _most("idle", 60.0)),
    "large": Target("requests/s, 100 KB", "", 0, ">= 40 x LiteLLM", _ratio("large", LITELLM, 40)),
}


def load(python: str, mode: str, url: str, seconds: float, count: int, size: int) -> dict[str, Any]:
    """What clients met.

    Raises:
        RuntimeError: They did not come to their end.
    """
    command = [python, "-m", "benchmarks.gateway.load", mode, url, str(seconds), str(count), str(size)]
    done = subprocess.run(
        pinned(command, OTHER_CORE), capture_output=True, text=True, check=False, timeout=600, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(f"the load failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout))


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("inf")


def _calls(running: Running, python: str, seconds: float, size: int) -> tuple[float, float]:
    """Requests that a full core answers a second, and microseconds of CPU for each."""
    load(python, "closed", running.url, 0.5, CONNECTIONS, size)
    before = running.cpu()
    met = load(python, "closed", running.url, seconds, CONNECTIONS, size)
    if met["errors"]:
        raise RuntimeError(f"{running.name}: {met['errors']} of {met['answers']} requests failed")
    used = running.cpu() - before
    measured = met["answers"] / met["seconds"]
    # Where the clients are the slower side the core is not full, and could have answered more.
    return max(measured, met["answers"] / used if used else 0.0), used / met["answers"] * 1e6


def figures(name: str, pythons: dict[str, str], seconds: float, say: Callable[[str], None]) -> Figures:
    """All figures of a peer.

    Args:
        name: The peer.
        pythons: The interpreters of the environments, by peer.
        seconds: For each measurement.
        say: Told what is measured.
    """
    python = pythons[OURS]
    found: Figures = {}
    with upstream(python) as service, peer(name, pythons, service) as running:
        found["start"], found["idle"] = running.started, running.megabytes()
        say(f"{name}: started in {running.started:.2f} s")
        found["rate"], found["cpu"] = _calls(running, python, seconds, 1000)
        say(f"{name}: {found['rate']:,.0f} requests/s")
        found["large"], _ = _calls(running, python, seconds, LARGE)
        took = load(python, "open", running.url, seconds * 2, 50, 1000)["seconds_each"]
        found["p50"], found["p99"] = _at(took, 0.5) * 1e3, _at(took, 0.99) * 1e3
    with upstream(python, 100, 0.01) as service, peer(name, pythons, service) as running:
        load(python, "streams", running.url, 0.1, 4, 1000)
        before = running.cpu()
        met = load(python, "streams", running.url, 0.5, CONNECTIONS, 1000)
        found["chunk"] = (running.cpu() - before) / max(1, met["chunks"]) * 1e6
    with upstream(python, 25, 0.4) as service, peer(name, pythons, service) as running:
        met = load(python, "streams", running.url, 5.0, STREAMS, 1000)
        found["first"], found["failed"] = _at(met["first"], 0.5) * 1e3, float(met["errors"])
        found["peak"] = running.megabytes()
        say(f"{name}: {STREAMS:,} streams, {met['errors']} failed")
    if name == OURS:
        with upstream(python) as service, peer(name, pythons, service, ", rpm: 100000000") as running:
            found["long"], _ = _calls(running, python, seconds, 1000)
    if name == DIRECT:
        for key in ("start", "idle", "cpu", "chunk", "peak"):
            found.pop(key)
    return found


def measured(
    names: Sequence[str], pythons: dict[str, str], seconds: float, say: Callable[[str], None]
) -> dict[str, Figures]:
    """The figures of peers; times are what each adds to the service asked directly."""
    found = {name: figures(name, pythons, seconds, say) for name in (DIRECT, *names)}
    for name in names:
        for key in ("p50", "p99", "first"):
            found[name][key] = max(0.0, found[name][key] - found[DIRECT][key])
    return found


def table(found: Mapping[str, Figures], about: str) -> str:
    """The figures as Markdown, with the targets and whether they are met."""
    names = [name for name in (OURS, LITELLM, NGINX) if name in found]
    lines = [about, "", f"| what | {' | '.join(names)} | target | |", f"|---|{'---|' * (len(names) + 2)}"]
    for key, target in TARGETS.items():
        cells = [_cell(found[name].get(key.removesuffix("_nginx")), target) for name in names]
        met = target.is_met(found) if target.wanted else None
        verdict = "" if not target.wanted else "not measured" if met is None else "met" if met else "missed"
        lines.append(f"| {target.what} | {' | '.join(cells)} | {target.wanted} | {verdict} |")
    for other in names[1:]:
        ratios = f"{found[OURS]['rate'] / found[other]['rate']:.3g} x the requests/s of {other}"
        lines.append(f"\n{OURS} has {ratios}, with 100 KB {found[OURS]['large'] / found[other]['large']:.3g} x.")
    return "\n".join(lines)


def _cell(value: float | None, target: Target) -> str:
    return "" if value is None else f"{value:,.{target.digits}f} {target.unit}".strip()


def cores() -> str:
    """How the work was shared, in words."""
    if (os.cpu_count() or 1) < 2:
        return "one core for all, which distorts the figures"
    return f"the gateway on core {GATEWAY_CORE}, clients and service on core {OTHER_CORE}"
