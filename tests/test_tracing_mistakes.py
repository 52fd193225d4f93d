"""What people get wrong about traces, and what they are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, MODEL, PROJECT
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from wandb_inference import ConfigurationError, tracing
from wandb_inference._core import following
from wandb_inference.tracing._endpoint import endpoint_of

ROOT = Path(__file__).parent.parent
WEAVE = "https://trace.wandb.ai/agents/otel/v1/traces"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        (None, {}, WEAVE),
        (None, {"WANDB_BASE_URL": "https://api.wandb.ai/"}, WEAVE),
        (None, {"WANDB_BASE_URL": "https://us.wandb.io"}, "https://us.wandb.io/traces/agents/otel/v1/traces"),
        (None, {"WF_TRACE_SERVER_URL": "https://trace.wandb.ai/"}, WEAVE),
        (None, {"WF_TRACE_SERVER_URL": WEAVE, "WANDB_BASE_URL": "https://us.wandb.io"}, WEAVE),
        (None, {"WF_TRACE_SERVER_URL": "http://localhost:6345/otel"}, "http://localhost:6345/otel/v1/traces"),
        ("https://trace.wandb.ai/agents/otel", {"WF_TRACE_SERVER_URL": "http://x"}, WEAVE),
        (" https://trace.wandb.ai/agents/otel/ ", {}, WEAVE),
        (WEAVE, {}, WEAVE),
        (f"{WEAVE}/", {}, WEAVE),
        ("https://trace.wandb.ai/otel", {}, "https://trace.wandb.ai/otel/v1/traces"),
        ("http://localhost:4318", {}, "http://localhost:4318/v1/traces"),
    ],
    ids=str,
)
def test_endpoints(given: str | None, environ: dict[str, str], expected: str) -> None:
    """The base and the whole URL mean the same; without either, the environment says."""
    assert endpoint_of(given, environ) == expected


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("", "endpoint is empty (argument)"),
        (3, "endpoint is of type int, not str (argument)"),
        ("trace.wandb.ai/agents/otel", "has no scheme http or https"),
        ("ftp://trace.wandb.ai/otel", "has a scheme other than http and https"),
        ("https://", "has no host"),
        ("https://host:0/otel", "has a port that is no number from 1 to 65535"),
        ("https://host:port/otel", "can't be read"),
        ("https://me:secret@host/otel", "has a user name: the key is api_key"),
        ("https://host/otel?a=b", "has a query or a fragment"),
        ("https://host/o tel", "holds a character that no URL takes"),
        ("https://api.inference.wandb.ai/v1", "is not a trace server"),
        ("https://wandb.ai/team/project", "is not a trace server"),
        ("http://trace.wandb.ai/agents/otel", "would send the key in clear"),
        ("https://trace.wandb.ai", "is no endpoint for traces of the trace server"),
        (f"{WEAVE}/v1/traces", 'has /v1/traces twice. Write "https://trace.wandb.ai/agents/otel".'),
        ("http://localhost:4318/v1/metrics", "is not for traces"),
    ],
    ids=str,
)
def test_wrong_endpoints(endpoint: Any, said: str) -> None:
    """An endpoint that can't be one is an error before anything is sent, and names the right one."""
    with pytest.raises(ConfigurationError) as caught:
        tracing.to_weave(project=PROJECT, api_key=KEY, endpoint=endpoint)

    assert said in str(caught.value)
    assert "https://trace.wandb.ai/agents/otel" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert following.trace is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": PROJECT}, "There is no API key"),
        ({"api_key": KEY}, "There is no project"),
        ({"api_key": KEY, "project": ""}, "There is no project. Pass project="),
        ({"api_key": KEY, "project": "alone"}, "There is no project"),
        ({"api_key": KEY, "project": "a/b/c"}, 'is not of the form "team/project"'),
        ({"api_key": KEY, "project": 3}, "project is of type int"),
        ({"api_key": "", "project": PROJECT}, "api_key is empty"),
        ({"api_key": lambda: KEY, "project": PROJECT}, "api_key is of type function, not str"),
        ({"api_key": f"Bearer {KEY}", "project": PROJECT}, 'api_key begins with "Bearer"'),
        ({"api_key": KEY, "project": PROJECT, "capture_content": "yes"}, "capture_content is 'yes'"),
        ({"api_key": KEY, "project": PROJECT, "meter_provider": 3}, "meter_provider is of type int"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_arguments_of_to_weave(options: dict[str, Any], said: str) -> None:
    """What is missing or of the wrong form is an error, without any part of the key."""
    with pytest.raises(ConfigurationError) as caught:
        tracing.to_weave(**options)

    assert said in str(caught.value)
    assert KEY not in str(caught.value)
    assert following.trace is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tracer_provider": "jaeger"}, "tracer_provider is of type str. Give OpenTelemetry's TracerProvider."),
        ({"tracer_provider": MeterProvider()}, "tracer_provider is of type MeterProvider"),
        ({"tracer_provider": NoOpTracerProvider().get_tracer("x")}, "tracer_provider is of type NoOpTracer"),
        ({"meter_provider": TracerProvider()}, "meter_provider is of type TracerProvider"),
        ({"capture_content": 1}, "capture_content is 1. Give True or False."),
        ({"propagate": None}, "propagate is None. Give True or False."),
    ],
    ids=["text", "meters", "tracer", "tracers", "number", "none"],
)
def test_wrong_arguments_of_instrument(options: dict[str, Any], said: str) -> None:
    """What can't be traced to is an error."""
    with pytest.raises(ConfigurationError) as caught:
        tracing.instrument(**options)

    assert said in str(caught.value)
    assert following.trace is None


