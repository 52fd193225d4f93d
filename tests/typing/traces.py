"""Types of traces, as a user's type checker sees them. Nobody runs this."""

from __future__ import annotations

from opentelemetry.metrics import get_meter_provider
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import assert_type

from wandb_inference import AsyncClient, Client, tracing
from wandb_inference.tracing import WeaveTraces

assert_type(tracing.instrument(), None)
tracing.instrument(
    tracer_provider=TracerProvider(), meter_provider=get_meter_provider(), capture_content=True, propagate=True
)
tracing.instrument(capture_content="yes")  # type: ignore[arg-type]
tracing.instrument(tracer_provider=get_meter_provider())  # type: ignore[arg-type]
assert_type(tracing.uninstrument(), None)

with tracing.to_weave(project="team/project", endpoint="https://trace.wandb.ai/agents/otel") as traces:
    assert_type(traces, WeaveTraces)
    assert_type(traces.flush(timeout=5), bool)
    assert_type(traces.lost, int)
    assert_type(traces.tracer_provider, TracerProvider)
    assert_type(traces.shutdown(), None)
tracing.to_weave(api_key=lambda: "key")  # type: ignore[arg-type]

assert_type(Client().chat.conversation(model="m").id, str)
assert_type(AsyncClient().chat.conversation(model="m").id, str)
