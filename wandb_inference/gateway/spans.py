"""Spans of OpenTelemetry, for `callbacks: [otel]`. They go where the `OTEL_EXPORTER_OTLP_*` variables say."""

from __future__ import annotations

import asyncio
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .._version import __version__

if TYPE_CHECKING:
    from .call import Call
    from .chat import Chat

_CONTEXT: Final = TraceContextTextMapPropagator()
_NAME: Final = "wandb-inference-gateway"


class Spans:
    """One span for each chat request, told once it is over; below the caller's own, where there is one.

    The names are those of the GenAI semantic conventions. No span has a key, or what was said.

    Args:
        exporter: What sends them; OpenTelemetry's own for OTLP over HTTP where left out.
    """

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: _NAME}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("wandb_inference.gateway", __version__)

    def tell(self, call: Call, chat: Chat, status: int) -> None:
        """Tells of a request.

        Args:
            call: The request.
            chat: What became of it.
            status: What the client got; 499 where it left.
        """
        ended = time_ns()
        carrier = {
            name: call.headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in call.headers
        }
        attributes: dict[str, str | int | float] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "wandb",
            "gen_ai.request.model": chat.match.asked,
            "http.response.status_code": status,
            "wandb_inference.gateway.group": chat.group,
            "wandb_inference.gateway.key": chat.caller.name,
            "wandb_inference.gateway.request_id": call.id.decode(),
        }
        if chat.used is not None:
            attributes["gen_ai.usage.input_tokens"] = chat.used.prompt_tokens
            attributes["gen_ai.usage.output_tokens"] = chat.used.completion_tokens
        if chat.cost is not None:
            attributes["wandb_inference.cost"] = float(chat.cost)
        span = self._tracer.start_span(
            f"chat {chat.match.asked}",
            context=_CONTEXT.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=ended - int((monotonic() - call.started) * 1e9),
        )
        if status >= 400:
            span.set_attribute("error.type", str(status))
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    async def close(self) -> None:
        """Sends what is left. In a thread: a server that does not answer keeps nobody else waiting."""
        await asyncio.get_running_loop().run_in_executor(None, self._provider.shutdown)
