"""Fuzzes the gateway: schemathesis against its own OpenAPI document, then garbage over raw connections.

    scripts/fuzz                        for some seconds, in an environment of its own in .cache/fuzz
    scripts/fuzz --examples 1000        more of it; --seed repeats what was found

The gateway is a process of its own before the emulator. Exit code 1 where it answers with a 500, with what its document
does not say, with a traceback, or where it ends or grows.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from setup_venv import ROOT, prepare

ENVIRONMENT = ROOT / ".cache" / "fuzz"
MASTER = "a-master-key-0123456789"
CONFIG = """
model_list:
  - model_name: "*"
    litellm_params: {model: wandb/openai/gpt-oss-20b, api_key: a-key-of-the-account, project: team/project}
general_settings: {master_key: a-master-key-0123456789}
"""
BODY = b'{"model": "fast", "messages": [{"role": "user", "content": "hello"}], "stream": true}'
SEEDS = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
    % (MASTER.encode(), len(BODY), BODY),
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\ntransfer-encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (MASTER.encode(), len(BODY), BODY),
    b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\n\r\n" % MASTER.encode(),
    b"GET /metrics HTTP/1.0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
PIECES = (
    *(b"\r\n", b"\n", b"\0", b":", b" ", b"\xff\xfe", b"%00", b"..", b"{", b"[", b'"', b"chunked"),
    *(b"9" * 40, b"\\ud800"),
)
MOST_GROWTH = 20_000
"""Kilobytes that the gateway may hold more of after all of it than after the first tenth."""


class Gateway(NamedTuple):
    """One that runs."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.url.removeprefix("http://").removesuffix("/v1").partition(":")
        return host, int(port)

    def resident(self) -> int:
        """Kilobytes of memory that it holds; 0 where the system does not tell."""
        try:
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        except OSError:
            return 0
        return int(found[1]) if found else 0

    def descriptors(self) -> int:
        """Files and connections that it holds open; 0 where the system does not tell."""
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:
            return 0


@contextmanager
def started(
    command: Sequence[str | Path], log: Path, variables: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that says where it listens, and its URL.

    Raises:
        SystemExit: It did not start.
    """
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\d.]+:\d+/v1", process.stdout.readline())
            if found is None:
                raise SystemExit(f"{command[-1]} did not start:\n{log.read_text()}")
            yield process, found[0]
        finally:
            process.terminate()


def garbage(random: random.Random) -> bytes:
    """A request that is none, or nearly."""
    data = bytearray(random.choice(SEEDS))
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(data) + 1)
        action = random.randrange(4)
        if action == 0:
            data[at:at] = random.choice(PIECES)
        elif action == 1:
            del data[at : at + random.randint(1, 20)]
        elif action == 2 and at < len(data):
            data[at] = random.randrange(256)
        else:
            data[at:at] = bytes(data[at : at + random.randint(1, 200)])
    return bytes(data)


def thrown(gateway: Gateway, count: int, random: random.Random) -> list[str]:
    """What is wrong after so many pieces of garbage."""
    problems: list[str] = []
    resident = 0
    for number in range(count):
        if number == count // 10:
            resident = gateway.resident()
        data = garbage(random)
        try:
            with socket.create_connection(gateway.address, timeout=5) as peer:
                peer.sendall(data)
                if random.random() < 0.5:
                    peer.shutdown(socket.SHUT_WR)
                peer.settimeout(0.05)
                answer = peer.recv(65536)
        except (TimeoutError, ConnectionError, BrokenPipeError):
            continue
        except OSError as error:
            return [*problems, f"no connection after {number} requests: {error}"]
        if re.match(rb"HTTP/1.1 5(?!03)", answer):
            problems.append(f"{answer[:60]!r} for {data!r}")
    time.sleep(1.5)  # connections that were left are closed by then
    if (grown := gateway.resident() - resident) > MOST_GROWTH:
        problems.append(f"it holds {grown:,} KB more than after a tenth of the garbage")
    return problems


def schemathesis(gateway: Gateway, examples: int, seed: int) -> list[str]:
    """What schemathesis finds."""
    command = [
        *(str(ENVIRONMENT / "bin" / "st"), "run", f"{gateway.url.removesuffix('/v1')}/openapi.json"),
        *("--header", f"Authorization: Bearer {MASTER}"),
        *("--max-examples", str(examples), "--seed", str(seed)),
        # What a request says beyond its document, the service judges, and rightly refuses most of it.
        *("--exclude-checks", "positive_data_acceptance"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (counted,) = re.findall(r"^\s+(\d+ generated,.*)$", done.stdout, re.MULTILINE) or ["nothing was tried"]
    print(f"  schemathesis   {counted}", flush=True)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def main(arguments: list[str]) -> int:
    """0 if the gateway held; else 1, with what was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Fuzzes the gateway.")
    parser.add_argument("--examples", type=int, default=100, help="for each operation; ten times as much garbage")
    parser.add_argument("--seed", type=int, default=None, help="repeats what was found")
    given = parser.parse_args(arguments)
    seed = random.randrange(2**31) if given.seed is None else given.seed
    python = prepare(
        ENVIRONMENT, "--editable", ".[emulator,gateway]", "schemathesis>=4.32", follows=ROOT / "pyproject.toml"
    )
    print(f"The gateway before the emulator, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        problems = _tried(python, Path(folder), given.examples, seed)
    for problem in problems:
        print(problem, file=sys.stderr)
    print("It held." if not problems else f"{len(problems)} found.")
    return int(bool(problems))


def _tried(python: Path, folder: Path, examples: int, seed: int) -> list[str]:
    config, log = folder / "config.yaml", folder / "gateway.log"
    config.write_text(CONFIG)
    ours: list[str | Path] = [python, "-m", "wandb_inference"]
    with started([*ours, "emulator", "--port", "0"], folder / "emulator.log", {}) as (_, base_url):
        variables = {"WANDB_INFERENCE_GATEWAY_API_BASE": base_url}
        with started([*ours, "gateway", "--config", config, "--port", "0"], log, variables) as (process, url):
            gateway = Gateway(process, url, log)
            problems = schemathesis(gateway, examples, seed)
            before = gateway.descriptors()
            problems += thrown(gateway, 10 * examples, random.Random(seed))
            held = f"{gateway.resident():,} KB, {gateway.descriptors()} files open"
            print(f"  garbage        {10 * examples} pieces; {held}")
            if gateway.descriptors() > before + 5:
                problems.append(f"{gateway.descriptors()} files are open, and {before} were before the garbage")
            if process.poll() is not None:
                problems.append(f"it ended with {process.returncode}")
        text = log.read_text()
        if "Traceback" in text or "mistake of the gateway" in text:
            problems.append(f"its log has a traceback:\n{text[:3000]}")
        if MASTER in text or "hello" in text:
            problems.append("its log has a key or a prompt")
    return problems


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