def test_arguments_have_names() -> None:
    """Providers are given by name, and misspelt names are errors."""
    wrong: Any = tracing.instrument
    with pytest.raises(TypeError):
        wrong(TracerProvider(shutdown_on_exit=False))
    with pytest.raises(TypeError):
        wrong(content=True)


@pytest.mark.parametrize(
    ("value", "captured"),
    [
        ("true", True),
        ("True", True),
        ("SPAN_ONLY", True),
        ("span_and_event", True),
        ("1", True),
        ("", False),
        ("false", False),
        ("NO_CONTENT", False),
        ("EVENT_ONLY", False),
    ],
)
def test_the_environment_asks_for_content(monkeypatch: pytest.MonkeyPatch, value: str, captured: bool) -> None:
    """The variable of OpenTelemetry's own instrumentations turns content on, read when tracing begins."""
    monkeypatch.setenv(CAPTURE, value)
    tracing.instrument()
    monkeypatch.delenv(CAPTURE)
    follow: Any = following.trace
    tracing.uninstrument()

    assert follow.args[0].content is captured


def test_a_misspelt_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that means nothing is warned of, and counts as no."""
    monkeypatch.setenv(CAPTURE, "yes please")
    with pytest.warns(UserWarning, match='is "yes please", which counts as no; it can be true, false') as caught:
        tracing.instrument()
    follow: Any = following.trace
    tracing.uninstrument()

    assert not follow.args[0].content
    assert caught[0].filename == __file__


WITHOUT = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nowhere())
"""


def python(code: str) -> str:
    """What a program prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "line",
    ["import wandb_inference.tracing", "from wandb_inference import tracing", "from wandb_inference.tracing import *"],
)
def test_without_the_extra(line: str) -> None:
    """Without OpenTelemetry, the import says what to install; the rest of the package needs none."""
    code = f"""{WITHOUT}
from wandb_inference import *
try:
    {line if "*" not in line else "import wandb_inference.tracing"}
except ImportError as error:
    print(error)
"""
    assert python(code) == "wandb_inference.tracing needs OpenTelemetry: pip install 'wandb-inference[otel]'\n"


def test_a_plain_call_loads_nothing() -> None:
    """A program that traces nothing does not load OpenTelemetry, even where it is there, whatever it calls."""
    code = f"""
import sys
from pydantic import BaseModel
from wandb_inference.testing import Emulator
class Person(BaseModel):
    name: str
def get_weather(city: str) -> str:
    return "cold"
client = Emulator().client()
asked = dict(model={MODEL!r}, messages=[{{"role": "user", "content": "Hi"}}])
client.chat.completions.create(**asked)
for _ in client.chat.completions.create(stream=True, **asked): pass
client.chat.completions.parse(response_format=Person, max_repairs=1, **asked)
client.chat.completions.run_tools(tools=[get_weather], **asked)
client.chat.conversation(model={MODEL!r}).say("Hi")
print([name for name in sys.modules if "opentelemetry" in name or "tracing" in name])
"""
    assert python(code) == "[]\n"
