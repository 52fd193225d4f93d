"""Sends spans to Weave, and says so where it can't. Loads OpenTelemetry's SDK and exporter."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final, cast

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

logger = logging.getLogger("wandb_inference")

_QUEUE: Final = "OTEL_BSP_MAX_QUEUE_SIZE"
_ROOM: Final = 2048
"""Spans that may wait; this and the variable: OpenTelemetry's specification of its batching processor."""

_FRAMING = ("content-type", "content-encoding", "content-length", "user-agent", "connection", "host", "accept")


class Session(requests.Session):
    """The exporter's connections: sends our headers and no others, and keeps how the last request went.

    Others would be those of OTEL_EXPORTER_OTLP_HEADERS, which are another server's secrets, and a key out of netrc.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._own = dict(headers)
        self.status: int | None = None
        self.failure: str | None = None
        self.rejected = 0
        """Spans that the server did not take, though it took the request."""
        self.rejection = ""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """The answer to a request."""
        for name in list(request.headers):
            if name.lower() not in _FRAMING:
                del request.headers[name]
        request.headers.update(self._own)
        self.status = self.failure = None
        self.rejected, self.rejection = 0, ""
        try:
            # A redirect would take the key to wherever it leads.
            response = super().send(request, **{**kwargs, "allow_redirects": False})
        except requests.RequestException as error:
            self.failure = type(error).__name__
            raise
        self.status = response.status_code
        if response.status_code == 200:
            self.rejected, self.rejection = _rejected(response.content)
        return response


def _rejected(body: bytes) -> tuple[int, str]:
    """How many spans a server's answer says that it did not take, and why."""
    answer = ExportTraceServiceResponse()
    try:
        answer.ParseFromString(body)
    except Exception:  # protobuf's own, of a server that answers otherwise: some do with an empty object of JSON
        return 0, ""
    return answer.partial_success.rejected_spans, answer.partial_success.error_message


class Delivery(SpanExporter):
    """The exporter, which warns of the first batch that is lost and counts them all.

    Args:
        exporter: Sends.
        session: What it sends with.
        endpoint: Where to.
        key_source: Where the key came from, for the warning.
        project: Where the traces go, for the warning.
    """

    def __init__(self, exporter: SpanExporter, session: Session, endpoint: str, key_source: str, project: str) -> None:
        self.endpoint = endpoint
        self.lost = 0
        self.taken = 0
        """Spans that were handed over to be sent, delivered or not."""
        self._exporter = exporter
        self._session = session
        self._key_source = key_source
        self._project = project
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Whether the spans were delivered, all of them."""
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception:  # older exporters raise where nobody answers
            logger.debug("wandb_inference: traces could not be sent", exc_info=True)
            result = SpanExportResult.FAILURE
        status = self._session.status
        if result is not SpanExportResult.SUCCESS or (status is not None and not 200 <= status < 300):
            # To the exporter a redirect is a success, though nothing went where it leads.
            self.lose(len(spans), *self._reason())
        elif self._session.rejected:
            self.lose(self._session.rejected, *self._told())
        else:
            return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def lose(self, spans: int, what: str, hint: str) -> None:
        """Counts spans that are lost, and warns the first time.

        Args:
            spans: How many.
            what: What became of them.
            hint: What can be done.
        """
        with self._lock:
            first = not self.lost
            self.lost += spans
        if first:
            self._warn(what, hint)

    def shutdown(self) -> None:
        """Closes the connections."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether nothing is on the way: nothing ever is."""
        return True

    def _warn(self, what: str, hint: str) -> None:
        message = f"wandb_inference: traces for {self._project} are lost: {what}. {hint} This is said once."
        try:
            warnings.warn(message, UserWarning, stacklevel=2)
        except UserWarning:  # where warnings are errors, this thread is not the place to raise one
            logger.error(message)

    def _told(self) -> tuple[str, str]:
        why = " ".join(self._session.rejection.split())
        return f"{self.endpoint} did not take {self._session.rejected}", f"It says: {why or 'nothing more'}."

    def _reason(self) -> tuple[str, str]:
        status, failure = self._session.status, self._session.failure
        if status in (401, 403):
            return (
                f"{self.endpoint} answered {status}",
                f"The key came from {self._key_source}: check that it is right, and that it may write to this project.",
            )
        if status == 404:
            return (
                f"{self.endpoint} answered 404",
                "Check endpoint= and WF_TRACE_SERVER_URL: the base goes before /v1/traces.",
            )
        if status is not None and 300 <= status < 400:
            return (
                f"{self.endpoint} answered {status}",
                "Give endpoint= the address it leads to: no redirect is followed.",
            )
        if status is not None:
            return f"{self.endpoint} answered {status}", "Later traces are tried again."
        if failure is not None:
            return f"{self.endpoint} was not reached ({failure})", "Check the address, the network and the proxy."
        return "they could not be sent", "The log of opentelemetry says why."


class Queue(BatchSpanProcessor):
    """Ended spans on their way to be sent. OpenTelemetry's drops the oldest of too many with no more than a log's line.

    Args:
        sending: What sends them.
    """

    def __init__(self, sending: Delivery) -> None:
        room = _room()
        super().__init__(sending, max_queue_size=room, max_export_batch_size=min(room, 512))
        self._room: float = room
        self._sending = sending
        self._ended = 0
        self._full = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a span; the oldest is lost where there is no room."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            with self._full:
                is_full = self._ended - self._sending.taken >= self._room
                self._ended += not is_full
            if is_full:
                self._sending.lose(1, f"more than {self._room} were waiting", f"{_QUEUE} makes room.")
        super().on_end(span)

    def shutdown(self) -> None:
        """Sends what is left, and takes no more."""
        cast("Any", super()).shutdown()  # which has no types
        self._room = inf


def _room() -> int:
    given = os.environ.get(_QUEUE, "").strip()
    return int(given) if given.isdecimal() and int(given) else _ROOM


def delivery(endpoint: str, headers: Mapping[str, str], key_source: str, project: str) -> Delivery:
    """What sends spans to an endpoint.

    Args:
        endpoint: The whole URL.
        headers: Those that say who sends, and what for.
        key_source: Where the key came from.
        project: Where the traces go.
    """
    session = Session(headers)
    exporter = OTLPSpanExporter(endpoint=endpoint, session=session, compression=Compression.Gzip)
    return Delivery(exporter, session, endpoint, key_source, project)


def provider_of(sending: Delivery, attributes: Mapping[str, str]) -> TracerProvider:
    """A provider whose spans are sent in the background.

    Args:
        sending: What sends them.
        attributes: What is said of the program.
    """
    provider = TracerProvider(resource=Resource.create(dict(attributes)))
    provider.add_span_processor(Queue(sending))
    return provider
