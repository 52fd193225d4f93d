"""The command that repeats a request, run by curl itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, ask, done

from wandb_inference import APIError
from wandb_inference.testing import Emulator, Fault

CURL = shutil.which("curl")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("filling", [0, 150_000], ids=["argument", "input"])
async def test_it_runs_as_it_stands(
    make: Any, emulator: Emulator, tmp_path: Path, streamed: bool, filling: int
) -> None:
    """With the key in the environment the command asks again what was asked; saved to a file, it is a case."""
    assert CURL is not None, "these tests need curl"
    emulator.fault(Fault.status(500))
    client = make(max_retries=0)
    text = "It's $HOME, `id` and \\n" + "x" * filling
    with pytest.raises(APIError) as caught:
        await ask(client, messages=[{"role": "user", "content": text}], stream=streamed, extra_headers={"x-token": "a"})
    await done(client.close())
    case = tmp_path / "case.sh"
    save(case, caught.value)

    environment = {"WANDB_API_KEY": KEY, "X_TOKEN": "a", "PATH": "/usr/bin:/bin", "NO_PROXY": "*"}
    printed = run(case, environment)

    first, second = emulator.requests
    assert KEY not in case_text(case)
    assert (second.body, second.path, second.project) == (first.body, first.path, first.project)
    assert second.headers["authorization"] == f"Bearer {KEY}"
    assert second.headers["x-token"] == "a"
    assert printed.endswith("data: [DONE]\n\n") if streamed else json.loads(printed)["choices"]


def save(path: Path, error: APIError) -> None:
    """Saves an error as a case."""
    path.write_text(error.as_curl() or "")


def case_text(path: Path) -> str:
    """What a case holds."""
    return path.read_text()


def run(path: Path, environment: dict[str, str]) -> str:
    """What a case prints."""
    command = ["sh", str(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout
