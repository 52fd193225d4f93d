"""What is measured: each peer as a process on a core of its own, before the same service."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .load import KEY

OURS, LITELLM, NGINX, DIRECT = "wandb-inference", "litellm", "nginx", "direct"
ROOT = Path(__file__).resolve().parent.parent.parent
GATEWAY_CORE, OTHER_CORE = 0, 1
_TICKS = os.sysconf("SC_CLK_TCK")

_MODEL = """
  - model_name: m
    litellm_params: {{model: {model}, api_base: "{base_url}", api_key: a-key-of-the-account{more}}}
"""
_OURS = """
general_settings: {{master_key: a-master-key-0123456789}}
keys: [{{name: bench, key: os.environ/BENCH_KEY, rpm: 100000000, tpm: 100000000000, max_parallel_requests: 10000}}]
"""
_LITELLM = "\ngeneral_settings: {{master_key: {key}}}\n"
_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; client_body_buffer_size 1m;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000;
  upstream service {{ server {address}; keepalive 2048; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


class Running(NamedTuple):
    """A peer that answers."""

    name: str
    url: str
    pid: int
    started: float
    """Seconds from its start to its first answer."""

    def processes(self) -> list[int]:
        """It and its children; nobody for the service itself."""
        return [] if self.name == DIRECT else [self.pid, *_children(self.pid)]

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        total = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def megabytes(self) -> float:
        """Memory that it holds."""
        held = 0
        for pid in self.processes():
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            held += int(found[1]) if found else 0
        return held / 1024


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, found) for each in (child, *_children(child))]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(command: Sequence[str], core: int) -> list[str]:
    """A command on a core of its own, where there are two."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return [*command]
    return ["taskset", "-c", str(core), *command]


@contextmanager
def process(command: Sequence[str], core: int, log: Path, variables: dict[str, str] | None = None) -> Iterator[int]:
    """A process on a core, ended with all its children."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            pinned(command, core),
            cwd=ROOT,
            env={**os.environ, **(variables or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield running.pid
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _wait(url: str, log: Path, seconds: float) -> None:
    """Waits until a chat request is answered.

    Raises:
        RuntimeError: It was not, in that time.
    """
    from .load import request_of

    host, _, port = url.removeprefix("http://").removesuffix("/v1").partition(":")
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as peer:
                peer.sendall(request_of(url, 200, stream=False))
                if peer.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.005)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def upstream(python: str, chunks: int = 100, pause: float = 0.0, faults: float = 0.0) -> Iterator[str]:
    """The service; its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "benchmarks.gateway.upstream", str(port), str(chunks), str(pause), str(faults)]
        with process(command, OTHER_CORE, Path(folder) / "log"):
            url = f"http://127.0.0.1:{port}/v1"
            if not faults:
                _wait(url, Path(folder) / "log", 10)
            else:
                time.sleep(0.5)
            yield url


@contextmanager
def peer(name: str, pythons: dict[str, str], service: str, own: str = "") -> Iterator[Running]:
    """A peer before a service.

    Args:
        name: One of those above.
        pythons: The interpreters of the environments, by peer.
        service: The service's URL.
        own: More parameters of our deployment.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    if name == DIRECT:
        yield Running(name, service, 0, 0.0)
        return
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        config, log = folder / "config", folder / "log"
        variables: dict[str, str] = {}
        if name == OURS:
            more = f", project: team/project{own}"
            config.write_text(
                "model_list:" + _MODEL.format(model="wandb/m", base_url=service, more=more) + _OURS.format()
            )
            command = [pythons[OURS], "-m", "wandb_inference", "gateway", "--config", str(config), "--port", str(port)]
            variables["BENCH_KEY"] = KEY
        elif name == LITELLM:
            config = folder / "config.yaml"
            model = _MODEL.format(model="openai/m", base_url=service, more="")
            config.write_text("model_list:" + model + _LITELLM.format(key=KEY))
            program = str(Path(pythons[LITELLM]).with_name("litellm"))
            command = [program, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
            variables |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*", "LITELLM_LOG": "ERROR"}
        else:
            address = service.removeprefix("http://").removesuffix("/v1")
            config.write_text(_NGINX.format(folder=folder, address=address, port=port))
            command = [shutil.which("nginx") or "nginx", "-c", str(config), "-e", str(folder / "error.log")]
        began = time.perf_counter()
        with process(command, GATEWAY_CORE, log, variables) as pid:
            _wait(url, log, 120)
            yield Running(name, url, pid, time.perf_counter() - began)
