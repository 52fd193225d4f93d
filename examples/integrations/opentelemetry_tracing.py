"""A run with tools as OpenTelemetry sees it: `python opentelemetry_tracing.py`, with `wandb-inference[otel]`."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wandb_inference import Client, tracing


def get_weather(city: str) -> str:
    """Say the weather of a city."""
    return f"3 degrees in {city}"


# In a program of yours: a BatchSpanProcessor with an exporter to your collector, or tracing.to_weave(project=...).
finished = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(finished))
tracing.instrument(tracer_provider=provider)

with Client() as client, provider.get_tracer("weather").start_as_current_span("weather report"):
    client.chat.completions.run_tools(
        model="openai/gpt-oss-20b",
        messages=[{"role": "user", "content": "Ask get_weather for Oslo."}],
        tools=[get_weather],
    )

spans = sorted(finished.get_finished_spans(), key=lambda span: span.start_time or 0)
depth: dict[int, int] = {}
for span in spans:
    assert span.context is not None
    depth[span.context.span_id] = 1 + depth[span.parent.span_id] if span.parent else 0
    tokens = dict(span.attributes or {}).get("gen_ai.usage.output_tokens")
    print(f"{'  ' * depth[span.context.span_id]}{span.name}{f': {tokens} tokens' if tokens else ''}")
