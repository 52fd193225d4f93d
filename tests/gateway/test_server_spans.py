"""Spans of OpenTelemetry, for `callbacks: [otel]`."""

from __future__ import annotations

import json

import pytest

from tests.gateway.server_cases import BODY, ENVIRON, KEYED, MASTER, MODEL, ONE, STREAM, configured, events, serving
from tests.otlp import Receiver
from wandb_inference.cli import gateway, main
from wandb_inference.testing import Emulator, Fault

TRACED = "litellm_settings: {callbacks: [otel]}\n"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def receiver(monkeypatch):
    """A collector that the environment names."""
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


async def test_a_span_for_each_request(tmp_path, receiver):
    """It is below the caller's, with model, key, tokens and cost, and without secrets and words."""
    headers = {"authorization": f"Bearer {ENVIRON['KEY_A']}", "traceparent": PARENT, "tracestate": "a=1"}
    with Emulator() as emulator:
        async with serving(configured(tmp_path, KEYED + TRACED, emulator.base_url)) as served:
            answer = (await served.chat(headers=headers)).json()
            assert events((await served.chat(STREAM, headers=headers)).text)[-1] == "[DONE]"
    one, two = receiver.spans
    assert one.name == two.name == "chat fast"
    assert one.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert one.parent_id.hex() == "b7ad6b7169203331"
    about = one.attributes
    assert about["gen_ai.request.model"] == "fast"
    assert about["gen_ai.usage.input_tokens"] == answer["usage"]["prompt_tokens"]
    assert about["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    assert about["http.response.status_code"] == 200
    assert about["wandb_inference.gateway.key"] == "a"
    assert about["wandb_inference.cost"] > 0
    assert one.resource["service.name"] == "wandb-inference-gateway"
    sent = b"".join(post.body for post in receiver.posts)
    assert not [word for word in (*ENVIRON.values(), "hello") if word.encode() in sent and word != "team/project"]


async def test_what_failed(tmp_path, receiver):
    """A request that failed has its status; one of the gateway's own side is an error."""
    with Emulator() as emulator:
        emulator.fault(Fault.status(400), when=lambda request: True)
        emulator.fault(Fault.status(500), times=9)
        async with serving(configured(tmp_path, ONE + TRACED, emulator.base_url)) as served:
            assert (await served.chat()).status_code == 400
            assert (await served.chat({**BODY, "num_retries": 0})).status_code == 500
    refused, failed = receiver.spans
    assert (refused.attributes["error.type"], failed.attributes["error.type"]) == ("400", "500")
    assert "gen_ai.usage.input_tokens" not in failed.attributes


def test_without_the_extra(tmp_path, monkeypatch, capsys):
    """Without OpenTelemetry's exporter, the command says what to install, and does not start."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"model_list": [{"model_name": "a", "litellm_params": {"model": f"wandb/{MODEL}"}}]}))
    text = json.loads(file.read_text()) | {"litellm_settings": {"callbacks": ["otel"]}}
    file.write_text(json.dumps(text))
    monkeypatch.setenv("WANDB_API_KEY", "the-key-of-the-account")
    monkeypatch.setenv("WANDB_PROJECT", "team/project")
    find = gateway.find_spec

    def absent(name):
        return None if name == "opentelemetry.exporter.otlp.proto.http" else find(name)

    def all_absent(name):
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
        return find(name)

    for each in (absent, all_absent):
        monkeypatch.setattr(gateway, "find_spec", each)
        assert main(["gateway", "--config", str(file), "--port", "0"]) == 2
        said = "wandb-inference gateway: the callback otel needs: pip install 'wandb-inference[gateway,otel]'\n"
        assert capsys.readouterr().err == said
    assert MASTER not in said
