"""What was counted, as Prometheus reads it. Series are looked up once for each model, and then only added to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import ClassVar, Final, Generic, TypeVar

from .routing import Status, Usage

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_OVERHEAD: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_STATES: Final = {"up": 0, "testing": 1, "cooling": 2}
_ZERO: Final = Decimal(0)
_PREFIX: Final = "wandb_inference_gateway"


class Counter:
    """A number that grows."""

    kind: ClassVar = "counter"
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: int | float | Decimal = 0

    def samples(self, name: str, labels: str) -> Iterator[str]:
        """Its lines."""
        yield f"{name}{_braces(labels)} {self.value}"


class Histogram:
    """Seconds, by how many there were of each size."""

    kind: ClassVar = "histogram"
    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = _SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def samples(self, name: str, labels: str) -> Iterator[str]:
        """Its lines."""
        count = 0
        for bound, each in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            count += each
            size = f'le="{bound}"'
            yield f"{name}_bucket{_braces(labels, size)} {count}"
        yield f"{name}_sum{_braces(labels)} {self.total:.6f}"
        yield f"{name}_count{_braces(labels)} {count}"


T = TypeVar("T", Counter, Histogram)


class Family(Generic[T]):
    """All series of one name.

    Args:
        name: Without the prefix.
        help: What it counts.
        labels: Names of the labels.
        make: Makes a series.
        alias: LiteLLM's name for the same.
    """

    def __init__(self, name: str, help: str, labels: tuple[str, ...], make: type[T], alias: str | None = None) -> None:
        self.name = f"{_PREFIX}_{name}"
        self.help = help
        self.labels = labels
        self.alias = alias
        self._make: type[T] = make
        self._series: dict[tuple[str, ...], T] = {}

    def of(self, *values: str) -> T:
        """The series of these labels."""
        if values not in self._series:
            self._series[values] = self._make()
        return self._series[values]

    def lines(self, name: str) -> Iterator[str]:
        """What Prometheus reads, under a name."""
        yield f"# HELP {name} {self.help}"
        yield f"# TYPE {name} {self._make.kind}"
        for values, series in self._series.items():
            yield from series.samples(name, _labels(self.labels, values))


class ModelMetrics:
    """The series of one model, which each request adds to."""

    __slots__ = ("fallbacks", "first", "overhead", "retries", "seconds", "upstream")

    def __init__(self, metrics: Metrics, model: str) -> None:
        self.seconds = metrics.seconds.of(model)
        self.upstream = metrics.upstream.of(model)
        self.first = metrics.first.of(model)
        self.overhead = metrics.overhead.of(model)
        self.retries = metrics.retries.of(model)
        self.fallbacks = metrics.fallbacks.of(model)


class WayMetrics:
    """The series that requests add to which their first deployment answers whole."""

    __slots__ = (
        "_attempts",
        "_completion",
        "_key",
        "_metrics",
        "_name",
        "_overhead",
        "_prompt",
        "_requests",
        "_seconds",
        "_upstream",
    )

    def __init__(self, metrics: Metrics, model: str, key: str, deployment: str) -> None:
        self._metrics = metrics
        self._name, self._key = model, key
        self._prompt = metrics.tokens.of(model, key, "prompt")
        self._completion = metrics.tokens.of(model, key, "completion")
        series = metrics.model(model)
        self._seconds, self._upstream, self._overhead = series.seconds, series.upstream, series.overhead
        self._requests = metrics.requests.of(model, key, "200")
        self._attempts = metrics.attempts.of(model, deployment, "answered")

    def answered(
        self, usage: Usage | None, cost: Decimal | None, seconds: float, upstream: float, overhead: float
    ) -> Decimal | None:
        """Counts a request; dollars that its key has spent, `None` where none are known.

        Args:
            usage: What it used; `None`: nobody knows.
            cost: Dollars; `None`: nobody knows.
            seconds: Seconds for all of it.
            upstream: Of these, the service's.
            overhead: And the gateway's own.
        """
        self._requests.value += 1
        self._attempts.value += 1
        self._seconds.observe(seconds)
        self._upstream.observe(upstream)
        self._overhead.observe(overhead)
        metrics = self._metrics
        if usage is not None:
            prompt, completion, cached, _ = usage
            self._prompt.value += prompt
            self._completion.value += completion
            if cached or cost is not None:
                metrics.more(self._name, self._key, cached, cost)
        return metrics.spent.get(self._key)


class Metrics:
    """All that is counted."""

    def __init__(self) -> None:
        self.requests = Family(
            "requests_total",
            "Requests that ended, by the status that the client got; 499: it left.",
            ("model", "key", "status"),
            Counter,
            "litellm_proxy_total_requests_metric_total",
        )
        self.seconds = Family(
            "request_seconds",
            "Seconds from a request's head to its end.",
            ("model",),
            Histogram,
            "litellm_request_total_latency_metric",
        )
        self.upstream = Family(
            "upstream_seconds",
            "Seconds of them that the service took.",
            ("model",),
            Histogram,
            "litellm_llm_api_latency_metric",
        )
        self.first = Family(
            "first_token_seconds",
            "Seconds to the first data of a stream.",
            ("model",),
            Histogram,
            "litellm_llm_api_time_to_first_token_metric",
        )
        self.overhead: Family[Histogram] = Family(
            "overhead_seconds",
            "Seconds that the gateway took itself, queues and pauses included.",
            ("model",),
            _Overhead,
            "litellm_overhead_latency_metric",
        )
        self.tokens = Family(
            "tokens_total",
            "Tokens used, by kind: prompt (cached ones included), cached, completion.",
            ("model", "key", "kind"),
            Counter,
            "litellm_total_tokens_metric_total",
        )
        self.cost = Family(
            "cost_dollars_total", "Dollars spent.", ("model", "key"), Counter, "litellm_spend_metric_total"
        )
        self.retries = Family("retries_total", "Attempts beyond the first of their model.", ("model",), Counter)
        self.fallbacks = Family("fallbacks_total", "Models gone on to.", ("model",), Counter)
        self.attempts = Family(
            "attempts_total", "Attempts upstream, by how they ended.", ("model", "deployment", "outcome"), Counter
        )
        self.errors = Family("errors_total", "Requests that were refused or failed, by status.", ("status",), Counter)
        self.reloads = Family(
            "reloads_total", "Configurations read again, by whether they hold.", ("outcome",), Counter
        )
        self.spent: dict[str, Decimal] = {}
        """Dollars by key, since the process began."""
        self._models: dict[str, ModelMetrics] = {}
        self._ways: dict[tuple[str, str, str], WayMetrics] = {}

    def model(self, name: str) -> ModelMetrics:
        """The series of a model."""
        found = self._models.get(name)
        if found is None:
            found = self._models[name] = ModelMetrics(self, name)
        return found

    def way(self, model: str, key: str, deployment: str) -> WayMetrics:
        """The series of a key's requests for a model which a deployment answers."""
        found = self._ways.get((model, key, deployment))
        if found is None:
            found = self._ways[model, key, deployment] = WayMetrics(self, model, key, deployment)
        return found

    def used(self, model: str, key: str, usage: Usage, cost: Decimal | None) -> None:
        """Counts what a request used."""
        self.tokens.of(model, key, "prompt").value += usage.prompt_tokens
        self.tokens.of(model, key, "completion").value += usage.completion_tokens
        self.more(model, key, usage.cached_tokens, cost)

    def more(self, model: str, key: str, cached: int, cost: Decimal | None) -> None:
        """Counts what only some requests have."""
        if cached:
            self.tokens.of(model, key, "cached").value += cached
        if cost is not None:
            self.cost.of(model, key).value += cost  # type: ignore[operator]
            self.spent[key] = self.spent.get(key, _ZERO) + cost

    def render(self, status: Iterable[Status], gauges: dict[str, float], *, aliases: bool) -> bytes:
        """The whole page.

        Args:
            status: How the deployments are.
            gauges: Numbers of this moment, by name.
            aliases: Whether to tell the same under LiteLLM's names too.
        """
        lines: list[str] = []
        families: list[Family[Counter] | Family[Histogram]] = [
            *(
                self.requests,
                self.errors,
                self.tokens,
                self.cost,
                self.retries,
                self.fallbacks,
                self.attempts,
                self.reloads,
            ),
            *(self.seconds, self.upstream, self.first, self.overhead),
        ]
        for family in families:
            lines += family.lines(family.name)
            if aliases and family.alias is not None:
                lines += family.lines(family.alias)
        for name, value in gauges.items():
            lines += [f"# TYPE {_PREFIX}_{name} gauge", f"{_PREFIX}_{name} {value:g}"]
        lines += self._deployments(list(status), aliases=aliases)
        return ("\n".join(lines) + "\n").encode()

    def _deployments(self, status: list[Status], *, aliases: bool) -> Iterator[str]:
        names = [f"{_PREFIX}_deployment_state", *(["litellm_deployment_state"] if aliases else [])]
        for name in names:
            yield f"# HELP {name} 0: in use, 1: tested by one request at a time, 2: left alone for a while."
            yield f"# TYPE {name} gauge"
            for each in status:
                yield f"{name}{_place(each)} {_STATES[each.state]}"
        yield f"# TYPE {_PREFIX}_deployment_in_flight gauge"
        for each in status:
            yield f"{_PREFIX}_deployment_in_flight{_place(each)} {each.in_flight}"
        yield f"# TYPE {_PREFIX}_deployment_waiting gauge"
        for each in status:
            yield f"{_PREFIX}_deployment_waiting{_place(each)} {each.waiting}"


class _Overhead(Histogram):
    """With finer steps."""

    def __init__(self) -> None:
        super().__init__(_OVERHEAD)


def _place(status: Status) -> str:
    return _braces(_labels(("model", "deployment"), (status.group, status.deployment.id)))


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _braces(*labels: str) -> str:
    inside = ",".join(label for label in labels if label)
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
