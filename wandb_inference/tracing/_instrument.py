"""Begins and ends tracing."""

from __future__ import annotations

import os
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .._checks import quoted
from .._core import following
from .._core.options import switch
from ..exceptions import ConfigurationError
from ._chats import ChatTrace
from ._runs import RunTrace, function_trace
from ._tracing import Tracing, providers

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

# What OpenTelemetry's own instrumentations take, and the older yes and no. We make no events, so that content which is
# to be in events alone is nowhere.
_ON = ("true", "1", "span_only", "span_and_event")
_OFF = ("", "false", "0", "no_content", "event_only")


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    capture_content: bool = False,
    propagate: bool = False,
) -> None:
    """Has every chat of this process traced from now on, by all clients: spans and measurements.

    A second call takes the place of the first; calls that are under way end where they began.

    Args:
        tracer_provider: Where spans go; the program's own where left out.
        meter_provider: Where measurements go; the program's own where left out.
        capture_content: Whether spans also hold what was said: messages, tools, their arguments and results, and the
            words of errors. Files are never in it, but for their size. Also on where
            `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is `true`, `SPAN_ONLY` or `SPAN_AND_EVENT`.
        propagate: Whether requests carry the span they belong to, as the header `traceparent`. W&B's service makes
            nothing of it; a server of your own may.

    Raises:
        ConfigurationError: A value that can't work.

    Warns:
        UserWarning: The environment variable has another value, which counts as no.
    """
    _check("tracer_provider", tracer_provider, "get_tracer")
    _check("meter_provider", meter_provider, "get_meter")
    given = switch("capture_content", capture_content)
    propagate = switch("propagate", propagate)
    spans, measurements = providers(tracer_provider, meter_provider)
    begin(Tracing(spans, measurements, content=_asked_for_content() or given, propagate=propagate))


def begin(tracing: Tracing) -> None:
    """Has everything traced so from now on."""
    following.trace = partial(ChatTrace, tracing)
    following.runs = partial(RunTrace, tracing)
    following.functions = partial(function_trace, tracing)


def uninstrument() -> None:
    """Has nothing traced from now on; calls that are under way end their spans."""
    following.trace = following.runs = following.functions = None


class Followers(NamedTuple):
    """What follows chats, runs and functions."""

    trace: Any
    runs: Any
    functions: Any


def followers() -> Followers:
    """How everything is traced at present."""
    return Followers(following.trace, following.runs, following.functions)


def restore(before: Followers) -> None:
    """Has everything traced as it was."""
    following.trace, following.runs, following.functions = before


def is_traced_by(tracer_provider: object) -> bool:
    """Whether spans go to this provider at present."""
    follow = following.trace
    return isinstance(follow, partial) and follow.args[0].tracer_provider is tracer_provider


def _check(name: str, value: object, method: str) -> None:
    if value is not None and not callable(getattr(value, method, None)):
        kind = "TracerProvider" if method == "get_tracer" else "MeterProvider"
        raise ConfigurationError(f"{name} is of type {type(value).__name__}", hint=f"Give OpenTelemetry's {kind}.")


def _asked_for_content() -> bool:
    value = os.environ.get(CAPTURE, "").strip().lower()
    if value not in (*_ON, *_OFF):
        known = "true, false, NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT"
        warnings.warn(f"{CAPTURE} is {quoted(value)}, which counts as no; it can be {known}", stacklevel=3)
    return value in _ON
