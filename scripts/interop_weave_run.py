"""Traces calls inside of functions that `weave.op` traces, by Weave's own client, and adds up what it counts.

Weave talks to a server here that says yes to everything and keeps what it is sent.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

from opentelemetry import trace

from wandb_inference import tracing
from wandb_inference.testing import Emulator
from wandb_inference.types import ChatCompletion

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
decoded: Any = import_module("otlp").decoded

PROJECT = {"name": "project", "id": "1", "internalId": "1", "entityName": "team"}
VIEWER = {"id": "1", "username": "me", "entity": "team", "defaultEntity": {"name": "team"}, "teams": {"edges": []}}
GRAPH = {"viewer": VIEWER, "project": PROJECT, "model": PROJECT}
INSERTED = {"upsertModel": {"model": PROJECT, "project": PROJECT, "inserted": True}}


class Server(BaseHTTPRequestHandler):
    """W&B, as far as Weave asks."""

    protocol_version = "HTTP/1.1"

    def __init__(self, calls: list[Any], spans: list[Any], *request: Any) -> None:
        self.calls, self.spans = calls, spans
        super().__init__(*request)

    def do_GET(self) -> None:
        """What the server is."""
        self._answer({"min_required_weave_python_version": "0.0.1"})

    def do_POST(self) -> None:
        """Keeps calls and spans."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/v1/traces"):
            self.spans.extend(decoded(body))
        elif self.path.endswith("/calls/complete"):
            self.calls.extend(json.loads(body)["batch"])
        if self.path.endswith("graphql"):
            self._answer({"data": {**GRAPH, **INSERTED}})
        else:
            self._answer({"digest": "d" * 40, "object_id": "o", "res": []})

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def counted(call: dict[str, Any]) -> int:
    """Tokens of answers that Weave counts for a call of a function."""
    usage = (call.get("summary") or {}).get("usage") or {}
    return sum(model["completion_tokens"] for model in usage.values())


def main() -> int:
    """1 if a token is counted twice, or a span does not know the function it belongs to; else 0."""
    calls: list[Any] = []
    spans: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, calls, spans))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    os.environ |= {"WANDB_BASE_URL": url, "WF_TRACE_SERVER_URL": url, "WANDB_API_KEY": "a" * 40, "WEAVE_SILENT": "true"}
    weave: Any = import_module("weave")
    weave_client: Any = weave.init("team/project")
    client = Emulator().client()
    tracing.instrument()  # to where weave.init() sends spans

    def ask(text: str) -> ChatCompletion:
        return client.chat.completions.create(
            model="meta-llama/Llama-3.1-8B-Instruct", messages=[{"role": "user", "content": text}]
        )

    def asked(text: str) -> str:
        return ask(text).text

    weave.op(asked)("Hello")
    whole: ChatCompletion = weave.op(ask)("Hello")
    weave_client.finish()
    provider: Any = trace.get_tracer_provider()
    provider.force_flush()
    server.shutdown()

    assert whole.usage is not None
    tokens = whole.usage.completion_tokens
    of_ops = {call["op_name"].partition("/op/")[2].partition(":")[0]: counted(call) for call in calls}
    of_spans = [span.attributes["gen_ai.usage.output_tokens"] for span in spans]
    linked = {span.attributes.get("weave.parent_call.id") for span in spans}
    print(f"weave {weave.__version__}: {tokens} tokens a call; spans count {of_spans}, functions {of_ops}")
    good = of_spans == [tokens, tokens] and of_ops == {"asked": 0, "ask": tokens}
    return int(not good or linked != {call["id"] for call in calls})


if __name__ == "__main__":
    sys.exit(main())
