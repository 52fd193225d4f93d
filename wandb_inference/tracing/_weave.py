"""Traces for W&B Weave."""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from types import TracebackType
from typing import TYPE_CHECKING

from typing_extensions import Self

from .._checks import Key, check_key
from .._config import resolve
from ..exceptions import ConfigurationError
from ._endpoint import endpoint_of
from ._instrument import Followers, followers, instrument, is_traced_by, restore

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from ._export import Delivery

_NO_PROJECT = 'Pass project="team/project": traces without a team and a project are thrown away.'


class WeaveTraces:
    """What sends traces to Weave. Spans are sent in the background, and at the program's end those that are left.

    What can't be delivered is lost, and counted; the first time it is warned of, with what to do.
    """

    project: str
    """Where the traces are, as `team/project`."""
    endpoint: str
    """The URL they are sent to."""
    tracer_provider: TracerProvider
    """OpenTelemetry's provider: give it to `opentelemetry.trace.set_tracer_provider()` to have the program's own spans
    in Weave, too."""

    def __init__(self, project: str, tracer_provider: TracerProvider, delivery: Delivery, before: Followers) -> None:
        self.project = project
        self.endpoint = delivery.endpoint
        self.tracer_provider = tracer_provider
        self._delivery = delivery
        self._before = before

    @property
    def lost(self) -> int:
        """Spans that could not be delivered."""
        return self._delivery.lost

    def flush(self, timeout: float = 30.0) -> bool:
        """Sends what has ended so far, and says whether all of it has arrived.

        Args:
            timeout: Seconds it may take.
        """
        before, arrived = self.lost, False

        def send() -> None:
            nonlocal arrived
            arrived = self.tracer_provider.force_flush(round(timeout * 1000))

        # OpenTelemetry's does not look at the clock while a request is under way.
        sending = threading.Thread(target=send, name="wandb_inference-flush", daemon=True)
        sending.start()
        sending.join(timeout)
        return arrived and self.lost == before

    def shutdown(self) -> None:
        """Sends what is left and ends the tracing to Weave.

        What had been traced elsewhere before `to_weave()` is so again; what is traced elsewhere meanwhile goes on.
        """
        if is_traced_by(self.tracer_provider):
            restore(self._before)
        self.tracer_provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"WeaveTraces(project={self.project!r}, endpoint={self.endpoint!r}, lost={self.lost})"


def to_weave(
    *,
    project: str | None = None,
    endpoint: str | None = None,
    api_key: str | None = None,
    meter_provider: MeterProvider | None = None,
    capture_content: bool = False,
) -> WeaveTraces:
    """Has every chat of this process traced to W&B Weave from now on, as `instrument()` does.

    Nothing is sent here. What is not given is found as a client finds it. A second call takes the place of the first,
    whose spans are still sent until its `shutdown()`, or the program's end.

    Args:
        project: Where the traces go, as `team/project`.
        endpoint: Weave's endpoint for OTLP, with `/v1/traces` at its end or without. Else `WF_TRACE_SERVER_URL`, else
            `https://trace.wandb.ai/agents/otel`.
        api_key: The key.
        meter_provider: Where measurements go; the program's own where left out: Weave takes none.
        capture_content: Whether the traces hold what was said: see `instrument()`.

    Raises:
        ConfigurationError: A value that can't work, or one that is missing.
        ImportError: OpenTelemetry is not there whole.
    """
    url = endpoint_of(endpoint, os.environ)
    if api_key is not None:
        api_key = check_key(api_key, "argument")
    config = resolve(api_key=api_key, project=project)
    config.require()
    if not config.project:
        raise ConfigurationError("There is no project", hint=_NO_PROJECT)
    team, _, name = config.project.partition("/")
    try:
        from ._export import delivery, provider_of
    except ImportError as error:
        message = "to_weave() needs OpenTelemetry's SDK and its exporter: pip install 'wandb-inference[otel]'"
        raise ImportError(message, name=error.name) from None
    key = check_key(config.api_key, config.sources["api_key"])
    # Two forms of both are documented; each server takes the one it knows.
    headers = {
        "wandb-api-key": key,
        "authorization": Key("Basic " + b64encode(f"api:{key}".encode()).decode()),
        "project_id": config.project,
    }
    sending = delivery(url, headers, config.sources["api_key"], config.project)
    provider = provider_of(sending, {"wandb.entity": team, "wandb.project": name})
    before = followers()
    instrument(tracer_provider=provider, meter_provider=meter_provider, capture_content=capture_content)
    return WeaveTraces(config.project, provider, sending, before)
