"""Virtual environments for the commands of this folder: made once, and again when what they hold should change."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""

_STAMP = "installed.txt"


def prepare(where: Path, *install: str, follows: Path | None = None, pip: str | None = None) -> Path:
    """The interpreter of a virtual environment that has what was asked for; needs no network when it is up to date.

    Args:
        where: Folder of the environment. Made anew when this Python is another than the one it was made with.
        install: Arguments of `pip install`, which runs in the repository; none leaves the environment bare.
        follows: A file whose change means installing again.
        pip: A requirement for pip itself, such as `pip>=25.1`, where the one that comes with Python may be too old.

    Raises:
        SystemExit: It cannot be made; the message says why and what to do.
    """
    made_by = f"{platform.python_implementation()} {platform.python_version()} {sys.base_prefix} {where.resolve()}"
    wanted = hashlib.sha256("\0".join(install).encode())
    if follows is not None:
        wanted.update(follows.read_bytes())
    stamp = where / _STAMP
    python = where / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    before = stamp.read_text("utf-8").splitlines() if stamp.is_file() and _runs(python) else []
    if before == [made_by, wanted.hexdigest()]:
        return python
    print(f"Setting up {where} (once, a minute or so) ...", file=sys.stderr, flush=True)
    if before[:1] != [made_by]:
        _create(where)
    else:
        stamp.unlink()
    if pip is not None:
        _pip(python, "--upgrade", pip)
    if install:
        _pip(python, *install)
    # Written last: a set-up that was interrupted is done again.
    stamp.write_text(f"{made_by}\n{wanted.hexdigest()}\n", "utf-8")
    return python


def _runs(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create(where: Path) -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SystemExit(
            f"{sys.executable} cannot make virtual environments: it lacks the modules venv and ensurepip.\n"
            f"On Debian and Ubuntu: apt install {package}. Elsewhere: name a complete Python with PYTHON=."
        )
    # --clear empties the folder, so it must be an environment already.
    if where.exists() and not (where / "pyvenv.cfg").is_file() and (where.is_file() or any(where.iterdir())):
        raise SystemExit(f"{where} exists and is no virtual environment. Move it away, or choose another folder.")
    _run([sys.executable, "-m", "venv", "--clear", where], f"cannot make a virtual environment in {where}")


def _pip(python: Path, *arguments: str) -> None:
    options = ("--disable-pip-version-check", "--no-input", "--quiet")
    _run([python, "-m", "pip", "install", *options, *arguments], f"cannot install {' '.join(arguments)}")


def _run(command: Sequence[str | Path], complaint: str) -> None:
    # PYTHONPATH would make pip take another environment's packages for this one's.
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout.decode(errors='replace').rstrip()}\n\n{complaint}; the reason is above.")
