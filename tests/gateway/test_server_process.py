"""The gateway's process: the command, signals, reloads, workers, and its end."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    LAST,
    ONE,
    STREAM,
    chunk,
    completion,
    configured,
    events,
)
from tests.raw_server import STREAM_HEAD, Peer, RawServer, answering, chunked, whole
from wandb_inference.cli import main
from wandb_inference.gateway import server as servers
from wandb_inference.gateway import workers
from wandb_inference.gateway.app import Gateway
from wandb_inference.gateway.server import GatewayServer, Settings, Source, listen, serve
from wandb_inference.testing import Emulator

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    """The variables that the configurations name, and none of the machine's settings."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield
    logger = logging.getLogger("wandb_inference.gateway")
    logger.handlers[:] = []
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


class Process:
    """A server in a thread, told what a signal would tell it."""

    def __init__(self, server: GatewayServer, port: int, listener: socket.socket) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{port}"
        self.thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        self.thread.start()
        self.until(lambda: server.started)

    def until(self, condition: Any, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)

    def term(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)

    def post(self, body: dict[str, Any] = BODY) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=20, trust_env=False)


@contextmanager
def running(tmp_path: Path, base_url: str, **settings: Any) -> Iterator[Process]:
    """A server whose configuration is a file of this folder."""
    config = configured(tmp_path, ONE, base_url)
    source = Source(str(tmp_path / "config.yaml"), "127.0.0.1", api_base=base_url)
    listener = listen("127.0.0.1", 0)
    process = Process(GatewayServer(Gateway(config), Settings(source, **settings)), listener.getsockname()[1], listener)
    try:
        yield process
    finally:
        process.term()
        process.term()
        process.thread.join(10)
        assert not process.thread.is_alive()


