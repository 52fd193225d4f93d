"""Traces: what is asked and answered, as OpenTelemetry's spans and metrics. Importing this needs the extra `otel`.

    from wandb_inference import tracing

    tracing.instrument()                        # to whatever OpenTelemetry is set up for
    tracing.to_weave(project="team/project")    # or to W&B Weave

Nothing is traced before one of these is called, and a program that calls none does not load OpenTelemetry. Names are
those of OpenTelemetry's conventions for generative AI (semantic conventions 1.44).
"""

from __future__ import annotations

try:
    import opentelemetry.trace as _trace
except ImportError as error:
    message = "wandb_inference.tracing needs OpenTelemetry: pip install 'wandb-inference[otel]'"
    raise ImportError(message, name=error.name) from None

from ._instrument import instrument, uninstrument
from ._weave import WeaveTraces, to_weave

__all__ = ["WeaveTraces", "instrument", "to_weave", "uninstrument"]

del _trace
