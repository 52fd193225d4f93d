"""The machine: where and when was measured, in one line, and who runs on which core."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path


def describe() -> str:
    """Python, processor, cores, system, load and date, in one line."""
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}{load}, {datetime.now(timezone.utc):%Y-%m-%d}"
    )


def pin(core: int) -> None:
    """Keeps this process on one core, counted from 0 among those it may use; does nothing where there is but one."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > core:
            os.sched_setaffinity(0, {cores[core]})


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
