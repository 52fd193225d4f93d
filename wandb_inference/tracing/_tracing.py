"""One way to trace: where spans and measurements go, and what is in them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import context, metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from .._core.reading import without_surrogates
from .._version import __version__
from ._attributes import Attributes, described, type_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

logger = logging.getLogger("wandb_inference")

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions whose names are used."""

_SCOPE = "wandb_inference"

# What turns tracing off for a part of a program: the SDK's own key, and the one that instrumentations set beside it.
_SUPPRESSING = (getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", ""), "suppress_instrumentation")

# The conventions' buckets.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


class Tracing:
    """Makes spans and measurements. It stays good for the calls that it began, whatever takes its place.

    Args:
        tracer_provider: Where spans go.
        meter_provider: Where measurements go.
        content: Whether spans hold what was said.
        propagate: Whether requests name the span they belong to.
    """

    def __init__(
        self, tracer_provider: TracerProvider, meter_provider: MeterProvider, *, content: bool, propagate: bool
    ) -> None:
        self.tracer_provider = tracer_provider
        self._tracer = tracer_provider.get_tracer(_SCOPE, __version__, schema_url=SCHEMA_URL)
        meter = meter_provider.get_meter(_SCOPE, __version__, schema_url=SCHEMA_URL)
        self.content = content
        self.propagate = propagate
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="Time of a call: all attempts, and the whole stream.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.to_first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time until a stream's first chunk with text, thinking or a tool call.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Tokens of a call, of the prompt and of the answer.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def start(self, name: str, kind: SpanKind, attributes: Attributes) -> Span | None:
        """A span below the current one; `None` where nothing is to be traced now."""
        if any(context.get_value(key) for key in _SUPPRESSING):
            return None
        # Not by itself: an error ends the span where it is caught, with what may be told of it.
        return self._tracer.start_span(name, kind=kind, attributes=attributes)

    def fail(self, span: Span, error: BaseException) -> None:
        """Marks what the span stands for as failed."""
        span.set_attribute("error.type", type_of(error))
        span.set_status(Status(StatusCode.ERROR, clean(described(error, content=self.content))))


def providers(
    tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
) -> tuple[TracerProvider, MeterProvider]:
    """Those given, else the program's."""
    return tracer_provider or trace.get_tracer_provider(), meter_provider or metrics.get_meter_provider()


def context_of(span: Span) -> Context:
    """The present context, with the span as the current one."""
    return trace.set_span_in_context(span)


class Current:
    """A span that is the current one until it is taken back."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token = context.attach(context_of(span))

    def take_back(self) -> None:
        """Makes the one before it current again."""
        # A coroutine that is thrown away ends wherever the collector runs: there, another one is.
        if trace.get_current_span() is self._span:
            context.detach(self._token)


@contextmanager
def current(span: Span) -> Generator[None, None, None]:
    """Has the span as the current one."""
    own = Current(span)
    try:
        yield
    finally:
        own.take_back()


@contextmanager
def harmless() -> Generator[None, None, None]:
    """Logs what fails in it: no call fails because it can't be traced."""
    try:
        yield
    except Exception:
        logger.error("wandb_inference: a trace could not be written", exc_info=True)


def clean(text: str) -> str:
    """The text without halves of surrogate pairs, with which no span can be sent."""
    return str(without_surrogates(text))
