"""Sends spans to Weave, and says so where it can't. Loads OpenTelemetry's SDK and exporter."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

logger = logging.getLogger("wandb_inference")

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

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """The answer to a request."""
        for name in list(request.headers):
            if name.lower() not in _FRAMING:
                del request.headers[name]
        request.headers.update(self._own)
        self.status = self.failure = None
        try:
            # A redirect would take the key to wherever it leads.
            response = super().send(request, **{**kwargs, "allow_redirects": False})
        except requests.RequestException as error:
            self.failure = type(error).__name__
            raise
        self.status = response.status_code
        return response


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
        self._exporter = exporter
        self._session = session
        self._key_source = key_source
        self._project = project
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Whether the spans were delivered."""
        try:
            result = self._exporter.export(spans)
        except Exception:  # older exporters raise where nobody answers
            logger.debug("wandb_inference: traces could not be sent", exc_info=True)
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            with self._lock:
                first = not self.lost
                self.lost += len(spans)
            if first:
                self._warn()
        return result

    def shutdown(self) -> None:
        """Closes the connections."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether nothing is on the way: nothing ever is."""
        return True

    def _warn(self) -> None:
        what, hint = self._reason()
        message = f"wandb_inference: traces for {self._project} are lost: {what}. {hint} This is said once."
        try:
            warnings.warn(message, UserWarning, stacklevel=2)
        except UserWarning:  # where warnings are errors, this thread is not the place to raise one
            logger.error(message)

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
        if status is not None:
            return f"{self.endpoint} answered {status}", "Later traces are tried again."
        if failure is not None:
            return f"{self.endpoint} was not reached ({failure})", "Check the address, the network and the proxy."
        return "they could not be sent", "The log of opentelemetry says why."


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
    provider.add_span_processor(BatchSpanProcessor(sending))
    return provider
