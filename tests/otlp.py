"""A receiver of traces on a port of its own, which reads OTLP's protobuf as it comes over HTTP."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import Self


class Post(NamedTuple):
    """One request, its headers by names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Received(NamedTuple):
    """One span as it came."""

    name: str
    span_id: bytes
    parent_id: bytes
    trace_id: bytes
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Receiver:
    """Answers each request with `status`, and keeps what came."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.answer = b""
        self.hold = threading.Event()
        self.hold.set()
        self.posts: list[Post] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posts.append(Post(self.path, headers, body))
                receiver.hold.wait(10)
                self.send_response(receiver.status)
                self.send_header("content-length", str(len(receiver.answer)))
                self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Received]:
        """All spans that came, in order."""
        return [span for post in self.posts for span in decoded(post.body)]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def decoded(body: bytes) -> list[Received]:
    """The spans of one request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Received(
            span.name,
            span.span_id,
            span.parent_span_id,
            span.trace_id,
            {pair.key: value_of(pair.value) for pair in span.attributes},
            {pair.key: value_of(pair.value) for pair in resource.resource.attributes},
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def value_of(value: Any) -> Any:
    """An attribute's value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    return getattr(value, kind)
