"""The commands of docs/cli.md, run as a reader would run them, on the emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from wandb_inference.testing import Emulator

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "cli.md").read_text()


def test_commands(tmp_path):
    """Each command that is shown prints what is shown below it."""
    (tmp_path / "wandb-inference").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wandb_inference "$@"\n')
    (tmp_path / "wandb-inference").chmod(0o755)
    with Emulator() as emulator:
        for reply in re.findall(r"<!-- reply: (.*?) -->", TEXT):
            emulator.reply(reply)
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "WANDB_API_BASE": emulator.base_url,
            "WANDB_API_KEY": "a-key-for-the-emulator",
            "WANDB_PROJECT": "team/project",
        }
        for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL):
            commands = re.findall(r"^\$ (.*)", block, re.MULTILINE)
            shown = re.sub(r"^\$ .*\n", "", block, flags=re.MULTILINE)
            done = subprocess.run(
                ["bash", "-c", "\n".join(commands)],
                env=environment,
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.stdout == shown


def test_the_picture():
    """docs/chat.svg shows what the command shows today."""
    script = str(ROOT / "scripts" / "pictures_chat.py")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
