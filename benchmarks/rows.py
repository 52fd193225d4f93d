"""What is measured, beside whom, and what it shall be at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

OURS = "wandb_inference"
ALONE = ""
"""The peer of a target that stands for itself: our own figure is at most so much."""


class Row(NamedTuple):
    """One line of the table."""

    key: str
    group: str
    """What selects it on the command line."""
    title: str
    unit: str
    peers: tuple[str, ...]
    """Who else is measured."""
    targets: Mapping[str, float]
    """What our figure may be at most: as a multiple of the peer's, or, for `ALONE`, in the row's unit."""
    path: str = "now"
    """What the server answers: see `canned.answer`."""
    rounds: int = 7
    tls: bool = False
    """Measured over TLS as well."""


def _stream(kind: str, title: str, at_once: int, targets: Mapping[str, float]) -> Row:
    key = f"{'burst' if at_once > 1 else 'single'} {kind}"
    path = f"stream/1000/{at_once}"
    return Row(key, "streams", f"{kind} stream, {title}", "us/chunk", ("openai", "httpx"), targets, path, tls=True)


_EACH = {"openai": 0.05, "httpx": 0.45}
_BURST = {"openai": 0.06, "httpx": 1.1}

IMPORTS = (
    Row("import", "import", "import", "ms", ("openai", "httpx + pydantic", "litellm"), {"openai": 0.05}),
    Row(
        "request",
        "import",
        "import, client, first request",
        "ms",
        ("openai", "httpx + pydantic", "litellm"),
        {"openai": 0.35},
    ),
)
"""Whole processes, by the clock on the wall: `import_time` measures them."""

DRIVEN = (
    Row("call", "calls", "blocking call", "us", ("openai", "httpx"), {"openai": 0.20, "httpx": 0.50}, tls=True),
    Row(
        "async 50",
        "calls",
        "async call, 50 in flight",
        "us",
        ("openai", "aiohttp"),
        {"openai": 0.12, "aiohttp": 1.4},
        "slow",
        tls=True,
    ),
    Row(
        "async 500",
        "calls",
        "async call, 500 in flight",
        "us",
        ("openai", "aiohttp"),
        {"openai": 0.08, "aiohttp": 1.6},
        "slow",
        rounds=5,
        tls=True,
    ),
    Row("uvloop 50", "calls", "async call, 50 in flight, on uvloop", "us", ("aiohttp",), {}, "slow"),
    Row("uvloop 500", "calls", "async call, 500 in flight, on uvloop", "us", ("aiohttp",), {}, "slow"),
    _stream("blocking", "one write a chunk", 1, _EACH),
    _stream("async", "one write a chunk", 1, _EACH),
    _stream("blocking", "64 chunks a write", 64, _BURST),
    _stream("async", "64 chunks a write", 64, _BURST),
    Row(
        "streams 200",
        "streams",
        "200 async streams at once",
        "us/chunk",
        ("openai", "aiohttp"),
        {"openai": 0.06, "aiohttp": 1.2},
        "stream/150/1",
        rounds=5,
        tls=True,
    ),
    Row("first", "streams", "first chunk, from the call", "ms", ("openai", "httpx"), {"openai": 0.6}, "stream/200/64"),
    Row(
        "logprobs",
        "logprobs",
        "answer with 32,000 logprobs, in memory",
        "ms",
        ("openai", "json"),
        {"json": 0.25},
        "logprobs",
    ),
    Row("idle size", "memory", "idle client, size", "KB", ("openai", "httpx"), {ALONE: 20}, rounds=1),
    Row("idle time", "memory", "idle client, making it", "ms", ("openai", "httpx"), {ALONE: 0.2}, rounds=3),
    Row("growth calls", "memory", "growth over 10,000 calls", "KB", (), {ALONE: 128}, rounds=1),
    Row("growth clones", "memory", "growth over 1,000 with_options()", "KB", (), {ALONE: 128}, rounds=1),
    Row("growth cancelled", "memory", "growth over 1,000 cancelled calls", "KB", (), {ALONE: 128}, "slow", rounds=1),
)
"""Clients driven by `workers`; processor time, but for `first` and `idle time`, which are by the clock on the wall."""

ROWS = {row.key: row for row in (*IMPORTS, *DRIVEN)}
GROUPS = tuple(dict.fromkeys(row.group for row in ROWS.values()))
