"""The eighteen shapes of configurations again, served: what clients of each get, and what the service is asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from config_files import DATA, ENVIRON

from tests.gateway.server_cases import serving
from wandb_inference.gateway.config import ConfigFileError, load
from wandb_inference.testing import Emulator, Fault

VARIABLES = {
    **ENVIRON,
    "KEY_A": "the-key-of-a",
    "KEY_B": "the-key-of-b",
    "REDIS_HOST": "redis",
    "REDIS_PASSWORD": "hunter22",
    "REDIS_PORT": "6379",
}
HELLO = [{"role": "user", "content": "hello"}]
GPT, BIG, LLAMA = "openai/gpt-oss-20b", "openai/gpt-oss-120b", "meta-llama/Llama-3.1-8B-Instruct"


def loaded(name: str, base_url: str, **options: Any) -> Any:
    """One of the files, led to another address."""
    return load(DATA / f"{name}.yaml", environ=VARIABLES, api_base=base_url, **options)


async def asked(served: Any, model: str, **fields: Any) -> Any:
    """The answer to a question, streamed or whole."""
    key = served.gateway.config.master_key
    headers = {"authorization": f"Bearer {'anything' if key is None else key.reveal()}"}
    return await served.chat({"model": model, "messages": HELLO, **fields}, headers=headers)


@pytest.mark.parametrize("stream", [False, True], ids=["call", "stream"])
@pytest.mark.parametrize(
    ("name", "model", "upstream", "project"),
    [
        ("01-provider-page", "wandb-llama-8b", LLAMA, "wandb/inference-demo"),
        ("02-weak-master-key", "llama", LLAMA, "team/project"),
        ("03-openai-with-header", "llama", LLAMA, "team/project"),
        ("06-wildcards", "wandb/openai/gpt-oss-20b", GPT, "team/project"),
        ("06-wildcards", "genai/team/Qwen/Qwen3.6-35B-A3B", "Qwen/Qwen3.6-35B-A3B", "team/project"),
        ("06-wildcards", "Llama-3.1-8B-Instruct", LLAMA, "team/project"),
        ("08-redis", "llama", LLAMA, "team/project"),
        ("09-alias", "gpt-4", "meta-llama/Llama-3.3-70B-Instruct", "team/project"),
        ("10-include", "llama", LLAMA, "team/project"),
        ("10-include", "qwen", "Qwen/Qwen3.6-35B-A3B", "team/project"),
        ("11-mixed-providers", "llama", LLAMA, "team/project"),
    ],
)
async def test_one_model(name, model, upstream, project, stream):
    """A client gets an answer under the name it asked by; the service, its own id, and the project in the header."""
    with Emulator() as emulator:
        config = loaded(name, emulator.base_url, skip_foreign=name.startswith("11"))
        async with serving(config) as served:
            answer = await asked(served, model, stream=stream)
    assert answer.status_code == 200
    assert f'"model":"{model}"' in answer.text.replace('": "', '":"')
    (request,) = emulator.requests
    assert request.body["model"] == upstream
    assert request.headers["openai-project"] == project
    assert request.headers["authorization"].startswith("Bearer the-key-of")
    assert not {"project", "api_key", "rpm", "weight"} & set(request.body)


async def test_shares_and_limits():
    """4: of 120 requests nearly all go to the deployment with 1440 a minute, and no other gets more than its 6."""
    with Emulator() as emulator:
        async with serving(loaded("04-three-deployments", emulator.base_url)) as served:
            for _ in range(120):
                assert (await asked(served, "shared")).status_code == 200
    keys = Counter((each.headers["openai-project"], each.body["model"]) for each in emulator.requests)
    assert keys["team/a", BIG] >= 108
    assert max(keys["team/a", GPT], keys["team/b", GPT]) <= 6


async def test_weights_and_order():
    """5: weights share; the second order is for when the first fails."""
    with Emulator() as emulator:
        async with serving(loaded("05-weight-and-order", emulator.base_url)) as served:
            for _ in range(100):
                await asked(served, "weighted")
            for _ in range(5):
                await asked(served, "ordered")
            emulator.fault(Fault.status(500), when=lambda request: request.body["model"] == GPT)
            assert (await asked(served, "ordered")).status_code == 200
    models = [each.body["model"] for each in emulator.requests]
    weighted, ordered, fallen = Counter(models[:100]), models[100:105], models[105:]
    assert 75 <= weighted[GPT] <= 99
    assert ordered == [GPT] * 5
    assert fallen == [GPT, BIG]


async def test_fallbacks():
    """7: a model that fails leads to its fallback, and a prompt that is too long to the one for these."""
    long = "The maximum context length is 131072 tokens"
    with Emulator() as emulator:
        async with serving(loaded("07-fallbacks", emulator.base_url)) as served:
            emulator.fault(Fault.status(503), times=None, when=lambda request: request.body["model"] == BIG)
            fallen = await asked(served, "big", num_retries=0)
            emulator.fault(
                Fault.status(400, long, code="context_length_exceeded"),
                when=lambda request: request.body["model"] == GPT,
            )
            longer = await asked(served, "small")
    assert (fallen.status_code, fallen.json()["model"]) == (200, "big")
    assert (longer.status_code, longer.headers["x-litellm-model-group"]) == (200, "long")


async def test_callbacks():
    """15: Prometheus has the figures under LiteLLM's names."""
    with Emulator() as emulator:
        async with serving(loaded("15-callbacks-and-cache", emulator.base_url)) as served:
            assert (await asked(served, "llama")).status_code == 200
            assert "litellm_proxy_total_requests_metric_total{" in served.page()


async def test_no_models():
    """17: the list is empty, and whatever is asked for is not there."""
    with Emulator() as emulator:
        async with serving(loaded("17-empty-sections", emulator.base_url)) as served:
            listed = (await served.client.get("/v1/models", headers={"authorization": "Bearer x"})).json()
            answer = await asked(served, "anything")
    assert listed["data"] == []
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_defaults():
    """18: fields of the file are in the body, and a request's own value counts for what is a default."""
    with Emulator() as emulator:
        async with serving(loaded("18-defaults-and-anchors", emulator.base_url)) as served:
            await asked(served, "qwen")
            await asked(served, "qwen-short", max_tokens=9)
    first, second = (request.body for request in emulator.requests)
    assert (first["max_tokens"], first["top_k"]) == (4096, 20)
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert (second["max_tokens"], second["top_k"]) == (9, 20)


@pytest.mark.parametrize(
    "name",
    ["06-placeholder", "11-mixed-providers", "12-wrong-section", "13-misspelt", "14-invented", "16-custom-auth"],
)
def test_what_is_not_served(name):
    """11 to 16, as far as they are refused: nothing is served by them."""
    with pytest.raises(ConfigFileError):
        loaded(name, "http://127.0.0.1:9/v1")
