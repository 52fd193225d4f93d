"""What LiteLLM's proxy does and a gateway should not, fact by fact, over the wire: here it does not happen."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.server_cases import (
    BODY,
    DONE,
    ENVIRON,
    KEYED,
    MODEL,
    ONE,
    STREAM,
    chunk,
    configured,
    events,
    serving,
    until,
)
from tests.raw_server import RawServer, answering, streaming, whole
from wandb_inference.gateway.config import ConfigFileError, check, load
from wandb_inference.testing import Emulator, Fault

KEY = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}


async def test_the_project_is_a_header(tmp_path):
    """1: it goes upstream as `OpenAI-Project`, in either spelling, and never in the body."""
    text = f"""
model_list:
  - {{model_name: a, litellm_params: {{model: wandb/{MODEL}, project: team/p}}}}
  - {{model_name: b, litellm_params: {{model: wandb/{MODEL}, extra_headers: {{OpenAI-Project: team/p}}}}}}
"""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, text, emulator.base_url)) as served:
            for model in "ab":
                await served.chat({**BODY, "model": model})
    assert [request.headers["openai-project"] for request in emulator.requests] == ["team/p", "team/p"]
    assert not any("project" in request.body for request in emulator.requests)


@pytest.mark.parametrize(
    "field", ["project", "api_key", "api_base", "base_url", "extra_headers", "user_config", "model_list"]
)
async def test_a_client_can_not_choose_the_account(tmp_path, field):
    """2: fields by which it would are refused by name, before anything is sent."""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
            answer = await served.chat({**BODY, field: "evil/p"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
    assert not emulator.requests


async def test_no_master_key(tmp_path):
    """3: on loopback any bearer works, and none; elsewhere the gateway does not start."""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
            assert (await served.chat()).status_code == 200
            assert (await served.chat(headers={"authorization": "Bearer your-proxy-key"})).status_code == 200
    with pytest.raises(ConfigFileError, match="master_key"):
        load(tmp_path / "config.yaml", environ=ENVIRON, host="0.0.0.0", cwd=tmp_path, home=tmp_path)


async def test_a_wrong_key_and_none(tmp_path):
    """4: both are 401, without a database, and the key is not said back."""
    async with serving(configured(tmp_path, KEYED)) as served:
        wrong = await served.chat(headers={"authorization": "Bearer sk-of-another"})
        none = await served.chat()
    assert (wrong.status_code, none.status_code) == (401, 401)
    assert "sk-of-another" not in wrong.text


def test_a_variable_that_is_not_set(tmp_path):
    """5: it is a mistake, though another key is in the environment."""
    (tmp_path / "config.yaml").write_text(ONE.replace("}", ", api_key: os.environ/NO_KEY}"))
    report = check(tmp_path / "config.yaml", environ=ENVIRON, cwd=tmp_path, home=tmp_path)
    assert report.resolved is None
    assert any('"NO_KEY" is not set in the environment' in str(finding) for finding in report.findings)


async def test_variables_of_the_file(tmp_path):
    """6: those that it sets are there when references are looked up."""
    text = f"environment_variables: {{OWN: the-key-of-the-file}}\n{ONE.replace('}', ', api_key: os.environ/OWN}')}"
    with Emulator() as emulator:
        async with serving(configured(tmp_path, text, emulator.base_url)) as served:
            await served.chat()
    assert emulator.requests[0].headers["authorization"] == "Bearer the-key-of-the-file"


def test_a_model_for_all_requests(tmp_path):
    """7: `completion_model`, which replaces the model of every request, is refused."""
    (tmp_path / "config.yaml").write_text(f"{ONE}general_settings: {{completion_model: fast}}\n")
    report = check(tmp_path / "config.yaml", environ=ENVIRON, cwd=tmp_path, home=tmp_path)
    assert report.resolved is None


async def test_a_stream_that_ends_early(tmp_path):
    """8: it is an error event and no success; before its first data a fallback takes its place."""
    text = f"""
model_list:
  - {{model_name: fast, litellm_params: {{model: wandb/{MODEL}, num_retries: 0}}}}
  - {{model_name: spare, litellm_params: {{model: wandb/openai/gpt-oss-20b}}}}