def held(*pieces: bytes, then: bytes = b"", go: threading.Event) -> Any:
    """A service that waits before the rest of its answer."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*pieces)
        go.wait(10)
        peer.send(then)

    return script


def test_streams_finish_before_the_end(tmp_path):
    """Once told to end, the process takes no new work, and what is under way comes to its end."""
    go = threading.Event()
    begun, rest = [*streaming_head(chunk("a"))], b"".join(chunked(LAST, DONE))
    with (
        RawServer(held(*begun, then=rest, go=go)) as upstream,
        running(tmp_path, upstream.base_url, reload=True) as process,
    ):
        answers: list[httpx.Response] = []
        client = threading.Thread(target=lambda: answers.append(process.post(STREAM)))
        client.start()
        process.until(lambda: upstream.requests)
        time.sleep(0.25)
        process.term()
        new = process.post()
        ready = httpx.get(f"{process.url}/health/readiness", trust_env=False)
        go.set()
        client.join(10)
        process.thread.join(10)
        assert not process.thread.is_alive()

    assert (new.status_code, ready.status_code) == (503, 503)
    assert events(answers[0].text)[-1] == "[DONE]"


def streaming_head(*pieces: bytes) -> Iterator[bytes]:
    from tests.raw_server import STREAM_HEAD

    yield STREAM_HEAD
    yield from chunked(*pieces, end=False)


def test_what_takes_too_long_is_told_so(tmp_path):
    """After the time to drain a stream ends with an error event, and the process ends."""
    go = threading.Event()
    script = held(*streaming_head(chunk("a")), go=go)
    with RawServer(script) as upstream, running(tmp_path, upstream.base_url, drain=0.2) as process:
        answers: list[httpx.Response] = []
        client = threading.Thread(target=lambda: answers.append(process.post(STREAM)))
        client.start()
        process.until(lambda: upstream.requests)
        time.sleep(0.05)
        process.term()
        client.join(10)
        process.thread.join(10)
        go.set()
        assert not process.thread.is_alive()

    assert events(answers[0].text)[-1]["error"]["code"] == "stream_interrupted"


def test_an_upload_that_never_ends(tmp_path, monkeypatch):
    """Nothing keeps the process longer than the time to drain, and a little."""
    monkeypatch.setattr(servers, "_AFTER_DRAIN", 0.1)
    with RawServer(answering(b"")) as upstream, running(tmp_path, upstream.base_url, drain=0.1) as process:
        client = socket.create_connection(("127.0.0.1", int(process.url.rpartition(":")[2])))
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        process.until(lambda: process.server._is_uploading())
        process.term()
        process.thread.join(10)
        client.close()
        assert not process.thread.is_alive()


def test_twice_means_now(tmp_path):
    """The second signal ends the process at once."""
    go = threading.Event()
    with RawServer(held(go=go)) as upstream, running(tmp_path, upstream.base_url) as process:
        answers: list[httpx.Response] = []
        client = threading.Thread(target=lambda: answers.append(process.post()))
        client.start()
        process.until(lambda: upstream.requests)
        process.term()
        began = time.monotonic()
        process.term()
        process.thread.join(10)
        seconds = time.monotonic() - began
        client.join(10)
        go.set()

    assert seconds < 5
    assert answers[0].json()["error"]["code"] == "draining"


def test_files_are_watched(tmp_path, monkeypatch, caplog):
    """A file that changes is read again; one with a mistake leaves all as it was, and says so."""
    monkeypatch.setattr(servers, "_WATCH", 0.01)
    caplog.set_level(logging.WARNING, "wandb_inference.gateway")
    file = tmp_path / "config.yaml"
    with Emulator() as emulator:
        emulator.start()
        with running(tmp_path, emulator.base_url, reload=True) as process:
            reloads = process.server.gateway.metrics.reloads
            assert process.post().status_code == 200
            file.write_text(ONE.replace("fast", "quick"))
            process.until(lambda: reloads.of("taken").value == 1)
            assert process.post({**BODY, "model": "quick"}).status_code == 200
            file.write_text("model_lists: []")
            process.until(lambda: reloads.of("refused").value == 1)
            assert process.post({**BODY, "model": "quick"}).status_code == 200
            file.unlink()
            process.until(lambda: reloads.of("refused").value == 2)

    assert "the configuration stays as it was" in caplog.text
    assert "model_lists" in caplog.text
    assert "there is no master_key" in caplog.text


def test_a_signal_reads_the_file_again(tmp_path):
    """SIGHUP has the file read once; without it, and without a watch, nothing is read."""
    with Emulator() as emulator:
        emulator.start()
        with running(tmp_path, emulator.base_url) as process:
            (tmp_path / "config.yaml").write_text(ONE.replace("fast", "quick"))
            time.sleep(0.25)
            assert process.post().status_code == 200
            process.server.hang_up()
            process.until(lambda: process.server.gateway.metrics.reloads.of("taken").value == 1)
            assert process.post().status_code == 404


def test_addresses():
    """A socket is bound where it is told, IPv4 where a name has both; one that is taken is an error."""
    with listen("localhost", 0) as listener:
        assert listener.family == socket.AF_INET
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", listener.getsockname()[1])


# The command


def run(*arguments: str) -> int:
    return main(["gateway", *arguments])


def test_check(tmp_path, capsys):
    """`--check` prints what the configuration means, or all that is wrong with it; nothing is sent."""
    (tmp_path / "good.yaml").write_text(ONE)
    (tmp_path / "bad.yaml").write_text("model_lists: []\nx: 1")

    assert run("-c", "good.yaml", "--check") == 0
    good = capsys.readouterr()
    assert run("--config", "bad.yaml", "--validate_config") == 2
    bad = capsys.readouterr()
    assert run("--check") == 0
    assert "models:" in capsys.readouterr().out
    assert run("--check", "--host", "0.0.0.0") == 2

    assert "fast:" in good.out
    assert ENVIRON["WANDB_API_KEY"] not in good.out
    assert "there is no master_key" in good.err
    assert bad.out == ""
    assert bad.err.count("error: ") == 2


def test_what_can_not_start(tmp_path, capsys, monkeypatch):
    """A bad file, a taken port, an address that is not here: said in a line, with the exit code 2."""
    (tmp_path / "good.yaml").write_text(ONE)
    (tmp_path / "bad.yaml").write_text("model_lists: []")

    assert run("-c", "bad.yaml") == 2
    assert "model_lists" in capsys.readouterr().err
    assert run("-c", "good.yaml", "--host", "0.0.0.0") == 2
    assert "master_key" in capsys.readouterr().err
    with listen("127.0.0.1", 0) as taken:
        assert run("-c", "good.yaml", "--port", str(taken.getsockname()[1])) == 2
    assert "is taken; choose another with --port" in capsys.readouterr().err
    (tmp_path / "keyed.yaml").write_text(KEYED)
    assert run("-c", "keyed.yaml", "--host", "203.0.113.1", "--port", "0") == 2
    assert "can't listen on 203.0.113.1:0" in capsys.readouterr().err
    monkeypatch.setattr("wandb_inference.cli.gateway.find_spec", lambda name: None)
    assert run("-c", "good.yaml") == 2
    assert "pip install 'wandb-inference[gateway]'" in capsys.readouterr().err


def test_the_command_serves(tmp_path, capsys, monkeypatch):
    """The command says where it listens and what differs from what its author may think."""
    served: list[Any] = []
    monkeypatch.setattr(servers, "serve", lambda *arguments: served.append(arguments) or 0)
    monkeypatch.setattr(workers.Workers, "run", lambda self: served.append(self) or 3)
    (tmp_path / "good.yaml").write_text(
        ONE + "litellm_settings: {json_logs: true}\nmodel_x: 1".replace("model_x: 1", "")
    )

    assert main(["proxy", "-c", "good.yaml", "--port", "0", "--detailed_debug"]) == 0
    one = capsys.readouterr()
    logging.getLogger("wandb_inference.gateway").debug("a %s", "word")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("wandb_inference.gateway").exception("oops")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert run("-c", "good.yaml", "--port", "0", "--num_workers", "3") == 3
    several = capsys.readouterr()
    assert run("--port", "0", "--host", "::1") == 0

    assert one.out.startswith("W&B Inference gateway on http://127.0.0.1:")
    assert "1 model." in one.out
    assert "warning: " in one.err
    assert lines[0]["message"] == "a word"
    assert "ValueError: why" in lines[1]["error"]
    assert "3 workers: each holds 1/3 of every limit and budget." in several.out
    assert "http://[::1]:" in capsys.readouterr().out
    assert len(served) == 3


PROGRAM = [sys.executable, "-m", "wandb_inference", "gateway", "--port", "0"]


@contextmanager
def command(*arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, the first of its group, and its address."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=cwd, env=environ, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, line.split()[4].removesuffix("/v1,")
    finally:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its workers, which hold its pipes
        else:
            process.kill()
        process.communicate()


def ask(url: str, seconds: float = 10.0, **headers: str) -> httpx.Response:
    """The answer, once the process listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            return httpx.post(f"{url}/v1/chat/completions", json=BODY, headers=headers, timeout=20, trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("count", ["1", "2"])
def test_the_processes_life(tmp_path, count):
    """The command answers, reads its file again at SIGHUP, and ends at SIGTERM, with one process and with several."""
    (tmp_path / "config.yaml").write_text(ONE)
    with Emulator() as emulator:
        emulator.start()
        arguments = ("-c", "config.yaml", "--workers", count, "--api-base", emulator.base_url)
        with command(*arguments, cwd=tmp_path) as (process, url):
            assert ask(url, authorization="Bearer your-proxy-key").status_code == 200
            (tmp_path / "config.yaml").write_text(ONE.replace("fast", "quick"))
            process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 10
            while [ask(url).status_code for _ in range(6)] != [404] * 6:
                assert time.monotonic() < end
            process.send_signal(signal.SIGTERM)
            code = process.wait(10)
            errors = process.stderr.read() if process.stderr else ""

    assert code == 0
    assert "Traceback" not in errors


def test_the_page_answers_its_curl(tmp_path):
    """The provider page's file, unchanged, answers the page's call: any bearer, on this machine."""
    page = (Path(__file__).parent / "data" / "01-provider-page.yaml").read_text()
    (tmp_path / "config.yaml").write_text(page)
    with Emulator() as emulator:
        emulator.start()
        with command("--config", "config.yaml", "--api-base", emulator.base_url, cwd=tmp_path) as (_, url):
            names = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
            answer = httpx.post(
                f"{url}/v1/chat/completions",
                headers={"Content-Type": "application/json", "Authorization": "Bearer your-proxy-key"},
                content=json.dumps({**BODY, "model": names[0]["id"]}),
                trust_env=False,
            )

    assert len(names) == 2
    assert answer.status_code == 200
    assert answer.json()["model"] == names[0]["id"]


def test_serving_in_this_thread(tmp_path):
    """`serve` and a worker's whole life go on until the server is told to end."""
    for target, extra in ((serve, ()), (workers.work, (logging.INFO, threading.Event()))):
        with RawServer(answering(whole(completion()))) as upstream:
            config = configured(tmp_path, ONE, upstream.base_url)
            listener = listen("127.0.0.1", 0)
            settings = Settings(Source(str(tmp_path / "config.yaml"), "127.0.0.1"), drain=0.1)
            made: list[GatewayServer] = []
            original = GatewayServer.startup

            async def startup(
                self: GatewayServer, sockets: Any = None, original: Any = original, made: Any = made
            ) -> None:
                await original(self, sockets)
                made.append(self)

            GatewayServer.startup = startup  # type: ignore[method-assign]
            try:
                thread = threading.Thread(target=target, args=(config, settings, listener, *extra), daemon=True)
                thread.start()
                end = time.monotonic() + 10
                while not made:
                    assert time.monotonic() < end
                    time.sleep(0.01)
                assert ask(f"http://127.0.0.1:{listener.getsockname()[1]}").status_code == 200
                made[0].handle_exit(signal.SIGTERM, None)
                thread.join(10)
                assert not thread.is_alive()
            finally:
                GatewayServer.startup = original  # type: ignore[method-assign]


# Workers


def run_workers(tmp_path: Path, count: int) -> int:
    """The exit code of so many workers."""
    settings = Settings(Source(None, "127.0.0.1"), workers=count)
    with listen("127.0.0.1", 0) as listener:
        return workers.Workers(configured(tmp_path), settings, listener).run()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_workers_that_can_not_start_end_all(tmp_path, monkeypatch, caplog):
    """Workers that end right after their start are not replaced for ever."""
    monkeypatch.setattr(workers, "_QUICK", 60.0)
    monkeypatch.setattr(workers, "work", print)  # which ends at once

    assert run_workers(tmp_path, 2) == 1
    assert "right after its start" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_worker_that_dies_is_replaced(tmp_path, monkeypatch, caplog):
    """Another one takes its place, until all are told to end."""
    monkeypatch.setattr(workers, "_QUICK", 0.0)
    monkeypatch.setattr(workers, "_PAUSE", 0.05)
    monkeypatch.setattr(workers, "work", print)
    end = threading.Thread(
        target=lambda: (wait_for(lambda: caplog.text.count("is replaced") > 1), os.kill(os.getpid(), signal.SIGTERM))
    )
    end.start()

    assert run_workers(tmp_path, 1) == 0
    end.join(10)


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def test_what_a_reload_can_not_change(tmp_path, caplog):
    """It says so, and until when."""
    caplog.set_level(logging.WARNING, "wandb_inference.gateway")
    with Emulator() as emulator:
        emulator.start()
        with running(tmp_path, emulator.base_url) as process:
            (tmp_path / "config.yaml").write_text(ONE + "litellm_settings: {ssl_verify: false, callbacks: [otel]}\n")
            process.server.hang_up()
            process.until(lambda: process.server.gateway.metrics.reloads.of("taken").value == 1)

    for name in ("ssl_verify", "callbacks: [otel]"):
        assert f"{name} stays as it was until the gateway starts again" in caplog.text
    assert "json_logs stays" not in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_a_signal_for_the_whole_group(tmp_path, again):
    """From a terminal or systemd each process gets it: streams finish all the same, unless it comes twice."""
    (tmp_path / "config.yaml").write_text(ONE)
    begun, go = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        while peer.request():
            peer.send(STREAM_HEAD, *chunked(chunk("a"), end=False))
            begun.set()
            go.wait(5)
            peer.send(*chunked(LAST, DONE))

    with RawServer(slow) as upstream:
        arguments = ("-c", "config.yaml", "--workers", "2", "--drain", "20", "--api-base", upstream.base_url)
        with (
            command(*arguments, cwd=tmp_path) as (process, url),
            httpx.stream("POST", f"{url}/v1/chat/completions", json=STREAM, timeout=20, trust_env=False) as answer,
        ):
            assert begun.wait(10)
            os.killpg(process.pid, signal.SIGTERM)
            time.sleep(0.5)
            if again:
                os.killpg(process.pid, signal.SIGTERM)
            else:
                go.set()
            text = answer.read().decode()
            go.set()
            code = process.wait(10)

    assert code == 0
    assert ("stream_interrupted" in text) == again
    assert ("[DONE]" in text) == (not again)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_workers_without_their_parent(tmp_path):
    """They end when nobody is there any more who would tell them to."""
    (tmp_path / "config.yaml").write_text(ONE)
    with Emulator() as emulator:
        emulator.start()
        arguments = ("-c", "config.yaml", "--workers", "2", "--api-base", emulator.base_url)
        with command(*arguments, cwd=tmp_path) as (process, url):
            assert ask(url).status_code == 200
            process.kill()
            process.wait(10)
            end = time.monotonic() + 10
            with pytest.raises(httpx.TransportError):
                while time.monotonic() < end:
                    httpx.get(f"{url}/health/liveness", trust_env=False)
                    time.sleep(0.05)
            with pytest.raises(ProcessLookupError):
                while time.monotonic() < end:
                    os.killpg(process.pid, 0)
                    time.sleep(0.05)


def test_a_worker_whose_parent_is_gone(tmp_path):
    """It ends as if it had been told to."""
    with Emulator() as emulator:
        emulator.start()
        with running(tmp_path, emulator.base_url, parent=1) as process:
            process.thread.join(10)
            assert not process.thread.is_alive()


def test_files_that_come_to_be_right(tmp_path, monkeypatch, caplog):
    """An included file with a mistake is watched as well, and a link that leads elsewhere is another file."""
    monkeypatch.setattr(servers, "_WATCH", 0.01)
    (tmp_path / "real.yaml").write_text(ONE)
    with Emulator() as emulator:
        emulator.start()
        with running(tmp_path, emulator.base_url, reload=True) as process:
            reloads = process.server.gateway.metrics.reloads
            (tmp_path / "more.yaml").write_text("model_list: [")
            (tmp_path / "config.yaml").write_text("include: [more.yaml]\n" + ONE)
            process.until(lambda: reloads.of("refused").value == 1)
            (tmp_path / "more.yaml").write_text(ONE.replace("fast", "quick"))
            process.until(lambda: reloads.of("taken").value == 1)
            assert process.post({**BODY, "model": "quick"}).status_code == 200

            (tmp_path / "other.yaml").write_text(ONE.replace("fast", "other"))
            (tmp_path / "config.yaml").unlink()
            (tmp_path / "config.yaml").symlink_to(tmp_path / "real.yaml")
            process.until(lambda: process.post({**BODY, "model": "quick"}).status_code == 404)
            (tmp_path / "link.yaml").symlink_to(tmp_path / "other.yaml")
            (tmp_path / "link.yaml").replace(tmp_path / "config.yaml")
            process.until(lambda: process.post({**BODY, "model": "other"}).status_code == 200)


def test_a_mistake_of_ours_while_reading(tmp_path, monkeypatch, caplog):
    """The configuration stays as it was, and the log says why."""
    with Emulator() as emulator:
        emulator.start()
        with running(tmp_path, emulator.base_url) as process:
            monkeypatch.setattr(Source, "load", lambda self: 1 // 0)
            process.server.hang_up()
            process.until(lambda: process.server.gateway.metrics.reloads.of("refused").value == 1)
            assert process.post().status_code == 200

    assert "reading it failed with a mistake of the gateway's own" in caplog.text
