"""Sends traces to a collector and compares what it passes on, span by span: interop_otel_run.py."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wandb_inference import AsyncClient, Client
from wandb_inference.testing import Emulator, Fault
from wandb_inference.tracing import to_weave

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
Receiver: Any = import_module("otlp").Receiver

KEY = "a-key-that-no-span-may-hold"
MODEL = "openai/gpt-oss-20b"
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Ask get_weather for Oslo."}]}


def get_weather(city: str) -> dict[str, object]:
    """Says the weather of a city."""
    return {"city": city, "celsius": 3}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def collector(passes_on_to: str) -> Iterator[str]:
    """A collector that listens for OTLP over HTTP, and passes on what comes; its address."""
    spec = find_spec("rotel")
    assert spec is not None
    assert spec.origin is not None
    listens, other = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [str(Path(spec.origin).with_name("rotel-agent")), "start"]
    command += ["--otlp-http-endpoint", listens, "--otlp-grpc-endpoint", other, "--batch-timeout", "100ms"]
    command += ["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", passes_on_to]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: listening(listens), "the collector")
            yield f"http://{listens}"
        finally:
            process.terminate()


def listening(address: str) -> bool:
    """Whether somebody does."""
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def wait_for(there: Any, what: str) -> None:
    """Waits until it is there, for ten seconds at most."""
    until = time.monotonic() + 10
    while not there():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come within 10 s")
        time.sleep(0.05)


def use(emulator: Emulator) -> None:
    """Calls of all kinds, blocking."""
    with Client(base_url=emulator.base_url, api_key=KEY, project="team/project") as client:
        for _ in client.chat.completions.create(stream=True, **ASKED):
            pass
        client.chat.completions.run_tools(tools=[get_weather], **ASKED)
        with client.chat.completions.run_tools(tools=[get_weather], stream=True, **ASKED) as stream:
            stream.until_done()
        client.chat.conversation(model=MODEL).say("Hello")


async def use_async(emulator: Emulator) -> None:
    """Calls of all kinds, async, one of them tried again."""
    async with AsyncClient(base_url=emulator.base_url, api_key=KEY, project="team/project") as client:
        emulator.fault(Fault.storm(503, times=1, retry_after=0.001))
        async for _ in await client.chat.completions.create(stream=True, **ASKED):
            pass
        await client.chat.completions.run_tools(tools=[get_weather], **ASKED)


def spans_of(request: ExportTraceServiceRequest) -> dict[bytes, bytes]:
    """Each span with what it belongs to, by its id, as bytes that can be compared."""
    found: dict[bytes, bytes] = {}
    for resource in request.resource_spans:
        pairs = sorted(pair.SerializeToString(deterministic=True) for pair in resource.resource.attributes)
        for scope in resource.scope_spans:
            of_scope = scope.scope.SerializeToString(deterministic=True)
            for span in scope.spans:
                found[span.span_id] = b"".join([*pairs, of_scope, span.SerializeToString(deterministic=True)])
    return found


def main() -> int:
    """1 if what came is not what was sent, else 0."""
    kept = InMemorySpanExporter()
    with Receiver() as receiver, collector(receiver.url) as address, Emulator() as emulator:
        with to_weave(project="team/project", api_key=KEY, endpoint=address, capture_content=True) as weave:
            weave.tracer_provider.add_span_processor(SimpleSpanProcessor(kept))
            use(emulator)
            asyncio.run(use_async(emulator))
            if not weave.flush():
                raise SystemExit("the collector did not take the traces")
        sent = spans_of(encode_spans(kept.get_finished_spans()))
        wait_for(lambda: len(receiver.spans) >= len(sent), "what the collector passes on")
        came: dict[bytes, bytes] = {}
        for post in receiver.posts:
            came |= spans_of(ExportTraceServiceRequest.FromString(post.body))
    for span in sorted(receiver.spans, key=lambda span: span.name):
        tokens = span.attributes.get("gen_ai.usage.output_tokens", "")
        print(f"{span.name:<32} {'same' if came[span.span_id] == sent.get(span.span_id) else 'DIFFERS'} {tokens}")
    secret = any(KEY.encode() in span for span in came.values())
    print(f"{len(came)} spans in {len({span.trace_id for span in receiver.spans})} traces", "KEY!" if secret else "")
    return int(came != sent or secret)


if __name__ == "__main__":
    sys.exit(main())
