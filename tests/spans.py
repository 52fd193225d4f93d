"""What is traced in a test, by OpenTelemetry's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wandb_inference import tracing


class Traced:
    """Spans in the order in which they ended, and what was measured."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        """All that have ended."""
        return list(self.exporter.get_finished_spans())

    @property
    def one(self) -> ReadableSpan:
        """The only one there is."""
        [span] = self.spans
        return span

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of a name, to its first blank."""
        return [span for span in self.spans if span.name.partition(" ")[0] == name]

    @property
    def tree(self) -> list[str]:
        """The names, each indented below its parent, in the order in which they began."""
        children: dict[int | None, list[ReadableSpan]] = {}
        for span in sorted(self.spans, key=lambda span: span.start_time or 0):
            children.setdefault(span.parent.span_id if span.parent else None, []).append(span)

        def below(parent: int | None, depth: int) -> Iterator[str]:
            for span in children.get(parent, ()):
                yield "  " * depth + span.name
                yield from below(span.context.span_id if span.context else 0, depth + 1)

        return list(below(None, 0))

    @property
    def measured(self) -> dict[str, list[Any]]:
        """The points of each instrument, by its name."""
        data = self.reader.get_metrics_data()
        found: dict[str, list[Any]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found.setdefault(metric.name, []).extend(metric.data.data_points)
        return found


@contextmanager
def traced(**options: Any) -> Iterator[Traced]:
    """Has everything traced."""
    kept = Traced()
    tracing.instrument(tracer_provider=kept.provider, meter_provider=kept.meters, **options)
    try:
        yield kept
    finally:
        tracing.uninstrument()
        kept.provider.shutdown()
        kept.meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})
