"""Probes in the background, which ask for lists of models and never for a completion."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.gateway.server_cases import ENVIRON, KEYED, MASTER, MODEL, ONE, configured, serving, until
from tests.raw_server import RawServer, answering, whole
from wandb_inference.testing import Emulator, Fault

PROBED = "general_settings: {background_health_checks: true, health_check_interval: 0.01}\n"
ROUTED = PROBED.replace("}", ", enable_health_check_routing: true}")
SEVERAL = f"""
model_list:
  - {{model_name: fast, litellm_params: {{model: wandb/{MODEL}}}, model_info: {{id: one}}}}
  - {{model_name: slow, litellm_params: {{model: wandb/openai/gpt-oss-20b}}, model_info: {{id: two}}}}
  - model_name: other
    litellm_params: {{model: wandb/openai/gpt-oss-20b, project: team/other}}
    model_info: {{id: three, health_check_model: none/such, health_check_timeout: 5}}
  - model_name: left
    litellm_params: {{model: wandb/openai/gpt-oss-20b, project: team/left}}
    model_info: {{id: four, disable_background_health_check: true}}
"""


def problems(served):
    """What the probes found, by deployment."""
    return {id: probe.problem for id, probe in served.gateway.prober.found.items()}


async def test_each_account_is_asked_once(tmp_path):
    """Deployments of one server, key and project are probed together, with key and project; nothing is completed."""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, SEVERAL, emulator.base_url)) as served:
            assert problems(served) == {}
            await served.gateway.prober.look()
            assert problems(served) == {"one": None, "two": None, "three": "its list of models is without none/such"}
            about = (await served.client.get("/health")).json()
    asked = [(request.method, request.path, request.headers["openai-project"]) for request in emulator.requests]
    assert sorted(asked) == [("GET", "/v1/models", "team/other"), ("GET", "/v1/models", "team/project")]
    assert {request.headers["authorization"] for request in emulator.requests} == {f"Bearer {ENVIRON['WANDB_API_KEY']}"}
    bad = {each["model_id"]: each for each in about["unhealthy_endpoints"]}
    assert list(bad) == ["three"]
    assert bad["three"]["probe"]["problem"] == "its list of models is without none/such"
    assert {each["model_id"] for each in about["healthy_endpoints"]} == {"one", "two", "four"}


async def test_again_and_again(tmp_path):
    """Probes come at the interval, and end with the gateway; a new configuration begins them anew."""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, ONE + PROBED, emulator.base_url)) as served:
            await until(lambda: len(emulator.requests) >= 3)
            served.gateway.configure(configured(tmp_path, ONE, emulator.base_url))
            await asyncio.sleep(0.05)
            count = len(emulator.requests)
            await asyncio.sleep(0.05)
            assert len(emulator.requests) == count


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (answering(whole(b"{}", 401)), "it answered 401"),
        (answering(whole(b"<html>")), "its list of models is none"),
        (lambda peer: peer.reset(), "it could not be reached"),
        (answering(whole(b"[1]")), None),
        (answering(whole(b'{"data": 1}')), None),
        (answering(whole(b'{"data": [1, {"id": 2}]}')), None),
    ],
    ids=["refused", "a page", "gone", "a list", "a number", "odd models"],
)
async def test_what_a_probe_finds(tmp_path, answer, problem):
    """What is wrong is said in words that name no address and no key."""
    with RawServer(answer) as server:
        async with serving(configured(tmp_path, ONE, server.base_url)) as served:
            await served.gateway.prober.look()
            assert list(problems(served).values()) == [problem]


async def test_a_probe_that_is_not_answered(tmp_path):
    """It ends in its own time."""
    text = ONE.rstrip() + "\n    model_info: {health_check_timeout: 0.05}\n"
    with RawServer(lambda peer: peer.wait_for_end()) as server:
        async with serving(configured(tmp_path, text, server.base_url)) as served:
            await served.gateway.prober.look()
            assert list(problems(served).values()) == ["it did not answer in time"]


async def test_probes_that_decide(tmp_path):
    """Where probes decide, a deployment that fails one cools until one succeeds; what a failed chat opened stays."""
    with Emulator() as emulator:
        async with serving(configured(tmp_path, ONE + ROUTED.replace("0.01", "60"), emulator.base_url)) as served:
            gateway = served.gateway
            await until(lambda: gateway.prober.found)
            emulator.fault(Fault.status(503), when=lambda request: request.path == "/v1/models")
            await gateway.prober.look()
            [status] = gateway.router.status(0.0)
            assert (status.state, status.cause) == ("cooling", "a probe found that it answered 503")
            await gateway.prober.look()
            assert gateway.router.status(0.0)[0].state == "up"

            [state] = gateway.router.states.values()
            state.breaker.open(0.0, 1e9, "503: busy")
            await gateway.prober.look()
            assert gateway.router.status(0.0)[0].cause == "503: busy"
            gateway.router.probed("nobody", None, 0.0, 1.0)


async def test_probes_that_only_look(tmp_path):
    """Where they do not decide, requests go on."""
    with Emulator() as emulator:
        emulator.fault(Fault.status(503), when=lambda request: request.path == "/v1/models")
        async with serving(configured(tmp_path, ONE, emulator.base_url)) as served:
            await served.gateway.prober.look()
            assert served.gateway.router.status(0.0)[0].state == "up"
            assert (await served.chat()).status_code == 200


async def test_through_a_proxy(tmp_path, monkeypatch):
    """Where a proxy of the environment is between, probes go through it as well."""
    text = ONE.replace(f"wandb/{MODEL}", f"wandb/{MODEL}, project: team/project")
    with RawServer(answering(whole(b'{"data": []}'))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        async with serving(configured(tmp_path, text, "http://far.example/v1")) as served:
            await served.gateway.prober.look()
            assert list(problems(served).values()) == [None]


async def test_connections_by_ipv4_alone(tmp_path):
    """`force_ipv4` holds for every connection to a deployment."""
    text = f"{ONE}litellm_settings: {{force_ipv4: true}}\n"
    with Emulator() as emulator:
        async with serving(configured(tmp_path, text, emulator.base_url)) as served:
            assert (await served.chat()).status_code == 200
        async with serving(configured(tmp_path, text, "http://[::1]:9/v1")) as served:
            answer = await served.chat()
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")


async def test_what_a_key_has_spent(tmp_path):
    """Answers say what their key has spent since the gateway began, streams before their own cost."""
    headers = {"authorization": f"Bearer {ENVIRON['KEY_A']}"}
    with Emulator() as emulator:
        async with serving(configured(tmp_path, KEYED, emulator.base_url)) as served:
            first = await served.chat(headers=headers)
            second = await served.chat(headers=headers)
            stream = await served.chat({**json.loads(first.request.content), "stream": True}, headers=headers)
            admin = await served.chat(headers={"authorization": f"Bearer {MASTER}"})
    cost, spent = (float(first.headers[f"x-litellm-{name}"]) for name in ("response-cost", "key-spend"))
    assert cost == spent > 0
    assert float(second.headers["x-litellm-key-spend"]) > spent
    assert stream.headers["x-litellm-key-spend"] == second.headers["x-litellm-key-spend"]
    assert "x-litellm-response-cost" not in stream.headers
    assert admin.headers["x-litellm-key-spend"] == admin.headers["x-litellm-response-cost"]