router_settings: {{fallbacks: [{{fast: [spare]}}]}}
"""
    with RawServer(streaming(chunk("a"))) as upstream:
        async with serving(configured(tmp_path, text, upstream.base_url)) as served:
            found = events((await served.chat(STREAM)).text)
    assert found[-1]["error"]["code"] == "stream_interrupted"
    assert "[DONE]" not in found
    with Emulator() as emulator:
        emulator.fault(Fault.empty(), when=lambda request: request.body["model"] == MODEL)
        async with serving(configured(tmp_path, text, emulator.base_url)) as served:
            answer = await served.chat(STREAM)
    assert (answer.status_code, events(answer.text)[-1]) == (200, "[DONE]")
    assert answer.headers["x-litellm-model-group"] == "spare"


async def test_retry_after_reaches_the_client(tmp_path):
    """9: under its own name."""
    with RawServer(answering(whole(b'{"error": {"message": "slow"}}', 429, "Retry-After: 61"))) as upstream:
        async with serving(configured(tmp_path, ONE, upstream.base_url)) as served:
            answer = await served.chat()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "61")


@pytest.mark.parametrize(
    "text",
    [
        ONE.replace("model_list", "model_lists"),
        ONE.replace("}", ", tempratur: 0.3}"),
        f"{ONE}general_settings: {{master_ky: x}}\n",
        f"{ONE}litellm_settings: {{nonsense: 1}}\n",
        f"{ONE}router_settings: {{nonsense: 1}}\n",
        f"{ONE}router_settings: {{fallbacks: [{{fast: [nobody]}}]}}\n",
    ],
    ids=["section", "parameter", "general", "litellm", "router", "fallback"],
)
def test_unknown_keys(tmp_path, text):
    """10: a misspelt key is a mistake wherever it stands, and so is a fallback to nothing."""
    (tmp_path / "config.yaml").write_text(text)
    assert check(tmp_path / "config.yaml", environ=ENVIRON, cwd=tmp_path, home=tmp_path).resolved is None


async def test_limits_limit(tmp_path):
    """11: the first request of `rpm: 1` passes, and the second is told when to come again, at once."""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, ONE.replace("}", ", rpm: 1}"), emulator.base_url)) as served:
            first, second = await served.chat(), await served.chat()
    assert (first.status_code, second.status_code) == (200, 429)
    assert 1 <= int(second.headers["retry-after"]) <= 60
    assert len(emulator.requests) == 1


async def test_places_are_waited_for(tmp_path):
    """12: the second of two requests at a time waits for the first."""
    text = ONE.replace("}", ", max_parallel_requests: 1}")
    with Emulator(latency=0.05) as emulator:
        async with serving(configured(tmp_path, text, emulator.base_url)) as served:
            answers = await asyncio.gather(served.chat(), served.chat())
            await until(lambda: not served.gateway.calls)
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/engines/fast/chat/completions"])
async def test_answers_have_the_name_that_was_asked_for(tmp_path, path):
    """13: on a fallback too, in a stream too, and where the path names the model."""
    text = f"""
model_list:
  - {{model_name: fast, litellm_params: {{model: wandb/{MODEL}, num_retries: 0}}}}
  - {{model_name: spare, litellm_params: {{model: wandb/openai/gpt-oss-20b}}}}
router_settings: {{fallbacks: [{{fast: [spare]}}]}}
"""
    with Emulator() as emulator:
        emulator.fault(Fault.status(500), times=None, when=lambda request: request.body["model"] == MODEL)
        async with serving(configured(tmp_path, text, emulator.base_url)) as served:
            whole_one = await served.chat(BODY, path)
            streamed = events((await served.chat(STREAM, path)).text)
    assert whole_one.json()["model"] == "fast"
    assert {each["model"] for each in streamed if isinstance(each, dict)} == {"fast"}


async def test_a_body_that_is_too_large(tmp_path):
    """14: `max_request_size_mb` is enforced."""
    text = f"{ONE}general_settings: {{max_request_size_mb: 1}}\n"
    async with serving(configured(tmp_path, text)) as served:
        answer = await served.chat({**BODY, "x": "y" * 2_000_000})
    assert answer.status_code == 413


async def test_thinking_under_the_name_that_clients_read(tmp_path):
    """15: with the switch, `reasoning_content` stands beside `reasoning`; without it, answers are as they came."""
    text = f"{ONE}general_settings: {{reasoning_content: true}}\n"
    thinking = chunk(None, choices=[{"index": 0, "delta": {"reasoning": "hm"}, "finish_reason": "stop"}])
    for each, wanted in ((text, {"reasoning": "hm", "reasoning_content": "hm"}), (ONE, {"reasoning": "hm"})):
        with RawServer(streaming(thinking, DONE)) as upstream:
            async with serving(configured(tmp_path, each, upstream.base_url)) as served:
                found = events((await served.chat(STREAM)).text)
        assert found[0]["choices"][0]["delta"] == wanted
