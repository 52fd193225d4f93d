"""The command line."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import wandb_inference
from wandb_inference._version import __version__
from wandb_inference.cli import emulator as command
from wandb_inference.cli import main
from wandb_inference.testing import Emulator

ROOT = Path(wandb_inference.__file__).parents[1]


@pytest.fixture
def interrupted(monkeypatch, capsys):
    """Plays Ctrl-C as soon as the emulator waits for it, after so many requests to it."""
    seen = []

    def wait():
        base = capsys.readouterr().out.partition("WANDB_API_BASE=")[2].split()[0]
        headers = {"authorization": "Bearer secret-key", "openai-project": "my/project"}
        body = {"model": "Llama-3.1-8B-Instruct", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        with httpx.Client(base_url=base, headers=headers, trust_env=False) as client:
            seen.extend([client.post("/chat/completions", json=body), client.get("/models")])
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "wait", wait)
    return seen


def test_version(capsys):
    """`--version` prints the package's."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"wandb-inference {__version__}\n"


def test_no_command(capsys):
    """Without a command the help is shown."""
    assert main([]) == 2
    assert "emulator" in capsys.readouterr().out


def test_as_a_module(capsys, monkeypatch):
    """`python -m wandb_inference` is the same command."""
    monkeypatch.setattr(sys, "argv", ["wandb_inference", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "wandb_inference" / "__main__.py"), run_name="__main__")

    assert __version__ in capsys.readouterr().out
    runpy.run_path(str(ROOT / "wandb_inference" / "__main__.py"), run_name="imported")


def test_emulator(interrupted, capsys):
    """The emulator answers until Ctrl-C, which ends it quietly."""
    assert main(["emulator", "--port", "0"]) == 0
    assert [answer.status_code for answer in interrupted] == [200, 200]
    assert capsys.readouterr() == ("", "")


def test_emulator_logs_requests(interrupted, capsys):
    """Each request is a line, without its key."""
    assert main(["emulator", "--port", "0", "--log-requests"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "POST /v1/chat/completions 200 Llama-3.1-8B-Instruct stream",
        "GET /v1/models 200",
    ]


def test_emulator_shows_how_to_get_there(monkeypatch, capsys):
    """The address is printed with the lines that lead clients there; a key that was given is not."""

    def wait():
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "wait", wait)
    assert main(["emulator", "--port", "0", "--api-key", "secret-key", "--project", "my/project"]) == 0
    out = capsys.readouterr().out

    assert "export WANDB_API_BASE=http://127.0.0.1:" in out
    assert "export WANDB_PROJECT=my/project" in out
    assert "export WANDB_API_KEY=..." in out
    assert "secret-key" not in out


def test_emulator_obeys_its_options(interrupted):
    """Options reach the emulator."""
    options = ["--api-key", "other", "--seed", "1", "--latency", "0.001", "--tokens-per-second", "100000"]
    main(["emulator", "--port", "0", *options, "--concurrency-limit", "1", "--no-require-project"])

    assert [answer.status_code for answer in interrupted] == [401, 401]


def test_a_port_that_is_taken(capsys):
    """A taken port is said so, with what to do."""
    with Emulator() as emulator:
        port = emulator.base_url.split(":")[2].removesuffix("/v1")
        assert main(["emulator", "--port", port]) == 2

    assert capsys.readouterr().err == (
        f"wandb-inference emulator: port {port} is taken; choose another with --port, or --port 0 for a free one\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "192.0.2.1"], "can't listen on 192.0.2.1:8000"),
        (["--port", "99999"], "0 to 65535"),
        (["--latency", "-1"], "latency is a duration"),
        (["--latency", "nan"], "not nan"),
        (["--tokens-per-second", "0"], "above 0"),
        (["--tokens-per-second", "nan"], "above 0 or None, not nan"),
        (["--concurrency-limit", "-1"], "number of requests or None, not -1"),
    ],
)
def test_options_that_cannot_be(capsys, options, words):
    """What can't be done is exit code 2 and one line."""
    assert main(["emulator", *options]) == 2

    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_waiting(monkeypatch):
    """Waiting goes on until Ctrl-C."""
    naps = []

    class Event:
        def wait(self, seconds):
            naps.append(seconds)
            if len(naps) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(command.threading, "Event", Event)
    with pytest.raises(KeyboardInterrupt):
        command.wait()


def test_ctrl_c():
    """A real Ctrl-C is exit code 0 and no traceback."""
    arguments = [sys.executable, "-W", "error", "-m", "wandb_inference", "emulator", "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("W&B Inference, emulated, on http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "")
